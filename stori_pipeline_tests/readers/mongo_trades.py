"""Trades as an application writes them to MongoDB; the tests choose the server."""

from __future__ import annotations

from typing import Any

from pymongo.collection import Collection

from stori_pipeline.project import find_table
from stori_pipeline_tests.readers.drained import Drained

TRADES = find_table("exchange.trades")

Documents = Collection[dict[str, Any]]


def a_trade(name: str, price: Any = 1, **more: Any) -> dict[str, Any]:
    return {"id": name, "price": price, "shares": 1, **more}


def prices_after(*readings: Drained) -> dict[str, Any]:
    """What a mirror holds after these readings: the price of every trade; of rows with the same key, the last one wins."""
    state: dict[str, Any] = {}
    for reading in readings:
        if reading.kind == "snapshot":
            state.clear()
        for row in reading.rows:
            state.pop(row["id"], None)
            if not row["_deleted"]:
                state[row["id"]] = row["price"]
    return state
