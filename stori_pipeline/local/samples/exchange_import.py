"""Bringing `trades.json` into the exchange's database.

Belongs here: the collection being there, and inserting the trades it lacks. Does not belong here: what a trade means
(`trades_json`).

A trade is known by its id. One that is there is left as it is, so that importing again undoes nothing that was written since;
one that was deleted comes back, for unlike the bank's database this one keeps no record of its imports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bson import ObjectId
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError, CollectionInvalid

from stori_pipeline.local.samples.report import ImportReport, Rejected, write_rejects
from stori_pipeline.local.samples.trades_json import element, read_trades

Document = dict[str, Any]

_BATCH = 1_000
_DUPLICATE_KEY = 11000


@contextmanager
def trades_collection(url: str) -> Iterator[Collection[Document]]:
    """The collection `trades` of the database that `url` names."""
    with MongoClient[Document](url, serverSelectionTimeoutMS=10_000, tz_aware=True) as client:
        yield client.get_default_database()["trades"]


def create_collection(url: str) -> None:
    """Make the collection where it is missing, with pre-images on: what a change stream needs to tell what a deleted or an
    edited document held before."""
    with trades_collection(url) as trades:
        try:
            trades.database.create_collection(trades.name, changeStreamPreAndPostImages={"enabled": True})
        except CollectionInvalid:  # it exists
            trades.database.command("collMod", trades.name, changeStreamPreAndPostImages={"enabled": True})


def wrapped_id(first: ObjectId) -> ObjectId:
    """The `_id` of a document of many trades, from its first trade's: always the same, and never the id of a trade, whose first
    bytes are a time after 1970."""
    return ObjectId(b"\0" + first.binary[1:])


def import_trades(
    url: str,
    path: Path,
    *,
    wrapped: int = 0,
    trades_per_document: int = 25,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> ImportReport:
    """Insert the trades of the file at `path` that are not there yet.

    A trade becomes a document of its own, except the file's first `wrapped` trades: they are stored in the original shape,
    as documents that hold an array `data` of `trades_per_document` trades. A trade that is wrong is left out, listed in the
    report and in `<name>.rejects.csv` beside the file. `progress(done, total)` counts bytes of the file.

    Raises:
        pymongo.errors.PyMongoError: the database failed. What went in stays; importing again completes it.
    """
    total = path.stat().st_size
    rejected: list[Rejected] = []
    inserted = read = 0
    with trades_collection(url) as trades, path.open("rb") as file:
        elsewhere = _wrapped_trades(trades)
        batch: list[Document] = []
        wrap: list[Document] = []
        for trade in read_trades(file):
            if isinstance(trade, Rejected):
                rejected.append(trade)
                continue
            read += 1
            if trade.document["_id"] in elsewhere:
                continue
            if read <= wrapped:
                wrap.append(trade.document)
                if len(wrap) == trades_per_document or read == wrapped:
                    inserted += _insert_wrapped(trades, wrap)
                    wrap = []
                continue
            batch.append(trade.document)
            if len(batch) == _BATCH:
                inserted += _insert(trades, batch)
                batch = []
                progress(file.tell(), total)
        inserted += _insert_wrapped(trades, wrap) + _insert(trades, batch)
    write_rejects(path, rejected)
    progress(total, total)
    return ImportReport(path, inserted, read - inserted, tuple(rejected))


def _wrapped_trades(trades: Collection[Document]) -> set[ObjectId]:
    """The ids of the trades that are in documents of many. They are few by purpose; the others are found by the index on _id."""
    found = trades.find({"data": {"$exists": True}}, {"data.id": 1})
    arrays = (document["data"] for document in found if isinstance(document["data"], list))
    return {ObjectId(item["id"]) for items in arrays for item in items if ObjectId.is_valid(item.get("id"))}


def _insert_wrapped(trades: Collection[Document], documents: list[Document]) -> int:
    if not documents:
        return 0
    whole = {"_id": wrapped_id(documents[0]["_id"]), "data": [element(document) for document in documents]}
    return len(documents) * _insert(trades, [whole])


def _insert(trades: Collection[Document], documents: list[Document]) -> int:
    """How many of them were inserted; the others are there already."""
    if not documents:
        return 0
    try:
        return len(trades.insert_many(documents, ordered=False).inserted_ids)
    except BulkWriteError as error:
        if any(failure["code"] != _DUPLICATE_KEY for failure in error.details["writeErrors"]):
            raise
        return int(error.details["nInserted"])
