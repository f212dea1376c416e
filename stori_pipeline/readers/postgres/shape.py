"""The shape of a source table in its database, and the SQL expression that reads each of its columns.

Belongs here: the catalogue queries, and the SQL expression for each pair of source type and column type. Does not belong here: suggesting
definitions (`introspect`), or checking single values (`contract`).
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING

from psycopg2 import extensions

from stori_pipeline.imports import later
from stori_pipeline.model.drift import Drift
from stori_pipeline.model.names import quoted
from stori_pipeline.model.row_checksum import Dialect
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import registered
from stori_pipeline.model.types.type import ANY
from stori_pipeline.readers import SourceError
from stori_pipeline.readers.postgres import ROW
from stori_pipeline.readers.postgres.encodings import Encoding, encoding_of

if TYPE_CHECKING:
    import pyarrow as pa
else:
    pa = later("pyarrow")

NEW = f"{ROW} new"
"""The column of `Relation.rows` that marks new rows; see `with_row_keys`."""

_READS_HEXADECIMAL = 160000
"""The version of Postgres that reads `0xff` as an integer."""

TELLS_VALID = 160000
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
    category: str = "b"
    """The category of that type: `b` base, `c` composite, `e` enum, `r` range, `m` multirange."""
    readable: bool = True
    """Whether the role may read it."""

    @property
    def is_domain(self) -> bool:
        return not self.base.startswith(self.declared.partition("(")[0])

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
class UniqueIndex:
    """A unique index over all rows and over plain columns."""

    columns: tuple[str, ...]
    is_key: bool
    """Whether none of its columns can be null, so that it identifies every row."""


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
    may_lock: bool = True
    """False if the role may read some columns only: Postgres lets it lock none then."""
    unique: tuple[UniqueIndex, ...] = ()
    """The unique indexes that hold for every row, the primary key first. A table with children has none: an index omits their rows."""
    has_foreign: bool = False
    """Whether it is a foreign table, or has one below it: rows of another server, which have no transaction here."""
    encoding: Encoding = field(default_factory=Encoding)
    rows: str = ""
    """The rows in SQL, for FROM: the relation, or a query over it that adds columns."""

    def __post_init__(self) -> None:
        if not self.rows:
            object.__setattr__(self, "rows", self.sql)

    @property
    def sql(self) -> str:
        return f"{quoted(self.schema)}.{quoted(self.name)}"

    @property
    def lock(self) -> str:
        """The relation to lock while its rows are read; "" if there is none."""
        return self.sql if self.kind in "rp" and self.may_lock else ""

    @property
    def has_xmin(self) -> bool:
        return self.kind in "rpm" and not self.has_foreign


_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), format_type(base.oid, NULL), base.modifier, a.attnotnull,
       COALESCE(col_description(a.attrelid, a.attnum), ''), base.category,
       has_column_privilege(a.attrelid, a.attnum, 'SELECT')
FROM pg_attribute a
CROSS JOIN LATERAL (
  WITH RECURSIVE resolved(oid, modifier, depth) AS (
    SELECT a.atttypid, a.atttypmod, 0
    UNION ALL
    SELECT t.typbasetype, CASE WHEN r.modifier = -1 THEN t.typtypmod ELSE r.modifier END, r.depth + 1
    FROM resolved r JOIN pg_type t ON t.oid = r.oid AND t.typtype = 'd')
  SELECT r.oid, r.modifier, t.typtype::text AS category
  FROM resolved r JOIN pg_type t ON t.oid = r.oid ORDER BY r.depth DESC LIMIT 1) base
WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""

_UNIQUE = """
SELECT array_agg(a.attname::text ORDER BY k.place), bool_and(a.attnotnull)
FROM pg_index i
CROSS JOIN LATERAL unnest(i.indkey::smallint[]) WITH ORDINALITY k(attnum, place)
LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum AND a.attnum > 0
WHERE i.indrelid = %s AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND k.place <= i.indnkeyatts
GROUP BY i.indexrelid, i.indisprimary
HAVING bool_and(a.attnum IS NOT NULL)
ORDER BY i.indisprimary DESC, i.indexrelid
"""


def find(cursor: extensions.cursor, name: str) -> Relation | None:
    """The relation of that (quoted) name on the role's search path, by default `public`; None if the role sees none."""
    cursor.execute(
        "SELECT c.oid::bigint, n.nspname, c.relname, c.relkind::text,"
        " has_table_privilege(c.oid, 'SELECT') OR NOT has_any_column_privilege(c.oid, 'SELECT'),"
        " c.relkind = 'r' AND EXISTS (SELECT FROM pg_inherits WHERE inhparent = c.oid),"
        " EXISTS (WITH RECURSIVE tree(oid) AS (SELECT c.oid UNION SELECT inhrelid FROM pg_inherits JOIN tree ON inhparent = tree.oid)"
        " SELECT FROM pg_foreign_table JOIN tree ON tree.oid = ftrelid)"
        " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.oid = to_regclass(%s) AND c.relkind IN ('r', 'p', 'm', 'v', 'f')",
        [name],
    )
    row = cursor.fetchone()
    if row is None:
        return None
    oid, schema, relname, kind, may_lock, has_children, has_foreign = row
    cursor.execute(_COLUMNS, [oid])
    columns = {each[0]: SourceColumn(*each) for each in cursor.fetchall()}
    cursor.execute(_UNIQUE, [oid])
    unique = () if has_children else tuple(UniqueIndex(tuple(names), is_key) for names, is_key in cursor.fetchall())
    connection = cursor.connection
    return Relation(oid, schema, relname, kind, columns, connection.server_version, may_lock, unique, has_foreign, encoding_of(connection))


def with_row_keys(table: Table, relation: Relation, new: str = "") -> Relation:
    """The relation with the column `$row`, if the definition has one and the relation itself has none of that name.

    Equal rows are interchangeable, so a number among them tells them apart, whatever the order in which the server finds them. Rows are
    equal if every column of the definition has the same text: that works for every type, also for those without `=`.

    Args:
        new: the condition that selects the rows which no reading has had. They are numbered after the equal rows that one has had, so that
            all readings together give each number once. The column `NEW` has the condition.
    """
    if ROW in relation.columns or all(column.source_path != ROW for column in table.columns):
        return relation
    marked, order, shown = (f", {new} AS {quoted(NEW)}", f" ORDER BY texts.{quoted(NEW)}", f", {quoted(NEW)}") if new else ("", "", "")
    names = [quoted(name) for column in table.columns if (name := column.source_path) != ROW and name in relation.columns]
    columns = ", ".join(dict.fromkeys(names))
    rows = (
        f"(SELECT {columns}{shown}, md5(texts.{quoted(ROW)}) || '-' ||"
        f" row_number() OVER (PARTITION BY texts.{quoted(ROW)}{order}) AS {quoted(ROW)}"
        f' FROM (SELECT {columns}, ROW({columns})::text COLLATE "C" AS {quoted(ROW)}{marked} FROM {relation.sql}) texts) keyed'
    )
    identity = SourceColumn(ROW, "a hash of the row", "text", -1, not_null=True, description="")
    return replace(relation, columns={**relation.columns, ROW: identity}, unique=(UniqueIndex((ROW,), is_key=True),), rows=rows)


def _expression(column: Column, source: SourceColumn) -> str | None:
    return column.type.postgres_expression(source.base, quoted(source.name))


def misfits(table: Table, relation: Relation) -> list[Drift]:
    """Every column of the definition that is missing or whose source type cannot be read as its type, and a key that does not identify the
    source's rows."""
    key = {table[name].source_path for name in table.key}
    wrong = []
    if any(index.is_key for index in relation.unique) and not is_unique(key, relation):
        theirs = ", ".join(next(index.columns for index in relation.unique if index.is_key))
        text = f"the definition's key ({', '.join(table.key)}) would merge rows that the source's key ({theirs}) tells apart"
        wrong.append(Drift("", "key", text, is_error=True))
    for column in table.columns:
        if column.dropped:
            continue
        source = relation.columns.get(column.source_path)
        if source is None:
            wrong.append(Drift(column.name, "dropped", f"column {column.source_path!r} is missing", is_error=True))
        elif _expression(column, source) is None:
            takes = ", ".join(column.type.postgres)
            text = f"column {column.source_path!r} is {source.declared}; the definition says {column.type}, which can be read from {takes}"
            wrong.append(Drift(column.name, "type", text, is_error=True))
    return wrong


def refuse_misfit(table: Table, relation: Relation) -> None:
    """Raises SourceError that names everything which `misfits` finds."""
    if wrong := misfits(table, relation):
        raise SourceError(
            f"{table.full_name}: {relation.sql} no longer fits its definition: {'; '.join(map(str, wrong))}."
            " Nothing was read; change the definition or the source table"
        )


def is_unique(paths: Set[str], relation: Relation) -> bool:
    """Whether a unique index guarantees that no two rows have the same values in these columns."""
    return any(paths >= set(index.columns) for index in relation.unique)


def unguarded_key(table: Table, relation: Relation) -> str:
    """For a table whose key the source does not guarantee: a sentence that says so and what to do; "" otherwise."""
    if relation.kind not in "rp" or is_unique({table[name].source_path for name in table.key}, relation):
        return ""
    return (
        f"{relation.sql} has no unique index on ({', '.join(table.key)}), the definition's key, so rows with the same key become one row;"
        f" add a unique index or, if rows may have the same key, read the table with changes=Snapshot() and a key with path={ROW!r}"
    )


def selected(table: Table, relation: Relation) -> list[str]:
    """The SQL expressions that read the definition's columns, in order."""
    return [_extracted(column, relation) for column in table.columns]


def _extracted(column: Column, relation: Relation) -> str:
    if column.dropped:
        return "NULL"
    source = relation.columns[column.source_path]
    expression = _readable(column, source)
    if valid := _validity(column, source, relation):
        # A value that the expression fails for must not end the reading. The space marks it for the contract.
        return f"CASE WHEN {valid} THEN {expression}::text ELSE ' ' || {quoted(source.name)}::text END"
    return expression


def _readable(column: Column, source: SourceColumn) -> str:
    """The expression of the column.

    Raises:
        SourceError: its source type cannot be read as its type.
    """
    expression = _expression(column, source)
    if expression is None:
        raise SourceError(f"column {column.name!r}: {source.declared} cannot be read as {column.type}")
    return expression


def _validity(column: Column, source: SourceColumn, relation: Relation) -> str:
    """The condition that the column's expression does not fail for a value; "" where it never does, or where the server cannot tell."""
    condition = column.type.postgres_valid.get(source.base, "") if relation.version >= TELLS_VALID else ""
    return condition.format(x=quoted(source.name))


def dialect(relation: Relation) -> Dialect:
    """The dialect of checksums in Postgres, over the same expressions as those of `selected`."""

    def expression(column: Column) -> str:
        if column.dropped:
            return f"NULL::{next(each for each in column.type.postgres if each != ANY)}"
        x = _readable(column, relation.columns[column.source_path])
        return relation.encoding.readable(x) if column.type.is_text else x

    def unfit(column: Column) -> str:
        if column.dropped:
            return ""
        source = relation.columns[column.source_path]
        x, valid = _readable(column, source), _validity(column, source, relation)
        unfit = "" if valid or _fits_as_declared(column, source, relation) else column.type.postgres_unfit(x)
        # Not with OR, which evaluates in any order: a condition may fail where the one before it is not met.
        if (readable := relation.encoding.valid) and (column.type.is_text or column.type.is_document):
            unfit = f"CASE WHEN NOT {readable.format(x=f'({x})::text')} THEN TRUE ELSE {unfit or 'FALSE'} END"
        if not valid:
            return unfit
        return f"CASE WHEN NOT {valid} THEN TRUE ELSE {unfit} END" if unfit else f"NOT {valid}"

    hexadecimal = "('0x' || {})::bigint" if relation.version >= _READS_HEXADECIMAL else "('x' || {})::bit(60)::bigint"
    return Dialect(
        engine="postgres",
        column=expression,
        bits=lambda text: hexadecimal.format(f"SUBSTRING(MD5({text}), 1, 15)"),
        unfit=unfit,
        total="SUM({})".format,  # of bigints it is a numeric
    )


def _fits_as_declared(column: Column, source: SourceColumn, relation: Relation) -> bool:
    """Whether the server holds every number of the column to digits that its type has, too. (What has no digits, such as NaN, has a text
    that no number has.) It does not hold the rows of a foreign table to what is declared."""
    arrow = column.type.arrow
    if not source.digits or relation.kind not in "rp" or relation.has_foreign or not pa.types.is_decimal(arrow):
        return False
    precision, scale = source.digits
    return 0 <= scale <= int(arrow.scale) and precision - scale <= int(arrow.precision - arrow.scale)


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
