"""Finding the rows that differ: with every kind of key, at any size, for any difference."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stori_pipeline.model.row_checksum import KeyRange, key_text
from stori_pipeline.model.table import Table
from stori_pipeline.verify import compare
from stori_pipeline_tests.verify.rows import BY_NUMBER, BY_TEXT, BY_TWO, Rows, row_of, rows_of

MODEL = st.dictionaries(st.integers(-(2**62), 2**62), st.sampled_from(["a", "b"]), max_size=30)


@pytest.mark.parametrize("table", [BY_NUMBER, BY_TEXT, BY_TWO], ids=lambda t: t.name)
@given(source=MODEL, mirror=MODEL)
def test_every_difference_is_found_and_nothing_else(table: Table, source: dict[int, str], mirror: dict[int, str]) -> None:
    left, right = rows_of(table, source), rows_of(table, mirror)
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
    source = Rows(*(row_of(BY_NUMBER, n, "same") for n in range(30_000)))
    mirror = Rows(*(row_of(BY_NUMBER, n, "other" if n == 17_123 else "same") for n in range(30_000)))
    result = compare.verify(BY_NUMBER, source, mirror)
    assert [d.key for d in result.differing] == [("17123",)]
    assert source.listed < 500


def test_at_most_a_hundred_differing_keys_are_listed() -> None:
    result = compare.verify(BY_NUMBER, Rows(*(row_of(BY_NUMBER, n, "") for n in range(5_000))), Rows())
    assert len(result.differing) == compare.SHOWN
    assert not result.equal


def test_a_row_twice_in_the_mirror_is_a_difference() -> None:
    row = row_of(BY_NUMBER, 1, "a")
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
