"""The import of `trades.json` into the exchange's database.

Belongs here: creating the collection, inserting missing trades and updating those that changed in the file. Does not belong here: the
format of a trade (`trades_json`). The collection `imports` says whether an import was completed, and which content each trade had in its
file: a second import keeps what the application edited, unless the file changed too, and inserts deleted trades again.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import bson
from bson import ObjectId
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import CollectionInvalid, ConnectionFailure, PyMongoError

from stori_pipeline.local.samples.report import ImportReport, Rejected, SampleError, write_rejects
from stori_pipeline.local.samples.trades_json import Trade, element, read_trades

Document = dict[str, Any]

_BATCH = 1_000
_IMPORTS = "imports"
_DIGESTS_AT_ONCE = 200_000
"""Trades whose digests are in one document: 20 bytes each, where a document holds 16 MB."""


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
    """Insert the trades of the file at `path` that the collection does not have, and update those that the file has with other content than
    at the last import. Of a trade that is in the file several times, the last counts.

    Each trade becomes a document, except for the first `wrapped` trades of the file: they are stored in the original format, as documents
    with an array `data` of `trades_per_document` trades. An invalid trade is skipped and listed in the report and in `<name>.rejects.csv`
    beside the file. `progress(done, total)` counts trades; the total is an estimate until the end.

    Raises:
        SampleError: the database failed. Inserted trades are kept; another import inserts the rest.
    """
    size = path.stat().st_size
    rejected: list[Rejected] = []
    counts: Counter[str] = Counter()
    with trades_collection(url) as trades, path.open("rb") as file:
        imports, this = trades.database[_IMPORTS], {"_id": path.name}
        imports.replace_one(this, {"whole": False}, upsert=True)
        last = {trade.document["_id"]: number for number, trade in enumerate(read_trades(file)) if isinstance(trade, Trade)}
        file.seek(0)
        stored = _Stored(trades)
        batch: list[Document] = []
        to_wrap: list[Document] = []
        for number, trade in enumerate(read_trades(file)):
            if isinstance(trade, Rejected):
                rejected.append(trade)
                continue
            what = stored.compare(trade.document) if last[trade.document["_id"]] == number else "existing"
            counts[what] += 1
            if what == "existing":
                continue
            if what == "inserted" and counts.total() <= wrapped:
                to_wrap.append(trade.document)
            else:
                batch.append(trade.document)
            if len(to_wrap) == trades_per_document or (to_wrap and counts.total() >= wrapped):
                stored.insert_wrapped(to_wrap)
                to_wrap = []
            if len(batch) == _BATCH:
                stored.write(batch)
                batch = []
                progress(counts.total(), counts.total() * size // file.tell())
        if to_wrap:
            stored.insert_wrapped(to_wrap)
        stored.write(batch)
        stored.save()
        imports.replace_one(this, {"whole": True}, upsert=True)
    write_rejects(path, rejected)
    report = ImportReport(path, counts["inserted"], counts["existing"], tuple(rejected), updated=counts["updated"])
    progress(report.read, report.read)
    return report


class _Stored:
    """The trades in the collection, in either format, and their content at the last import; about 200 bytes of memory per trade."""

    def __init__(self, trades: Collection[Document]) -> None:
        self._trades, self._imports = trades, trades.database[_IMPORTS]
        self._digests: dict[ObjectId, bytes] = {}
        for content in self._imports.find({"digests": {"$exists": True}}):
            packed = content["digests"]
            self._digests |= {ObjectId(packed[at : at + 12]): packed[at + 12 : at + 20] for at in range(0, len(packed), 20)}
        self._is_wrapped: dict[ObjectId, bool] = {}
        for document in trades.find({}, {"data.id": 1}, batch_size=5_000):
            if isinstance(items := document.get("data"), list):
                self._is_wrapped |= {ObjectId(item["id"]): True for item in items if ObjectId.is_valid(item.get("id"))}
            else:
                self._is_wrapped[document["_id"]] = False

    def compare(self, document: Document) -> Literal["inserted", "updated", "existing"]:
        """What an import of this trade does."""
        if document["_id"] not in self._is_wrapped:
            return "inserted"
        return "existing" if self._digests.get(document["_id"]) == _digest(document) else "updated"

    def write(self, documents: Sequence[Document]) -> None:
        """Insert or update these trades, each as a document of its own or where it is."""
        new = [each for each in documents if each["_id"] not in self._is_wrapped]
        if new:
            self._trades.insert_many(new, ordered=False)
        for each in documents:
            if self._is_wrapped.get(each["_id"]):
                self._trades.update_one({"data.id": str(each["_id"])}, {"$set": {"data.$": element(each)}})
            elif each["_id"] in self._is_wrapped:
                self._trades.replace_one({"_id": each["_id"]}, each, upsert=True)
        self._digests |= {each["_id"]: _digest(each) for each in documents}

    def insert_wrapped(self, documents: Sequence[Document]) -> None:
        """Insert these trades as elements of one document."""
        document_id = wrapped_id(documents[0]["_id"])
        # If the first trade was deleted from its document, the document still exists, and the trades are added to it.
        self._trades.update_one({"_id": document_id}, {"$push": {"data": {"$each": [element(each) for each in documents]}}}, upsert=True)
        self._digests |= {each["_id"]: _digest(each) for each in documents}

    def save(self) -> None:
        """Save the content that each trade had in its file, at the end of an import: one that was killed before writes its trades again."""
        packed = [each.binary + digest for each, digest in sorted(self._digests.items())]
        for number, first in enumerate(range(0, len(packed), _DIGESTS_AT_ONCE)):
            content = {"_id": f"content {number}", "digests": b"".join(packed[first : first + _DIGESTS_AT_ONCE])}
            self._imports.replace_one({"_id": content["_id"]}, content, upsert=True)


def _digest(document: Document) -> bytes:
    return hashlib.sha256(bson.encode(document)).digest()[:8]
