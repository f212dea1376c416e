"""The kind `postgres`: Postgres tables, read with the SELECT privilege alone.

Belongs here: what definitions and the command need of the kind, without its driver. Does not belong here: the functions of the reader
(`reader`), reading changes (`reading`, `position`, `xmin`, `layout`, `partitions`, `several`, `stream`, `copy_text`, `encodings`), the
catalogue (`introspect`, `shape`, `names`), `session`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from stori_pipeline.model.changes import Changes, Cursor
from stori_pipeline.model.schema import WHOLE_ROW

if TYPE_CHECKING:
    from stori_pipeline.model.table import Table
    from stori_pipeline.readers import Reader
    from stori_pipeline.readers.scaffolding import Suggestions

__all__ = ["CHANGES", "EXAMPLE_URL", "GRANTS", "ROW", "URL_PREFIXES", "Snapshot", "Xmin", "reader_at", "scaffold", "suggest"]


@dataclass(frozen=True)
class Xmin(Changes):
    """Reads every row whose inserting transaction was not visible in the last snapshot. Exact; sees no deletes.

    Also for tables without a key to which rows are mostly added, with a column `$row` as in `Snapshot`: only the new rows are read, which
    costs the server a sort of the table. An update adds the new version; detection of deletes removes the old one.
    """


@dataclass(frozen=True)
class Snapshot(Changes):
    """Reads all rows each time. For views, materialized views, foreign tables, and tables without a key. Exact; sees deletes.

    The server computes a checksum of all rows first, in the same snapshot; if it is that of the last reading, nothing lands. So a reading
    costs a pass over the rows (of a view: its query), and two passes and a load of all rows if any row has changed: right for some million
    rows. The head of a view moves with every write in its database, since it may depend on any table. A change that no statement of this
    database made (the clock in a view, a foreign table) shows at the next scheduled run.

    Rows without a key get one by a column with the path `$row`: a hash of the row's columns and the number of equal rows before it.
    """

    sees_deletes: ClassVar[bool] = True
    reads_whole: ClassVar[bool] = True


ROW = WHOLE_ROW
"""The path of a column that identifies a row by its content; see `Snapshot`."""

CHANGES = (Xmin, Cursor, Snapshot)
URL_PREFIXES = ("postgresql://", "postgres://", "host=", "service=")
EXAMPLE_URL = "postgresql://reader:PASSWORD@HOST:5432/DATABASE"
GRANTS = """\
As the owner of the tables, for each schema:
  CREATE ROLE reader LOGIN PASSWORD '…';
  GRANT USAGE ON SCHEMA public TO reader;
  GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
  ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO reader;
Nothing else: no replication slot, no extension, no superuser."""


def reader_at(url: str) -> Reader:
    """The reader of the database at a libpq address."""
    from stori_pipeline.readers.postgres.reader import PostgresReader

    return PostgresReader(url)


def scaffold(url: str, name: str, *, source: str) -> str:
    """See `readers.scaffold`; `name` is a table on the role's search path, or `schema.table`, as `names` has it."""
    from stori_pipeline.readers.scaffolding import definition

    return definition(suggest(url, source=source, names=[name]).tables[0])


def suggest(
    url: str, *, source: str, names: Sequence[str] = (), known: Sequence[Table] = (), progress: Callable[[str], object] = str
) -> Suggestions:
    """See `readers.suggest`; tables are those of every schema but the system's. A partitioned table is one, and its partitions are none."""
    from stori_pipeline.readers.postgres.introspect import suggest

    return suggest(url, source=source, names=names, known=known, progress=progress)
