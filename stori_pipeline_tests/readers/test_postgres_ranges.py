"""Ranges of pages hold every page once, and about as many each."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from stori_pipeline.readers.postgres.ranges import PageRange, page_ranges

_SIZES = st.lists(st.integers(0, 2**32 - 2), max_size=20)


@given(_SIZES, st.integers(1, 16))
def test_ranges_hold_every_page_once_and_are_balanced(sizes: list[int], count: int) -> None:
    ranges = page_ranges(sizes, count)
    assert 1 <= len(ranges) <= count
    assert (ranges[0].low, ranges[-1].high) == (0, None)
    assert all(before.high == after.low > before.low for before, after in pairwise(ranges))
    for each in ranges:
        pages = sum(max(0, min(size, size if each.high is None else each.high) - each.low) for size in sizes)
        # A page more of each table makes a range larger by as many pages as there are tables.
        assert pages <= sum(sizes) / count + 2 * len(sizes)


def test_a_range_is_a_condition_on_the_place_of_a_row() -> None:
    assert PageRange(0, None).condition == ""
    assert PageRange(0, 7).condition == "ctid < '(7,0)'::tid"
    assert PageRange(7, 9).condition == "ctid >= '(7,0)'::tid AND ctid < '(9,0)'::tid"
    assert PageRange(9, None).condition == "ctid >= '(9,0)'::tid"
    assert page_ranges([100], 4) == [PageRange(0, 25), PageRange(25, 50), PageRange(50, 75), PageRange(75, None)]
    assert page_ranges([], 3) == page_ranges([0, 0], 3) == [PageRange(0, None)]
