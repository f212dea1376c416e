"""The writes of the trading system to its collection, one method for each kind.

Belongs here: the writes, to trades that are documents and to trades in the array `data` of a document. Does not belong here: when and how
often they happen (`workload`). The ids of all trades are read at the start, and each write uses an `_id`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bson import Decimal128, ObjectId
from pymongo.collection import Collection

from stori_pipeline.local.samples.bank import pick
from stori_pipeline.local.samples.exchange import FIRST_ID, trade
from stori_pipeline.local.samples.exchange_import import trades_collection, wrapped_id
from stori_pipeline.local.samples.report import SampleError
from stori_pipeline.local.samples.trades_json import document, element

_WRAPPED = 5


class Exchange:
    """The trading system. Each method returns whether it changed anything."""

    def __init__(self, trades: Collection[dict[str, Any]], rng: random.Random) -> None:
        self._trades, self._rng = trades, rng
        self._single: list[ObjectId] = []
        self._wrapped: dict[ObjectId, list[str]] = {}
        # Sorted here, because not every server sorts by _id without reading all documents first.
        for stored in sorted(trades.find({"_id": {"$type": "objectId"}}, {"data.id": 1}), key=lambda stored: stored["_id"]):
            if "data" in stored:
                self._wrapped[stored["_id"]] = [item["id"] for item in stored["data"]]
            else:
                self._single.append(stored["_id"])
        if not self._single and not self._wrapped:
            raise SampleError("the exchange has no trades, so a workload has nothing to change; run `stori seed` first")
        known = [*map(str, self._single), *(one for ids in self._wrapped.values() for one in ids)]
        numbers = [int(one, 16) - FIRST_ID for one in known]
        self._next = max((number for number in numbers if 0 <= number < 2**31), default=-1) + 1

    @classmethod
    @contextmanager
    def open(cls, url: str, seed: int) -> Iterator[Exchange]:
        """The trading system on its own connection, which is closed after the block.

        Raises:
            SampleError: the database does not answer, failed, or has no trades.
        """
        with trades_collection(url) as trades:
            yield cls(trades, random.Random(seed))

    def insert(self) -> bool:
        """Insert a trade as a document."""
        new = self._new()
        self._trades.insert_one(new)
        self._single.append(new["_id"])
        return True

    def insert_wrapped(self) -> bool:
        """Insert a document of several trades."""
        new = [self._new() for _ in range(_WRAPPED)]
        document_id = wrapped_id(new[0]["_id"])
        self._trades.insert_one({"_id": document_id, "data": [element(one) for one in new]})
        self._wrapped[document_id] = [str(one["_id"]) for one in new]
        return True

    def update(self) -> bool:
        """Set the price and the shares of a trade, and set or remove its ticket."""
        if not self._single:
            return False
        change: dict[str, Any] = {"$set": {"price": self._price(), "shares": 1 + int(self._rng.random() * 1_000)}}
        if self._rng.random() < 0.3:
            change["$unset"] = {"ticket": ""}
        else:
            change["$set"]["ticket"] = f"z{100 + int(self._rng.random() * 400)}"
        return self._trades.update_one({"_id": pick(self._rng, self._single)}, change).modified_count == 1

    def replace(self) -> bool:
        """Replace a document by another with the same id."""
        if not self._single:
            return False
        identifier = pick(self._rng, self._single)
        return self._trades.replace_one({"_id": identifier}, {**self._new(), "_id": identifier}).modified_count == 1

    def delete(self) -> bool:
        """Delete a trade that is a document."""
        if not self._single:
            return False
        return self._trades.delete_one({"_id": self._take(self._single)}).deleted_count == 1

    def push(self) -> bool:
        """Add a trade to a document of many."""
        if not self._wrapped:
            return False
        document_id, new = pick(self._rng, list(self._wrapped)), self._new()
        self._wrapped[document_id].append(str(new["_id"]))
        return self._trades.update_one({"_id": document_id}, {"$push": {"data": element(new)}}).modified_count == 1

    def pull(self) -> bool:
        """Remove a trade from a document of many; the document may be left with no trade."""
        filled = [document_id for document_id, ids in self._wrapped.items() if ids]
        if not filled:
            return False
        document_id = pick(self._rng, filled)
        trade_id = self._take(self._wrapped[document_id])
        return self._trades.update_one({"_id": document_id}, {"$pull": {"data": {"id": trade_id}}}).modified_count == 1

    def edit_wrapped(self) -> bool:
        """Change the price of a trade in a document of many."""
        filled = [document_id for document_id, ids in self._wrapped.items() if ids]
        if not filled:
            return False
        document_id = pick(self._rng, filled)
        trade_id = pick(self._rng, self._wrapped[document_id])
        change = {"$set": {"data.$.price": self._price()}}
        return self._trades.update_one({"_id": document_id, "data.id": trade_id}, change).modified_count == 1

    def delete_wrapped(self) -> bool:
        """Delete a document of many trades."""
        if not self._wrapped:
            return False
        document_id = pick(self._rng, list(self._wrapped))
        del self._wrapped[document_id]
        return self._trades.delete_one({"_id": document_id}).deleted_count == 1

    def _new(self) -> dict[str, Any]:
        number, self._next = self._next, self._next + 1
        return document(trade(number, self._rng))

    def _price(self) -> Decimal128:
        return Decimal128(f"{90 + int(self._rng.random() * 40)}.{int(self._rng.random() * 10_000):04d}")

    def _take(self, items: list[Any]) -> Any:
        position = int(self._rng.random() * len(items))
        # The order does not matter, and moving the last item into the gap is faster than shifting the list.
        items[position], items[-1] = items[-1], items[position]
        return items.pop()
