"""The import of `trades.json` into the exchange's database.

Belongs here: creating the collection, and inserting missing trades, by id. Does not belong here: the format of a trade (`trades_json`). A
second import keeps edited trades and inserts deleted ones again, because the database does not record which trades were imported. The
collection `imports` records only whether an import was completed.
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
    """The collection `trades` of the database in `url`.

    Raises:
        SampleError: the database does not answer, or failed.
    """
    try:
        with MongoClient[Document](url, serverSelectionTimeoutMS=5_000, tz_aware=True) as client:
            yield client.get_default_database()["trades"]
    except PyMongoError as error:
        advice = "`stori up` starts it" if isinstance(error, ConnectionFailure) else "earlier writes are kept"
        raise SampleError(f"the exchange's database: {error} ({advice})") from error


def create_collection(url: str) -> None:
    """Create the collection if it does not exist, with pre-images. A change stream needs them to return the old content of an edited or
    deleted document."""
    with trades_collection(url) as trades:
        try:
            trades.database.create_collection(trades.name, changeStreamPreAndPostImages={"enabled": True})
        except CollectionInvalid:  # it exists
            trades.database.command("collMod", trades.name, changeStreamPreAndPostImages={"enabled": True})
        # The application and the pipeline's reader find a trade inside another document by these fields.
        for path in ("id", "data.id"):
            trades.create_index(path)


def holds_trades(url: str) -> bool:
    """Whether the collection has trades, and no import is incomplete.

    Raises:
        SampleError: the database does not answer, or failed.
    """
    with trades_collection(url) as trades:
        is_incomplete = trades.database[_IMPORTS].find_one({"whole": False}) is not None
        return trades.find_one({}, {"_id": 1}) is not None and not is_incomplete


def wrapped_id(first: ObjectId) -> ObjectId:
    """The `_id` of a document of many trades, derived from the id of its first trade. It is never the id of a trade, because those begin
    with a time after 1970."""
    return ObjectId(b"\0" + first.binary[1:])


def import_trades(
    url: str,
    path: Path,
    *,
    wrapped: int = 0,
    trades_per_document: int = 25,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> ImportReport:
    """Insert the trades of the file at `path` that the collection does not have.

    Each trade becomes a document, except for the first `wrapped` trades of the file: they are stored in the original format, as documents
    with an array `data` of `trades_per_document` trades. An invalid trade is skipped and listed in the report and in `<name>.rejects.csv`
    beside the file. `progress(done, total)` counts trades; the total is an estimate until the end.

    Raises:
        SampleError: the database failed. Inserted trades are kept; another import inserts the rest.
    """
    size = path.stat().st_size
    rejected: list[Rejected] = []
    inserted = read = 0
    with trades_collection(url) as trades, path.open("rb") as file:
        imports, this = trades.database[_IMPORTS], {"_id": path.name}
        imports.replace_one(this, {"whole": False}, upsert=True)
        known = _ids(trades)
        batch: list[Document] = []
        to_wrap: list[Document] = []
        for trade in read_trades(file):
            if isinstance(trade, Rejected):
                rejected.append(trade)
                continue
            read += 1
            identifier = trade.document["_id"]
            if identifier in known:
                continue
            known.add(identifier)
            inserted += 1
            if read <= wrapped:
                to_wrap.append(trade.document)
                if len(to_wrap) == trades_per_document or read == wrapped:
                    _insert_wrapped(trades, to_wrap)
                    to_wrap = []
                continue
            batch.append(trade.document)
            if len(batch) == _BATCH:
                trades.insert_many(batch, ordered=False)
                batch = []
                progress(read, read * size // file.tell())
        if to_wrap:
            _insert_wrapped(trades, to_wrap)
        if batch:
            trades.insert_many(batch, ordered=False)
        imports.replace_one(this, {"whole": True}, upsert=True)
    write_rejects(path, rejected)
    report = ImportReport(path, inserted, read - inserted, tuple(rejected))
    progress(report.read, report.read)
    return report


def _ids(trades: Collection[Document]) -> set[ObjectId]:
    """The ids of all trades in the collection, in either format; about 100 bytes of memory per trade."""
    ids: set[ObjectId] = set()
    for document in trades.find({}, {"data.id": 1}, batch_size=5_000):
        if isinstance(items := document.get("data"), list):
            ids.update(ObjectId(item["id"]) for item in items if ObjectId.is_valid(item.get("id")))
        else:
            ids.add(document["_id"])
    return ids


def _insert_wrapped(trades: Collection[Document], documents: list[Document]) -> None:
    document_id = wrapped_id(documents[0]["_id"])
    # If the first trade was deleted from its document, the document still exists, and the trades are added to it.
    trades.update_one({"_id": document_id}, {"$push": {"data": {"$each": [element(document) for document in documents]}}}, upsert=True)
