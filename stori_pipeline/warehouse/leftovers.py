"""What the warehouse holds of one table by its name, also of a table that the project no longer defines, and removing it.

Belongs here: the mirror, the views over it, and the rows about it in the schema `pipeline`. Does not belong here: the lake
(`lake.leftovers`), or whether the table may go (`pipeline.drop`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stori_pipeline.model.names import quoted
from stori_pipeline.warehouse.session import Warehouse
from stori_pipeline.warehouse.transaction import bounded_wait, with_retries

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812  (the driver's classes are lower-case)
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

_SELECT_KIND = "SELECT table_type FROM information_schema.tables WHERE table_schema = %s AND table_name = %s"
_SELECT_RECORDS = "SELECT table_name FROM information_schema.columns WHERE table_schema = 'pipeline' AND column_name = 'target'"
_SELECT_VIEWS = """\
SELECT DISTINCT views.nspname, view.relname
FROM pg_depend AS dependency
JOIN pg_rewrite AS rule ON rule.oid = dependency.objid
JOIN pg_class AS view ON view.oid = rule.ev_class
JOIN pg_namespace AS views ON views.oid = view.relnamespace
JOIN pg_class AS relation ON relation.oid = dependency.refobjid
JOIN pg_namespace AS relations ON relations.oid = relation.relnamespace
WHERE relations.nspname = %s AND relation.relname = %s AND view.oid <> relation.oid"""


@dataclass(frozen=True)
class WarehouseLeftovers:
    """What the warehouse holds of a table.

    Attributes:
        rows: rows of the mirror; None if there is no mirror.
        views: full names of the views over it, and over those.
        records: number of rows about it in each table of the schema `pipeline` that has any.
    """

    rows: int | None
    views: tuple[str, ...]
    records: dict[str, int]


def find_leftovers(warehouse: Warehouse, schema: str, name: str) -> WarehouseLeftovers:
    """What the warehouse holds of `schema.name`. Errors as for `Warehouse.query`."""
    what = f"leftovers of {schema}.{name}"
    with warehouse.session(what) as connection, connection.cursor() as cursor:
        cursor.execute(_SELECT_KIND, (schema, name))
        exists = cursor.fetchone() is not None
        rows = _count(cursor, f"{quoted(schema)}.{quoted(name)}") if exists else None
        return WarehouseLeftovers(rows, _views(cursor, schema, name) if exists else (), _records(cursor, f"{schema}.{name}"))


def remove_leftovers(warehouse: Warehouse, schema: str, name: str) -> None:
    """Drop the mirror and every view over it, and delete the rows about it, in one transaction.

    Raises:
        WarehouseUnavailable: the warehouse cannot be reached, or other transactions kept using the mirror. Nothing was changed.
        WarehouseError: the warehouse refused; nothing was changed.
    """
    full_name, relation = f"{schema}.{name}", f"{quoted(schema)}.{quoted(name)}"
    what = f"removal of {full_name}"

    def attempt(connection: Connection, cursor: Cursor) -> None:
        with bounded_wait(warehouse, connection, cursor, what, full_name):
            for table in _records(cursor, full_name):
                cursor.execute(f"DELETE FROM pipeline.{quoted(table)} WHERE target = %s", (full_name,))
            cursor.execute(_SELECT_KIND, (schema, name))
            if cursor.fetchone():
                cursor.execute(f"DROP TABLE {relation} CASCADE")
            connection.commit()

    with_retries(warehouse, what, attempt)


def _count(cursor: Cursor, relation: str) -> int:
    cursor.execute(f"SELECT COUNT(*) FROM {relation}")
    ((count,),) = cursor.fetchall()
    return int(count)


def _views(cursor: Cursor, schema: str, name: str) -> tuple[str, ...]:
    """The views over a relation, and over those."""
    found: dict[tuple[str, str], None] = {}
    waiting = [(schema, name)]
    while waiting:
        cursor.execute(_SELECT_VIEWS, waiting.pop())
        fresh = [(str(view[0]), str(view[1])) for view in cursor.fetchall()]
        waiting += [view for view in fresh if view not in found]
        found |= dict.fromkeys(fresh)
    return tuple(sorted(".".join(view) for view in found))


def _records(cursor: Cursor, full_name: str) -> dict[str, int]:
    """The number of rows about a table, by the table of the schema `pipeline` that has them."""
    cursor.execute(_SELECT_RECORDS)
    records = {}
    for (table,) in cursor.fetchall():
        cursor.execute(f"SELECT COUNT(*) FROM pipeline.{quoted(table)} WHERE target = %s", (full_name,))
        ((count,),) = cursor.fetchall()
        if count:
            records[str(table)] = int(count)
    return records
