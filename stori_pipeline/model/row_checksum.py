"""A row's checksum, defined once for Python and for every engine: what "equal" means when source and mirror are compared.

Belongs here: the checksum of a row, the partition value of a key, and the SQL that computes both in Postgres and in Redshift.
Does not belong here: the canonical text of a value (its type has that), running SQL, or deciding what to compare (`verify`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stori_pipeline.model.changes import Changes
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import Engine

if TYPE_CHECKING:
    from array import array

    import polars as pl

# A row's checksum is the first sixty bits of the md5 of the canonical texts of its values, joined by `|`. The checksum of a set of rows is
# the sum of theirs: the order of rows does not matter, and a sum, unlike an exclusive or, detects a row that occurs twice. A key's
# partition value is the key itself if it is one integer, else sixty bits of the md5 of its text, so that every table splits into ranges.

_NULL = "~"
"""The canonical text of NULL."""

_UNFIT = "!"
"""The canonical text of a source's value that its type does not hold. No value in a mirror has it."""

_HALF_BITS = 30


@dataclass(frozen=True)
class Digest:
    """The number of rows in a set, and the sum of their checksums."""

    rows: int
    checksum: int


@dataclass(frozen=True)
class KeyRange:
    """A range of partition values: `low` is in it, `high` is not."""

    low: int
    high: int

    def width(self, buckets: int) -> int:
        """How many partition values each bucket holds if the range is split into at most `buckets` equal ones."""
        return max(1, -(-(self.high - self.low) // buckets))

    def bucket(self, number: int, width: int) -> KeyRange:
        low = self.low + number * width
        return KeyRange(low, min(self.high, low + width))


HASH_RANGE = KeyRange(0, 1 << 60)
"""The partition values of every key that is not one integer."""


def has_integer_key(table: Table) -> bool:
    """Whether the partition value of each of the table's keys is the key itself."""
    return len(table.key) == 1 and table[table.key[0]].type.is_integer


def keys_of(table: Table) -> Table:
    """The definition of the table's keys alone, whose rows' checksums are those of the keys."""
    return Table(table.source, table.name, tuple(table[name] for name in table.key), table.key, Changes(), unnest=table.unnest)


# --- in Python -------------------------------------------------------------------------------------------------------


def _bits(text: str) -> int:
    return int(hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()[:15], 16)


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def canonical(column: Column, value: Any) -> str:
    """The canonical text of one value from Arrow's `to_pylist`: int, Decimal, str, bool, date, aware datetime, float, or bytes of JSON."""
    return _NULL if value is None else column.type.canonical(value)


def checksum(table: Table, row: Mapping[str, Any]) -> int:
    """The checksum of one row: values by column name."""
    return _bits("|".join(canonical(c, row[c.name]) for c in table.columns))


def _checksums(columns: Sequence[Column], values: Mapping[str, Sequence[Any]]) -> list[int]:
    texts = []
    for column in columns:
        text = column.type.canonical
        texts.append([_NULL if value is None else text(value) for value in values[column.name]])
    return [_bits("|".join(row)) for row in zip(*texts, strict=True)]


def checksums(table: Table, values: Mapping[str, Sequence[Any]]) -> list[int]:
    """The checksums of many rows, given as columns; faster than one row at a time."""
    return _checksums(table.columns, values)


def partition_values(table: Table, values: Mapping[str, Sequence[Any]]) -> list[int]:
    """The partition values of many rows' keys, given as columns."""
    if has_integer_key(table):
        return list(values[table.key[0]])
    return _checksums([table[name] for name in table.key], values)


def partition_value(table: Table, row: Mapping[str, Any]) -> int:
    """The partition value of one row's key."""
    if has_integer_key(table):
        return int(row[table.key[0]])
    return _bits("|".join(canonical(table[name], row[name]) for name in table.key))


def digests_of(
    partition_values: array[int] | pl.Series, checksums: array[int] | pl.Series, key_range: KeyRange, width: int
) -> dict[int, Digest]:
    """The digest of each bucket of `width` partition values that has rows; the range must hold every partition value given."""
    import polars as pl  # heavy: only where rows are compared in Python

    frame = pl.DataFrame({"value": pl.Series(partition_values, dtype=pl.Int64), "checksum": pl.Series(checksums, dtype=pl.Int64)})
    # Sixty-bit numbers would soon overflow a column of sums: their halves do not.
    buckets = frame.group_by((pl.col("value") - key_range.low) // width).agg(
        pl.len().alias("rows"),
        (pl.col("checksum") & ((1 << _HALF_BITS) - 1)).sum().alias("low"),
        (pl.col("checksum") // (1 << _HALF_BITS)).sum().alias("high"),
    )
    return {bucket: Digest(rows, (high << _HALF_BITS) + low) for bucket, rows, low, high in buckets.iter_rows()}


def seen(column: Column, value: Any) -> str | None:
    """A value from Arrow's `to_pylist` as people see it; None for NULL."""
    if value is None:
        return None
    if column.type.is_document:
        return bytes(value).decode()
    return str(value) if column.type.is_text else column.type.seen(column.type.canonical(value))


def key_text(table: Table, row: Mapping[str, Any]) -> tuple[str, ...]:
    """A row's key as texts, the same from every engine: it identifies the row in a comparison and is shown to people."""
    return tuple(row[n] if table[n].type.is_text else canonical(table[n], row[n]) for n in table.key)


# --- in SQL ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Dialect:
    """The SQL that differs between engines.

    `column` gives the expression of a column in the definition's type; `bits` gives the first sixty bits of a text's md5 as a bigint;
    `unfit` gives the condition that a column's value is not one of its type, "" if it always is; `total` gives the exact sum of bigints.
    """

    engine: Engine
    column: Callable[[Column], str]
    bits: Callable[[str], str]
    unfit: Callable[[Column], str] = lambda _: ""
    total: Callable[[str], str] = "SUM(CAST({} AS DECIMAL(38,0)))".format


def canonical_sql(column: Column, dialect: Dialect) -> str:
    text = f"COALESCE({column.type.canonical_sql(dialect.column(column), dialect.engine)}, '{_NULL}')"
    unfit = dialect.unfit(column)
    return f"CASE WHEN {unfit} THEN '{_UNFIT}' ELSE {text} END" if unfit else text


def _joined(columns: Sequence[Column], dialect: Dialect) -> str:
    return " || '|' || ".join(canonical_sql(c, dialect) for c in columns)


def partition_value_sql(table: Table, dialect: Dialect) -> str:
    keys = [table[name] for name in table.key]
    return dialect.column(keys[0]) if has_integer_key(table) else dialect.bits(_joined(keys, dialect))


def _key_text_sql(column: Column, dialect: Dialect) -> str:
    return dialect.column(column) if column.type.is_text else canonical_sql(column, dialect)


def key_range_sql(table: Table, relation: str, dialect: Dialect) -> str:
    """SQL for one row: the number of rows, the least partition value and the greatest (both NULL if there are no rows)."""
    if not has_integer_key(table):
        return f"SELECT COUNT(*), {HASH_RANGE.low}, {HASH_RANGE.high - 1} FROM {relation}"
    at = partition_value_sql(table, dialect)
    return f"SELECT COUNT(*), MIN({at}), MAX({at}) FROM {relation}"


def digests_sql(table: Table, relation: str, dialect: Dialect, key_range: KeyRange, width: int, *, keys_only: bool = False) -> str:
    """SQL for a row per bucket of `width` partition values that has rows: the bucket's number, its rows, the sum of their checksums."""
    columns = [table[name] for name in table.key] if keys_only else list(table.columns)
    at, bits = partition_value_sql(table, dialect), dialect.bits(_joined(columns, dialect))
    return (
        f"SELECT {_bucket_sql(at, key_range, width)} AS bucket, COUNT(*), {dialect.total(bits)}"
        f" FROM {relation} WHERE {at} >= {key_range.low} AND {at} < {key_range.high} GROUP BY 1"
    )


def _bucket_sql(at: str, key_range: KeyRange, width: int) -> str:
    """The number of the bucket of a partition value. An integer's own type would overflow where keys are more than half of it apart."""
    if key_range.high - key_range.low < 1 << 63:
        low = f"CAST('{key_range.low}' AS BIGINT)" if key_range.low == -(1 << 63) else key_range.low
        return f"(CAST({at} AS BIGINT) - {low}) / {width}"
    offset = f"CAST({at} AS DECIMAL(38,0)) - {key_range.low}"  # its division would round, so the remainder goes first
    return f"CAST(({offset} - MOD({offset}, {width})) / {width} AS BIGINT)"


def existing_keys_sql(table: Table, relation: str, dialect: Dialect) -> str:
    """SQL of Postgres for a row per key that exists among those asked: its texts. Has a parameter for each column of the key: its texts of
    all keys asked, in UTF-8, as an array of bytes, because the database may have another encoding."""
    return f"SELECT DISTINCT {', '.join(f'found.{name}' for name in _key_names(table))}{_asked_sql(table, relation, dialect, [])}"


def rows_by_key_sql(table: Table, relation: str, dialect: Dialect, values: Sequence[str]) -> str:
    """SQL of Postgres for the rows of the keys asked: the texts of these expressions, in order. The parameters are those of
    `existing_keys_sql`."""
    names = ", ".join(f"found.v{number}" for number, _ in enumerate(values))
    return f"SELECT {names}{_asked_sql(table, relation, dialect, values)}"


def _key_names(table: Table) -> list[str]:
    return [f"k{number}" for number, _ in enumerate(table.key)]


def _asked_sql(table: Table, relation: str, dialect: Dialect, values: Sequence[str]) -> str:
    names = _key_names(table)
    keys = [f"CAST({_key_text_sql(table[key], dialect)} AS TEXT) AS {name}" for key, name in zip(table.key, names, strict=True)]
    shown = [f"CAST({value} AS TEXT) AS v{number}" for number, value in enumerate(values)]
    equal = " AND ".join(f"CONVERT_TO(found.{name}, 'UTF8') = asked.{name}" for name in names)
    arrays = ", ".join(["%s::bytea[]"] * len(names))
    found = f"(SELECT {', '.join([*keys, *shown])} FROM {relation}) AS found"
    return f" FROM {found} JOIN UNNEST({arrays}) AS asked({', '.join(names)}) ON {equal}"


def texts_sql(table: Table, relation: str, dialect: Dialect, keys: int) -> str:
    """SQL for the rows of so many keys: the key's texts, then of each column the canonical text and the text that people see. Has a
    parameter for each text of each key."""
    texts = [f"CAST({_key_text_sql(table[name], dialect)} AS VARCHAR(65535))" for name in table.key]
    columns = [part for column in table.columns for part in (canonical_sql(column, dialect), _seen_sql(column, dialect))]
    one = " AND ".join(f"{text} = %s" for text in texts)
    return f"SELECT {', '.join([*texts, *columns])} FROM {relation} WHERE {' OR '.join([f'({one})'] * keys)}"


def _seen_sql(column: Column, dialect: Dialect) -> str:
    x = dialect.column(column)
    if column.type.is_document:
        return f"JSON_SERIALIZE({x})"
    return x if column.type.is_text else canonical_sql(column, dialect)


def row_checksums_sql(table: Table, relation: str, dialect: Dialect, *ranges: KeyRange) -> str:
    """SQL for a row per key in the ranges: the key's texts, then the checksum of its row (the sum, if several rows have the key)."""
    keys = ", ".join(_key_text_sql(table[name], dialect) for name in table.key)
    at, bits = partition_value_sql(table, dialect), dialect.bits(_joined(table.columns, dialect))
    by = ", ".join(str(n + 1) for n in range(len(table.key)))
    within = " OR ".join(_ranges_sql(at, ranges) if has_integer_key(table) else _buckets_sql(at, ranges))
    return f"SELECT {keys}, {dialect.total(bits)} FROM {relation} WHERE {within} GROUP BY {by}"


def _ranges_sql(at: str, ranges: Sequence[KeyRange]) -> list[str]:
    """A condition for each range, for which an index can be used."""
    return [f"({at} >= {key_range.low} AND {at} < {key_range.high})" for key_range in ranges]


def _buckets_sql(at: str, ranges: Sequence[KeyRange]) -> list[str]:
    """A condition for all ranges that are buckets of one width, as nearly all are. An engine computes `at` again wherever it stands, and
    for a hash that is two md5s of each row: a condition for each range would take minutes."""
    buckets: dict[tuple[int, int], list[KeyRange]] = {}
    for key_range in sorted(ranges, key=lambda each: each.low):
        width = key_range.high - key_range.low
        buckets.setdefault((width, key_range.low % width), []).append(key_range)
    conditions = []
    for (width, _), alike in buckets.items():
        whole = KeyRange(alike[0].low, alike[-1].high)
        numbers = ", ".join(str((each.low - whole.low) // width) for each in alike)
        conditions.append(f"({at} >= {whole.low} AND {at} < {whole.high} AND {_bucket_sql(at, whole, width)} IN ({numbers}))")
    return conditions
