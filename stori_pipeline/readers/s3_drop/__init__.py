"""The kind `s3_drop`: files that others drop into a bucket.

Belongs here: what definitions and the command need of the kind, without its driver. Does not belong here: the functions of the reader
(`reader`), which files are new (`position`), their rows (`reading`), the content of a file (`formats`, `json_values`), columns that no
definition names (`sampling`), or S3 (`bucket`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stori_pipeline.model.changes import Changes

if TYPE_CHECKING:
    from stori_pipeline.readers import Reader

__all__ = ["CHANGES", "EXAMPLE_URL", "GRANTS", "URL_PREFIXES", "Objects", "reader_at", "scaffold"]


@dataclass(frozen=True)
class Objects(Changes):
    """Reads the files under `prefix` of a bucket, each once, and again when it is overwritten.

    `format` is `json` (an array, an object per line, or an object whose `data` holds the array), `csv` or `parquet`; each may be gzipped.
    If empty, the ending of a file's name decides.
    """

    prefix: str
    format: str = ""


CHANGES = (Objects,)
URL_PREFIXES = ("s3://",)
EXAMPLE_URL = "s3://BUCKET"
GRANTS = """\
The role of the pipeline needs s3:ListBucket on the bucket and s3:GetObject on its files. Credentials come from the standard
AWS settings, such as AWS_PROFILE or the role of the machine."""


def reader_at(url: str) -> Reader:
    """The reader of the bucket `s3://bucket`."""
    from stori_pipeline.readers.s3_drop.reader import S3DropReader

    return S3DropReader(url)


def scaffold(url: str, name: str, *, source: str) -> str:
    """See `readers.scaffold`; `name` is the prefix of the files. The definition is suggested from the newest of them."""
    from stori_pipeline.readers.s3_drop.reader import scaffold

    return scaffold(url, name, source=source)
