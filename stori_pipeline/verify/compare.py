"""Compares a source with its mirror, and finds the rows that differ.

Belongs here: finding them by bisection, with checksums of ever smaller key ranges. Does not belong here: what a checksum is
(`model.row_checksum`), computing one (each comparable does), or acting on a difference (`pipeline.detect_deletes`).
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from stori_pipeline.model.comparable import Comparable
from stori_pipeline.model.row_checksum import KeyRange
from stori_pipeline.model.table import Table

_BUCKETS = 256
_FEW = 2_000  # ranges with at most this many rows are listed row by row
_RANGES_AT_ONCE = 64  # ranges that one query lists, because a query may take an engine a pass over the whole table
SHOWN = 100
"""The largest number of differing rows that a comparison lists."""

Verdict = Literal["not in the warehouse", "not in the source", "different"]


@dataclass(frozen=True)
class Difference:
    key: tuple[str, ...]
    verdict: Verdict


@dataclass(frozen=True)
class Comparison:
    """The result of a comparison of source and mirror. `differing` holds at most `SHOWN` differing rows. The rows of the two are counted at
    different moments, so while the source is written to the counts may differ by the rows in flight."""

    table: str
    source_rows: int
    warehouse_rows: int
    differing: tuple[Difference, ...]

    @property
    def equal(self) -> bool:
        return not self.differing


def differences(
    table: Table, source: Comparable, mirror: Comparable, key_range: KeyRange, *, keys_only: bool = False
) -> Iterator[Difference]:
    """The rows in a key range in which source and mirror differ. Skips ranges whose checksums agree.

    The mirror is always read before the source, so a row of the mirror that the source does not have was deleted.
    """
    todo = [key_range] if key_range.high > key_range.low else []
    few: list[KeyRange] = []
    while todo:
        key_range = todo.pop()
        width = key_range.width(_BUCKETS)
        ours = mirror.digests(table, key_range, width, keys_only=keys_only)
        theirs = source.digests(table, key_range, width, keys_only=keys_only)
        for number in sorted(n for n in ours.keys() | theirs.keys() if ours.get(n) != theirs.get(n)):
            part = key_range.bucket(number, width)
            rows = max(side[number].rows if number in side else 0 for side in (ours, theirs))
            if rows > _FEW and width > 1:
                todo.append(part)
            else:
                few.append(part)
            if len(few) == _RANGES_AT_ONCE:
                yield from _differing_rows(table, source, mirror, few, keys_only)
                few = []
    if few:
        yield from _differing_rows(table, source, mirror, few, keys_only)


def _differing_rows(table: Table, source: Comparable, mirror: Comparable, ranges: list[KeyRange], keys_only: bool) -> Iterator[Difference]:
    ours, theirs = mirror.checksums(table, *ranges), source.checksums(table, *ranges)
    for key in sorted(ours.keys() | theirs.keys()):
        if key not in ours:
            yield Difference(key, "not in the warehouse")
        elif key not in theirs:
            yield Difference(key, "not in the source")
        elif ours[key] != theirs[key] and not keys_only:
            yield Difference(key, "different")


def count_both(table: Table, source: Comparable, mirror: Comparable) -> tuple[int, int, KeyRange]:
    """The number of rows of the source, that of the mirror, and a range that contains all keys of both."""
    mirror_rows, mirror_range = mirror.key_range(table)
    source_rows, source_range = source.key_range(table)
    ranges = [key_range for key_range in (mirror_range, source_range) if key_range.high > key_range.low]
    both = KeyRange(min(each.low for each in ranges), max(each.high for each in ranges)) if ranges else KeyRange(0, 0)
    return source_rows, mirror_rows, both


def verify(
    table: Table,
    source: Comparable,
    mirror: Comparable,
    *,
    in_flight: Callable[[], Container[tuple[str, ...]]] | None = None,
    settle: Callable[[], None] | None = None,
    rounds: int = 3,
) -> Comparison:
    """Compares a source with its mirror, row by row in the ranges whose checksums differ. Only reads.

    A source that is written to is ahead of its mirror by the rows that are not loaded yet.

    Args:
        in_flight: returns the keys of the rows that changed in the source since the mirror's position. Called only if rows differ; its rows
            do not count as differing.
        settle: waits between rounds. With it, rows count as differing only if they differ in each of `rounds` rounds.
    """
    source_rows, mirror_rows, key_range = count_both(table, source, mirror)
    changing: Container[tuple[str, ...]] | None = None

    def differing() -> Iterator[Difference]:
        nonlocal changing
        for difference in differences(table, source, mirror, key_range):
            if changing is None:
                changing = in_flight() if in_flight else ()
            if difference.key not in changing:
                yield difference

    differing_rows = list(islice(differing(), SHOWN))
    for _ in range(rounds - 1 if settle else 0):
        if not differing_rows:
            break
        assert settle is not None  # noqa: S101  (for the type checker: the range is empty without it)
        settle()
        source_rows, mirror_rows, key_range = count_both(table, source, mirror)
        again = {difference.key for difference in islice(differing(), SHOWN)}
        differing_rows = [difference for difference in differing_rows if difference.key in again]
    return Comparison(table.full_name, source_rows, mirror_rows, tuple(differing_rows))
