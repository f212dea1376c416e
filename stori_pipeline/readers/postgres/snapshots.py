"""Tables that are read as a whole each time: the checksum that tells whether any row has changed.

Belongs here: the position of such a table. Does not belong here: the position of a table whose changes are read (`position`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from psycopg2 import extensions

from stori_pipeline.model.names import quoted
from stori_pipeline.model.reading import Position
from stori_pipeline.model.table import Table
from stori_pipeline.readers import SourceError
from stori_pipeline.readers.postgres import ROW, names, shape
from stori_pipeline.readers.postgres.shape import Relation

_KIND = "postgres_snapshot"


@dataclass(frozen=True)
class Content:
    """What a table holds: the number of its rows, and the sum of their checksums. A row's checksum is over the texts that land."""

    rows: int
    checksum: int

    def to_json(self) -> Position:
        return {"kind": _KIND, "rows": self.rows, "checksum": str(self.checksum)}


def content(cursor: extensions.cursor, table: Table, relation: Relation) -> Content:
    """What the table holds in this transaction's snapshot. Takes a pass over the rows.

    Raises:
        SourceError: several rows have the same key.
    """
    row = f"ROW({', '.join(shape.selected(table, relation))})::text"
    checksum = f"COALESCE(sum(('x' || substring(md5({row}), 1, 15))::bit(60)::bigint), 0)"
    key = ", ".join(quoted(table[name].source_path) for name in table.key)
    is_unique = shape.is_unique({table[name].source_path for name in table.key}, relation)
    keys = "count(*)" if is_unique else f"count(DISTINCT ROW({key})::text)"
    cursor.execute(f"SELECT count(*), {checksum}::text, {keys} FROM {relation.rows}")
    ((rows, total, distinct),) = cursor.fetchall()
    if distinct != rows:
        raise SourceError(
            f"{table.full_name}: {rows - distinct} of {rows} rows of {relation.sql} have the same key ({', '.join(table.key)}) as another"
            f" row, which would be lost; correct the definition's key, or use a key column with path={ROW!r}. Nothing was read"
        )
    return Content(rows, int(total))


def foreign_head(cursor: extensions.cursor, table: Table) -> str:
    """A text that changes if rows of a foreign table, or of a parent of one, have changed: that of its rows. Takes a pass over them.

    Raises:
        SourceError: the table does not fit its definition.
    """
    relation = shape.find(cursor, names.sql(table.name_in_source))
    if relation is None:
        raise SourceError(f"{table.full_name}: the foreign table {table.name_in_source!r} was dropped while its head was asked for")
    shape.refuse_misfit(table, relation)
    return json.dumps(dict(content(cursor, table, shape.with_row_keys(table, relation)).to_json()))
