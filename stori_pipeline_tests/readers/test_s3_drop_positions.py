"""Which dropped files are new since a position: pure functions over listings that no real S3 server would give on demand."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stori_pipeline.readers.s3_drop import position
from stori_pipeline.readers.s3_drop.bucket import Dropped

_START = datetime(2024, 11, 15, tzinfo=timezone.utc)
_DAY = 86_400


def _arrivals(latest: int) -> st.SearchStrategy[list[tuple[int, int, str, bool]]]:
    """When each was begun, how many seconds later it appeared, its key, and whether the reader then looks."""
    return st.lists(st.tuples(st.integers(0, 3 * _DAY), st.integers(0, latest), st.sampled_from("abcdef"), st.booleans()), max_size=30)


def _looked(arrivals: list[tuple[int, int, str, bool]], remembered: int, *, overwriting: bool) -> list[tuple[str, str]]:
    """Every version that a reader is given which looks now and then; asserts that it misses none."""
    listing: dict[str, Dropped] = {}
    since: dict[str, Any] | None = None
    read: list[tuple[str, str]] = []
    for number, (second, _, name, look) in enumerate(sorted(arrivals, key=lambda arrival: arrival[0] + arrival[1])):
        key = name if overwriting else f"{name}{number}"
        listing[key] = Dropped(_START + timedelta(seconds=second), key, f'"{number}"', 1)
        if look:
            listed = sorted(listing.values())
            new = position.new_files(listed, since)
            assert new == sorted(new)
            read += [(file.key, file.etag) for file in new]
            assert {(file.key, file.etag) for file in listed} <= set(read)
            since = json.loads(json.dumps(position.reached(listed, (), since, remembered)))
            assert position.new_files(listed, since) == []
            assert len(since["seen"]) <= max(remembered, sum(file.modified == listed[-1].modified for file in listed))
    return read


@given(_arrivals(2 * _DAY), st.integers(1, 8))
def test_no_file_is_missed_however_late_it_appears(arrivals: list[tuple[int, int, str, bool]], remembered: int) -> None:
    _looked(arrivals, remembered, overwriting=False)


@given(_arrivals(_DAY - 1))
def test_a_file_that_appears_within_a_day_is_read_once_per_version(arrivals: list[tuple[int, int, str, bool]]) -> None:
    read = _looked(arrivals, 100, overwriting=True)
    assert len(read) == len(set(read))


def test_within_a_day_no_file_is_read_twice() -> None:
    listed = [Dropped(_START + timedelta(minutes=n), f"{n}", "e", 1) for n in range(0, 2_000, 2)]
    since = position.reached(listed, (), None)
    late = [Dropped(_START + timedelta(minutes=n), f"{n}", "e", 1) for n in range(601, 1_999, 2)]
    assert position.new_files(sorted(listed + late), since) == late
    assert len(json.dumps(since)) < 25_000


def test_a_position_is_bounded_however_many_files_a_day_has() -> None:
    listed = [Dropped(_START + timedelta(seconds=n // 10), f"{n:06d}", "e", 1) for n in range(50_000)]
    since = position.reached(listed, (), None)
    assert len(since["seen"]) <= position.REMEMBERED
    assert position.new_files(listed, since) == []
    # Later than can be remembered: all is read again rather than nothing.
    assert len(position.new_files(sorted([*listed, Dropped(_START, "late", "e", 1)]), since)) == 50_001
