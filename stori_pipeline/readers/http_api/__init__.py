"""The reader of HTTP APIs that answer for one day at a time, such as those of exchange rates.

Belongs here: which days are read, and the contract of readers. `client` asks, `answers` says what an answer means and which rates are
plausible.

The API has `/latest` and `/<day>`. A day on which nothing was published is answered with the rates of the day before it that has some,
under that day's date; so a rate belongs to the date that the answer says, and such a day adds none.

**Position**: `{"through", "etag", "version", "base", "rates"}`. Everything up to the day `through` has been read, and what `/latest` then
answered had that ETag and that content; `rates` is what later ones are judged by. The next reading asks whether `/latest` still is that
version. If not, it asks for `through` again, which may have been restated while it was the latest, and for every day since, in order.
Nothing is skipped: where the API fails on the way, the days before land and the position says so; a full reading, which would replace
the table, lands whole or not at all. A day that the API does not know although it knows later ones is a row in quarantine (`day`).

A day that is restated after others have followed it is found by reading it again (`day=`), since no API tells. There are no rows to
compare a mirror with, hence no `span`, `digests` and `checksums`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from itertools import islice

from stori_pipeline.clock import utc_now
from stori_pipeline.contract import Refused, conform, raw_text
from stori_pipeline.model.changes import ByDay
from stori_pipeline.model.reading import Chunk, Kind, Position, Reading
from stori_pipeline.model.table import Table
from stori_pipeline.readers import PositionLost, SourceError, SourceUnavailable
from stori_pipeline.readers.http_api import answers
from stori_pipeline.readers.http_api.answers import Day, Plausibility, Row
from stori_pipeline.readers.http_api.client import Answer, Api, opened

__all__ = ["HttpApiReader", "reader", "scaffold"]

_ROWS = 5_000
_ONE = timedelta(days=1)


class _Rates:
    """A table's days, asked of its API."""

    def __init__(self, api: Api, table: Table) -> None:
        self._api, self._table = api, table

    def _where(self, path: str) -> str:
        return f"{self._table.full_name} at /{path}"

    def latest(self, since: Position | None) -> tuple[Answer, Day | None]:
        """What was published last; no day where that still is what the position knows.

        Raises:
            PositionLost: it has another base currency than was read so far.
            SourceUnavailable: it is older than what was read, as a cache's may be.
        """
        answer = self._api.get("latest", etag=since["etag"] if since else "")
        if answer.status == 304:
            return answer, None
        if answer.status == 404:
            raise SourceError(f"{self._where('latest')}: there is no such page; check the source's address, to which /latest is added")
        day = answers.day(answer.body, self._where("latest"))
        if since is None or not since["base"]:
            return answer, day
        if day.base != since["base"]:
            raise PositionLost(f"{self._where('latest')}: rates are for one {day.base} now, and were for one {since['base']}")
        if since["through"] and day.date.isoformat() < since["through"]:
            raise SourceUnavailable(f"{self._where('latest')}: it answers for {day.date}, and has answered for {since['through']} before")
        return answer, None if day.version == since["version"] else day

    def on(self, asked: date, *, etag: str = "") -> Day | None:
        """What was published on that day or, where nothing was, before; None where the API does not know, or `etag` says it all.

        Raises:
            SourceError: the answer is for a later day.
        """
        answer = self._api.get(asked.isoformat(), etag=etag)
        if answer.status != 200:
            return None
        day = answers.day(answer.body, self._where(asked.isoformat()))
        if day.date > asked:
            raise SourceError(f"{self._where(asked.isoformat())}: it answers for {day.date}, which is later than what was asked for")
        return day

    def row(self, row: Row) -> Row:
        """By the record's columns."""
        return {**{column.name: row.get(column.source_path) for column in self._table.columns}, "_raw": row["_raw"]}

    def chunk(self, rows: list[Row | Refused]) -> Chunk:
        return Chunk(*conform(self._table, rows))


class ApiReading:
    """A reading of all days since a position. Iterate it once."""

    def __init__(self, api: Api, table: Table, changes: ByDay, since: Position | None) -> None:
        self.kind: Kind = "snapshot" if since is None else "changes"
        self.taken_at = utc_now()
        self.must_land = False
        self._rates, self._table, self._start, self._since = _Rates(api, table), table, changes.start, since
        self._until: Position | None = None

    @property
    def until(self) -> Position:
        if self._until is None:
            raise SourceError(f"{self._table.full_name}: the reading has not been read to its end, so it has reached no position")
        return self._until

    def ack(self) -> None:
        """Nothing to tell: an API does not know what was read."""

    def __iter__(self) -> Iterator[Chunk]:
        answer, latest = self._rates.latest(self._since)
        if latest is None:
            self._until = self._since
            return
        plausible = Plausibility(self._since["rates"] if self._since else None)
        rows = self._rows(answer, latest, plausible)
        while some := list(islice(rows, _ROWS)):
            yield self._rates.chunk(some)

    def _rows(self, answer: Answer, latest: Day, plausible: Plausibility) -> Iterator[Row | Refused]:
        """The rows of every day that may have changed up to the latest, which is at hand. Leaves the position that was reached."""
        told = self._since["through"] if self._since else None
        known = date.fromisoformat(told) if told else None
        through = known
        day = through or self._start
        while day < latest.date:
            try:
                # The day that was the latest is asked for once more: it may have been restated since.
                found = self._rates.on(day, etag=self._since["etag"] if self._since and day == known else "")
            except SourceUnavailable:
                if self._since is None or through == known:
                    raise
                self._reached(through, "", "", latest.base, plausible)
                return
            yield from self._of(day, found, day == known, plausible)
            through, day = day, day + _ONE
        if latest.date >= self._start:
            yield from self._of(latest.date, latest, False, plausible)
            through = latest.date
        self._reached(through, answer.etag, latest.version, latest.base, plausible)

    def _of(self, day: date, found: Day | None, read_before: bool, plausible: Plausibility) -> Iterator[Row | Refused]:
        if found is not None and found.date == day:
            for row in answers.rows(found):
                yield self._rates.row(plausible.judged(row))
        elif found is None and not read_before:
            yield Refused("day", f"the API does not know {day}, although it knows later days", raw_text({"date": day}))

    def _reached(self, through: date | None, etag: str, version: str, base: str, plausible: Plausibility) -> None:
        told = through.isoformat() if through else None
        self._until = {"through": told, "etag": etag, "version": version, "base": base, "rates": plausible.known()}
        self.must_land = True  # what was passed must not be asked for again, whether it had rows or none


class DayReading:
    """The rates of one day again; the position stays."""

    kind: Kind = "changes"
    must_land = False

    def __init__(self, api: Api, table: Table, since: Position | None, day: date) -> None:
        if since is None:
            raise SourceError(f"{table.full_name}: a day can be read again only after the table has been read as a whole")
        self.taken_at = utc_now()
        self.until: Position = since
        self._rates, self._day = _Rates(api, table), day

    def ack(self) -> None:
        """Nothing to tell."""

    def __iter__(self) -> Iterator[Chunk]:
        found = self._rates.on(self._day)
        if found is None or found.date != self._day:
            return
        plausible = Plausibility()
        before = self._rates.on(self._day - _ONE)
        for row in answers.rows(before) if before is not None and before.base == found.base else ():
            plausible.judged(row)
        yield self._rates.chunk([self._rates.row(plausible.judged(row)) for row in answers.rows(found)])


class HttpApiReader:
    """Reads the API at an address, whose parameters (the base currency, a key) go with every question. See `readers.Reader`."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __repr__(self) -> str:
        return "HttpApiReader(…)"  # the address may hold a key

    @contextmanager
    def _opened(self, table: Table) -> Iterator[tuple[Api, ByDay]]:
        if not isinstance(table.changes, ByDay):
            raise SourceError(f"{table.full_name}: an HTTP API is read by ByDay(start), not by {type(table.changes).__name__}")
        with opened(self._url, table.full_name, table.source.name) as api:
            yield api, table.changes

    def head(self, table: Table, since: Position | None) -> str:
        """Takes one request, which an API that knows ETags answers with nothing."""
        if since is None or "through" not in since:
            return "new"
        with self._opened(table) as (api, _):
            try:
                _, day = _Rates(api, table).latest(since)
            except PositionLost as lost:
                return str(lost)
            return f"{day.date} {day.version}" if day is not None else ""

    @contextmanager
    def read(self, table: Table, since: Position | None, *, day: date | None = None) -> Iterator[Reading]:
        if since is not None and "through" not in since:
            raise PositionLost(f"{table.full_name}: its position was not made by days; a new generation must be read")
        with self._opened(table) as (api, changes):
            yield DayReading(api, table, since, day) if day is not None else ApiReading(api, table, changes, since)

    def drift(self, table: Table) -> list[str]:
        with self._opened(table) as (api, _):
            _, day = _Rates(api, table).latest(None)
        covered = {column.source_path for column in table.columns} | {"base", "date"}
        unnamed = sorted(set(day.facts if day is not None else ()) - covered)
        return [
            f"the answers have {name!r}, which the record does not name; to read it add a column with path={name!r}" for name in unnamed
        ]


def scaffold(url: str, name: str, *, source: str = "") -> str:
    """The record of an API's daily rates, from the day that it now calls the latest on.

    Raises:
        SourceError: the API does not answer as one of daily rates does.
    """
    with opened(url, f"{source}.{name}".lstrip("."), source) as api:
        day = answers.day(api.get("latest").body, "/latest")
    return "\n".join(
        [
            "Table(",
            "    source=SOURCE,",
            f'    name="{name}",',
            "    columns=(",
            '        Column("rate_date", date, nullable=False, path="date"),',
            '        Column("base", varchar(3), nullable=False),',
            '        Column("currency", varchar(3), nullable=False),',
            '        Column("rate", decimal(18, 8), nullable=False),',
            "    ),",
            '    key=("rate_date", "base", "currency"),',
            f"    changes=ByDay({day.date:datetime.date(%Y, %-m, %-d)}),",
            '    cursor="rate_date",',
            "),",
        ]
    )


reader = HttpApiReader
