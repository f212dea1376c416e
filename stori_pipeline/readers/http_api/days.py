"""Readings of an API that answers for one day at a time.

Belongs here: which days are read, in which order, and the position. Does not belong here: turning responses into rows (`answers`),
plausible values (`plausibility`), or requests (`client`).
"""

# Position: `{"through", "etag", "version", "unchanging", "plausible"}`. Every day up to `through` has been read; the newest day's response
# had this ETag and the content `version`; later values are compared with `plausible`. The next reading checks whether the newest day's
# response changed. If so, it reads `through` again, because that day may have been restated while it was the newest, and then every later
# day, in order. If the API fails on the way, the days before land, and the position says so; a snapshot replaces the table, so it lands in
# full or not at all. A day that the API does not have, although it has a later one, is a row in quarantine (code `day`), and the position
# goes past it; the same is true of a day whose answer is empty where each day has rows. No API reports
# that an older day was restated; to get it, read that day again (`day=`).

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import islice
from typing import Any

from stori_pipeline.clock import utc_now
from stori_pipeline.contract import Refused, conform, parsed_raw, raw_text
from stori_pipeline.model.reading import Chunk, Position
from stori_pipeline.model.table import Table
from stori_pipeline.readers import PositionLost, SourceError, SourceUnavailable
from stori_pipeline.readers.http_api import ByDay
from stori_pipeline.readers.http_api.answers import Columns, DayAnswer, day_answer
from stori_pipeline.readers.http_api.client import Answer, Api
from stori_pipeline.readers.http_api.plausibility import Judge, numbers_of
from stori_pipeline.readers.json_rows import steps
from stori_pipeline.readers.quarantined import Again
from stori_pipeline.readers.readings import DayReading, ReadingSince

_CHUNK_ROWS = 5_000
_ONE_DAY = timedelta(days=1)
POSITION = frozenset({"through", "etag", "version", "unchanging", "plausible"})


class Days:
    """A table's days, requested from its API."""

    def __init__(self, api: Api, table: Table, changes: ByDay) -> None:
        self._api, self._table = api, table
        self.changes = changes
        self._columns = Columns(table)

    def newest(self, since: Position | None) -> tuple[Answer, DayAnswer | None]:
        """The newest day that the API has; None for the day if it has not changed since the position.

        Raises:
            PositionLost: a member that the definition calls unchanging has changed.
            SourceUnavailable: the newest day is older than the position, as the response of a cache may be.
        """
        answer, newest, where = self._latest(since) if self.changes.latest else self._last_known(since)
        if newest is None or since is None:
            return answer, newest
        for name, value in newest.unchanging.items():
            if (before := since["unchanging"].get(name, value)) != value:
                raise PositionLost(f"{where}: its {name} is {value} now and was {before} before; a new generation must be read")
        if since["through"] and newest.day.isoformat() < since["through"]:
            raise SourceUnavailable(f"{where}: it answers for {newest.day}, and has answered for {since['through']} before")
        return answer, None if newest.version == since["version"] else newest

    def _latest(self, since: Position | None) -> tuple[Answer, DayAnswer | None, str]:
        where = self._where(self.changes.latest)
        answer = self._api.get(self.changes.latest, etag=since["etag"] if since else "")
        if answer.status == 404:
            raise SourceError(f"{where}: there is no such page; check the source's address, to which /{self.changes.latest} is added")
        return answer, day_answer(answer.body, self.changes, None, where) if answer.status == 200 else None, where

    def _last_known(self, since: Position | None) -> tuple[Answer, DayAnswer | None, str]:
        """The newest day, found by requesting each day from today, in UTC, backwards.

        Raises:
            SourceError: the API has none of these days, not even the last one that was read.
        """
        through = date.fromisoformat(since["through"]) if since and since["through"] else None
        day = utc_now().date()
        while True:
            path = self._path(day)
            answer = self._api.get(path, etag=since["etag"] if since and day == through else "")
            if answer.status == 200:
                return answer, day_answer(answer.body, self.changes, day, self._where(path)), self._where(path)
            if answer.status == 304:
                return answer, None, self._where(path)
            if day <= (through or self.changes.start):
                raise SourceError(
                    f"{self._where(path)}: the API knows no day from {day} to today; check its address, and the definition's path"
                )
            day -= _ONE_DAY

    def on(self, requested: date, *, etag: str = "") -> DayAnswer | None:
        """The response for a day, which may be that of an earlier day; None if the API does not have it, or `etag` is still its version.

        Raises:
            SourceError: the response is for a later day.
        """
        path = self._path(requested)
        answer = self._api.get(path, etag=etag)
        if answer.status != 200:
            return None
        parsed = day_answer(answer.body, self.changes, requested, self._where(path))
        if parsed.day > requested:
            raise SourceError(f"{self._where(path)}: it answers for {parsed.day}, which is later than the requested day")
        return parsed

    def rows(self, answer: DayAnswer, judge: Judge) -> Iterator[Any]:
        """A response's rows by the table's columns, checked for plausible values. Where the rows are the members of an object, a day has
        some, so an object without members is a reason for quarantine; an array without elements says that the day has no rows."""
        if not answer.rows and self.changes.entry:
            reason = f"the answer for {answer.day} has nothing at {self.changes.rows_at or 'its top'!r}, where each day has rows"
            yield Refused("day", reason, raw_text(answer.document))
        for element in answer.rows:
            yield judge.judged(self._columns.row(element, answer.document, answer.members, day=answer.day), answer.day)

    def rows_again(self, rejected: Sequence[Refused], since: Position) -> list[Again]:
        """See `ReadsQuarantine`. A missing day is requested again; a number is judged by the rules, like any other."""
        judge = Judge(self.changes.rules, since.get("plausible"))
        return [self._again(each, judge) for each in rejected]

    def _again(self, rejected: Refused, judge: Judge) -> Again:
        if rejected.code == "day":
            day = _day_of_raw(rejected.raw)
            response = self.on(day) if day else None
            return list(self.rows(response, judge)) if response is not None and response.day == day else [rejected]
        row = self._columns.again(rejected.raw)
        # No day is earlier than this one, so a number does not confirm itself.
        return [rejected] if row is None else [judge.judged(numbers_of(self.changes.rules, row), date.min)]

    def unmapped(self) -> dict[str, list[Any]]:
        """The members of the newest day's response that no column reads, with their values."""
        _, newest = self.newest(None)
        if newest is None:
            return {}
        declared = {steps(self.changes.day_at)[0], *self.changes.unchanging}
        return {name: values for name, values in self._columns.unmapped(newest.rows, newest.members).items() if name not in declared}

    def _path(self, day: date) -> str:
        return self.changes.path.replace("{day}", day.strftime(self.changes.day_format))

    def _where(self, path: str) -> str:
        return f"{self._table.full_name} at /{path}"


def _day_of_raw(raw: str) -> date | None:
    kept = parsed_raw(raw)
    try:
        return date.fromisoformat(kept["date"]) if isinstance(kept, dict) else None
    except (KeyError, TypeError, ValueError):
        return None


class DaysReading(ReadingSince):
    """A reading of all days since a position. Iterate it once."""

    def __init__(self, days: Days, table: Table, since: Position | None) -> None:
        super().__init__(table, since)
        self.must_land = False
        self._days, self._changes = days, days.changes
        self._judge = Judge(days.changes.rules, since["plausible"] if since else None)

    def __iter__(self) -> Iterator[Chunk]:
        answer, newest = self._days.newest(self._since)
        if newest is None:
            self._until = self._since
            return
        rows = self._rows(answer, newest)
        while batch := list(islice(rows, _CHUNK_ROWS)):
            yield Chunk(*conform(self._table, batch))

    def _rows(self, answer: Answer, newest: DayAnswer) -> Iterator[Any]:
        """The rows of every day that may have changed, up to the newest. Sets the position that was reached."""
        etag, version = (self._since["etag"], self._since["version"]) if self._since else ("", "")
        last = date.fromisoformat(self._since["through"]) if self._since and self._since["through"] else None
        through, day = last, last or self._changes.start
        while day < newest.day:
            try:
                # The last day that was read is requested again: it may have been restated since.
                response = self._days.on(day, etag=etag if day == last else "")
            except SourceUnavailable:
                if self._since is None or through == last:
                    raise
                self._reach(through, "", newest, version="")
                return
            if day != last or (response is not None and response.version != version):
                yield from self._of_day(day, response)
            through, day = day, day + _ONE_DAY
        if newest.day >= self._changes.start:
            yield from self._of_day(newest.day, newest)
            through = newest.day
        self._reach(through, answer.etag, newest, version=newest.version)

    def _of_day(self, day: date, response: DayAnswer | None) -> Iterator[Any]:
        if response is not None and response.day == day:
            yield from self._days.rows(response, self._judge)
        elif response is None:
            yield _unknown(day, ", although it knows later days")

    def _reach(self, through: date | None, etag: str, newest: DayAnswer, *, version: str) -> None:
        self._until = {
            "through": through.isoformat() if through else None,
            "etag": etag,
            "version": version,
            "unchanging": dict(newest.unchanging),
            "plausible": self._judge.memory(),
        }
        self.must_land = True  # the next reading must not request these days again, even if they have no rows


def _unknown(day: date, more: str = "") -> Refused:
    return Refused("day", f"the API does not know {day}{more}", raw_text({"date": day}))


class DayOfAnswersReading(DayReading):
    """The rows of the answer for one day."""

    by_cursor = False

    def __init__(self, days: Days, table: Table, since: Position | None, day: date) -> None:
        super().__init__(table, since, day)
        self._days = days

    def __iter__(self) -> Iterator[Chunk]:
        response = self._days.on(self._day)
        if response is None:
            yield Chunk(*conform(self._table, [_unknown(self._day)]))
            return
        if response.day != self._day:
            return  # the day has no rows: the API answers with an earlier one
        judge = Judge(self._days.changes.rules)
        before = self._days.on(self._day - _ONE_DAY) if self._days.changes.rules else None
        if before is not None and before.unchanging == response.unchanging:
            for _ in self._days.rows(before, judge):
                pass  # only so that the judge has their values
        yield Chunk(*conform(self._table, self._days.rows(response, judge)))
