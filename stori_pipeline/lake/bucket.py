"""The S3 bucket of a lake: requests to S3.

Belongs here: requests. Does not belong here: where S3 is (`connection`), what its errors mean (`errors`), which key holds what
(`manifest`), Parquet (`parts`), or retries (the clients retry transient errors).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from stori_pipeline.lake.connection import Connection, connect, connection_of
from stori_pipeline.lake.errors import LakeError, LakeUnavailable, code_of, explained, explained_boto3

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from obstore import WritableFile
    from obstore.store import S3Store

__all__ = ["PAGE", "Bucket", "LakeError", "LakeUnavailable", "Stored", "connect"]

PAGE = 1000
"""The most keys that S3 lists, or deletes, in one request."""

_PIECES_AT_ONCE = 4
"""The pieces of one object that are on their way at the same time."""


@dataclass(frozen=True)
class Stored:
    """An object in a listing: its size in bytes, when it was last modified, and its ETag, which changes with its content."""

    key: str
    bytes: int
    modified: datetime
    etag: str


class Bucket:
    """The requests of the lake to one bucket. Safe to use from several threads."""

    def __init__(self, s3: Connection | S3Client, name: str) -> None:
        """`s3` is a connection, or a client of boto3 whose connection is used."""
        self.connection = s3 if isinstance(s3, Connection) else connection_of(s3)
        self.name = name

    @property
    def address(self) -> str:
        """Tells this bucket from those of the same name on other servers."""
        return f"{self.connection.endpoint or self.connection.region}/{self.name}"

    @property
    def _store(self) -> S3Store:
        return self.connection.store(self.name)

    def url(self, key: str) -> str:
        return f"s3://{self.name}/{key}"

    def key(self, url: str) -> str:
        """The key in an `s3://` url of this bucket. Raises LakeError if the url is in another bucket."""
        key = url.removeprefix(f"s3://{self.name}/")
        if key == url:
            raise LakeError(f"{url} is not in the bucket {self.name!r} that the lake was opened on")
        return key

    def put(self, key: str, body: bytes) -> None:
        self._put("writing", key, body)

    def _put(self, doing: str, key: str, body: bytes, attributes: Mapping[str, str] | None = None, *, create: bool = False) -> None:
        import obstore

        with explained(doing, self.name, key):
            try:
                obstore.put(
                    self._store, key, body, use_multipart=False, mode="create" if create else "overwrite",
                    attributes=dict(attributes) if attributes else None,
                )  # fmt: skip
            except FileNotFoundError as error:  # only a bucket can be missing
                raise LakeError(
                    f"{doing} {self.url(key)}: there is no bucket {self.name!r}; create it, or correct the setting that names it"
                ) from error

    def put_file(self, key: str, body: bytes, content_type: str, notes: Mapping[str, str]) -> None:
        """Writes an object for other readers. `notes`, in ASCII, are stored with it."""
        self._put("writing", key, body, {"Content-Type": content_type, **notes})

    def notes(self, key: str) -> dict[str, str] | None:
        """The notes that are stored with an object; None if there is no such object."""
        import obstore

        with explained("checking", self.name, key):
            try:
                found = obstore.get(self._store, key, options={"head": True}).attributes
            except FileNotFoundError:
                return None
        return {str(name): str(value) for name, value in found.items() if name not in _HEADERS}

    def create(self, key: str, body: bytes) -> bool:
        """Writes an object that must not exist yet. Returns whether this call created it.

        If a response of S3 is lost, the client repeats the request, and S3 refuses it. So a refusal counts only if the object has another
        content.
        """
        from obstore.exceptions import AlreadyExistsError

        for _ in range(4):  # 409 means: try again, another client was writing or deleting the key
            try:
                self._put("committing", key, body, create=True)
            except AlreadyExistsError:
                existing = self.get(key)
            except LakeUnavailable as error:
                # Not every lost response is repeated: after a timeout nobody knows whether the object was written, unless it is there.
                existing = self._existing_after(error, key)
                if existing is None:
                    raise
            else:
                return True
            if existing is not None:
                return existing == body
        raise LakeUnavailable(f"committing {self.url(key)}: S3 still answers that another client is writing the key; run again")

    def _existing_after(self, error: LakeUnavailable, key: str) -> bytes | None:
        try:
            return self.get(key)
        except LakeError:
            raise error from error.__cause__

    def get(self, key: str) -> bytes | None:
        """The content; None if there is no such object."""
        import obstore

        with explained("reading", self.name, key):
            try:
                return obstore.get(self._store, key).bytes().to_bytes()
            except FileNotFoundError as error:
                if "NoSuchBucket" in str(error):
                    raise
                return None

    def size(self, key: str) -> int | None:
        """The size in bytes; None if there is no such object."""
        import obstore

        with explained("checking", self.name, key):
            try:
                return int(obstore.head(self._store, key)["size"])
            except FileNotFoundError:
                return None

    def etag(self, key: str) -> str | None:
        """The ETag, as in a listing; None if there is no such object."""
        import obstore

        with explained("checking", self.name, key):
            try:
                return obstore.head(self._store, key)["e_tag"] or ""
            except FileNotFoundError:
                return None

    def page(self, prefix: str, after: str) -> tuple[list[Stored], bool]:
        """Up to a thousand objects under `prefix` whose keys sort after `after`, ascending, and whether more may follow."""
        import obstore
        from obstore.exceptions import InvalidPathError

        # obstore lists folders. Of another prefix, it lists the folder that it is in, from the prefix on.
        folder, start = prefix[: prefix.rfind("/") + 1], max(prefix, after)
        with explained("listing", self.name, prefix):
            try:
                found = next(iter(obstore.list(self._store, folder or None, offset=start or None, chunk_size=PAGE)), [])
            except InvalidPathError:  # somebody put an object there whose key has an empty part, such as `a//b`
                return self._odd_page(prefix, after)
        page = [
            Stored(each["path"], each["size"], each["last_modified"], each["e_tag"] or "")
            for each in found
            if each["path"].startswith(prefix)
        ]
        return page, len(page) == PAGE

    def _odd_page(self, prefix: str, after: str) -> tuple[list[Stored], bool]:
        with explained_boto3("listing", self.name, prefix):
            answer = self.connection.client.list_objects_v2(Bucket=self.name, Prefix=prefix, StartAfter=after, MaxKeys=PAGE)
        page = [Stored(each["Key"], each["Size"], each["LastModified"], each["ETag"]) for each in answer.get("Contents", [])]
        return page, answer["IsTruncated"]

    def objects(self, prefix: str, after: str = "") -> Iterator[Stored]:
        """Every object under `prefix` whose key sorts after `after`, ascending."""
        more = True
        after = after or prefix
        while more:
            page, more = self.page(prefix, after)
            yield from page
            if page:
                after = page[-1].key

    def delete(self, keys: Iterable[str]) -> int:
        """Deletes objects and returns their number."""
        import obstore
        from obstore.exceptions import InvalidPathError

        every = list(keys)
        for start in range(0, len(every), PAGE):
            some = every[start : start + PAGE]
            with explained("deleting", self.name, some[0]):
                try:
                    obstore.delete(self._store, some)
                except (InvalidPathError, FileNotFoundError):  # a key as in `page`, or there is no bucket
                    self._delete_odd(some)
        return len(every)

    def _delete_odd(self, keys: list[str]) -> None:
        with explained_boto3("deleting", self.name, keys[0]):
            answer = self.connection.client.delete_objects(
                Bucket=self.name, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True}
            )
        for error in answer.get("Errors", []):
            raise LakeError(f"deleting {self.url(error.get('Key', keys[0]))}: S3 answers {error.get('Code')}")

    def writer(self, key: str, piece_bytes: int) -> WritableFile:
        """A file that becomes the object `key` when it is closed. Use `explained` around its methods.

        It uploads pieces while more is written, and waits if too many are on their way. A file that is smaller than a piece takes one
        request. If it is dropped without `close`, `abort_uploads` removes what S3 keeps of it.
        """
        import obstore

        with explained("uploading", self.name, key):
            return obstore.open_writer(self._store, key, buffer_size=piece_bytes, max_concurrency=_PIECES_AT_ONCE)

    def abort_uploads(self, key: str) -> None:
        """Aborts the unfinished uploads of an object, so that S3 keeps no piece of them."""
        for found, upload, _ in self.uploads(key):
            if found == key:
                self.abort_upload(key, upload)

    def abort_upload(self, key: str, upload: str) -> None:
        from botocore.exceptions import ClientError

        with explained_boto3("aborting the upload of", self.name, key):
            try:
                self.connection.client.abort_multipart_upload(Bucket=self.name, Key=key, UploadId=upload)
            except ClientError as error:
                if code_of(error) != "NoSuchUpload":  # already aborted
                    raise

    def uploads(self, prefix: str) -> list[tuple[str, str, datetime]]:
        """The unfinished multipart uploads, as (key, id, when it began)."""
        with explained_boto3("listing the uploads of", self.name, prefix):
            pages = self.connection.client.get_paginator("list_multipart_uploads").paginate(Bucket=self.name, Prefix=prefix)
            return [(each["Key"], each["UploadId"], each["Initiated"]) for page in pages for each in page.get("Uploads", [])]


_HEADERS = {"Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Type", "Storage-Class"}
"""The attributes of an object that are no notes."""
