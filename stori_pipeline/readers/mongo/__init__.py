"""The kind `mongodb`: MongoDB collections.

Belongs here: what definitions and the command need of the kind, without its driver. Does not belong here: the functions of the reader
(`reader`), reading changes (`streams`, `cursors`), rows of documents (`documents`), scans (`scans`), checksums (`proof`), fields without a
column (`sampling`), or the server (`connection`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from stori_pipeline.model.changes import Changes, Cursor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stori_pipeline.model.table import Table
    from stori_pipeline.readers import Reader
    from stori_pipeline.readers.scaffolding import Suggestions

__all__ = ["CHANGES", "EXAMPLE_URL", "GRANTS", "URL_PREFIXES", "ChangeStream", "reader_at", "scaffold", "suggest"]


@dataclass(frozen=True)
class ChangeStream(Changes):
    """Reads a snapshot, then every insert, update, replace and delete in order, by resume token."""

    sees_deletes: ClassVar[bool] = True


CHANGES = (ChangeStream, Cursor)
URL_PREFIXES = ("mongodb://", "mongodb+srv://")
EXAMPLE_URL = "mongodb://reader:PASSWORD@HOST:27017/DATABASE?authSource=admin"
GRANTS = """\
As an administrator:
  db.getSiblingDB("admin").createUser({user: "reader", pwd: "…", roles: [{role: "read", db: "DATABASE"}]})
Change streams need a replica set; one member is enough."""


def reader_at(url: str) -> Reader:
    """The reader of the database that a `mongodb://` address names."""
    from stori_pipeline.readers.mongo.reader import MongoReader

    return MongoReader(url)


def scaffold(url: str, name: str, *, source: str) -> str:
    """See `readers.scaffold`; `name` is a collection."""
    from stori_pipeline.readers.scaffolding import definition

    return definition(suggest(url, source=source, names=[name]).tables[0])


def suggest(
    url: str, *, source: str, names: Sequence[str] = (), known: Sequence[Table] = (), progress: Callable[[str], object] = str
) -> Suggestions:
    """See `readers.suggest`; tables are collections. Views and time series are left out, because they have no change streams."""
    from stori_pipeline.readers.mongo.reader import suggest

    return suggest(url, source=source, names=names, known=known, progress=progress)
