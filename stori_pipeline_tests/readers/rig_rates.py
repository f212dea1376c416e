"""The HTTP API of the conformance suite: it publishes a day's answer for each thing that is done.

An answer says a name and a value for each row and no more: here a row's `id` and its `name`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from stori_pipeline.local.rates_server import RatesServer
from stori_pipeline.model.changes import ByDay, Changes
from stori_pipeline.readers import Reader, reader_for
from stori_pipeline_tests.readers.mongo_servers import free_port
from stori_pipeline_tests.readers.shop import COLUMNS, Row, shop_table

_PATHS = {"id": "currency", "name": "rate"}


class _Published(RatesServer):
    """Answers what was published, a day after the other."""

    def __init__(self, first: date) -> None:
        super().__init__(("127.0.0.1", 0))
        self.days = [(first - timedelta(days=1), dict[str, Any]())]
        self.members: dict[str, Any] = {}

    def body(self, asked: str, base: str) -> str | None:
        known = {str(day): rates for day, rates in self.days}
        day = max(known, default="") if asked == "latest" else asked
        return json.dumps({"base": base, "date": day, "rates": known[day], **self.members}) if day in known else None


class RatesRig:
    kind = "http_api"
    sees_deletes = False
    missing_is_empty = False
    forgets = False
    whole_rows = False

    def __init__(self, request: pytest.FixtureRequest, changes: Changes) -> None:
        assert isinstance(changes, ByDay)
        self._server = _Published(changes.start)
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()

        def stop() -> None:
            self._server.shutdown()
            thread.join()
            self._server.server_close()

        request.addfinalizer(stop)
        columns = tuple(replace(column, path=_PATHS.get(column.name, "")) for column in COLUMNS)
        self.table = replace(shop_table(self.kind, changes), columns=columns)
        self.reader = reader_for(self.kind, f"{self._server.url}?base=GBP")

    def _publish(self, rates: dict[str, Any]) -> None:
        self._server.days.append((self._server.days[-1][0] + timedelta(days=1), rates))

    def insert(self, rows: Sequence[Row]) -> None:
        self._publish({str(row["id"]): row.get("name") for row in rows})

    def update(self, key: int, **values: Any) -> None:
        self._publish({str(key): values["name"]})

    def delete(self, key: int) -> None:  # noqa: ARG002  (the suite says which)
        """An API goes on without it, and what it published before stays true."""
        self._publish({})

    def drop(self) -> None:
        self._server.days = []

    def add_field(self, name: str) -> None:
        self._server.members = {name: "text"}

    def unreachable(self) -> Reader:
        return reader_for(self.kind, f"http://reader:s3cret@127.0.0.1:{free_port()}?key=s3cret")
