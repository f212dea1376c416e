"""Writes whole days of totesys's traffic, and returns the exact changes of each day.

Belongs here: the writes of a day, and their order. Does not belong here: a single write (`totesys_writes`).
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
    """The changes of a day: its transactions, in the order of their commits."""

    day: date
    commits: tuple[Commit, ...]

    @property
    def changes(self) -> tuple[Change, ...]:
        """All changes, in the order of the commits."""
        return tuple(change for commit in self.commits for change in commit)

    @property
    def versions(self) -> Counter[str]:
        """The number of row versions by table: one per row and commit. A reader that reads after each commit gets all of them; one that
        reads less often gets only `keys`."""
        return Counter(change.table for change in self.changes)

    def keys(self, table: str, *, first: int = 0, last: int | None = None) -> set[int]:
        """The keys of the rows that commits `first` to `last` (exclusive) inserted or changed. One read after these commits gets each row
        once, however often it was changed."""
        return {change.key for commit in self.commits[first:last] for change in commit if change.table == table}


def traffic(url: str, day: date, *, seed: int) -> Iterator[Commit]:
    """Write the traffic of a day, one transaction at a time; yields each commit. No transaction is open between two commits.

    A business day has the morning's run of payments, that day's numbers of orders and designs, and one or two silent edits. A weekend has
    no traffic. The same database, day and seed give the same rows.

    Raises:
        SampleError: the database does not answer, failed, or has no history.
    """
    if not values.is_business_day(day):
        return
    with Totesys.open(url, f"{seed}/{day}") as application:
        for write in _writes(application, day, seed):
            write()
            if application.last:
                yield application.last


def _writes(application: Totesys, day: date, seed: int) -> Iterator[Callable[[], bool]]:
    """The writes of the day, in order."""
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
    """Write the whole `traffic` of a day; returns its changes."""
    return DayTruth(day, tuple(traffic(url, day, seed=seed)))


@contextmanager
def late_order(url: str, day: date, *, seed: int, commit: bool = True) -> Iterator[Commit]:
    """A transaction that writes an order with a timestamp of that day before the block, and commits it after the block.

    The block receives its changes. See `Totesys.late`.
    """
    at = values.moments(values.generator(seed, day, "late"), day, 1)[0]
    with Totesys.open(url, f"{seed}/{day}/late") as application, application.late(commit=commit, at=at) as changes:
        yield changes
