"""Rows in memory that can be compared, and tables of every kind of key.

Belongs here: what several tests of comparisons use. Does not belong here: any test.
"""

from __future__ import annotations

from collections import defaultdict

from stori_pipeline.model.row_checksum import HASH_RANGE, Digest, KeyRange, checksum, has_integer_key, key_text, partition_value
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import bigint, varchar
from stori_pipeline.readers.postgres import Xmin

SOURCE = Source("shop", "postgres", "A shop.")
BY_NUMBER = Table(SOURCE, "orders", (Column("no", bigint, nullable=False), Column("note", varchar(40))), ("no",), Xmin())
BY_TEXT = Table(SOURCE, "codes", (Column("code", varchar(40), nullable=False), Column("note", varchar(40))), ("code",), Xmin())
BY_TWO = Table(
    SOURCE,
    "lines",
    (Column("no", bigint, nullable=False), Column("line", varchar(8), nullable=False), Column("note", varchar(40))),
    ("no", "line"),
    Xmin(),
)


class Rows:
    """A comparable that holds its rows in memory, and counts the ranges that it lists."""

    def __init__(self, *rows: dict[str, object]) -> None:
        self.rows = list(rows)
        self.listed = 0

    def key_range(self, table: Table) -> tuple[int, KeyRange]:
        places = [partition_value(table, row) for row in self.rows]
        if not has_integer_key(table):
            return len(places), HASH_RANGE
        return len(places), KeyRange(min(places), max(places) + 1) if places else KeyRange(0, 0)

    def digests(self, table: Table, key_range: KeyRange, width: int, *, keys_only: bool = False) -> dict[int, Digest]:
        found: dict[int, list[int]] = defaultdict(list)
        for row in self.rows:
            if key_range.low <= (at := partition_value(table, row)) < key_range.high:
                found[(at - key_range.low) // width].append(hash(key_text(table, row)) if keys_only else checksum(table, row))
        return {bucket: Digest(len(sums), sum(sums)) for bucket, sums in found.items()}

    def checksums(self, table: Table, *ranges: KeyRange) -> dict[tuple[str, ...], int]:
        inside: dict[tuple[str, ...], int] = defaultdict(int)
        for row in self.rows:
            if any(key_range.low <= partition_value(table, row) < key_range.high for key_range in ranges):
                inside[key_text(table, row)] += checksum(table, row)
        self.listed += len(inside)
        return inside


def row_of(table: Table, n: int, note: str) -> dict[str, object]:
    keys: dict[str, dict[str, object]] = {"orders": {"no": n}, "codes": {"code": f"c{n}"}, "lines": {"no": n // 3, "line": f"l{n % 3}"}}
    return {**keys[table.name], "note": note}


def rows_of(table: Table, model: dict[int, str]) -> Rows:
    return Rows(*(row_of(table, n, note) for n, note in model.items()))
