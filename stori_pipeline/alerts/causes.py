"""What a cause is, and which causes are in force.

Belongs here: pure functions from what was seen to what is wrong now. Does not belong here: where it was seen, and how it is told.

A cause is one thing that is wrong with one table, however many runs meet it. It begins with the first verdict that says so and is over
with the first that says otherwise, so that attempts, retries and later runs of a table that stays broken add nothing to it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

Kind = Literal["run_failed", "load_blocked", "freshness", "check_failed", "quarantine"]

ROOTS: frozenset[Kind] = frozenset({"run_failed", "load_blocked"})
"""What keeps rows from arriving. The other kinds can follow from these, in the same table and in all that is made of it."""

SMALL_DAY = 1_000
"""A table that landed fewer rows within a day is judged as if it had so many."""

_HOUR = 3_600.0
_DAY = 24 * _HOUR
_SILENT = 7 * _DAY  # a step or check that nothing was heard of for so long is gone: its table was renamed, or its file removed


@dataclass(frozen=True)
class Cause:
    """One thing that is wrong. `since` is in seconds since 1970; `detail` is a check's name; `words` are those of the error itself."""

    kind: Kind
    table: str
    since: float
    words: str
    run_id: str = ""
    detail: str = ""

    @property
    def key(self) -> str:
        """The same for as long as the same thing is wrong."""
        return " ".join(filter(None, (self.kind, self.table, self.detail)))


@dataclass(frozen=True)
class Verdict:
    """What a step, a check or a whole run said about a table at `at`: that it is well, or what is wrong.

    `about` names the one that said it. Only its own later verdict can take back what it said.
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
    """One batch, as far as its rejected rows are concerned. `allowed` is the share that its record allows."""

    table: str
    at: float
    snapshot: bool
    rows: int
    rejected: int
    allowed: float


@dataclass
class Day:
    """Of one table's batches of the last day, or since its last snapshot: rows that landed and rows that were rejected, by hour."""

    allowed: float = 0.0
    hours: dict[str, list[int]] = field(default_factory=dict)


def newest(known: Mapping[str, Verdict], said: Iterable[Verdict], now: float) -> dict[str, Verdict]:
    """What each last said. Good news of one that never said anything else is not kept; other good news is, for a day, so that bad
    news from before, of a run that is read late, is known to be old."""
    last = dict(known)
    for verdict in sorted(said, key=lambda each: each.at):
        before = last.get(verdict.about)
        if before and verdict.at <= before.at:
            continue
        if verdict.bad:
            goes_on = before is not None and before.bad and before.kind == verdict.kind
            last[verdict.about] = replace(verdict, since=before.since if before and goes_on else verdict.at)
        elif before:
            last[verdict.about] = verdict
    return {about: each for about, each in last.items() if now - each.at < (_SILENT if each.bad else _DAY)}


def broken(last: Iterable[Verdict]) -> list[Cause]:
    """The causes that these verdicts make; several steps of one table that fail make one, with the words of the first."""
    found: dict[str, Cause] = {}
    for each in sorted((each for each in last if each.bad), key=lambda each: each.since):
        cause = Cause(each.kind, each.table, each.since, each.words, each.run_id, each.detail)
        found.setdefault(cause.key, cause)
    return list(found.values())


def counted(days: Mapping[str, Day], landings: Iterable[Landing], now: float) -> dict[str, Day]:
    """The rows of the last day, with those of these batches."""
    result = {table: Day(day.allowed, {hour: list(pair) for hour, pair in day.hours.items()}) for table, day in days.items()}
    for landing in landings:
        day = result.setdefault(landing.table, Day())
        day.allowed = landing.allowed
        if landing.snapshot:  # it stands for all that landed before
            day.hours.clear()
        pair = day.hours.setdefault(str(int(landing.at // _HOUR)), [0, 0])
        pair[0] += landing.rows
        pair[1] += landing.rejected
    first = (now - _DAY) / _HOUR
    for day in result.values():
        day.hours = {hour: pair for hour, pair in day.hours.items() if int(hour) >= first}
    return {table: day for table, day in result.items() if day.hours}


def overflowing(days: Mapping[str, Day], now: float) -> list[Cause]:
    """Tables whose quarantine took more of a day's rows than their record allows of a batch's.

    A single batch above that share is blocked. This finds the source of which every small batch loses a row.
    """
    found = []
    for table, day in sorted(days.items()):
        rows, rejected = (sum(pair[i] for pair in day.hours.values()) for i in (0, 1))
        if rejected > day.allowed * max(rows + rejected, SMALL_DAY):
            words = f"{rejected} of the {rows + rejected} rows of the last 24 hours are in quarantine; max_rejected is {day.allowed:g}"
            found.append(Cause("quarantine", table, now, words))
    return found


def consequences(causes: Collection[Cause], made_of: Mapping[str, Collection[str]]) -> set[str]:
    """The keys of those that follow from another: of tables that nothing reaches because a load is blocked or fails, in them or
    in what they are made of (`made_of`: full name to those of the inputs)."""
    cut_off = {cause.table for cause in causes if cause.kind in ROOTS}
    while more := {table for table, inputs in made_of.items() if table not in cut_off and not cut_off.isdisjoint(inputs)}:
        cut_off |= more
    return {cause.key for cause in causes if cause.kind not in ROOTS and cause.table in cut_off}
