"""The S3 bucket of a lake: requests to S3, and the translation of their errors into LakeErrors.

Belongs here: requests and their errors. Does not belong here: which key holds what (`manifest`), Parquet (`parts`), or retries (the
client retries transient errors).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from stori_pipeline.settings import aws
from stori_pipeline.settings.foreign import hint

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef, HeadObjectOutputTypeDef

PAGE = 1000
"""The most keys that S3 lists, or deletes, in one request."""

_TRANSIENT_CODES = {
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "RequestTimeout",
    "RequestTimeTooSkewed",
    "ServiceUnavailable",
    "InternalError",
}


class LakeError(RuntimeError):
    """An operation on the lake failed. The message says where and what to do; the failed call committed nothing."""


class LakeUnavailable(LakeError):
    """S3 cannot be reached or is overloaded now. Of all LakeErrors, only this one is worth a retry."""


@dataclass(frozen=True)
class Stored:
    """An object in a listing: its size in bytes, when it was last modified, and its ETag, which changes with its content."""

    key: str
    bytes: int
    modified: datetime
    etag: str


def connect(profile: str | None = None, **client: Any) -> S3Client:
    """An S3 client for the lake. Every request has a timeout and is tried at most four times.

    Address, region and credentials come from the standard `AWS_*` environment, unless an argument gives them.

    Args:
        profile: a profile of the AWS configuration.
        client: arguments of `boto3.session.Session.client`.

    Raises:
        LakeError: the AWS settings are no settings of a client, such as a profile that does not exist.
    """
    from botocore.config import Config  # slow to import
    from botocore.exceptions import BotoCoreError

    config = Config(
        retries={"mode": "standard", "total_max_attempts": 4},
        connect_timeout=5,
        read_timeout=60,
        max_pool_connections=32,  # the landing's threads, times a few tables at once
    )
    try:
        return aws.session(profile).client("s3", config=config, **client)
    except (BotoCoreError, ValueError) as error:
        raise LakeError(f"S3 cannot be used with these AWS settings: {error}{hint('aws', error)}") from error


class Bucket:
    """The requests of the lake to one bucket. Safe to use from several threads, like the client."""

    def __init__(self, s3: S3Client, name: str) -> None:
        self.client = s3
        self.name = name

    @property
    def address(self) -> str:
        """Tells this bucket from those of the same name on other servers."""
        return f"{self.client.meta.endpoint_url}/{self.name}"

    def url(self, key: str) -> str:
        return f"s3://{self.name}/{key}"

    def key(self, url: str) -> str:
        """The key in an `s3://` url of this bucket. Raises LakeError if the url is in another bucket."""
        key = url.removeprefix(f"s3://{self.name}/")
        if key == url:
            raise LakeError(f"{url} is not in the bucket {self.name!r} that the lake was opened on")
        return key

    @contextmanager
    def _explained(self, doing: str, key: str) -> Iterator[None]:
        """Translates botocore's errors into LakeErrors that name the operation and the object."""
        from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError, IncompleteReadError

        where = f"{doing} {self.url(key)}"
        try:
            yield
        except (ConnectionError, HTTPClientError, IncompleteReadError) as error:
            raise LakeUnavailable(
                f"{where}: S3 does not answer ({type(error).__name__}); check that it is up, then run again{hint('aws', error)}"
            ) from error
        except ClientError as error:
            code = _code(error)
            if code in _TRANSIENT_CODES or _status(error) >= 500:
                raise LakeUnavailable(f"{where}: S3 is busy and answers {code}; run again later") from error
            if code == "NoSuchBucket":
                raise LakeError(f"{where}: there is no bucket {self.name!r}; create it, or correct the setting that names it") from error
            raise LakeError(f"{where}: S3 refuses with {code}; check the role's permissions on the bucket{hint('aws', error)}") from error
        except BotoCoreError as error:
            raise LakeError(
                f"{where}: {type(error).__name__}; check the AWS settings (credentials, region, endpoint){hint('aws', error)}"
            ) from error

    def put(self, key: str, body: bytes) -> None:
        with self._explained("writing", key):
            self.client.put_object(Bucket=self.name, Key=key, Body=body)

    def put_file(self, key: str, body: bytes, content_type: str, notes: Mapping[str, str]) -> None:
        """Writes an object for other readers. `notes`, in ASCII, are stored with it."""
        with self._explained("writing", key):
            self.client.put_object(Bucket=self.name, Key=key, Body=body, ContentType=content_type, Metadata=notes)

    def notes(self, key: str) -> dict[str, str] | None:
        """The notes that are stored with an object; None if there is no such object."""
        head = self._head(key)
        return head["Metadata"] if head else None

    def _head(self, key: str) -> HeadObjectOutputTypeDef | None:
        from botocore.exceptions import ClientError

        with self._explained("checking", key):
            try:
                return self.client.head_object(Bucket=self.name, Key=key)
            except ClientError as error:
                if _status(error) == 404:
                    return None
                raise

    def create(self, key: str, body: bytes) -> bool:
        """Writes an object that must not exist yet. Returns whether this call created it.

        If a response of S3 is lost, the client repeats the request, and S3 refuses it. So a refusal counts only if the object has another
        content.
        """
        from botocore.exceptions import ClientError

        for _ in range(4):  # 409 means: try again, another client was writing or deleting the key
            with self._explained("committing", key):
                try:
                    self.client.put_object(Bucket=self.name, Key=key, Body=body, IfNoneMatch="*")
                except ClientError as error:
                    if _status(error) not in (409, 412):
                        raise
                else:
                    return True
            existing = self.get(key)
            if existing is not None:
                return existing == body
        raise LakeUnavailable(f"committing {self.url(key)}: S3 still answers that another client is writing the key; run again")

    def get(self, key: str) -> bytes | None:
        """The content; None if there is no such object."""
        from botocore.exceptions import ClientError

        with self._explained("reading", key):
            try:
                return self.client.get_object(Bucket=self.name, Key=key)["Body"].read()
            except ClientError as error:
                if _code(error) == "NoSuchKey":
                    return None
                raise

    def size(self, key: str) -> int | None:
        """The size in bytes; None if there is no such object."""
        head = self._head(key)
        return head["ContentLength"] if head else None

    def etag(self, key: str) -> str | None:
        """The ETag, as in a listing; None if there is no such object."""
        head = self._head(key)
        return head["ETag"] if head else None

    def page(self, prefix: str, after: str) -> tuple[list[Stored], bool]:
        """Up to a thousand objects under `prefix` whose keys sort after `after`, ascending, and whether more follow."""
        with self._explained("listing", prefix):
            answer = self.client.list_objects_v2(Bucket=self.name, Prefix=prefix, StartAfter=after, MaxKeys=PAGE)
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
        every = list(keys)
        for start in range(0, len(every), PAGE):
            some = every[start : start + PAGE]
            with self._explained("deleting", some[0]):
                answer = self.client.delete_objects(Bucket=self.name, Delete={"Objects": [{"Key": key} for key in some], "Quiet": True})
            for error in answer.get("Errors", []):
                raise LakeError(f"deleting {self.url(error.get('Key', some[0]))}: S3 answers {error.get('Code')}")
        return len(every)

    def start_upload(self, key: str) -> str:
        """Starts a multipart upload and returns its id. Nothing is visible under the key before `complete_upload`."""
        with self._explained("uploading", key):
            return self.client.create_multipart_upload(Bucket=self.name, Key=key)["UploadId"]

    def upload_piece(self, key: str, upload: str, number: int, body: bytes) -> CompletedPartTypeDef:
        with self._explained("uploading", key):
            answer = self.client.upload_part(Bucket=self.name, Key=key, UploadId=upload, PartNumber=number, Body=body)
        return {"PartNumber": number, "ETag": answer["ETag"]}

    def complete_upload(self, key: str, upload: str, pieces: list[CompletedPartTypeDef]) -> None:
        """Completes a multipart upload: creates the object from its pieces."""
        with self._explained("completing", key):
            self.client.complete_multipart_upload(Bucket=self.name, Key=key, UploadId=upload, MultipartUpload={"Parts": pieces})

    def abort_upload(self, key: str, upload: str) -> None:
        from botocore.exceptions import ClientError

        with self._explained("aborting the upload of", key):
            try:
                self.client.abort_multipart_upload(Bucket=self.name, Key=key, UploadId=upload)
            except ClientError as error:
                if _code(error) != "NoSuchUpload":  # already aborted
                    raise

    def uploads(self, prefix: str) -> list[tuple[str, str, datetime]]:
        """The unfinished multipart uploads, as (key, id, when it began)."""
        with self._explained("listing the uploads of", prefix):
            pages = self.client.get_paginator("list_multipart_uploads").paginate(Bucket=self.name, Prefix=prefix)
            return [(each["Key"], each["UploadId"], each["Initiated"]) for page in pages for each in page.get("Uploads", [])]


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "an unnamed error"))


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
