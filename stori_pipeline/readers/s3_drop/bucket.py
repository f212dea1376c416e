"""The bucket that others drop files into: listing it, fetching a file, and translating S3's errors.

Belongs here: requests to S3, and the translation of botocore's errors into SourceErrors. Does not belong here: which files are new
(`position`), or the content of a file (`formats`).
"""

from __future__ import annotations

import functools
import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

from stori_pipeline.readers import SourceError, SourceUnavailable
from stori_pipeline.readers.s3_drop import Objects
from stori_pipeline.settings import aws
from stori_pipeline.settings.foreign import hint

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_creating = threading.Lock()

PAGE = 1_000
"""The number of objects per listing request; S3's limit."""

_MARKER = re.compile(r"(^|/)[_.][^/]*$|_\$folder\$$")
"""Empty objects by which other programs mark a folder."""

_TRANSIENT = {"SlowDown", "Throttling", "ThrottlingException", "RequestTimeout", "ServiceUnavailable", "InternalError"}
_GONE = {"NoSuchKey", "PreconditionFailed", "404", "412"}


@dataclass(frozen=True, order=True)
class Dropped:
    """An object in a listing. Objects are read in the order of (LastModified, key)."""

    modified: datetime
    key: str
    etag: str = field(compare=False)
    size: int = field(compare=False)


def _client(endpoint: str, access_key: str) -> S3Client:
    """The client of this environment. Side by side, several tables would each create one."""
    with _creating:
        return _created(endpoint, access_key)


@functools.lru_cache(maxsize=4)
def _created(endpoint: str, access_key: str) -> S3Client:  # noqa: ARG001  (what a client is made from is the cache's key)
    # Cached, because creating a client takes a tenth of a second and a sensor runs every few seconds.
    from botocore.config import Config  # slow to import
    from botocore.exceptions import BotoCoreError

    config = Config(retries={"mode": "standard", "total_max_attempts": 3}, connect_timeout=5, read_timeout=60)
    try:
        return aws.session().client("s3", config=config)
    except (BotoCoreError, ValueError) as error:
        raise SourceError(f"S3 cannot be used with these AWS settings: {error}{hint('aws', error)}") from error


class Bucket:
    """The bucket of `s3://bucket`, read with the credentials in the standard `AWS_*` environment. `table` is the name in errors.

    Raises:
        SourceError: the address is not one of a bucket.
    """

    def __init__(self, url: str, table: str, source: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "s3" or not parts.netloc or parts.path.strip("/") or parts.query or "@" in parts.netloc:
            raise SourceError(
                f"{table}: the address of the source {source!r} should look like s3://bucket; folders belong in the definition's prefix"
            )
        self.name = parts.netloc
        self._s3 = _client(os.environ.get("AWS_ENDPOINT_URL", ""), os.environ.get("AWS_ACCESS_KEY_ID", ""))
        self._table = table
        self._where = f"{table} in s3://{self.name} at {urlsplit(self._s3.meta.endpoint_url).netloc}"

    @contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            ConnectionError,
            HTTPClientError,
            IncompleteReadError,
            ResponseStreamingError,
        )

        where = f"{self._where}: {doing}"
        try:
            yield
        except (ConnectionError, HTTPClientError, IncompleteReadError, ResponseStreamingError) as error:
            raise SourceUnavailable(
                f"{where}: S3 does not answer ({type(error).__name__}). Is the endpoint right, and S3 up?{hint('aws', error)}"
            ) from error
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", "an unnamed error"))
            if code in _TRANSIENT or int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)) >= 500:
                raise SourceUnavailable(f"{where}: S3 answers {code}, a temporary failure; run again later") from error
            if code == "NoSuchBucket":
                raise SourceError(f"{where}: there is no such bucket; create it, or correct the source's address") from error
            raise SourceError(
                f"{where}: S3 refuses with {code}; the reader's role needs s3:ListBucket on the bucket and s3:GetObject on its files"
            ) from error
        except BotoCoreError as error:
            raise SourceError(
                f"{where}: {type(error).__name__}; check the AWS settings (credentials, region, endpoint){hint('aws', error)}"
            ) from error

    def files(self, prefix: str) -> list[Dropped]:
        """Every file under a prefix, in the order in which files are read. Takes a request per thousand files and about 300 bytes of
        memory per file. Leaves out empty objects that are no files: folders that a console created, and markers such as `_SUCCESS`."""
        with self._explained(f"listing {prefix!r}"):
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix, PaginationConfig={"PageSize": PAGE})
            return sorted(
                Dropped(each["LastModified"], each["Key"], each["ETag"], each["Size"])
                for page in pages
                for each in page.get("Contents", [])
                if not each["Key"].endswith("/") and (each["Size"] > 0 or not _MARKER.search(each["Key"]))
            )

    def top(self) -> tuple[list[str], list[str]]:
        """The folders at the top of the bucket, each with its slash, and the keys of the files beside them."""
        with self._explained("listing its folders"):
            pages = list(self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.name, Delimiter="/"))
        folders = [each["Prefix"] for page in pages for each in page.get("CommonPrefixes", [])]
        return folders, [each["Key"] for page in pages for each in page.get("Contents", []) if each["Size"] > 0]

    def of_table(self, objects: Objects) -> list[Dropped]:
        """The files of a table, as `files` gives them.

        Raises:
            SourceError: the prefix names a folder without a slash, there is no such folder, and keys of files begin with it.
        """
        found = self.files(objects.key_prefix)
        if not found and objects.key_prefix == f"{objects.prefix}/" and (others := self.files(objects.prefix)):
            raise SourceError(
                f"{self._where}: the folder {objects.key_prefix!r} has no file, but the bucket has {others[0].key!r}. Write "
                f"Objects({objects.prefix + '*'!r}) for every file whose key begins so, or Objects({objects.key_prefix!r}) for the folder"
            )
        return found

    def nothing_there(self, objects: Objects, *, was_any: bool) -> str:
        """What to tell of a table that has no file. It is no error: a partner may not have dropped one yet."""
        what = f"no object of s3://{self.name}/{objects.key_prefix} is a file"
        if was_any:
            return f"{what} any more; those that were read before are gone, and their rows stay"
        return f"{what}, so there is nothing to read; if files should be there, correct the prefix in the definition"

    @contextmanager
    def fetched(self, dropped: Dropped) -> Iterator[IO[bytes] | None]:
        """The listed version of a file, in a temporary file; None if it was overwritten or removed since the listing."""
        from botocore.exceptions import ClientError

        # On disk, because a file is read twice and may be large. A temporary file without a name leaves nothing behind.
        with tempfile.TemporaryFile(prefix="stori-drop-") as file:
            with self._explained(f"reading {dropped.key!r}"):
                try:
                    body = self._s3.get_object(Bucket=self.name, Key=dropped.key, IfMatch=dropped.etag)["Body"]
                    for piece in body.iter_chunks(1 << 20):
                        file.write(piece)
                except ClientError as error:
                    if str(error.response.get("Error", {}).get("Code")) not in _GONE:
                        raise
                    is_unchanged = False
                else:
                    is_unchanged = True
            file.seek(0)
            yield file if is_unchanged else None
