"""Compares a source with its mirror, and finds the rows that differ.

Belongs here: finding them by bisection, with checksums of ever smaller key ranges. Does not belong here: what a checksum is
(`model.row_checksum`), computing one (each comparable does), which range is compared (`shares`), why a row differs (`explain`), or acting
on a difference (`pipeline`).
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from stori_pipeline.model.comparable import Comparable
from stori_pipeline.model.row_checksum import Digest, KeyRange
from stori_pipeline.model.table import Table

_BUCKETS = 256
_FEW = 2_000  # ranges with at most this many rows are listed row by row
_RANGES_AT_ONCE = 64  # ranges that one query lists, because a query may take an engine a pass over the whole table
SHOWN = 100
"""The largest number of differing rows that a comparison lists."""

MOST = 10_000
"""The largest number of differing rows that a comparison counts."""

Verdict = Literal["not in the warehouse", "not in the source", "different"]
Key = tuple[str, ...]

_NONE = Digest(0, 0)


@dataclass(frozen=True)
class Difference:
    key: Key
    verdict: Verdict


@dataclass(frozen=True)
class Comparison:
    """The result of a comparison of source and mirror.

    Attributes:
        key_range: the range of keys that was compared, which contains all keys unless a part was asked for.
        source_rows, warehouse_rows: all rows of the two. They are counted at different moments, so while the source is written to the
            counts may differ by the rows in flight.
        source, warehouse: rows and checksum of the two within the range, those in flight included.
        found: the rows that differ, at most `MOST`.
        in_flight: keys of rows that differ and do not count, because the source changed them after the mirror's position.
        more: whether more rows differ than `found` has.
    """

    table: str
    key_range: KeyRange
    source_rows: int
    warehouse_rows: int
    source: Digest
    warehouse: Digest
    found: tuple[Difference, ...]
    in_flight: frozenset[Key] = frozenset()
    more: bool = False

    @property
    def differing(self) -> tuple[Difference, ...]:
        """The first `SHOWN` rows that differ."""
        return self.found[:SHOWN]

    @property
    def equal(self) -> bool:
        return not self.found


def differences(
    table: Table, source: Comparable, mirror: Comparable, key_range: KeyRange, *, keys_only: bool = False
) -> Iterator[Difference]:
    """The rows in a key range in which source and mirror differ. Skips ranges whose checksums agree.

    The mirror is always read before the source, so a row of the mirror that the source does not have was deleted.
    """
    return _Bisection(table, source, mirror, keys_only).differences(key_range)


@dataclass
class _Bisection:
    """One search for the rows that differ. `ours` and `theirs` are the digests of mirror and source in the range that it was begun with."""

    table: Table
    source: Comparable
    mirror: Comparable
    keys_only: bool = False
    ours: Digest = field(default=_NONE, init=False)
    theirs: Digest = field(default=_NONE, init=False)

    def differences(self, key_range: KeyRange) -> Iterator[Difference]:
        todo = [key_range] if key_range.high > key_range.low else []
        few: list[KeyRange] = []
        is_first = True
        while todo:
            key_range = todo.pop()
            width = key_range.width(_BUCKETS)
            ours = self.mirror.digests(self.table, key_range, width, keys_only=self.keys_only)
            theirs = self.source.digests(self.table, key_range, width, keys_only=self.keys_only)
            if is_first:
                self.ours, self.theirs, is_first = _total(ours), _total(theirs), False
            for number in sorted(n for n in ours.keys() | theirs.keys() if ours.get(n) != theirs.get(n)):
                part = key_range.bucket(number, width)
                rows = max(side[number].rows if number in side else 0 for side in (ours, theirs))
                if rows > _FEW and width > 1:
                    todo.append(part)
                else:
                    few.append(part)
                if len(few) == _RANGES_AT_ONCE:
                    yield from self._rows(few)
                    few = []
        if few:
            yield from self._rows(few)

    def _rows(self, ranges: list[KeyRange]) -> Iterator[Difference]:
        ours, theirs = self.mirror.checksums(self.table, *ranges), self.source.checksums(self.table, *ranges)
        for key in sorted(ours.keys() | theirs.keys()):
            if key not in ours:
                yield Difference(key, "not in the warehouse")
            elif key not in theirs:
                yield Difference(key, "not in the source")
            elif ours[key] != theirs[key] and not self.keys_only:
                yield Difference(key, "different")


def _total(digests: dict[int, Digest]) -> Digest:
    return Digest(sum(each.rows for each in digests.values()), sum(each.checksum for each in digests.values()))


def count_both(table: Table, source: Comparable, mirror: Comparable) -> tuple[int, int, KeyRange]:
    """The number of rows of the source, that of the mirror, and a range that contains all keys of both."""
    mirror_rows, mirror_range = mirror.key_range(table)
    source_rows, source_range = source.key_range(table)
    ranges = [key_range for key_range in (mirror_range, source_range) if key_range.high > key_range.low]
    both = KeyRange(min(each.low for each in ranges), max(each.high for each in ranges)) if ranges else KeyRange(0, 0)
    return source_rows, mirror_rows, both


InFlight = Callable[[KeyRange], Container[Key]]
"""Returns the keys of the rows that changed in the source since the mirror's position; of those in a range, at least."""


def nothing_in_flight(_: KeyRange) -> Container[Key]:
    return ()


def verify(
    table: Table,
    source: Comparable,
    mirror: Comparable,
    *,
    part: Callable[[int, KeyRange], KeyRange] | None = None,
    in_flight: InFlight = nothing_in_flight,
    settle: Callable[[], None] | None = None,
    rounds: int = 3,
) -> Comparison:
    """Compares a source with its mirror, row by row in the ranges whose checksums differ. Only reads.

    A source that is written to is ahead of its mirror by the rows that are not loaded yet.

    Args:
        part: returns the range to compare, given the mirror's number of rows and the range of all keys; without it, all keys are compared.
        in_flight: called only if rows differ; its rows do not count as differing.
        settle: waits between rounds. With it, rows count as differing only if they differ in each of `rounds` rounds. If more than `MOST`
            rows differ, it does not wait for them.
    """
    source_rows, mirror_rows, everything = count_both(table, source, mirror)
    key_range = part(mirror_rows, everything) if part else everything
    result = _once(table, source, mirror, key_range, in_flight, (source_rows, mirror_rows))
    for _ in range(rounds - 1):
        if result.equal or result.more or settle is None:
            break
        settle()
        counts = source.key_range(table)[0], mirror.key_range(table)[0]
        again = _once(table, source, mirror, key_range, in_flight, counts)
        if not again.more:
            result = _in_both(result, again)
    return result


def _once(
    table: Table, source: Comparable, mirror: Comparable, key_range: KeyRange, in_flight: InFlight, counts: tuple[int, int]
) -> Comparison:
    search = _Bisection(table, source, mirror)
    found: list[Difference] = []
    waiting: set[Key] = set()
    changing: Container[Key] | None = None
    more = False
    for difference in search.differences(key_range):
        if changing is None:
            changing = in_flight(key_range)
        if difference.key in changing:
            waiting.add(difference.key)
        elif len(found) == MOST:
            more = True
            break
        else:
            found.append(difference)
    if found:
        # Rows that changed while the others were found are in flight, too.
        changing = in_flight(key_range)
        waiting |= {each.key for each in found if each.key in changing}
        found = [each for each in found if each.key not in waiting]
    return Comparison(
        table.full_name,
        key_range,
        *counts,
        source=search.theirs,
        warehouse=search.ours,
        found=tuple(found),
        in_flight=frozenset(waiting),
        more=more,
    )


def _in_both(first: Comparison, second: Comparison) -> Comparison:
    """The second comparison, with the rows that differ in both. The others changed in between."""
    before = {each.key for each in first.found}
    found = tuple(each for each in second.found if each.key in before)
    changed = frozenset(each.key for each in second.found if each.key not in before)
    return replace(second, found=found, in_flight=second.in_flight | changed)
