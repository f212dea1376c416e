"""Comparing a table that is written to, or of which many rows differ: what counts, and what is said of the rest."""

from __future__ import annotations

from collections.abc import Container

from hypothesis import given
from hypothesis import strategies as st

from stori_pipeline.model.row_checksum import KeyRange
from stori_pipeline.verify import compare
from stori_pipeline.verify.shares import SHARES, next_share
from stori_pipeline_tests.verify.rows import BY_NUMBER, BY_TEXT, Rows, row_of


def _numbered(count: int, note: str) -> Rows:
    return Rows(*(row_of(BY_NUMBER, n, note) for n in range(count)))


def test_more_than_a_hundred_rows_that_differ_are_counted_and_said_to_be_more() -> None:
    result = compare.verify(BY_NUMBER, _numbered(5_000, ""), Rows())
    assert (len(result.differing), len(result.found), result.more) == (compare.SHOWN, 5_000, False)
    result = compare.verify(BY_NUMBER, _numbered(compare.MOST + 1, ""), Rows())
    assert (len(result.found), result.more) == (compare.MOST, True)


def test_rows_that_change_while_others_stay_different_do_not_make_them_equal() -> None:
    """Regression: of each round the first hundred rows were kept, and if those were others each time, source and mirror were equal."""
    source, mirror = _numbered(150, "x"), _numbered(150, "y")

    def settle() -> None:
        mirror.rows[:100] = source.rows[:100]
        source.rows += [row_of(BY_NUMBER, -n, "new") for n in range(1, 200)]

    result = compare.verify(BY_NUMBER, source, mirror, settle=settle, rounds=2)
    assert {each.key for each in result.found} == {(str(n),) for n in range(100, 150)}


def test_a_row_that_changes_while_rows_are_compared_is_in_flight() -> None:
    """Regression: the rows in flight were read once, before all rows were compared."""
    source, mirror = (
        Rows(row_of(BY_NUMBER, 1, "new"), row_of(BY_NUMBER, 2, "newer")),
        Rows(row_of(BY_NUMBER, 1, "old"), row_of(BY_NUMBER, 2, "old")),
    )
    known: list[set[tuple[str, ...]]] = [{("1",)}, {("1",), ("2",)}]

    def in_flight(_: KeyRange) -> Container[tuple[str, ...]]:
        return known.pop(0) if len(known) > 1 else known[0]

    result = compare.verify(BY_NUMBER, source, mirror, in_flight=in_flight)
    assert result.equal
    assert result.in_flight == {("1",), ("2",)}


def test_checksums_and_rows_are_those_of_the_range() -> None:
    source = Rows(*(row_of(BY_NUMBER, n, "x") for n in range(100)))
    result = compare.verify(BY_NUMBER, source, source, part=lambda _rows, _keys: KeyRange(10, 30))
    assert (result.source_rows, result.source.rows) == (100, 20)
    assert result.source == result.warehouse


@given(st.lists(st.integers(-(2**62), 2**62) | st.integers(0, 3_000), unique=True, min_size=20, max_size=400))
def test_shares_cover_every_key_and_none_is_much_larger_than_the_others(keys: list[int]) -> None:
    for table in (BY_NUMBER, BY_TEXT):
        mirror = Rows(*(row_of(table, n, "") for n in keys))
        rows, everything = mirror.key_range(table)
        ends: list[int] = []
        while not ends or ends[-1] != everything.high:
            share = next_share(table, mirror, rows, everything, ends[-1] if ends else None)
            assert share.low == (ends[-1] if ends else everything.low)
            assert sum(each.rows for each in mirror.digests(table, share, share.width(1)).values()) <= 2 * -(-rows // SHARES)
            ends.append(share.high)
        assert len(ends) <= 2 * SHARES
        assert next_share(table, mirror, rows, everything, everything.high).low == everything.low
