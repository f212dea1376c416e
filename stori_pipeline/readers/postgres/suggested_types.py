"""Types for the columns of a table, from what the catalogue declares and, where it declares too little, from all values.

Belongs here: types that take every value there is, unchanged. Does not belong here: which columns a table has (`shape`), or its key
(`introspect`).
"""

# A type's own object says what it is suggested for (`Type.suggested_for`). What differs:
#
#     numeric(p,s)              decimal(p,s) if Redshift has it, else text of that length; without p and s: decimal(38,s), a guess
#     varchar(n), char(n)       varchar(4 * n): a character takes up to four bytes
#     arrays, composite types   super_
#     text and everything else  varchar(65535): no length is declared
#
# One pass over the rows finds values that the suggested type does not take: NaN, infinity, years before 1 or after 9999, 24:00, texts
# longer than any varchar. Such a column becomes a text, with a note that says why.

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from psycopg2 import extensions

from stori_pipeline.model.names import quoted
from stori_pipeline.model.types import parse, suggestions
from stori_pipeline.model.types.numbers import MAX_DOUBLE
from stori_pipeline.model.types.texts import MAX_BYTES
from stori_pipeline.readers.postgres.shape import TELLS_VALID, SourceColumn

_WIDE_TEXT = f"varchar({MAX_BYTES})"

_MEASURES_AT_ONCE = 500
"""A query has at most 1,664 columns."""

_SPARE = 6
"""The digits by which a numeric without declared precision may grow before and behind the point, if there is room."""

_OUTSIDE = {
    "numeric": "{x} IN ('NaN', 'Infinity', '-Infinity')",
    "double precision": f"({{x}} IN ('NaN', 'Infinity', '-Infinity') OR abs({{x}}) >= {MAX_DOUBLE:.0f}::numeric::float8)",
    "date": "(NOT isfinite({x}) OR {x} < '0001-01-01' OR {x} > '9999-12-31')",
    "timestamp without time zone": "(NOT isfinite({x}) OR {x} < '0001-01-01' OR {x} >= '10000-01-01')",
    "timestamp with time zone": "(NOT isfinite({x}) OR {x} < '0001-01-01' OR {x} >= '10000-01-01')",
    "time without time zone": "{x} = '24:00:00'",
    "json": "({x}::text ~ '[0-9]{{150}}[0-9]{{150}}' OR NOT pg_input_is_valid({x}::text, 'jsonb'))",
    "jsonb": "{x}::text ~ '[0-9]{{150}}[0-9]{{150}}'",
}
"""By type of Postgres: the condition that a value does not fit the type that is suggested for it."""
_OUTSIDE["real"] = _OUTSIDE["double precision"]

_WHY = {
    "numeric": "it holds NaN or infinity, which no decimal does",
    "double precision": "it holds NaN, infinity or 1e28 and more, which no double here does",
    "real": "it holds NaN, infinity or 1e28 and more, which no double here does",
    "time without time zone": "it holds 24:00, which no time does",
    "json": "it holds what no super does: long numbers, or characters that jsonb refuses",
    "jsonb": "it holds numbers of more than 300 digits, which no super does",
}
_WHY_OF_DAYS = "it holds infinity or years outside 1 to 9999, which Redshift does not"

_LENGTHS = {"interval": 128, "time with time zone": 32, "inet": 64, "cidr": 64, "macaddr": 32, "macaddr8": 32, "name": 256, "pg_lsn": 32}
"""The longest text in bytes, by types of Postgres that have one."""
_ENUM = 256
_MOMENT = 64


class ColumnType(NamedTuple):
    """A type as Python, and notes for the column: what is a guess, and why a type is not the obvious one. `nullable`: a value may land as
    NULL even if the source has none, because JSON's null counts as NULL."""

    python: str
    notes: tuple[str, ...] = ()
    nullable: bool = False


def types_of(cursor: extensions.cursor, rows: str, columns: Mapping[str, SourceColumn], key: Collection[str] = ()) -> dict[str, ColumnType]:
    """The type for each column. Takes a pass over the rows, `rows` in SQL, unless every column declares enough."""
    measures = {(name, what): sql for name, column in columns.items() for what, sql in _measures(column, cursor.connection.server_version)}
    found: dict[tuple[str, str], Any] = {}
    for start in range(0, len(measures), _MEASURES_AT_ONCE):
        some = list(measures)[start : start + _MEASURES_AT_ONCE]
        cursor.execute(f"SELECT {', '.join(measures[each] for each in some)} FROM {rows}")
        found |= dict(zip(some, cursor.fetchall()[0], strict=True))
    by_column: dict[str, dict[str, Any]] = {name: {} for name in columns}
    for (name, what), value in found.items():
        by_column[name][what] = value
    return {name: _for_role(_type(column, by_column[name]), is_key=name in key) for name, column in columns.items()}


def _measures(column: SourceColumn, version: int) -> Iterator[tuple[str, str]]:
    x = quoted(column.name)
    outside = _OUTSIDE.get(column.base, "")
    if column.base == "json" and version < TELLS_VALID:
        outside = _OUTSIDE["jsonb"]
    if outside:
        yield "outside", f"bool_or({outside.format(x=x)})"
    if column.base == "numeric" and not column.digits:
        finite = f"CASE WHEN NOT ({outside.format(x=x)}) THEN {x} END"
        yield "whole", f"max(length(split_part(abs({finite})::text, '.', 1)))"
        yield "places", f"max(min_scale({finite}))"
    if not outside and _declared(column) == _WIDE_TEXT:
        yield "longest", f"max(octet_length({x}::text))"


def _type(column: SourceColumn, found: Mapping[str, Any]) -> ColumnType:
    declared = _declared(column)
    if found.get("outside"):
        why = _WHY.get(column.base, _WHY_OF_DAYS)
        length = _WIDE_TEXT if column.base in ("json", "jsonb", "numeric") else f"varchar({_MOMENT})"
        return ColumnType(length, (f"{column.declared} in the source: {why}",))
    if column.base == "numeric" and not column.digits:
        return _numeric(found.get("whole") or 0, found.get("places") or 0)
    if (longest := found.get("longest") or 0) > MAX_BYTES:
        return ColumnType("super_", (f"a text of {longest:,} bytes is in it, longer than any varchar",), nullable=True)
    notes = ("naive in the source: read as UTC",) if column.base == "timestamp without time zone" else ()
    return ColumnType(declared, notes, nullable=column.base in ("json", "jsonb"))


def declared_width(column: SourceColumn) -> str:
    """The type, as Python, that takes every value which the column's declared width allows; "" if it declares none."""
    has_width = bool(column.digits or column.characters or column.base in ("smallint", "integer", "bigint"))
    return _declared(column) if has_width else ""


def _declared(column: SourceColumn) -> str:
    """The type that follows from what is declared."""
    if column.base == "numeric" and column.digits:
        precision, scale = column.digits
        # numeric(3,5) holds up to 0.00999, and numeric(3,-2) up to 99900
        whole, places = max(precision - scale, 0), max(scale, 0)
        if whole + places <= 38 and places <= 37:
            return f"decimal({whole + places}, {places})"
        return f"varchar({max(precision, whole + places) + 3})"
    if column.base == "time without time zone":
        return "time"
    if suggested := suggestions.for_postgres(column.base):
        return suggested
    if column.base.endswith("[]") or column.category == "c":
        return "super_"
    if column.category == "e":
        return f"varchar({_ENUM})"
    if column.characters:
        return f"varchar({min(4 * column.characters, MAX_BYTES)})"
    return f"varchar({_LENGTHS[column.base]})" if column.base in _LENGTHS else _WIDE_TEXT


def _numeric(whole: int, places: int) -> ColumnType:
    """For a numeric without precision whose numbers have up to so many digits before and behind the point."""
    if whole + places > 38 or places > 37:
        return ColumnType(_WIDE_TEXT, (f"a number of {whole} digits and one of {places} places are in it, more than a decimal holds",))
    scale = min(max(10, places + _SPARE), 37, 38 - min(whole + _SPARE, 38 - places))
    scale = max(scale, places)
    return ColumnType(
        f"decimal(38, {scale})",
        (f"a guess: no precision is declared; up to {38 - scale} digits before the point and {scale} behind it fit",),
    )


def _for_role(suggested: ColumnType, *, is_key: bool) -> ColumnType:
    if not is_key or "key" in parse(suggested.python.rstrip("_")).roles:
        return suggested
    return ColumnType(_WIDE_TEXT, (f"as text: a {suggested.python.rstrip('_')} cannot be a key", *suggested.notes))
