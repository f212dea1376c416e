"""Bringing `trades.json` into the exchange's database.

Belongs here: the collection being there, and inserting the trades it lacks. Does not belong here: what a trade means
(`trades_json`).

A trade is known by its id. One that is there is left as it is, so that importing again undoes no edit; one that was deleted comes
back, for unlike the bank's database this one does not remember which trades it was given. It remembers only, in the collection
`imports`, whether an import came to its end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bson import ObjectId
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import CollectionInvalid, ConnectionFailure, PyMongoError

from stori_pipeline.local.samples.report import ImportReport, Rejected, SampleError, write_rejects
from stori_pipeline.local.samples.trades_json import element, read_trades

Document = dict[str, Any]

_BATCH = 1_000
_IMPORTS = "imports"


@contextmanager
def trades_collection(url: str) -> Iterator[Collection[Document]]:
    """The collection `trades` of the database that `url` names.

    Raises:
        SampleError: the database cannot be reached, or failed.
    """
    try:
        with MongoClient[Document](url, serverSelectionTimeoutMS=5_000, tz_aware=True) as client:
            yield client.get_default_database()["trades"]
    except PyMongoError as error:
        advice = "is it up? `stori up` starts it" if isinstance(error, ConnectionFailure) else "what was written before stays"
        raise SampleError(f"the exchange's database: {error} ({advice})") from error


def create_collection(url: str) -> None:
    """Make the collection where it is missing, with pre-images on: what a change stream needs to tell what a deleted or an
    edited document held before."""
    with trades_collection(url) as trades:
        try:
            trades.database.create_collection(trades.name, changeStreamPreAndPostImages={"enabled": True})
        except CollectionInvalid:  # it exists
            trades.database.command("collMod", trades.name, changeStreamPreAndPostImages={"enabled": True})
        # By these the application and the pipeline's reader find a trade that is not a document of its own.
        for place in ("id", "data.id"):
            trades.create_index(place)


def holds_trades(url: str) -> bool:
    """Whether it holds trades, other than those of an import that was cut off and waits to be completed.

    Raises:
        SampleError: the database cannot be reached, or failed.
    """
    with trades_collection(url) as trades:
        cut_off = trades.database[_IMPORTS].find_one({"whole": False}) is not None
        return trades.find_one({}, {"_id": 1}) is not None and not cut_off


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
    report and in `<name>.rejects.csv` beside the file. `progress(done, total)` counts
    trades; the total is an estimate until the end.

    Raises:
        SampleError: the database failed. What went in stays; importing again completes it.
    """
    size = path.stat().st_size
    rejected: list[Rejected] = []
    inserted = read = 0
    with trades_collection(url) as trades, path.open("rb") as file:
        imports, this = trades.database[_IMPORTS], {"_id": path.name}
        imports.replace_one(this, {"whole": False}, upsert=True)
        there = _ids(trades)
        batch: list[Document] = []
        wrap: list[Document] = []
        for trade in read_trades(file):
            if isinstance(trade, Rejected):
                rejected.append(trade)
                continue
            read += 1
            identifier = trade.document["_id"]
            if identifier in there:
                continue
            there.add(identifier)
            inserted += 1
            if read <= wrapped:
                wrap.append(trade.document)
                if len(wrap) == trades_per_document or read == wrapped:
                    _insert_wrapped(trades, wrap)
                    wrap = []
                continue
            batch.append(trade.document)
            if len(batch) == _BATCH:
                trades.insert_many(batch, ordered=False)
                batch = []
                progress(read, read * size // file.tell())
        if wrap:
            _insert_wrapped(trades, wrap)
        if batch:
            trades.insert_many(batch, ordered=False)
        imports.replace_one(this, {"whole": True}, upsert=True)
    write_rejects(path, rejected)
    report = ImportReport(path, inserted, read - inserted, tuple(rejected))
    progress(report.read, report.read)
    return report


def _ids(trades: Collection[Document]) -> set[ObjectId]:
    """The ids of all trades that are there, whichever shape they are stored in; a set of some hundred bytes a trade."""
    ids: set[ObjectId] = set()
    for found in trades.find({}, {"data.id": 1}, batch_size=5_000):
        if isinstance(items := found.get("data"), list):
            ids.update(ObjectId(item["id"]) for item in items if ObjectId.is_valid(item.get("id")))
        else:
            ids.add(found["_id"])
    return ids


def _insert_wrapped(trades: Collection[Document], documents: list[Document]) -> None:
    whole = wrapped_id(documents[0]["_id"])
    # One whose first trade is missing again finds its document still there, and joins it.
    trades.update_one({"_id": whole}, {"$push": {"data": {"$each": [element(document) for document in documents]}}}, upsert=True)
