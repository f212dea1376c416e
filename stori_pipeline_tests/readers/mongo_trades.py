"""Trades as an application writes them to MongoDB; the tests choose the server."""

from __future__ import annotations

from functools import partial
from typing import Any

from pymongo.collection import Collection

from stori_pipeline.project import find_table
from stori_pipeline_tests.readers.drained import mirrored

TRADES = find_table("exchange.trades")

Documents = Collection[dict[str, Any]]


def a_trade(name: str, price: Any = 1, **more: Any) -> dict[str, Any]:
    return {"id": name, "price": price, "shares": 1, **more}


prices_after = partial(mirrored, "price")
"""The price of every trade in the mirror after these readings."""
