"""Whole days of totesys, on top of what its database holds, and the truth about what they changed.

Belongs here: what a day consists of, and in which order. Does not belong here: how a single write is made (`totesys_writes`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime

from stori_pipeline.local.samples import totesys_values as values
from stori_pipeline.local.samples.totesys_writes import Change, Commit, Totesys

_EDITS_AT_MOST = 2


@dataclass(frozen=True)
class DayTruth:
    """What a day changed: its transactions, in the order in which they committed."""

    day: date
    commits: tuple[Commit, ...]

    @property
    def changes(self) -> tuple[Change, ...]:
        """(table, key, kind) in the order of the commits."""
        return tuple(change for commit in self.commits for change in commit)

    @property
    def versions(self) -> Counter[str]:
        """How many row versions each table got: one per row and commit that inserted or changed it. Who reads after each commit sees
        all of these; who reads less often sees `keys`."""
        return Counter(change.table for change in self.changes)

    def keys(self, table: str, *, first: int = 0, last: int | None = None) -> set[int]:
        """The rows of a table that the commits numbered `first` up to but without `last` inserted or changed: what one reading after them
        finds, however often each was changed."""
        return {change.key for commit in self.commits[first:last] for change in commit if change.table == table}


def traffic(url: str, day: date, *, seed: int) -> Iterator[Commit]:
    """That day's traffic, written as the application writes it: one transaction at a time, each handed over once it is committed.

    In between nothing is open, so whoever takes them may read the database there. On a business day: the morning's run of payments,
    orders and designs in the numbers of that day, and one or two silent edits. On a weekend: nothing. The same database, day and seed
    give the same rows.

    Raises:
        SampleError: the database cannot be reached, failed, or holds no past.
    """
    if not values.is_business_day(day):
        return
    with Totesys.open(url, f"{seed}/{day}") as application:
        for write in _writes(application, day, seed):
            write()
            if application.last:
                yield application.last


def _writes(application: Totesys, day: date, seed: int) -> Iterator[Callable[[], bool]]:
    """The day's writes, in their order."""
    rng = values.generator(seed, day, "plan")
    paid_at = values.batch_at(rng, day)
    yield lambda: application.pay_day(day, paid_at)
    sales, purchases, designs = values.arriving(day)
    edits = values.between(rng, 1, _EDITS_AT_MOST)
    writes: list[tuple[datetime, Callable[[], bool]]] = []
    for kind, count in ((application.sale, sales), (application.purchase, purchases), (application.new_design, designs)):
        writes += [(at, lambda kind=kind, at=at: kind(at)) for at in values.moments(rng, day, count)]  # type: ignore[misc]
    writes += [(at, lambda: application.silent_edit(day)) for at in values.moments(rng, day, edits)]
    for _, write in sorted(writes, key=lambda each: each[0]):
        yield write


def simulate_day(url: str, day: date, *, seed: int) -> DayTruth:
    """All of that day's `traffic`, at once; returns the truth about it."""
    return DayTruth(day, tuple(traffic(url, day, seed=seed)))


@contextmanager
def late_order(url: str, day: date, *, seed: int, commit: bool = True) -> Iterator[Commit]:
    """A transaction stamped with an instant of that day, which writes at the start of the block and commits at its end, however much is
    committed in between; see `Totesys.late`. The block is given what it changes."""
    at = values.moments(values.generator(seed, day, "late"), day, 1)[0]
    with Totesys.open(url, f"{seed}/{day}/late") as application, application.late(commit=commit, at=at) as changes:
        yield changes
