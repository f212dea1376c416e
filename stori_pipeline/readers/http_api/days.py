"""Readings of an API that answers for one day at a time.

Belongs here: which days are read, in which order, and the position. Does not belong here: what an answer means (`answers`), which values
are believed (`plausibility`), or requests (`client`).
"""

# Position: `{"through", "etag", "version", "unchanging", "plausible"}`. Every day up to `through` has been read; the answer for the
# newest day then had that ETag and that content; `plausible` is what later values are judged by. The next reading asks whether the newest
# day's answer is another. If so, it reads `through` again, which may have been restated while it was the newest, and every day since, in
# order. Where the API fails on the way, the days before land, and the position says so; a snapshot, which replaces the table, lands whole
# or not at all. A day that the API does not know, although it knows a later one, is a row in quarantine (code `day`). A day that is
# restated after others have followed it is found by reading it again (`day=`), since no API reports that.

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import islice
from typing import Any

from stori_pipeline.clock import utc_now
from stori_pipeline.contract import Refused, conform, raw_text
from stori_pipeline.model.reading import Chunk, Position
from stori_pipeline.model.table import Table
from stori_pipeline.readers import PositionLost, SourceError, SourceUnavailable
from stori_pipeline.readers.http_api import ByDay
from stori_pipeline.readers.http_api.answers import Columns, DayAnswer, day_answer
from stori_pipeline.readers.http_api.client import Answer, Api
from stori_pipeline.readers.http_api.plausibility import Judge
from stori_pipeline.readers.readings import DayReading, ReadingSince

_CHUNK_ROWS = 5_000
_ONE_DAY = timedelta(days=1)
POSITION = frozenset({"through", "etag", "version", "unchanging", "plausible"})


class Days:
    """A table's days, asked of its API."""

    def __init__(self, api: Api, table: Table, changes: ByDay) -> None:
        self._api, self._table = api, table
        self.changes = changes
        self._columns = Columns(table)

    def newest(self, since: Position | None) -> tuple[Answer, DayAnswer | None]:
        """The newest day that the API knows; None where that still is what the position knows.

        Raises:
            PositionLost: a member that the definition calls unchanging has changed.
            SourceUnavailable: it is older than what was read, as a cache's may be.
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
        """Going back from today, in UTC, to the first day that the API knows.

        Raises:
            SourceError: it knows none, not even the last that was read.
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

    def on(self, asked: date, *, etag: str = "") -> DayAnswer | None:
        """The answer for a day, which may be that of an earlier day; None where the API does not know it, or `etag` still is its version.

        Raises:
            SourceError: the answer is for a later day.
        """
        path = self._path(asked)
        answer = self._api.get(path, etag=etag)
        if answer.status != 200:
            return None
        found = day_answer(answer.body, self.changes, asked, self._where(path))
        if found.day > asked:
            raise SourceError(f"{self._where(path)}: it answers for {found.day}, which is later than what was asked for")
        return found

    def rows(self, answer: DayAnswer, judge: Judge) -> Iterator[Any]:
        """An answer's rows by the table's columns, judged."""
        for element in answer.rows:
            yield judge.judged(self._columns.row(element, answer.document, answer.members, day=answer.day), answer.day)

    def unmapped(self) -> dict[str, list[Any]]:
        """What the newest day's answer has beside the table's columns, with the values."""
        _, newest = self.newest(None)
        if newest is None:
            return {}
        known = {self.changes.day_at.partition(".")[0], *self.changes.unchanging}
        return {name: values for name, values in self._columns.unmapped(newest.rows, newest.members).items() if name not in known}

    def _path(self, day: date) -> str:
        return self.changes.path.replace("{day}", day.strftime(self.changes.day_format))

    def _where(self, path: str) -> str:
        return f"{self._table.full_name} at /{path}"


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
        """The rows of every day that may have changed, up to the newest, whose answer is at hand. Sets the position that was reached."""
        etag, version = (self._since["etag"], self._since["version"]) if self._since else ("", "")
        known = date.fromisoformat(self._since["through"]) if self._since and self._since["through"] else None
        through, day = known, known or self._changes.start
        while day < newest.day:
            try:
                # The day that was the newest is asked for once more: it may have been restated since.
                found = self._days.on(day, etag=etag if day == known else "")
            except SourceUnavailable:
                if self._since is None or through == known:
                    raise
                self._reach(through, "", newest, version="")
                return
            if day != known or (found is not None and found.version != version):
                yield from self._of_day(day, found)
            through, day = day, day + _ONE_DAY
        if newest.day >= self._changes.start:
            yield from self._of_day(newest.day, newest)
            through = newest.day
        self._reach(through, answer.etag, newest, version=newest.version)

    def _of_day(self, day: date, found: DayAnswer | None) -> Iterator[Any]:
        if found is not None and found.day == day:
            yield from self._days.rows(found, self._judge)
        elif found is None:
            yield Refused("day", f"the API does not know {day}, although it knows later days", raw_text({"date": day}))

    def _reach(self, through: date | None, etag: str, newest: DayAnswer, *, version: str) -> None:
        self._until = {
            "through": through.isoformat() if through else None,
            "etag": etag,
            "version": version,
            "unchanging": dict(newest.unchanging),
            "plausible": self._judge.memory(),
        }
        self.must_land = True  # no day must be asked for again, whether it had rows or none


class DayOfAnswersReading(DayReading):
    """The rows of the answer for one day."""

    by_cursor = False

    def __init__(self, days: Days, table: Table, since: Position | None, day: date) -> None:
        super().__init__(table, since, day)
        self._days = days

    def __iter__(self) -> Iterator[Chunk]:
        found = self._days.on(self._day)
        if found is None or found.day != self._day:
            return
        judge = Judge(self._days.changes.rules)
        before = self._days.on(self._day - _ONE_DAY) if self._days.changes.rules else None
        if before is not None and before.unchanging == found.unchanging:
            for _ in self._days.rows(before, judge):
                pass  # the judge remembers them
        yield Chunk(*conform(self._table, self._days.rows(found, judge)))
