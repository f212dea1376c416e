"""The kind `s3_drop`: files that others drop into a bucket.

Belongs here: what definitions and the command need of the kind, without its driver. Does not belong here: reading. `reader` has what can
be asked of a source, `position` which files are new, `reading` their rows, `formats` and `json_values` what is in a file, `sampling`
columns that no definition names, `bucket` S3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stori_pipeline.model.changes import Changes

if TYPE_CHECKING:
    from stori_pipeline.readers import Reader

__all__ = ["CHANGES", "URL_PREFIXES", "Objects", "reader_at", "scaffold"]


@dataclass(frozen=True)
class Objects(Changes):
    """The files under `prefix` of a bucket, each read once, and again when it is overwritten.

    `format` is `json` (an array, one object a line, or an object whose `data` holds the array), `csv` or `parquet`; each may be
    gzipped. Empty: by the name's ending.
    """

    prefix: str
    format: str = ""


CHANGES = (Objects,)
URL_PREFIXES = ("s3://",)


def reader_at(url: str) -> Reader:
    """The reader of the bucket `s3://bucket`."""
    from stori_pipeline.readers.s3_drop.reader import S3DropReader

    return S3DropReader(url)


def scaffold(url: str, name: str, *, source: str) -> str:
    """See `readers.scaffold`; `name` is the prefix of the files, of which the newest are looked at."""
    from stori_pipeline.readers.s3_drop.reader import scaffold

    return scaffold(url, name, source=source)
