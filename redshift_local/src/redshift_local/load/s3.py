"""The objects that COPY reads: by prefix or manifest, in ranges of bytes, with S3's errors in Redshift's words.

Belongs here: S3, manifests and prefixes. Does not belong here: what is in an object (`parquet`), or where its rows go (`copy`).
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
    """An error of COPY in a cluster's words: a short message, and a boxed detail that says what happened.

    Args:
        code: Redshift's own number, such as 15007; the SQLSTATE is always XX000.
        context: what happened, and to which file.
        error: the box's title; also the message, unless that is given.
    """
    rule = "-" * 47
    lines = [rule, f"error:  {error}", f"code:      {code}", f"context:   {context}", "location:  the local Redshift", rule]
    return RedshiftError(INTERNAL_ERROR, message or error, "\n" + "".join(f"  {line}\n" for line in lines), hint)


@dataclass(frozen=True)
class S3Object:
    """One object that exists. `size` in bytes."""

    bucket: str
    key: str
    size: int

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


class Store:
    """S3 at one endpoint, with the region and credentials of the ordinary AWS_* environment. Safe to share between threads."""

    def __init__(self, endpoint: str | None) -> None:
        retries: Any = {"max_attempts": 3, "mode": "standard"}
        config = Config(connect_timeout=5, read_timeout=60, retries=retries, s3={"addressing_style": "path"}, max_pool_connections=50)
        self.client: S3Client = boto3.client("s3", endpoint_url=endpoint, config=config)

    def https(self, url: str) -> str:
        """The address by which Spectrum's errors name a file."""
        bucket, key = _split(url)
        return f"https://s3.{self.client.meta.region_name}.amazonaws.com/{bucket}/{key}"

    def by_prefix(self, url: str) -> Iterator[S3Object]:
        """All objects whose key begins with this url's, in the order of their keys.

        Raises:
            RedshiftError: none exists.
        """
        bucket, prefix = _split(url)
        found: list[S3Object] = []
        with _in_redshift_words(f"Listing bucket={bucket} prefix={prefix}"):
            for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                # An empty object whose key ends in a slash is a folder of S3's console.
                found += [
                    S3Object(bucket, o["Key"], o["Size"]) for o in page.get("Contents", ()) if o["Size"] or not o["Key"].endswith("/")
                ]
        if not found:
            message = f"The specified S3 prefix '{prefix}' does not exist"
            raise load_error(S3_ERROR, f"bucket={bucket} prefix={prefix}", error=message)
        yield from found

    def by_manifest(self, url: str) -> Iterator[S3Object]:
        """The objects that a manifest lists, in its order. Each is looked up when it is asked for.

        Raises:
            RedshiftError: none exists, a mandatory one is missing, or an entry lacks its object's length, which columnar files need.
        """
        bucket, key = _split(url)
        with _in_redshift_words(f"S3 key being read : {url}", "Problem reading manifest file - "):
            body = self.client.get_object(Bucket=bucket, Key=key)["Body"].read()
        found = False
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
            found = True
            yield S3Object(*_split(url_of), size)
        if not found:
            raise load_error(S3_ERROR, f"none of the files that the manifest {url} lists exists", error="No files found in manifest.")

    def _size(self, url: str) -> int | None:
        bucket, key = _split(url)
        try:
            with _in_redshift_words(f"S3 key being read : {url}"):
                return self.client.head_object(Bucket=bucket, Key=key)["ContentLength"]
        except _NoSuchKey:
            return None

    def open(self, found: S3Object) -> RangedObject:
        return RangedObject(self.client, found)


class RangedObject(io.RawIOBase):
    """An object as a file that is read by ranges. At most one range of it is in memory, the one of `hold`."""

    def __init__(self, client: S3Client, found: S3Object) -> None:
        super().__init__()
        self._client = client
        self._found = found
        self._at = 0
        self._held_from = 0
        self._held = b""

    def hold(self, start: int, end: int) -> None:
        """Fetch the bytes from `start` to before `end` in one request. Reads inside them need no other."""
        if self._held_from <= start and end <= self._held_from + len(self._held):
            return
        self._held = b""  # free the last range before the next one is fetched
        self._held = self._fetch(start, end)
        self._held_from = start

    def _fetch(self, start: int, end: int) -> bytes:
        with _in_redshift_words(f"S3 key being read : {self._found.url}"):
            wanted = f"bytes={start}-{end - 1}"
            body = self._client.get_object(Bucket=self._found.bucket, Key=self._found.key, Range=wanted)["Body"].read()
        if len(body) != end - start:
            raise load_error(SPECTRUM_SCAN, f"{self._found.url} changed while it was read: {wanted} brought {len(body)} bytes.")
        return body

    def read(self, size: int | None = -1) -> bytes:
        end = self._found.size if size is None or size < 0 else min(self._at + size, self._found.size)
        if end <= self._at:
            return b""
        start, self._at = self._at, end
        if self._held_from <= start and end <= self._held_from + len(self._held):
            return self._held[start - self._held_from : end - self._held_from]
        return self._fetch(start, end)

    def readinto(self, into: Any) -> int:
        data = self.read(len(into))
        into[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._found.size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

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
    """The object does not exist, which is no error for an optional one."""


@contextmanager
def _in_redshift_words(context: str, before: str = "") -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        response: Any = error.response
        cause, meta = response.get("Error", {}), response.get("ResponseMetadata", {})
        status, code = meta.get("HTTPStatusCode", 0), cause.get("Code", "")
        words, code = {
            "404": ("The specified key does not exist.", "NoSuchKey"),  # HEAD has no body, hence only a status
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
