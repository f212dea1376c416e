"""The kind `s3_drop`: files that others drop into a bucket.

Belongs here: what definitions and the command need of the kind, without its driver. Does not belong here: the functions of the reader
(`reader`), which files are new (`position`), their rows (`reading`), a file (`formats`, `headers`, `csv_values`, `json_values`,
`parquet_values`, `broken`), suggested definitions (`sampling`, `sniffing`, `scaffolding`), or S3 (`bucket`).
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stori_pipeline.model.changes import Changes
from stori_pipeline.model.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stori_pipeline.model.table import Table
    from stori_pipeline.readers import Reader
    from stori_pipeline.readers.scaffolding import Suggestions

__all__ = ["CHANGES", "EXAMPLE_URL", "GRANTS", "URL_PREFIXES", "Objects", "reader_at", "scaffold", "suggest"]


FORMATS = ("json", "csv", "parquet")


@dataclass(frozen=True)
class Objects(Changes):
    """Reads the files of a folder of a bucket, each once, and again when it is overwritten.

    Args:
        prefix: the folder, with all folders in it: `feed/`, which `feed` means, too. It never reads `feed_de/`. `feed*` reads every file
            whose key begins with `feed`; "" reads the whole bucket.
        format: `json` (an array, an object per line, or an object whose `data` holds the array), `csv` or `parquet`; each may be gzipped.
            If empty, the ending of a file's name decides.
        delimiter: the character between the fields of a line of CSV.
        encoding: the encoding of CSV and JSON, such as `cp1252` or `utf-16`. A file that has bytes which it does not know is refused.
        decimal: the character before the places of a number in CSV: `.`, or `,` as in `12,50`. With `,` a number that has a point is
            quarantined, because `1.234` may be a thousand.
        header_line: the line of CSV, from 1, that has the names of the columns; lines before it are left out. 0: no line has them, and
            columns are called `#1`, `#2` and so on.
        rows_at: for JSON, where the objects of a file have their rows: a path such as `data` or `result.items`; "" if each object is a row.
            If None, the file decides: its only object is an envelope if it has an array `data` and is no row itself.

    Raises:
        DefinitionError: an option has a value that it cannot have.
    """

    prefix: str
    format: str = ""
    delimiter: str = ","
    encoding: str = "utf-8"
    decimal: str = "."
    header_line: int = 1
    rows_at: str | None = None

    def __post_init__(self) -> None:
        where = f"Objects({self.prefix!r})"
        if self.format not in ("", *FORMATS):
            raise DefinitionError(f"{where}: there is no format {self.format!r} of dropped files; there are {', '.join(FORMATS)}")
        if len(self.delimiter) != 1 or self.delimiter in '"\r\n':
            raise DefinitionError(f"{where}: the delimiter {self.delimiter!r} must be one character, such as ';' or '\\t'")
        if self.decimal not in (".", ",") or self.decimal == self.delimiter:
            raise DefinitionError(f"{where}: decimal={self.decimal!r} must be '.' or ',', and not the delimiter")
        if self.header_line < 0:
            raise DefinitionError(f"{where}: header_line={self.header_line} must be the number of a line, from 1, or 0 if there is none")
        try:
            io.TextIOWrapper(io.BytesIO(), encoding=self.encoding)
        except (LookupError, ValueError):
            raise DefinitionError(f"{where}: there is no encoding {self.encoding!r}; 'utf-8', 'cp1252' and 'utf-16' are some") from None

    @property
    def key_prefix(self) -> str:
        """What the keys of the files begin with."""
        if self.prefix.endswith("*"):
            return self.prefix[:-1]
        return self.prefix if not self.prefix or self.prefix.endswith("/") else f"{self.prefix}/"


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
    """See `readers.scaffold`; `name` is the folder of the files, which need not end with a slash; `feed*` is for all keys that begin so."""
    from stori_pipeline.readers.scaffolding import definition

    return definition(suggest(url, source=source, names=[name]).tables[0])


def suggest(
    url: str, *, source: str, names: Sequence[str] = (), known: Sequence[Table] = (), progress: Callable[[str], object] = str
) -> Suggestions:
    """See `readers.suggest`; tables are the folders of the bucket, each with all folders in it."""
    from stori_pipeline.readers.s3_drop.reader import suggest

    return suggest(url, source=source, names=names, known=known, progress=progress)
