"""Mirrors, star tables and their views, created directly in the warehouse, and rows inserted into them.

Belongs here: the statements. Does not belong here: any row (`sound_rows`, `report_rows`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from psycopg2.extensions import cursor as Cursor  # noqa: N812  (the driver's class is lower-case)

from stori_pipeline.model.names import quoted
from stori_pipeline.model.star import STAR
from stori_pipeline.model.table import Table
from stori_pipeline.model.types import super_
from stori_pipeline.project import find_table
from stori_pipeline.warehouse.dialect import create_mirror, create_views, relation
from stori_pipeline_tests.shipped import STARS, TABLES

MIRRORED: tuple[Table, ...] = (*TABLES, *(star.table for star in STARS.values()))
SCHEMAS = (*sorted({table.source.name for table in MIRRORED}), "reports")

DEFAULTS: dict[str, Any] = {
    "integer": 1,
    "bigint": 1,
    "smallint": 1,
    "boolean": False,
    "date": "2024-11-13",
    "time": "10:20:09.123",
    "timestamptz": "2024-11-13 10:20:09.123+00",
    "double": 1.0,
}
"""What a column of that type holds where a row does not say and null may not be."""


def definition(full_name: str) -> Table:
    schema, _, name = full_name.partition(".")
    return STARS[name].table if schema == STAR.name else find_table(full_name)


def make(cursor: Cursor, tables: Iterable[Table] = MIRRORED) -> None:
    """Empty mirrors of these tables, and the views over those of them that are star tables; nothing else is left in the warehouse."""
    drop(cursor)
    for schema in SCHEMAS:
        cursor.execute(f"CREATE SCHEMA {schema}")
    for table in tables:
        cursor.execute(create_mirror(table))
        if table.source == STAR:
            for statement in create_views(table):
                cursor.execute(statement)


def drop(cursor: Cursor) -> None:
    for schema in SCHEMAS:
        cursor.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")


def insert(cursor: Cursor, full_name: str, *rows: dict[str, Any]) -> None:
    """Rows of a mirror; whatever one does not name is null where that may be, and its type's default elsewhere. A row may name its
    `_batch`, too; it is 1 otherwise."""
    table = definition(full_name)
    names = [c.name for c in table.columns]
    if unknown := {name for row in rows for name in row} - {*names, "_batch"}:
        raise KeyError(f"{full_name} has no {', '.join(sorted(unknown))}")
    values = [
        {c.name: row[c.name] if c.name in row else None if c.nullable else _default(str(c.type)) for c in table.columns}
        | {"_batch": row.get("_batch", 1)}
        for row in rows
    ]
    places = ", ".join("JSON_PARSE(%s)" if c.type == super_ else f"CAST(%s AS {c.type.redshift})" for c in table.columns)
    marks = "FALSE, " if table.keep_deleted else ""
    columns = ", ".join(map(quoted, [*names, *(["_deleted"] if table.keep_deleted else []), "_batch", "_loaded_at"]))
    each = f"SELECT {places}, {marks}CAST(%s AS BIGINT), GETDATE()"
    cursor.execute(
        f"INSERT INTO {relation(table)} ({columns}) " + " UNION ALL ".join([each] * len(values)),
        [_parameter(table, name, row[name]) for row in values for name in (*names, "_batch")],
    )


def _default(kind: str) -> Any:
    return DEFAULTS.get(kind, 1 if kind.startswith("decimal") else "x")


def _parameter(table: Table, name: str, value: Any) -> Any:
    return json.dumps(value) if name != "_batch" and table[name].type == super_ and value is not None else value
