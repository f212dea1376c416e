"""Redshift's types in columns and casts, and PostgreSQL's type for each.

Belongs here: the complete list of type names, with their limits. Does not belong here: constraints and attributes of a table (`ddl`).
VARCHAR(n) counts bytes on Redshift and characters in PostgreSQL, so its column also gets a CHECK. The proxy recognizes the CHECK by its
name, and translates its violation into Redshift's error.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from redshift_local.sql.dialect import name_sql
from redshift_local.sql.refusals import refused, unsupported

MAX_VARCHAR = 65_535
MAX_VARBYTE = 16_777_216
MAX_CHAR = 4_096


@dataclass(frozen=True)
class ColumnType:
    """A type: its Redshift name, PostgreSQL's type as `sql`, and its `length` in bytes if it has one."""

    name: str
    sql: str
    length: int | None = None

    def check(self, column: str) -> str:
        """The constraint that limits the length of `column` in bytes; empty if the type has no length."""
        if self.length is None:
            return ""
        quoted = name_sql(column)
        if self.name == "character":
            condition = f"octet_length({quoted}::text) = length({quoted}::text)"
            return f"CONSTRAINT {name_sql(check_name('_ascii', column, self.length))} CHECK ({condition})"
        condition = f"octet_length({quoted}) <= {self.length}"
        if self.name != "varbyte":  # blanks at the end may exceed the length; trimming every value would take half the time of a COPY
            condition += f" OR octet_length(rtrim({quoted})) <= {self.length}"
        return f"CONSTRAINT {name_sql(check_name('_bytes', column, self.length))} CHECK ({condition})"


def key_mark(column: str) -> str:
    """A constraint that holds always. Keys are not stored, so it marks a VARCHAR that is part of one."""
    quoted = name_sql(column)
    return f"CONSTRAINT {name_sql(check_name('_key', column, 0))} CHECK ({quoted} IS NULL OR {quoted} IS NOT NULL)"


def check_name(kind: str, column: str, length: int) -> str:
    """`_bytes_<column>_<n>`. A name longer than PostgreSQL's 63 bytes is shortened, and gets a digest so that it is unique."""
    name = f"{kind}_{column}_{length}"
    if len(name.encode()) <= 63:
        return name
    digest = f"{zlib.crc32(column.encode()):08x}"
    room = 63 - len(f"{kind}__{digest}_{length}")
    return f"{kind}_{column.encode()[:room].decode(errors='ignore')}_{digest}_{length}"


_PLAIN = {
    "smallint": "smallint", "int2": "smallint", "integer": "integer", "int": "integer", "int4": "integer",
    "bigint": "bigint", "int8": "bigint", "real": "real", "float4": "real",
    "double precision": "double precision", "float8": "double precision", "float": "double precision",
    "boolean": "boolean", "bool": "boolean", "date": "date", "super": "jsonb",
    "timestamp": "timestamp", "timestamp without time zone": "timestamp",
    "timestamptz": "timestamptz", "timestamp with time zone": "timestamptz",
    "time": "time", "time without time zone": "time", "timetz": "timetz", "time with time zone": "timetz",
}  # fmt: skip
_VARCHAR = ("varchar", "character varying", "nvarchar", "text")
_CHAR = ("char", "character", "nchar", "bpchar")
_DECIMAL = ("decimal", "numeric")
_VARBYTE = ("varbyte", "varbinary", "binary varying")
_NOT_SUPPORTED = ("geometry", "geography", "hllsketch", "interval", "interval year to month", "interval day to second")

NAMES = frozenset((*_PLAIN, *_VARCHAR, *_CHAR, *_DECIMAL, *_VARBYTE, *_NOT_SUPPORTED))
"""Every type name of Redshift, in lower case, with one blank between words."""


def column_type(name: str, arguments: tuple[str, ...], where: str) -> ColumnType:
    """The type `name(arguments)`. `where` is `table.column`, for errors.

    Raises:
        RedshiftError: 0A000 if Redshift, or the local Redshift, does not have the type; 22023 for a length or precision out of range.
    """
    if name in _PLAIN:
        if arguments:
            raise refused("42601", f'syntax error at or near "("; type "{name}" takes no length')
        return ColumnType(name, _PLAIN[name])
    if name in _VARCHAR:
        return _varchar(arguments if name != "text" else ())
    if name in _CHAR:
        length = _number(arguments, 256 if name == "bpchar" else 1, 1, MAX_CHAR, "char")
        return ColumnType("character", f"char({length})", length)
    if name in _DECIMAL:
        return _decimal(arguments)
    if name in _VARBYTE:
        length = _number(arguments, 64_000, 1, MAX_VARBYTE, "varbyte")
        return ColumnType("varbyte", "bytea", length)
    if name in _NOT_SUPPORTED:
        raise unsupported(f"columns of type {name}")
    raise refused("0A000", f'Column "{where}" has unsupported type "{name}".')


def _varchar(arguments: tuple[str, ...]) -> ColumnType:
    length = MAX_VARCHAR if [a.lower() for a in arguments] == ["max"] else _number(arguments, 256, 1, MAX_VARCHAR, "varchar")
    return ColumnType("character varying", f"varchar({length})", length)


def _decimal(arguments: tuple[str, ...]) -> ColumnType:
    precision = _number(arguments[:1], 18, 1, 38, "numeric", "DECIMAL precision {0} must be between 1 and {2}")
    top = min(37, precision)
    scale = _number(
        arguments[1:], 0, 0, top, "numeric", "DECIMAL scale {0} must be between 0 and precision " + str(precision) + ", at most 37"
    )
    return ColumnType("numeric", f"numeric({precision},{scale})")


def _number(given: tuple[str, ...], default: int, least: int, most: int, type_name: str, message: str = "") -> int:
    if not given:
        return default
    if len(given) > 1 or not given[0].isdigit():
        raise refused("42601", f'syntax error at or near "{given[-1]}"')
    value = int(given[0])
    if value < least:
        raise refused("22023", message.format(value, least, most) or f"length for type {type_name} must be at least {least}")
    if value > most:
        raise refused("22023", message.format(value, least, most) or f"length for type {type_name} cannot exceed {most}")
    return value
