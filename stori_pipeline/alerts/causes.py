"""Causes: one cause is one thing that is wrong with one table, however many runs meet it.

Belongs here: pure functions that turn signals and landings into the causes in force. Does not belong here: reading the signals, and
sending messages. A cause begins with the first failing signal and ends with the first healthy one, so retries and later runs of a
table that stays broken add nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

Kind = Literal["run_failed", "load_blocked", "freshness", "check_failed", "quarantine"]

ROOT_KINDS: frozenset[Kind] = frozenset({"run_failed", "load_blocked"})
"""These keep rows from arriving. The other kinds can follow from them, in the same table and in every table downstream."""

_HOUR = 3_600.0
_DAY = 24 * _HOUR
_EXPIRY = 7 * _DAY  # a step or check without a signal for this long no longer exists: its table was renamed, or its file was removed


@dataclass(frozen=True)
class Cause:
    """One thing that is wrong. `since` is in seconds since 1970, `detail` is the name of a check, `words` is the error's message."""

    kind: Kind
    table: str
    since: float
    words: str
    run_id: str = ""
    detail: str = ""

    @property
    def key(self) -> str:
        """Identifies the cause; it does not change while the cause lasts."""
        return " ".join(filter(None, (self.kind, self.table, self.detail)))


@dataclass(frozen=True)
class Signal:
    """What a step, a check or a whole run reported about a table at time `at`: healthy, or failing and why.

    `about` names the step, check or run. Only a later signal with the same `about` can replace this one.
    """

    about: str
    at: float
    bad: bool
    kind: Kind
    table: str
    words: str = ""
    run_id: str = ""
    detail: str = ""
    since: float = 0.0


@dataclass(frozen=True)
class Landing:
    """The row counts of one landing. `allowed` is the share of rejected rows that the table's definition allows, `allowed_rows` the number
    that it allows whatever their share. `open` is how many rejected rows the table has after it, None if the landing does not say."""

    table: str
    at: float
    snapshot: bool
    rows: int
    rejected: int
    allowed: float
    allowed_rows: int = 1
    open: int | None = None


@dataclass
class Day:
    """One table's last 24 hours, or the time since its last snapshot. `hours` holds [rows landed, rows rejected] by hour since 1970.
    `hollow` is how many rows were rejected since the last one that was good; 0 if the last batch with any row had a good one."""

    allowed: float = 0.0
    allowed_rows: int = 1
    hollow: int = 0
    hours: dict[str, list[int]] = field(default_factory=dict)


def latest_signals(known: Mapping[str, Signal], signals: Iterable[Signal], now: float) -> dict[str, Signal]:
    """The latest signal of each step, check and run, by its `about`.

    A healthy signal is kept only where a failing one came before, and for one day: a run that is read late may bring an older failing
    signal, which must not count. A failing signal is kept for seven days.
    """
    latest = dict(known)
    for signal in sorted(signals, key=lambda each: each.at):
        before = latest.get(signal.about)
        if before and signal.at <= before.at:
            continue
        if signal.bad:
            continues = before is not None and before.bad and before.kind == signal.kind
            latest[signal.about] = replace(signal, since=before.since if before and continues else signal.at)
        elif before:
            latest[signal.about] = signal
    return {about: each for about, each in latest.items() if now - each.at < (_EXPIRY if each.bad else _DAY)}


def signal_causes(signals: Iterable[Signal]) -> list[Cause]:
    """The causes of the failing signals. Several failing steps of one table make one cause, with the message of the first."""
    causes: dict[str, Cause] = {}
    for each in sorted((each for each in signals if each.bad), key=lambda each: each.since):
        cause = Cause(each.kind, each.table, each.since, each.words, each.run_id, each.detail)
        causes.setdefault(cause.key, cause)
    return list(causes.values())


def add_landings(days: Mapping[str, Day], landings: Iterable[Landing], now: float) -> dict[str, Day]:
    """The row counts of the last 24 hours by table, with these landings added."""
    result = {table: replace(day, hours={hour: list(pair) for hour, pair in day.hours.items()}) for table, day in days.items()}
    for landing in sorted(landings, key=lambda each: each.at):
        day = result.setdefault(landing.table, Day())
        day.allowed, day.allowed_rows = landing.allowed, landing.allowed_rows
        if landing.rows or landing.rejected:
            day.hollow = 0 if landing.rows else day.hollow + landing.rejected
        if landing.open == 0:  # somebody decided about all of them
            day.hollow = 0
        if landing.snapshot:  # a snapshot replaces everything that landed before
            day.hours.clear()
        pair = day.hours.setdefault(str(int(landing.at // _HOUR)), [0, 0])
        pair[0] += landing.rows
        pair[1] += landing.rejected
    first = (now - _DAY) / _HOUR
    for day in result.values():
        day.hours = {hour: pair for hour, pair in day.hours.items() if int(hour) >= first}
    return {table: day for table, day in result.items() if day.hours}


def quarantine_causes(days: Mapping[str, Day], now: float) -> list[Cause]:
    """A cause for each table of which nothing good came, or whose rejected rows of 24 hours exceed what its definition allows for a batch.

    A batch over that share is blocked. This finds a source that loses one row in each of many small batches, and one whose last rows were
    all rejected, however few.
    """
    causes = []
    for table, day in sorted(days.items()):
        rows, rejected = (sum(pair[i] for pair in day.hours.values()) for i in (0, 1))
        if day.hollow:
            words = f"nothing good came: the last {day.hollow} rows were all rejected"
        elif rejected > max(day.allowed_rows, day.allowed * (rows + rejected)):
            words = f"{rejected} of the {rows + rejected} rows of the last 24 hours were rejected; max_rejected is {day.allowed:g}"
        else:
            continue
        causes.append(Cause("quarantine", table, now, f"{words}. `stori quarantine show {table}` shows why"))
    return causes


def consequences(causes: Collection[Cause], inputs: Mapping[str, Collection[str]]) -> set[str]:
    """The keys of the causes that follow from another cause: those of tables that receive no rows because a load fails or is blocked.

    Args:
        inputs: full name of a derived table to the full names of the tables it reads.
    """
    cut_off = {cause.table for cause in causes if cause.kind in ROOT_KINDS}
    while more := {table for table, names in inputs.items() if table not in cut_off and not cut_off.isdisjoint(names)}:
        cut_off |= more
    return {cause.key for cause in causes if cause.kind not in ROOT_KINDS and cause.table in cut_off}
