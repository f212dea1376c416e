"""The S3 objects that COPY reads: listed by prefix or manifest, read in ranges of bytes, with Redshift's errors.

Belongs here: S3, manifests and prefixes. Does not belong here: which objects are opened when (`ahead`), the content of an object
(`parquet`), and loading its rows (`copy`).
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import TYPE_CHECKING, Any, Union
from urllib.parse import urlsplit

import boto3
import obstore
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from obstore.exceptions import BaseError
from obstore.store import S3Store

from redshift_local.errors import INTERNAL_ERROR, RedshiftError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from obstore.store import S3Credential

S3_ERROR = 8001
SPECTRUM_SCAN = 15001
SPECTRUM_MANIFEST = 15003
SPECTRUM_SCHEMA = 15007

_CONNECT_SECONDS = 5
_READ_SECONDS = 60
_FRESH = timedelta(minutes=5)
"""How long obstore keeps credentials. boto3 itself renews them long before they expire."""


def load_error(code: int, context: str, *, error: str = "Spectrum Scan Error", message: str = "", hint: str = "") -> RedshiftError:
    """An error of COPY in the format of a cluster: a short message, and a boxed detail.

    Args:
        code: Redshift's own number, such as 15007; the SQLSTATE is always XX000.
        context: what happened, and in which file.
        error: the title of the box; also the message, if `message` is empty.
    """
    rule = "-" * 47
    lines = [rule, f"error:  {error}", f"code:      {code}", f"context:   {context}", "location:  the local Redshift", rule]
    return RedshiftError(INTERNAL_ERROR, message or error, "\n" + "".join(f"  {line}\n" for line in lines), hint)


Fetched = Union[bytes, memoryview]
"""Bytes of an object, as they came."""


@dataclass(frozen=True)
class S3Object:
    """An object to read. `size` is in bytes, as S3 lists it, or as the `manifest` at that url says; "" if there is none."""

    bucket: str
    key: str
    size: int
    manifest: str = ""
    mandatory: bool = True

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


class Store:
    """S3 at one endpoint, with region and credentials from the AWS_* environment variables. Several threads may share it.

    obstore reads objects, because it takes a seventh of boto3's processor time. boto3 does the rest: where obstore fails, boto3 repeats the
    request, and its errors say what S3 answered.
    """

    def __init__(self, endpoint: str | None) -> None:
        retries: Any = {"max_attempts": 3, "mode": "standard"}
        config = Config(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            retries=retries,
            s3={"addressing_style": "path"},
            max_pool_connections=50,
        )
        session = boto3.Session()
        self.client: S3Client = session.client("s3", endpoint_url=endpoint, config=config)
        self._credentials = session.get_credentials
        self._stores: dict[str, S3Store] = {}

    def https(self, url: str) -> str:
        """The address of a file in Spectrum's errors."""
        bucket, key = _split(url)
        return f"https://s3.{self.client.meta.region_name}.amazonaws.com/{bucket}/{key}"

    def by_prefix(self, url: str) -> Iterator[S3Object]:
        """All objects whose keys begin with the key of this url, in the order of their keys.

        Raises:
            RedshiftError: there is no such object.
        """
        bucket, prefix = _split(url)
        objects: list[S3Object] = []
        with _redshift_errors(f"Listing bucket={bucket} prefix={prefix}"):
            for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                # The S3 console creates a folder as an empty object whose key ends with a slash.
                objects += [
                    S3Object(bucket, o["Key"], o["Size"]) for o in page.get("Contents", ()) if o["Size"] or not o["Key"].endswith("/")
                ]
        if not objects:
            message = f"The specified S3 prefix '{prefix}' does not exist"
            raise load_error(S3_ERROR, f"bucket={bucket} prefix={prefix}", error=message)
        yield from objects

    def by_manifest(self, url: str) -> list[S3Object]:
        """The objects that a manifest lists, in its order. Whether they exist, and are as long as it says, is seen when they are opened.

        Raises:
            RedshiftError: there is no manifest, or an entry has no content_length, which columnar files require.
        """
        bucket, key = _split(url)
        with _redshift_errors(f"S3 key being read : {url}", "Problem reading manifest file - "):
            body = self.client.get_object(Bucket=bucket, Key=key)["Body"].read()
        return [S3Object(*_split(of), length, url, mandatory) for of, mandatory, length in list(_entries(body, url))]

    def open(self, s3_object: S3Object, last: int) -> RangedObject | None:
        """The object, of which the last bytes are fetched, `last` of them, or all if it has fewer. Takes one request.

        Returns: None if the object does not exist, and its manifest does not say that it must.

        Raises:
            RedshiftError: S3 failed, the object does not exist, or it has another length.
        """
        file = RangedObject(s3_object.size, partial(self._fetch, s3_object))
        try:
            file.prefetch(max(0, s3_object.size - last), s3_object.size)
        except _NoSuchKey:
            if not s3_object.manifest:
                raise
            if s3_object.mandatory:
                context = f"{s3_object.url} of the manifest {s3_object.manifest}"
                raise load_error(S3_ERROR, context, error="Mandatory url is not present in manifest file.") from None
            return None
        return file

    def _fetch(self, s3_object: S3Object, start: int, end: int) -> Fetched:
        """The bytes of an object from `start` to before `end`. If there are none, only checks its length."""
        try:
            size, body = self._fetch_fast(s3_object, start, end) if end > start else self._fetch_plainly(s3_object, start, end)
        except (BaseError, OSError):
            size, body = self._fetch_plainly(s3_object, start, end)
        if size == s3_object.size and len(body) == end - start:
            return body
        if not s3_object.manifest:
            raise load_error(SPECTRUM_SCAN, f"{s3_object.url} changed while it was read: it has {size} bytes, and had {s3_object.size}.")
        said = f"the manifest {s3_object.manifest} gives content_length {s3_object.size} for {s3_object.url}, which has {size} bytes."
        status = "HTTP response error code: 416 Message: InvalidRange The requested range is not satisfiable"
        raise load_error(SPECTRUM_SCAN, f"{status}: {said}")

    def _fetch_fast(self, s3_object: S3Object, start: int, end: int) -> tuple[int, Fetched]:
        """The object's size, and the bytes. Any error of obstore may be raised."""
        store = self._stores.get(s3_object.bucket)
        if store is None:
            store = self._stores[s3_object.bucket] = self._new_store(s3_object.bucket)
        found = obstore.get(store, s3_object.key, options={"range": (start, end)})
        return found.meta["size"], memoryview(found.bytes())  # which is not copied

    def _fetch_plainly(self, s3_object: S3Object, start: int, end: int) -> tuple[int, Fetched]:
        """The same by boto3, with Redshift's errors."""
        with _redshift_errors(f"S3 key being read : {s3_object.url}"):
            if end > start:
                try:
                    byte_range = f"bytes={start}-{end - 1}"
                    answer = self.client.get_object(Bucket=s3_object.bucket, Key=s3_object.key, Range=byte_range)
                    return int(answer["ContentRange"].rpartition("/")[2]), answer["Body"].read()
                except ClientError as error:
                    if error.response["Error"]["Code"] != "InvalidRange":  # the object is shorter
                        raise
            return self.client.head_object(Bucket=s3_object.bucket, Key=s3_object.key)["ContentLength"], b""

    def _new_store(self, bucket: str) -> S3Store:
        endpoint = self.client.meta.endpoint_url
        return S3Store(
            bucket,
            # What the environment would set, an argument sets here: obstore reads the environment for all that is not given.
            region=self.client.meta.region_name,
            endpoint=endpoint,
            aws_endpoint_url_s3=endpoint,
            virtual_hosted_style_request=False,
            credential_provider=self._current_credentials,
            client_options={
                "allow_http": endpoint.startswith("http://"),
                "connect_timeout": timedelta(seconds=_CONNECT_SECONDS),
                "read_timeout": timedelta(seconds=_READ_SECONDS),
            },
            retry_config={"max_retries": 0},
        )

    def _current_credentials(self) -> S3Credential:
        found = self._credentials()
        if found is None:
            raise NoCredentialsError
        keys = found.get_frozen_credentials()
        until = datetime.now(timezone.utc) + _FRESH
        return {
            "access_key_id": keys.access_key or "",
            "secret_access_key": keys.secret_key or "",
            "token": keys.token,
            "expires_at": until,
        }


class RangedObject(io.RawIOBase):
    """An object as a file that is read by ranges. Memory holds at most one range, that of the last `prefetch`.

    Args:
        size: the object's, in bytes.
        fetch: called with two positions; returns the bytes from the first to before the second.
    """

    def __init__(self, size: int, fetch: Callable[[int, int], Fetched]) -> None:
        super().__init__()
        self._size = size
        self._fetch = fetch
        self._position = 0
        self._buffer_start = 0
        self._buffer: Fetched = b""

    @property
    def whole(self) -> bytes | None:
        """All its bytes, if the last `prefetch` fetched them."""
        return bytes(self._buffer) if len(self._buffer) == self._size else None

    def prefetch(self, start: int, end: int) -> None:
        """Fetch the bytes from `start` to before `end` in one request. Reads inside this range need no other request."""
        if self._buffer and self._buffer_start <= start and end <= self._buffer_start + len(self._buffer):
            return
        self._buffer = b""  # frees the last range before the next one is fetched
        self._buffer = self._fetch(start, end)
        self._buffer_start = start

    def read(self, size: int | None = -1) -> bytes:
        end = self._size if size is None or size < 0 else min(self._position + size, self._size)
        if end <= self._position:
            return b""
        start, self._position = self._position, end
        if self._buffer_start <= start and end <= self._buffer_start + len(self._buffer):
            return bytes(self._buffer[start - self._buffer_start : end - self._buffer_start])
        return bytes(self._fetch(start, end))

    def readinto(self, into: Any) -> int:
        data = self.read(len(into))
        into[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        return self._position

    def close(self) -> None:
        self._buffer = b""
        super().close()

    def tell(self) -> int:
        return self._position

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True


def _split(url: str) -> tuple[str, str]:
    """Bucket and key of an s3 url."""
    scheme, _, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise RedshiftError("42601", f"'{url}' is not an Amazon S3 path of the form s3://bucket/prefix")
    return bucket, key


def _entries(body: bytes, url: str) -> Iterator[tuple[str, bool, int]]:
    """Url, mandatory and content_length of each entry of a manifest."""
    try:
        entries = json.loads(body)["entries"]
        listed = [(str(entry["url"]), bool(entry.get("mandatory", False)), entry.get("meta")) for entry in entries]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise load_error(S3_ERROR, f"S3 key being read : {url}", error="Manifest file is not in correct json format") from None
    for url_of, mandatory, meta in listed:
        if not isinstance(meta, dict):
            raise load_error(SPECTRUM_MANIFEST, f"{url_of} of the manifest {url}", error="File entry does not have 'meta' key.")
        length = meta.get("content_length")
        if not isinstance(length, int) or isinstance(length, bool):
            message = "File entry's 'meta' does not have 'content_length' key."
            raise load_error(SPECTRUM_MANIFEST, f"{url_of} of the manifest {url}", error=message)
        yield url_of, mandatory, length


class _NoSuchKey(RedshiftError):
    """The object does not exist. This is an error only for a mandatory object."""


@contextmanager
def _redshift_errors(context: str, before: str = "") -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        response: Any = error.response
        cause, meta = response.get("Error", {}), response.get("ResponseMetadata", {})
        status, code = meta.get("HTTPStatusCode", 0), cause.get("Code", "")
        words, code = {
            "404": ("The specified key does not exist.", "NoSuchKey"),  # the reply to HEAD has no body, so the code is the status
            "403": ("Access Denied", "AccessDenied"),
        }.get(code, (cause.get("Message", ""), code))
        request, extended = meta.get("RequestId", ""), meta.get("HostId", "")
        again = int(status >= 500)
        message = f"{before}S3ServiceException:{words},Status {status},Error {code},Rid {request},ExtRid {extended},CanRetry {again}"
        failure = load_error(S3_ERROR, context, error=message)
        if code == "NoSuchKey":
            raise _NoSuchKey(failure.code, failure.message, failure.detail) from None
        raise failure from None
    except BotoCoreError as error:
        endpoint = urlsplit(str(getattr(error, "kwargs", {}).get("endpoint_url", ""))).netloc
        message = f"{before}S3ServiceException:{type(error).__name__}: S3 does not answer{f' at {endpoint}' if endpoint else ''}"
        raise load_error(S3_ERROR, f"{context}. {error}", error=message) from None
