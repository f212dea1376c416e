"""Suggested definitions of a database's tables, and of columns that are missing in a definition.

Belongs here: what the catalog and the values say of a column, as a suggestion that a person reads and pastes. Does not belong here:
which pairs can be read at all (`shape`).
"""

# A type's own object says what it is suggested for (`Type.suggested_for`). The rest is measured here:
#
#     numeric(p,s)                decimal(p,s); without p and s: decimal(38,s) with the most places found
#     arrays                      super_
#     varchar(n), char(n)         varchar(4 * n): a character takes up to four bytes
#     text and everything else    by the longest value found

from __future__ import annotations

from collections.abc import Mapping

from psycopg2 import extensions

from stori_pipeline.model.names import name_for, quoted
from stori_pipeline.model.table import Table
from stori_pipeline.model.types import suggestions
from stori_pipeline.model.types.texts import MAX_BYTES
from stori_pipeline.readers import SourceError
from stori_pipeline.readers.postgres import names, shape
from stori_pipeline.readers.postgres.session import Address, begin_snapshot
from stori_pipeline.readers.postgres.shape import Relation, SourceColumn
from stori_pipeline.readers.scaffolding import definition_text, text

_SAMPLE = 10_000
"""The number of rows from which `drift` suggests a length. `scaffold` uses all rows."""


def scaffold(url: str, schema_table: str, *, source: str = "") -> str:
    """A suggested definition of an existing table, as Python to paste into the project: imports and a `Table(…)`.

    Args:
        schema_table: a table as `names` has it.
        source: the project's name for the source, for errors; the definition itself says `SOURCE`.

    Raises:
        SourceUnavailable: the server cannot be reached now.
        SourceError: there is no such table, or the role may not read it.
    """
    address = Address(url)
    name = names.sql(schema_table)
    connection = address.connect()
    try:
        with address.errors(connection, f"{source}.{schema_table}".lstrip("."), name), connection.cursor() as cursor:
            relation = shape.find(cursor, name)
            if relation is None:
                raise SourceError(f"there is no table {schema_table!r} that the role {address.role!r} can see at {address!r}")
            begin_snapshot(connection, relation.sql if relation.lockable else "")
            return _definition(cursor, relation)
    finally:
        connection.close()


def drift(cursor: extensions.cursor, table: Table, relation: Relation) -> list[str]:
    """See `readers.Reader.drift`."""
    named = {column.source_path for column in table.columns}
    added = {name: column for name, column in relation.columns.items() if name not in named}
    if not added:
        return []
    types = _types(cursor, f"(SELECT * FROM {relation.sql} LIMIT {_SAMPLE}) sample", added)
    return [
        f"{table.full_name}: {relation.sql} has a column {name!r} ({column.declared}) that the definition does not name; to land it, add"
        f" {_column(column, types[name], nullable=True)}"
        for name, column in added.items()
    ]


def _definition(cursor: extensions.cursor, relation: Relation) -> str:
    key = _key(cursor, relation)
    types = _types(cursor, relation.sql, relation.columns)
    cursor.execute("SELECT obj_description(%s, 'pg_class')", [relation.oid])
    return definition_text(
        name_for(relation.name, prefix="t_"),
        [_column(each, types[each.name], nullable=not (each.not_null or each.name in key)) for each in relation.columns.values()],
        [name_for(each) for each in key],
        "Xmin()",
        "stori_pipeline.readers.postgres",
        description=cursor.fetchall()[0][0] or "",
        key_comment="" if key else "it has no primary key: name the columns that identify a row",
    )


def _column(column: SourceColumn, kind: str, *, nullable: bool) -> str:
    name = name_for(column.name)
    arguments = [text(name), kind]
    arguments += [] if nullable else ["nullable=False"]
    arguments += [f"path={text(column.name)}"] if name != column.name else []
    arguments += [f"description={text(column.description)}"] if column.description else []
    naive = "  # naive in the source: read as UTC" if column.base == "timestamp without time zone" else ""
    return f"Column({', '.join(arguments)}),{naive}"


def _key(cursor: extensions.cursor, relation: Relation) -> list[str]:
    """The columns of the primary key, in its order; without one, those of the first unique index over NOT NULL columns."""
    cursor.execute(
        "SELECT array_agg(a.attname::text ORDER BY k.place) FROM pg_index i"
        " CROSS JOIN LATERAL unnest(i.indkey::smallint[]) WITH ORDINALITY k(attnum, place)"
        " LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum"
        " WHERE i.indrelid = %s AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND k.place <= i.indnkeyatts"
        " GROUP BY i.indexrelid, i.indisprimary HAVING bool_and(a.attnotnull AND a.attnum > 0)"
        " ORDER BY i.indisprimary DESC, i.indexrelid LIMIT 1",
        [relation.oid],
    )
    row = cursor.fetchone()
    return list(row[0]) if row else []


def _types(cursor: extensions.cursor, rows: str, columns: Mapping[str, SourceColumn]) -> dict[str, str]:
    """The type for each column, as Python. One pass over the rows measures the columns that declare no size."""
    measures = {name: measure for name, column in columns.items() if (measure := _measure(column))}
    sizes: dict[str, int] = {}
    if measures:
        cursor.execute(f"SELECT {', '.join(measures.values())} FROM {rows}")
        sizes = dict(zip(measures, (int(value or 0) for value in cursor.fetchall()[0]), strict=True))
    return {name: _type(column, sizes.get(name, 0)) for name, column in columns.items()}


def _is_document(column: SourceColumn) -> bool:
    return column.base.endswith("[]")


def _measure(column: SourceColumn) -> str:
    if column.base == "numeric":
        return "" if column.digits else f"max(scale({quoted(column.name)}))"
    if suggestions.for_postgres(column.base) or column.characters or _is_document(column):
        return ""
    return f"max(octet_length({quoted(column.name)}::text))"


def _type(column: SourceColumn, measured: int) -> str:
    if column.base == "numeric":
        precision, scale = column.digits or (38, measured)
        if 0 <= scale <= min(37, precision) and precision <= 38:
            return f"decimal({precision}, {scale})"
        return "varchar(256)" if precision > 38 else f"decimal({min(38, precision - scale)}, 0)"
    if suggested := suggestions.for_postgres(column.base):
        return suggested
    if _is_document(column):
        return "super_"
    return f"varchar({min(4 * column.characters, MAX_BYTES)})" if column.characters else suggestions.for_longest(measured)
