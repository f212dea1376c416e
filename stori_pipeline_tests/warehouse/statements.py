"""The statements that a session sends to the warehouse, recorded from the wire.

Belongs here: recording them, and replacing what differs between runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from stori_pipeline.warehouse import Warehouse
from stori_pipeline_tests.databases import at_port
from stori_pipeline_tests.gate import Gate
from stori_pipeline_tests.stores import StoredTable

_START_UP = (80877103, 80877104)
"""The codes of the requests for TLS and for GSS, which come before the first message that bears its kind."""


def statements(request: bytes) -> list[str]:
    """The queries in what a client has sent on one connection, in the protocol of Postgres."""
    place, found = 0, []
    while place < len(request):
        length, code = (int.from_bytes(request[place + n : place + n + 4], "big") for n in (0, 4))
        place += length
        if code not in _START_UP:
            break
    while place < len(request):
        kind, length = request[place : place + 1], int.from_bytes(request[place + 1 : place + 5], "big")
        if kind == b"Q":
            found.append(request[place + 5 : place + length].decode())
        place += 1 + length
    return found


@dataclass(frozen=True)
class Recorder:
    """Records what is sent while a table is loaded and compared."""

    stored: StoredTable

    def record(self, work: Callable[[StoredTable], object]) -> str:
        """The statements of one piece of work on the table, each with its semicolon."""
        stores = self.stored.stores
        url = urlsplit(stores.warehouse_url)
        assert url.hostname is not None
        assert url.port is not None
        with Gate((url.hostname, url.port)) as gate:
            heard = Warehouse(at_port(stores.warehouse_url, gate.port), stores.warehouse.copy_role)
            work(replace(self.stored, stores=replace(stores, warehouse=heard)))
            requests = [bytes(request) for request in gate.requests]
        return "".join(f"{self._steady(statement)};\n\n" for request in requests for statement in statements(request))

    def _steady(self, statement: str) -> str:
        """The statement without what differs between runs: names of the test's own, generations, ids of batches, times."""
        stores, table = self.stored.stores, self.stored.table
        words = {table.source.name: "shop", stores.bucket: "landing", stores.warehouse.copy_role: "arn:aws:iam::1:role/copy"}
        for name, word in words.items():
            statement = statement.replace(name, word)
        statement = re.sub(r"\b\d{16,}\b", "1", statement)  # a generation is a time
        statement = re.sub(r"\b1, (\d+), E'[0-9a-f]{16}'", r"1, \1, E'id of the batch'", statement)
        return re.sub(r"'[\dT:.+-]+'::timestamp", "'2026-11-21T00:00:00'::timestamp", statement)
