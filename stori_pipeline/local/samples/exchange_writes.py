"""What the trading system does to its collection: one method per kind of write.

Belongs here: the writes, on trades that are documents and on trades that are elements of a document's array `data`. Does not belong
here: when and how often they happen (`workload`).

It knows the ids of all trades from the start, and reaches each by its `_id` alone.
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
    """The trading system. Its methods return whether they changed anything."""

    def __init__(self, trades: Collection[dict[str, Any]], rng: random.Random) -> None:
        self._trades, self._rng = trades, rng
        self._single: list[ObjectId] = []
        self._wrapped: dict[ObjectId, list[str]] = {}
        # Sorted here: not every server sorts by _id without reading everything first.
        for found in sorted(trades.find({"_id": {"$type": "objectId"}}, {"data.id": 1}), key=lambda found: found["_id"]):
            if "data" in found:
                self._wrapped[found["_id"]] = [item["id"] for item in found["data"]]
            else:
                self._single.append(found["_id"])
        if not self._single and not self._wrapped:
            raise SampleError("the exchange's trades are empty, so there is nothing to work on: `stori seed` fills them")
        known = [*map(str, self._single), *(one for ids in self._wrapped.values() for one in ids)]
        numbers = [int(one, 16) - FIRST_ID for one in known]
        self._next = max((number for number in numbers if 0 <= number < 2**31), default=-1) + 1

    @classmethod
    @contextmanager
    def open(cls, url: str, seed: int) -> Iterator[Exchange]:
        with trades_collection(url) as trades:
            yield cls(trades, random.Random(seed))

    def insert(self) -> bool:
        new = self._new()
        self._trades.insert_one(new)
        self._single.append(new["_id"])
        return True

    def insert_wrapped(self) -> bool:
        """A document of several new trades."""
        new = [self._new() for _ in range(_WRAPPED)]
        whole = wrapped_id(new[0]["_id"])
        self._trades.insert_one({"_id": whole, "data": [element(one) for one in new]})
        self._wrapped[whole] = [str(one["_id"]) for one in new]
        return True

    def update(self) -> bool:
        """Single fields: the price, the shares, and a ticket that comes or goes."""
        if not self._single:
            return False
        change: dict[str, Any] = {"$set": {"price": self._price(), "shares": 1 + int(self._rng.random() * 1_000)}}
        if self._rng.random() < 0.3:
            change["$unset"] = {"ticket": ""}
        else:
            change["$set"]["ticket"] = f"z{100 + int(self._rng.random() * 400)}"
        return self._trades.update_one({"_id": pick(self._rng, self._single)}, change).modified_count == 1

    def replace(self) -> bool:
        """A whole document by another of the same id."""
        if not self._single:
            return False
        identifier = pick(self._rng, self._single)
        return self._trades.replace_one({"_id": identifier}, {**self._new(), "_id": identifier}).modified_count == 1

    def delete(self) -> bool:
        if not self._single:
            return False
        return self._trades.delete_one({"_id": self._take(self._single)}).deleted_count == 1

    def push(self) -> bool:
        """A new trade into a document of many."""
        if not self._wrapped:
            return False
        whole, new = pick(self._rng, list(self._wrapped)), self._new()
        self._wrapped[whole].append(str(new["_id"]))
        return self._trades.update_one({"_id": whole}, {"$push": {"data": element(new)}}).modified_count == 1

    def pull(self) -> bool:
        """A trade out of a document of many; the document may be left with none."""
        filled = [whole for whole, ids in self._wrapped.items() if ids]
        if not filled:
            return False
        whole = pick(self._rng, filled)
        gone = self._take(self._wrapped[whole])
        return self._trades.update_one({"_id": whole}, {"$pull": {"data": {"id": gone}}}).modified_count == 1

    def edit_wrapped(self) -> bool:
        """One trade's price, inside a document of many."""
        filled = [whole for whole, ids in self._wrapped.items() if ids]
        if not filled:
            return False
        whole = pick(self._rng, filled)
        one = pick(self._rng, self._wrapped[whole])
        change = {"$set": {"data.$.price": self._price()}}
        return self._trades.update_one({"_id": whole, "data.id": one}, change).modified_count == 1

    def delete_wrapped(self) -> bool:
        """A document of many trades, and all of them with it."""
        if not self._wrapped:
            return False
        whole = pick(self._rng, list(self._wrapped))
        del self._wrapped[whole]
        return self._trades.delete_one({"_id": whole}).deleted_count == 1

    def _new(self) -> dict[str, Any]:
        number, self._next = self._next, self._next + 1
        return document(trade(number, self._rng))

    def _price(self) -> Decimal128:
        return Decimal128(f"{90 + int(self._rng.random() * 40)}.{int(self._rng.random() * 10_000):04d}")

    def _take(self, items: list[Any]) -> Any:
        position = int(self._rng.random() * len(items))
        # The order means nothing, and closing a gap in a long list costs more than filling it with the last.
        items[position], items[-1] = items[-1], items[position]
        return items.pop()
