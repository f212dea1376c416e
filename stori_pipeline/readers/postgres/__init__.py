"""The kind `postgres`: Postgres tables, read with the SELECT privilege alone.

Belongs here: what definitions and the command need of the kind, without its driver. Does not belong here: the functions of the reader
(`reader`), reading changes (`reading`, with `position`, `xmin`, `stream`, `copy_text`), the catalogue (`introspect`, `shape`, `names`),
`session`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stori_pipeline.model.changes import Changes, Cursor

if TYPE_CHECKING:
    from stori_pipeline.readers import Reader

__all__ = ["CHANGES", "URL_PREFIXES", "Xmin", "reader_at", "scaffold"]


@dataclass(frozen=True)
class Xmin(Changes):
    """Reads every row whose inserting transaction was not visible in the last snapshot. Exact; sees no deletes."""


CHANGES = (Xmin, Cursor)
URL_PREFIXES = ("postgresql://", "postgres://", "host=", "service=")


def reader_at(url: str) -> Reader:
    """The reader of the database at a libpq address."""
    from stori_pipeline.readers.postgres.reader import PostgresReader

    return PostgresReader(url)


def scaffold(url: str, name: str, *, source: str) -> str:
    """See `readers.scaffold`; `name` is a table on the role's search path, or `schema.table`."""
    from stori_pipeline.readers.postgres.introspect import scaffold

    return scaffold(url, name, source=source)
