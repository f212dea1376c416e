"""CAST and `::` whose result on Redshift differs from PostgreSQL's.

Belongs here: the target type of a cast, and its translation. Does not belong here: names and limits of types (`column_types`).
A cast to VARCHAR(n) truncates to n bytes. Without a length Redshift truncates to 256 bytes, which loses data without an error; the local
Redshift raises an error for a longer value. A cast of a SUPER scalar returns its value, not its JSON text.
"""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from redshift_local.sql.column_types import MAX_VARCHAR, column_type
from redshift_local.sql.functions import local
from redshift_local.sql.refusals import refused, unsupported

_NAMES = {
    "SMALLINT": "smallint", "INT": "integer", "BIGINT": "bigint", "FLOAT": "real", "DOUBLE": "double precision", "BOOLEAN": "boolean",
    "DATE": "date", "TIMESTAMP": "timestamp", "TIMESTAMPNTZ": "timestamp", "TIMESTAMPTZ": "timestamptz", "TIME": "time", "TIMETZ": "timetz",
    "DECIMAL": "decimal", "VARCHAR": "varchar", "NVARCHAR": "varchar", "TEXT": "text", "CHAR": "char", "NCHAR": "char", "BPCHAR": "bpchar",
    "SUPER": "super", "VARBINARY": "varbyte", "INTERVAL": "interval",
}  # fmt: skip


def rewrite_cast(cast: Any) -> Any | None:
    """Translate a cast; returns None if PostgreSQL's is the same.

    Raises:
        RedshiftError: Redshift, or the local Redshift, does not have the type.
    """
    if type(cast) is not exp.Cast or cast.args.get("format") or cast.args.get("default"):
        raise unsupported("this form of CAST")
    kind = cast.to.this
    name = _NAMES.get(getattr(kind, "value", ""), "")
    if isinstance(kind, exp.Interval) or name == "interval":
        return None
    if not name or cast.to.args.get("nested"):
        raise refused("0A000", f'type "{cast.to.sql(dialect="postgres").lower()}" is not supported', "Redshift has no such type.")
    arguments = tuple(str(argument.this.name if argument.this else argument) for argument in cast.to.expressions)
    if name in ("varchar", "text"):
        return _to_varchar(cast, arguments if name == "varchar" else ())
    target = column_type(name, arguments, "cast")
    if name == "super":
        return local("to_super", _as_text(cast.this))
    if name == "varbyte":
        # A cast to VARBYTE(n) truncates to n bytes, like one to VARCHAR(n).
        return local("varbyte", _as_text(cast.this), exp.Literal.number(target.length or 0))
    if name == "decimal" and not arguments:
        return exp.Cast(this=cast.this, to=exp.DataType.build(target.sql, dialect="postgres"))
    return None


def _as_text(value: Any) -> Any:
    """The value, cast to text if it is a string literal, for which PostgreSQL would choose any type that the function accepts."""
    if isinstance(value, exp.Null) or (isinstance(value, exp.Literal) and value.is_string):
        return exp.Cast(this=value, to=exp.DataType.build("text", dialect="postgres"))
    return value


def _to_varchar(cast: Any, arguments: tuple[str, ...]) -> Any:
    target = column_type("varchar", arguments, "cast")
    length = target.length or MAX_VARCHAR
    literal = cast.this
    if isinstance(literal, exp.Literal) and literal.is_string and len(literal.this.encode()) <= length:
        value = literal
    elif arguments:
        value = local("varchar", _as_text(literal), exp.Literal.number(length))
    else:
        value = local("varchar", _as_text(literal))
    return exp.Cast(this=value, to=exp.DataType.build(target.sql, dialect="postgres"))
