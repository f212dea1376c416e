"""The reader of HTTP APIs.

Belongs here: the functions of the protocol. Does not belong here: how they work (`days`, `pages`, `answers`, `client`).
An API has no rows with which a mirror could be compared, so this reader is not `Comparable`; the mirror is compared with the lake.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

from stori_pipeline.contract import Refused
from stori_pipeline.model.drift import Drift
from stori_pipeline.model.names import name_for
from stori_pipeline.model.reading import Position, Reading
from stori_pipeline.model.table import Table
from stori_pipeline.readers import PositionLost, changes_of
from stori_pipeline.readers.http_api import CHANGES, ByDay, days, pages, setup
from stori_pipeline.readers.http_api.client import opened
from stori_pipeline.readers.quarantined import Again
from stori_pipeline.readers.suggested_columns import column_text


class HttpApiReader:
    """Reads the API at an address, whose parameters (a currency, a key) are sent with every request. See `readers.Reader`."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __repr__(self) -> str:
        return "HttpApiReader(…)"  # the address may hold a key

    @contextmanager
    def _opened(self, table: Table) -> Iterator[days.Days | pages.Pages]:
        changes = changes_of(table, CHANGES)
        with opened(self._url, table.full_name, table.source.name, changes.limits) as api:
            yield days.Days(api, table, changes) if isinstance(changes, ByDay) else pages.Pages(api, table, changes)

    def head(self, table: Table, since: Position | None) -> str:
        """Takes one request; if `ByDay` has no `latest`, one for each day since the newest that the API has."""
        with self._opened(table) as source:
            if since is None or _is_other(since, source):
                return "new"
            if isinstance(source, pages.Pages):
                page = source.after(since["after"])
                return f"{len(page.elements)} rows to {page.last}" if page else ""
            try:
                _, newest = source.newest(since)
            except PositionLost as lost:
                return str(lost)
            return f"{newest.day} {newest.version}" if newest else ""

    @contextmanager
    def read(self, table: Table, since: Position | None, *, day: date | None = None) -> Iterator[Reading]:
        with self._opened(table) as source:
            if since is not None and _is_other(since, source):
                raise PositionLost(f"{table.full_name}: its position is that of another change strategy; a new generation must be read")
            if isinstance(source, pages.Pages):
                yield pages.DayOfPagesReading(source, table, since, day) if day else pages.PagesReading(source, table, since)
            else:
                yield days.DayOfAnswersReading(source, table, since, day) if day else days.DaysReading(source, table, since)

    def rows_again(self, table: Table, rejected: Sequence[Refused], since: Position) -> list[Again]:
        """See `ReadsQuarantine`. Asks the API only for missing days."""
        with self._opened(table) as source:
            return source.rows_again(rejected, since)

    def describe(self, source: str) -> str:
        return setup.describe(self._url, source)

    def drift(self, table: Table) -> list[Drift]:
        """From the newest day's response or the first page; see `past_drift` for later pages."""
        with self._opened(table) as source:
            return _lines(table, source.unmapped() if isinstance(source, days.Days) else source.unmapped(None))

    def past_drift(self, table: Table, since: Position) -> list[Drift]:
        """From the last page that was read up to a position. Empty for days, because `drift` sees the newest day."""
        with self._opened(table) as source:
            if isinstance(source, days.Days) or _is_other(since, source):
                return []
            return _lines(table, source.unmapped(since["page"]))


def _is_other(since: Position, source: days.Days | pages.Pages) -> bool:
    """Whether a position is not one of this strategy."""
    return not since.keys() >= (days.POSITION if isinstance(source, days.Days) else pages.POSITION)


def _lines(table: Table, unmapped: dict[str, list[Any]]) -> list[Drift]:
    found = []
    for name, values in sorted(unmapped.items()):
        python = column_text(name, values)
        text = f"the answers have {name!r}, which the definition of {table.full_name} does not name; to read it add {python}"
        found.append(Drift(name_for(name), "added", text, python))
    return found
