"""Finding the rows that differ: with every kind of key, at any size, for any difference."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stori_pipeline.model.row_checksum import HASH_RANGE, Digest, KeyRange, checksum, has_integer_key, key_text, partition_value
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import bigint, varchar
from stori_pipeline.readers.postgres import Xmin
from stori_pipeline.verify import compare

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


def _row(table: Table, n: int, note: str) -> dict[str, object]:
    keys: dict[str, dict[str, object]] = {"orders": {"no": n}, "codes": {"code": f"c{n}"}, "lines": {"no": n // 3, "line": f"l{n % 3}"}}
    return {**keys[table.name], "note": note}


def _as_rows(table: Table, model: dict[int, str]) -> Rows:
    return Rows(*(_row(table, n, note) for n, note in model.items()))


MODEL = st.dictionaries(st.integers(-(2**62), 2**62), st.sampled_from(["a", "b"]), max_size=30)


@pytest.mark.parametrize("table", [BY_NUMBER, BY_TEXT, BY_TWO], ids=lambda t: t.name)
@given(source=MODEL, mirror=MODEL)
def test_every_difference_is_found_and_nothing_else(table: Table, source: dict[int, str], mirror: dict[int, str]) -> None:
    left, right = _as_rows(table, source), _as_rows(table, mirror)
    result = compare.verify(table, left, right)
    theirs = {key_text(table, row): row["note"] for row in left.rows}
    ours = {key_text(table, row): row["note"] for row in right.rows}
    expected = {}
    for key in theirs.keys() | ours.keys():
        if key not in ours:
            expected[key] = "not in the warehouse"
        elif key not in theirs:
            expected[key] = "not in the source"
        elif ours[key] != theirs[key]:
            expected[key] = "different"
    assert {d.key: d.verdict for d in result.differing} == expected
    assert result.equal == (not expected)
    assert (result.source_rows, result.warehouse_rows) == (len(source), len(mirror))


def test_only_ranges_that_differ_are_listed() -> None:
    source = Rows(*(_row(BY_NUMBER, n, "same") for n in range(30_000)))
    mirror = Rows(*(_row(BY_NUMBER, n, "other" if n == 17_123 else "same") for n in range(30_000)))
    result = compare.verify(BY_NUMBER, source, mirror)
    assert [d.key for d in result.differing] == [("17123",)]
    assert source.listed < 500


def test_at_most_a_hundred_differing_keys_are_listed() -> None:
    result = compare.verify(BY_NUMBER, Rows(*(_row(BY_NUMBER, n, "") for n in range(5_000))), Rows())
    assert len(result.differing) == compare.SHOWN
    assert not result.equal


def test_a_row_twice_in_the_mirror_is_a_difference() -> None:
    row = _row(BY_NUMBER, 1, "a")
    counted = list(compare.differences(BY_NUMBER, Rows(row), Rows(row, row), KeyRange(0, 10)))
    assert [d.key for d in counted] == [("1",)]


def test_rows_in_flight_do_not_count_when_they_settle() -> None:
    source, mirror = Rows({"no": 1, "note": "new"}), Rows({"no": 1, "note": "old"})

    def settle() -> None:
        mirror.rows[:] = source.rows
        source.rows.append({"no": 2, "note": "newer still"})

    assert compare.verify(BY_NUMBER, source, mirror, settle=settle).equal


def test_rows_that_stay_different_count_while_others_settle() -> None:
    source, mirror = Rows({"no": 1, "note": "new"}, {"no": 2, "note": "x"}), Rows({"no": 1, "note": "old"}, {"no": 2, "note": "y"})

    def settle() -> None:
        mirror.rows[0] = source.rows[0]

    result = compare.verify(BY_NUMBER, source, mirror, settle=settle)
    assert [d.key for d in result.differing] == [("2",)]
