"""The shape of a source table in its database, and the SQL expression that reads each of its columns.

Belongs here: the catalogue queries, and the SQL expression for each pair of source type and column type. Does not belong here: suggesting
definitions (`introspect`), or checking single values (`contract`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone

from psycopg2 import extensions

from stori_pipeline.model.names import quoted
from stori_pipeline.model.row_checksum import Dialect
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import registered
from stori_pipeline.readers import SourceError

_TELLS_VALID = 160000
"""The version of Postgres that has `pg_input_is_valid`."""


@dataclass(frozen=True)
class SourceColumn:
    """A column as its database declares it."""

    name: str
    declared: str
    """Its type with its modifiers: `numeric(18,2)`, `character varying(32)`, or a domain's name."""
    base: str
    """Its type without them, domains resolved: `numeric`, `character varying`."""
    modifier: int
    not_null: bool
    description: str

    @property
    def digits(self) -> tuple[int, int] | None:
        """The declared precision and scale of a numeric; None if it has none."""
        if self.base != "numeric" or self.modifier < 4:
            return None
        packed = self.modifier - 4
        # Eleven bits of scale, which may be negative since Postgres 15.
        return packed >> 16 & 0xFFFF, ((packed & 0x7FF) ^ 1024) - 1024

    @property
    def characters(self) -> int | None:
        """The declared length of a text in characters; None if it has none."""
        return self.modifier - 4 if self.base in ("character varying", "character") and self.modifier > 4 else None


@dataclass(frozen=True)
class Relation:
    """A table as its database declares it."""

    oid: int
    schema: str
    name: str
    kind: str
    """`r` table, `p` partitioned table, `m` materialized view, `v` view, `f` foreign table."""
    columns: dict[str, SourceColumn]
    version: int
    """The server's version, such as 180006."""

    @property
    def sql(self) -> str:
        return f"{quoted(self.schema)}.{quoted(self.name)}"

    @property
    def lockable(self) -> bool:
        return self.kind in "rp"

    @property
    def has_xmin(self) -> bool:
        return self.kind in "rpm"


_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), format_type(base.oid, NULL), base.modifier, a.attnotnull,
       COALESCE(col_description(a.attrelid, a.attnum), '')
FROM pg_attribute a
CROSS JOIN LATERAL (
  WITH RECURSIVE resolved(oid, modifier, depth) AS (
    SELECT a.atttypid, a.atttypmod, 0
    UNION ALL
    SELECT t.typbasetype, CASE WHEN r.modifier = -1 THEN t.typtypmod ELSE r.modifier END, r.depth + 1
    FROM resolved r JOIN pg_type t ON t.oid = r.oid AND t.typtype = 'd')
  SELECT oid, modifier FROM resolved ORDER BY depth DESC LIMIT 1) base
WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""


def find(cursor: extensions.cursor, name: str) -> Relation | None:
    """The relation of that (quoted) name on the role's search path, by default `public`; None if the role sees none."""
    cursor.execute(
        "SELECT c.oid::bigint, n.nspname, c.relname, c.relkind::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.oid = to_regclass(%s) AND c.relkind IN ('r', 'p', 'm', 'v', 'f')",
        [name],
    )
    row = cursor.fetchone()
    if row is None:
        return None
    oid, schema, relname, kind = row
    cursor.execute(_COLUMNS, [oid])
    columns = {each[0]: SourceColumn(*each) for each in cursor.fetchall()}
    return Relation(oid, schema, relname, kind, columns, cursor.connection.server_version)


def _expression(column: Column, source: SourceColumn) -> str | None:
    return column.type.postgres_expression(source.base, quoted(source.name))


def refuse_misfit(table: Table, relation: Relation) -> None:
    """Raises SourceError that names every column of the definition which is missing or whose source type cannot be read as its type."""
    wrong = []
    for column in table.columns:
        source = relation.columns.get(column.source_path)
        if source is None:
            wrong.append(f"column {column.source_path!r} is missing")
        elif _expression(column, source) is None:
            takes = ", ".join(column.type.postgres)
            wrong.append(
                f"column {column.source_path!r} is {source.declared}; the definition says {column.type}, which can be read from {takes}"
            )
    if wrong:
        raise SourceError(
            f"{table.full_name}: {relation.sql} no longer fits its definition: {'; '.join(wrong)}."
            " Nothing was read; change the definition or the source table"
        )


def selected(table: Table, relation: Relation) -> list[str]:
    """The SQL expressions that read the definition's columns, in order."""
    return [_extracted(column, relation) for column in table.columns]


def _extracted(column: Column, relation: Relation) -> str:
    source = relation.columns[column.source_path]
    expression = _expression(column, source)
    if expression is None:
        raise SourceError(f"column {column.name!r}: {source.declared} cannot be read as {column.type}")
    if valid := _validity(column, source, relation):
        # A value that the expression fails for must not end the reading. The space marks it for the contract.
        return f"CASE WHEN {valid} THEN {expression}::text ELSE ' ' || {quoted(source.name)}::text END"
    return expression


def _validity(column: Column, source: SourceColumn, relation: Relation) -> str:
    """The condition that the column's expression does not fail for a value; "" where it never does, or where the server cannot tell."""
    condition = column.type.postgres_valid.get(source.base, "") if relation.version >= _TELLS_VALID else ""
    return condition.format(x=quoted(source.name))


def dialect(relation: Relation) -> Dialect:
    """The dialect of checksums in Postgres, over the same expressions as those of `selected`."""

    def column(column: Column) -> str:
        source = relation.columns[column.source_path]
        x = _expression(column, source)
        if x is None:
            raise SourceError(f"column {column.name!r}: {source.declared} cannot be read as {column.type}")
        if valid := _validity(column, source, relation):
            return f"CASE WHEN {valid} THEN {x} END"
        # A value outside its type is in quarantine, not in the mirror. It counts as null here, because a cast would end the query.
        return column.type.postgres_comparable(x)

    return Dialect(
        engine="postgres",
        column=column,
        bits=lambda text: f"('x' || SUBSTRING(MD5({text}), 1, 15))::bit(60)::bigint",
    )


def _bare(table: Table, name: str, relation: Relation) -> tuple[str, str]:
    """The column without a cast, so that a query can use its index, and its type. Sessions are in UTC, and so are literals."""
    source = relation.columns[table[name].source_path]
    instants = sorted({base for kind in registered() if "cursor" in kind.roles for base in kind.postgres})
    if source.base not in instants:
        raise SourceError(
            f"{table.full_name}: {name!r} is {source.declared} in the source, where reading by it takes {', '.join(instants)}"
        )
    return quoted(source.name), source.base


def on_day(table: Table, name: str, relation: Relation, day: date) -> str:
    """The condition that the column falls in that UTC day."""
    x, kind = _bare(table, name, relation)
    return f"{x} >= '{day.isoformat()}'::{kind} AND {x} < '{(day + timedelta(days=1)).isoformat()}'::{kind}"


def from_bound(table: Table, name: str, relation: Relation, bound: datetime) -> str:
    """The condition that the column is at or after that instant, or null."""
    x, kind = _bare(table, name, relation)
    return f"({x} >= '{bound.astimezone(timezone.utc).isoformat()}'::{kind} OR {x} IS NULL)"
