"""Comparing a source with its mirror: the rows in which the two differ.

Belongs here: finding them, by checksums of ever smaller key ranges. Does not belong here: what a checksum is (`model.row_checksum`),
computing one (each side does, in its own engine), or what is done about a difference.
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
_FEW = 2_000  # rows that two engines may as well list
_RANGES_AT_ONCE = 64  # ranges that are listed by one query: a query may cost an engine a pass over the whole table
SHOWN = 100
"""How many differing keys a comparison lists at most."""

Verdict = Literal["not in the warehouse", "not in the source", "different"]


@dataclass(frozen=True)
class Difference:
    key: tuple[str, ...]
    verdict: Verdict


@dataclass(frozen=True)
class Comparison:
    """Source against mirror. `differing` holds at most `SHOWN` of the rows that differ; the counts are those of one moment each, so
    under writes they may differ by what is in flight."""

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
    """The rows in which the sides differ within a key_range. Ranges whose checksums agree are not looked into.

    The mirror is always asked before the source: a row that the mirror had and that the source, asked later, has not, is gone.
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
    """Rows of the source, rows of the mirror, and the range in which all keys of both lie."""
    mirror_rows, mirror_span = mirror.key_range(table)
    source_rows, source_span = source.key_range(table)
    ranges = [key_range for key_range in (mirror_span, source_span) if key_range.high > key_range.low]
    whole = KeyRange(min(s.low for s in ranges), max(s.high for s in ranges)) if ranges else KeyRange(0, 0)
    return source_rows, mirror_rows, whole


def verify(
    table: Table,
    source: Comparable,
    mirror: Comparable,
    *,
    in_flight: Callable[[], Container[tuple[str, ...]]] | None = None,
    settle: Callable[[], None] | None = None,
    rounds: int = 3,
) -> Comparison:
    """Compare a source with its mirror, row by row where their checksums disagree. Reads only.

    A source that is being written to is ahead of its mirror by what has not been loaded yet.

    Args:
        in_flight: the keys of the rows that the source has changed since what the mirror holds was read. It is asked once rows differ, and
            those rows do not count as differing.
        settle: waits. With it, rows count as differing only if they differ in every one of so many rounds.
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

    found = list(islice(differing(), SHOWN))
    for _ in range(rounds - 1 if settle else 0):
        if not found:
            break
        assert settle is not None  # noqa: S101  (for the type checker: the range is empty without it)
        settle()
        source_rows, mirror_rows, key_range = count_both(table, source, mirror)
        again = {difference.key for difference in islice(differing(), SHOWN)}
        found = [difference for difference in found if difference.key in again]
    return Comparison(table.full_name, source_rows, mirror_rows, tuple(found))
