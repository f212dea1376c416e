"""The arithmetic of transaction ids: which ids a position holds open, and the filter for their rows."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from stori_pipeline.readers.postgres import xmin


def test_wrapped_ids_are_unambiguous_up_to_two_thousand_million() -> None:
    """The rows' 32 bits, against what Postgres' age() makes of them."""
    for now in (1000, (1 << 32) + 5, (7 << 32) + (1 << 31)):
        reference = xmin.reference_of(((now - 3 + (1 << 31)) % (1 << 32)) - (1 << 31), now - 2)
        assert reference == now


def _holds(condition: str, age: int) -> bool:
    """What Postgres makes of the condition for a row of that age."""
    first = re.match(r"age\(xmin\) <= (-?\d+) AND age\(xmin\) >= 0", condition)
    assert first
    inside = 0 <= age <= int(first[1])
    if "int4multirange" not in condition:
        return inside
    spans = re.findall(r"\[(-?\d+),(-?\d+)\]", condition)
    return inside and any(int(young) <= age <= int(old) for young, old in spans)


_BOUNDS = st.lists(st.integers(10, 400), min_size=2, max_size=12, unique=True).map(sorted)


@given(_BOUNDS, st.integers(0, 50))
def test_the_filter_holds_for_the_unseen_and_no_others(bounds: list[int], later: int) -> None:
    ranges = tuple(zip(bounds[::2], bounds[1::2], strict=False))
    unseen = xmin.Unseen(bounds[-1] + 1, ranges)
    reference = unseen.next + later
    for row in range(3, reference):
        wanted = row >= unseen.next or any(low <= row < high for low, high in ranges)
        assert _holds(unseen.filter(reference), reference - row) == wanted


@given(_BOUNDS, st.integers(1, 5))
def test_joining_ranges_loses_no_id_and_respects_the_limit(bounds: list[int], most: int) -> None:
    ranges = list(zip(bounds[::2], bounds[1::2], strict=False))
    joined = xmin.joined(ranges, most)
    assert len(joined) == min(most, len(ranges))
    assert list(joined) == sorted(joined)
    for low, high in ranges:
        assert any(start <= low and high <= end for start, end in joined)


def test_only_the_status_of_possibly_running_ids_is_queried() -> None:
    before = xmin.Unseen(100, ((10, 12), (50, 60)))
    assert before.to_ask(55, 130) == [(55, 60), (100, 130)]
    assert before.to_ask(130, 130) == []


def test_the_position_of_an_idle_table_is_renewed_before_it_is_too_old() -> None:
    assert 2 * xmin.RENEW <= xmin.OLDEST + (1 << 22)
    assert xmin.OLDEST < 1 << 31
