"""Readings of an API that lists rows in pages, after a mark.

Belongs here: which pages are read, and the position. Does not belong here: turning responses into rows (`answers`), or requests (`client`).
"""

# Position: `{"after", "page"}`. `after` is the mark of the last row that was read, null if there was none; the next reading continues after
# it. `page` is the mark after which that row's page began; `past_drift` uses it to look at the newest rows.

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from stori_pipeline.contract import Refused, conform
from stori_pipeline.model.reading import Chunk, Position
from stori_pipeline.model.table import Table
from stori_pipeline.readers import SourceError
from stori_pipeline.readers.http_api import ByPage
from stori_pipeline.readers.http_api.answers import Columns, parse, rows_at
from stori_pipeline.readers.http_api.client import Api
from stori_pipeline.readers.json_rows import steps, value_at
from stori_pipeline.readers.quarantined import Again
from stori_pipeline.readers.readings import DayReading, ReadingSince, versions_of_day

POSITION = frozenset({"after", "page"})


@dataclass(frozen=True)
class Page:
    """The rows after a mark. `last` is the mark of the last of them."""

    document: Any
    elements: list[Any]
    last: str


class Pages:
    """A table's pages, requested from its API."""

    def __init__(self, api: Api, table: Table, changes: ByPage) -> None:
        self._api, self._table, self._changes = api, table, changes
        self._columns = Columns(table)

    def after(self, mark: str | None) -> Page | None:
        """The page after that mark (None: the first page); None if it has no rows.

        Raises:
            SourceError: there is no such list, a row has no mark, or the API returns the same page again.
        """
        where = f"{self._table.full_name} at /{self._changes.path}"
        answer = self._api.get(self._changes.path, parameters={self._changes.after: mark} if mark is not None else {})
        if answer.status == 404:
            raise SourceError(f"{where}: there is no such page; check the source's address, to which /{self._changes.path} is added")
        document = parse(answer.body, where)
        elements = rows_at(document, self._changes.rows_at, None, where)
        if not elements:
            return None
        last = value_at(elements[-1], self._changes.mark_at)
        if isinstance(last, (dict, list, bool)) or last is None:
            raise SourceError(f"{where}: the last row of the page has no mark at {self._changes.mark_at!r}; correct mark_at")
        if str(last) == mark:
            raise SourceError(
                f"{where}: the page after {mark} ends with {mark} again; does the API take the parameter {self._changes.after!r}?"
            )
        return Page(document, elements, str(last))

    def all_after(self, mark: str | None) -> Iterator[Page]:
        while (page := self.after(mark)) is not None:
            yield page
            mark = page.last

    def chunk(self, page: Page) -> Chunk:
        return Chunk(*conform(self._table, (self._columns.row(element, page.document, {}) for element in page.elements)))

    def rows_again(self, rejected: Sequence[Refused], _: Position) -> list[Again]:
        """See `ReadsQuarantine`."""
        found = [(each, self._columns.again(each.raw)) for each in rejected]
        return [[each] if row is None else [row] for each, row in found]

    def unmapped(self, mark: str | None) -> dict[str, list[Any]]:
        """The members of the rows after a mark that no column reads, with their values."""
        page = self.after(mark)
        unmapped = self._columns.unmapped(page.elements, {}) if page else {}
        unmapped.pop(steps(self._changes.mark_at)[0], None)
        return unmapped


class PagesReading(ReadingSince):
    """A reading of all pages after a position. Iterate it once."""

    must_land = False

    def __init__(self, pages: Pages, table: Table, since: Position | None) -> None:
        super().__init__(table, since)
        self._pages = pages

    def __iter__(self) -> Iterator[Chunk]:
        position = self._since or {"after": None, "page": None}
        for page in self._pages.all_after(position["after"]):
            yield self._pages.chunk(page)
            position = {"after": page.last, "page": position["after"]}
        self._until = position


class DayOfPagesReading(DayReading):
    """The rows whose cursor falls in one UTC day, out of all pages."""

    def __init__(self, pages: Pages, table: Table, since: Position | None, day: date) -> None:
        super().__init__(table, since, day)
        self._pages = pages

    def __iter__(self) -> Iterator[Chunk]:
        return versions_of_day(self._table, self._day, self._chunks)

    def _chunks(self) -> Iterator[Chunk]:
        return (self._pages.chunk(page) for page in self._pages.all_after(None))
