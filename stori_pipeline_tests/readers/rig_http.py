"""The HTTP APIs of the conformance suite: of rates, of reports, and of a list in pages.

The first two publish a day's response for each write. The third appends each written row to its list.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, ClassVar

import pytest

from stori_pipeline.model.changes import Changes
from stori_pipeline.readers import Reader, reader_for
from stori_pipeline.readers.http_api import ByDay, ByPage
from stori_pipeline_tests.readers.json_server import json_server
from stori_pipeline_tests.readers.mongo_servers import free_port
from stori_pipeline_tests.readers.shop import COLUMNS, Row, json_row, now, shop_table

_UNREACHABLE = "http://reader:s3cret@127.0.0.1:{port}?key=s3cret"


class RatesRig:
    """An API with a newest day, whose rows are the members of an object: a row's `id` and its `name`."""

    kind = "http_api"
    ways: ClassVar[Mapping[str, Changes]] = {
        "day": ByDay(date(2026, 3, 2), latest="latest", day_at="date", rows_at="rates", entry=("id", "name"), unchanging=("base",))
    }
    whole_rows = False
    shows_unread_rows = True

    def __init__(self, request: pytest.FixtureRequest, changes: Changes) -> None:
        assert isinstance(changes, ByDay)
        stack = ExitStack()
        request.addfinalizer(stack.close)
        server = stack.enter_context(json_server(self._answer))
        self._days = [(changes.start - timedelta(days=1), dict[str, Any]())]
        self._members: dict[str, Any] = {}
        self.table = shop_table(self.kind, changes)
        self.reader = reader_for(self.kind, f"{server.url}?base=GBP")

    def _answer(self, path: str, parameters: Mapping[str, str]) -> str | None:
        known = {str(day): rates for day, rates in self._days}
        day = max(known, default="") if path == "latest" else path
        if day not in known:
            return None
        return json.dumps({"base": parameters["base"], "date": day, "rates": known[day], **self._members})

    def _publish(self, rates: dict[str, Any]) -> None:
        self._days.append((self._days[-1][0] + timedelta(days=1), rates))

    def insert(self, rows: Sequence[Row]) -> None:
        self._publish({str(row["id"]): row.get("name") for row in rows})

    def update(self, key: int, **values: Any) -> None:
        self._publish({str(key): values["name"]})

    def delete(self, key: int) -> None:
        """An API publishes no more of it, and what it published before stays true."""

    def drop(self) -> None:
        self._days = []

    def add_field(self, name: str) -> None:
        self._members = {name: "text"}

    def unreachable(self) -> Reader:
        return reader_for(self.kind, _UNREACHABLE.format(port=free_port()))


class ReportsRig:
    """An API without a newest day, which takes the day as a parameter and responds with a plain array of objects."""

    kind = "http_api"
    ways: ClassVar[Mapping[str, Changes]] = {"day asked": ByDay(date(2026, 3, 2), path="reports?on={day}", day_format="%d.%m.%Y")}
    whole_rows = False  # its rows are those of the day on which they are published, whatever their columns say
    shows_unread_rows = True

    def __init__(self, request: pytest.FixtureRequest, changes: Changes) -> None:
        assert isinstance(changes, ByDay)
        stack = ExitStack()
        request.addfinalizer(stack.close)
        server = stack.enter_context(json_server(self._answer))
        # The days end before today, and the reader goes back to them.
        start = datetime.now(timezone.utc).date() - timedelta(days=30)
        self._days: list[tuple[date, list[str]]] = [(start, [])]
        self.table = shop_table(self.kind, replace(changes, start=start))
        self.reader = reader_for(self.kind, f"{server.url}/v1?key=s3cret")

    def _answer(self, path: str, parameters: Mapping[str, str]) -> str | None:
        if path != "v1/reports" or parameters["key"] != "s3cret":
            return None
        rows = {day.strftime("%d.%m.%Y"): rows for day, rows in self._days}.get(parameters["on"])
        return None if rows is None else f"[{','.join(rows)}]"

    def _publish(self, rows: Sequence[Row]) -> None:
        self._days.append((self._days[-1][0] + timedelta(days=1), [json_row(row) for row in rows]))

    def insert(self, rows: Sequence[Row]) -> None:
        self._publish(rows)

    def update(self, key: int, **values: Any) -> None:
        self._publish([{"id": key, **values}])

    def delete(self, key: int) -> None:  # noqa: ARG002  (the suite says which)
        """The next report goes on without it, and earlier ones stay true."""
        self._publish([])

    def drop(self) -> None:
        self._days = []

    def add_field(self, name: str) -> None:
        self._publish([{"id": 1, name: "text"}])

    def unreachable(self) -> Reader:
        return reader_for(self.kind, _UNREACHABLE.format(port=free_port()))


class PagesRig:
    """An API that lists every version of every row, fifty per page, with growing numbers."""

    kind = "http_api"
    ways: ClassVar[Mapping[str, Changes]] = {"page": ByPage("items?limit=50", after="after", mark_at="meta.number", rows_at="data")}
    whole_rows = True
    shows_unread_rows = True

    def __init__(self, request: pytest.FixtureRequest, changes: Changes) -> None:
        stack = ExitStack()
        request.addfinalizer(stack.close)
        server = stack.enter_context(json_server(self._answer))
        self._listed: list[str] | None = []
        self._rows: dict[int, Row] = {}
        columns = tuple(replace(column, path="" if column.name == "id" else f"item.{column.name}") for column in COLUMNS)
        self.table = replace(shop_table(self.kind, changes), columns=columns)
        self.reader = reader_for(self.kind, f"{server.url}?key=s3cret")

    def _answer(self, path: str, parameters: Mapping[str, str]) -> str | None:
        if path != "items" or self._listed is None or parameters["key"] != "s3cret":
            return None
        start, limit = int(parameters.get("after", 0)), int(parameters["limit"])
        return f'{{"data": [{",".join(self._listed[start : start + limit])}]}}'

    def _list(self, rows: Sequence[Row], more: Row | None = None) -> None:
        assert self._listed is not None
        for row in rows:
            number = {"meta": {"number": len(self._listed) + 1}}
            self._listed.append(
                json_row({"id": row["id"], "item": json.loads(json_row(row), parse_float=Decimal), **(more or {}), **number})
            )

    def insert(self, rows: Sequence[Row]) -> None:
        stamped = [{**row, "changed_at": now()} for row in rows]
        self._rows |= {row["id"]: row for row in stamped}
        self._list(stamped)

    def update(self, key: int, **values: Any) -> None:
        self._rows[key] |= {**values, "changed_at": now()}
        self._list([self._rows[key]])

    def delete(self, key: int) -> None:
        """The list does not say that a row is gone."""
        del self._rows[key]

    def drop(self) -> None:
        self._listed = None

    def add_field(self, name: str) -> None:
        self._list(list(self._rows.values()), {name: "text"})

    def unreachable(self) -> Reader:
        return reader_for(self.kind, _UNREACHABLE.format(port=free_port()))
