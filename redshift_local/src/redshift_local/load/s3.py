"""The S3 objects that COPY reads: listed by prefix or manifest, read in ranges of bytes, with Redshift's errors.

Belongs here: S3, manifests and prefixes. Does not belong here: the content of an object (`parquet`), and loading its rows (`copy`).
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from redshift_local.errors import INTERNAL_ERROR, RedshiftError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

S3_ERROR = 8001
SPECTRUM_SCAN = 15001
SPECTRUM_MANIFEST = 15003
SPECTRUM_SCHEMA = 15007


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


@dataclass(frozen=True)
class S3Object:
    """An existing object. `size` is in bytes."""

    bucket: str
    key: str
    size: int

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


class Store:
    """S3 at one endpoint, with region and credentials from the AWS_* environment variables. Several threads may share it."""

    def __init__(self, endpoint: str | None) -> None:
        retries: Any = {"max_attempts": 3, "mode": "standard"}
        config = Config(connect_timeout=5, read_timeout=60, retries=retries, s3={"addressing_style": "path"}, max_pool_connections=50)
        self.client: S3Client = boto3.client("s3", endpoint_url=endpoint, config=config)

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

    def by_manifest(self, url: str) -> Iterator[S3Object]:
        """The objects that a manifest lists, in its order. Each is looked up in S3 when the iterator reaches it.

        Raises:
            RedshiftError: no object exists, a mandatory one is missing, or an entry has no content_length, which columnar files require.
        """
        bucket, key = _split(url)
        with _redshift_errors(f"S3 key being read : {url}", "Problem reading manifest file - "):
            body = self.client.get_object(Bucket=bucket, Key=key)["Body"].read()
        any_exists = False
        for url_of, mandatory, length in list(_entries(body, url)):
            size = self._size(url_of)
            if size is None and mandatory:
                raise load_error(S3_ERROR, f"{url_of} of the manifest {url}", error="Mandatory url is not present in manifest file.")
            if size is None:
                continue
            if size != length:
                context = f"the manifest {url} gives content_length {length} for {url_of}, which has {size} bytes."
                status = "HTTP response error code: 416 Message: InvalidRange The requested range is not satisfiable"
                raise load_error(SPECTRUM_SCAN, f"{status}: {context}")
            any_exists = True
            yield S3Object(*_split(url_of), size)
        if not any_exists:
            raise load_error(S3_ERROR, f"none of the files that the manifest {url} lists exists", error="No files found in manifest.")

    def _size(self, url: str) -> int | None:
        bucket, key = _split(url)
        try:
            with _redshift_errors(f"S3 key being read : {url}"):
                return self.client.head_object(Bucket=bucket, Key=key)["ContentLength"]
        except _NoSuchKey:
            return None

    def open(self, s3_object: S3Object) -> RangedObject:
        return RangedObject(self.client, s3_object)


class RangedObject(io.RawIOBase):
    """An object as a file that is read by ranges. Memory holds at most one range, that of the last `prefetch`."""

    def __init__(self, client: S3Client, s3_object: S3Object) -> None:
        super().__init__()
        self._client = client
        self._object = s3_object
        self._position = 0
        self._buffer_start = 0
        self._buffer = b""

    def prefetch(self, start: int, end: int) -> None:
        """Fetch the bytes from `start` to before `end` in one request. Reads inside this range need no other request."""
        if self._buffer_start <= start and end <= self._buffer_start + len(self._buffer):
            return
        self._buffer = b""  # frees the last range before the next one is fetched
        self._buffer = self._fetch(start, end)
        self._buffer_start = start

    def _fetch(self, start: int, end: int) -> bytes:
        with _redshift_errors(f"S3 key being read : {self._object.url}"):
            byte_range = f"bytes={start}-{end - 1}"
            body = self._client.get_object(Bucket=self._object.bucket, Key=self._object.key, Range=byte_range)["Body"].read()
        if len(body) != end - start:
            raise load_error(SPECTRUM_SCAN, f"{self._object.url} changed while it was read: {byte_range} returned {len(body)} bytes.")
        return body

    def read(self, size: int | None = -1) -> bytes:
        end = self._object.size if size is None or size < 0 else min(self._position + size, self._object.size)
        if end <= self._position:
            return b""
        start, self._position = self._position, end
        if self._buffer_start <= start and end <= self._buffer_start + len(self._buffer):
            return self._buffer[start - self._buffer_start : end - self._buffer_start]
        return self._fetch(start, end)

    def readinto(self, into: Any) -> int:
        data = self.read(len(into))
        into[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._object.size}[whence]
        return self._position

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
