"""Change streams: a snapshot, then every insert, update, replacement and delete in order, by resume token.

Belongs here: readings and heads of tables whose definition says `ChangeStream`. Does not belong here: turning documents into rows
(`documents`), or collections without change streams (`cursors`).
"""

# A snapshot is a scan, followed in the same reading by the changes made during the scan: together they are the collection as of the end
# of the scan. There is no snapshot session, because a server keeps one for five minutes only.
#
# An event turns rows that the document no longer has into tombstones, and reads the rows that it has again. The first needs the document's
# state before the change, which the server keeps if `changeStreamPreAndPostImages` is on for the collection. Without it, a row that the
# document's `_id` identifies is deleted; any other event goes to quarantine as `delete_unresolved`, so nothing is dropped silently. A key
# that one document loses may still be held by another document, so the reading looks for other holders.

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any

import bson
from bson import json_util
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp
from pymongo.change_stream import CollectionChangeStream
from pymongo.client_session import ClientSession
from pymongo.database import Database

from stori_pipeline.contract import Refused
from stori_pipeline.model.reading import Chunk, Position
from stori_pipeline.model.table import Table
from stori_pipeline.readers import PositionLost, SourceUnavailable
from stori_pipeline.readers.mongo import scans
from stori_pipeline.readers.mongo.connection import CODEC, Connection, Document, committed, identity
from stori_pipeline.readers.mongo.documents import Documents, Key, Row, extended_json
from stori_pipeline.readers.mongo.shared_keys import SharedKeys
from stori_pipeline.readers.readings import ReadingSince

_STALE = timedelta(hours=1)
"""The age at which the position of an idle collection must land again. A server keeps its oplog for about a day, a busy one for less."""

_WINDOW_EVENTS = 5_000
_WINDOW_BYTES = 16_000_000
_PATIENCE_MS = 100  # how long the server waits for another event before it replies
_PEEK = 1_000
_GONE = 50_000  # how many lost keys are collected before their other holders are looked up
_SPLITS_EVENTS = 21  # the wire version of MongoDB 7.0, which sends an event above 16 MB in fragments

_ENDS = {"drop", "rename", "dropDatabase", "invalidate"}

_UNRESOLVED = (
    "{what}, and the collection keeps no image of the state before, so rows may be in the mirror that are no longer in the source. "
    "Run `stori detect-deletes {table}` to remove them, and let the source's owner turn changeStreamPreAndPostImages on for this collection"
)


@dataclass
class _Touched:
    """The effect of a window's events on one document: its last state, and the rows that it had before, by key."""

    after: Document | None = None
    before: dict[Key, Row] = field(default_factory=dict)
    unresolved: Refused | None = None
    by_id: Row | None = None


class _Window:
    """A bounded run of events, with the events of each document merged into one."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._touched: dict[str, _Touched] = {}
        self._events = self._bytes = 0

    @property
    def full(self) -> bool:
        return self._events >= _WINDOW_EVENTS or self._bytes >= _WINDOW_BYTES

    def add(self, event: Document, size: int) -> None:
        self._events += 1
        self._bytes += size
        identifier = repr(event["documentKey"])
        # Removed and added again, so that documents are in the order of their last event.
        touched = self._touched.pop(identifier, None) or _Touched()
        self._touched[identifier] = touched
        kind, before = event["operationType"], event.get("fullDocumentBeforeChange")
        # None if the document of an update was deleted since; the event of that delete follows.
        touched.after = event.get("fullDocument")
        if before is not None:
            touched.before |= self._documents.keyed(before)
        elif kind == "delete":
            touched.by_id = self._documents.by_id(event["documentKey"]["_id"])
            if not self._documents.own_key:
                touched.unresolved = self._unresolved(event, "a document was deleted")
        elif kind != "insert" and self._documents.may_lose_rows(event):
            touched.unresolved = self._unresolved(event, "an update may have taken rows from a document")

    def _unresolved(self, event: Document, what: str) -> Refused:
        excerpt: Document = {name: event[name] for name in ("operationType", "documentKey", "updateDescription") if name in event}
        table = self._documents.table.full_name
        return Refused("delete_unresolved", _UNRESOLVED.format(what=what, table=table), extended_json(excerpt))

    def drain(self, shared: SharedKeys) -> tuple[list[Row], list[Row | Refused]]:
        """Empties the window and returns its tombstones and its live rows. Land the tombstones first: if one document lost a key that
        another gained, the row must stay."""
        gone: list[Row] = []
        after = [touched.after for touched in self._touched.values() if touched.after is not None]
        rows = scans.rows_of(self._documents, after, shared)
        for touched in self._touched.values():
            still = self._documents.keyed(touched.after)
            gone += [self._documents.tombstone(row) for key, row in touched.before.items() if key not in still]
            if touched.after is None and touched.by_id is not None:
                gone.append(touched.by_id)
            if touched.unresolved is not None:
                rows.append(touched.unresolved)
        self._touched.clear()
        self._events = self._bytes = 0
        return gone, rows


class _Stream:
    """A change stream from a token (or from now) up to the server's operation time when it was opened."""

    def __init__(
        self, database: Database[Document], table: Table, token: Document | None, session: ClientSession, pipeline: list[Document]
    ) -> None:
        database.command("ping", session=session)
        self._until: Timestamp | None = session.operation_time
        self._table = table
        self._from_start = token is None
        # Raw documents, so that the size of an event is known; `__iter__` decodes them.
        watched = database.get_collection(table.name_in_source, codec_options=CodecOptions(document_class=RawBSONDocument))
        self._stream: CollectionChangeStream[Any] = watched.watch(
            pipeline,
            full_document="updateLookup",
            full_document_before_change="whenAvailable",
            resume_after=token,
            max_await_time_ms=_PATIENCE_MS,
            batch_size=_PEEK,
            session=session,
        )
        self.token: Document | None = token or self._reached()

    def _reached(self) -> Document | None:
        token = self._stream.resume_token
        return dict(token) if token else None

    def __enter__(self) -> _Stream:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stream.close()

    def extend(self, session: ClientSession, database: Database[Document]) -> None:
        """Moves the end of the stream to the server's operation time now."""
        database.command("ping", session=session)
        self._until = session.operation_time

    def __iter__(self) -> Iterator[tuple[Document, int]]:
        """The events up to the end, each with its size in bytes; `token` moves with them. Ends even if the source is written to without
        pause."""
        parts: Document = {}
        size = 0
        while True:
            raw = self._stream.try_next()
            if raw is None:
                # No more events. The token now is past the events of other collections, so the position keeps up with the oplog.
                self.token = self._reached() or self.token
                return
            parts |= bson.decode(raw.raw, CODEC)
            size += len(raw.raw)
            split = parts.get("splitEvent")
            if split is not None and split["fragment"] < split["of"]:
                continue
            event, parts = parts, {}
            if self._until is not None and event["clusterTime"] > self._until:
                return
            if event["operationType"] in _ENDS:
                raise self._ended(event["operationType"])
            self.token = event["_id"]
            yield event, size
            size = 0

    def _ended(self, what: str) -> Exception:
        if self._from_start:
            return SourceUnavailable(f"{self._table.full_name}: its collection was dropped or renamed ({what}) while it was being read")
        return PositionLost(f"{self._table.full_name}: its collection was dropped or renamed ({what}); a new generation must be read")


class StreamReading(ReadingSince):
    """A reading of one table by change stream. Iterate it once."""

    def __init__(self, connection: Connection, table: Table, since: Position | None) -> None:
        super().__init__(table, since)
        self._connection, self._database = connection, connection.database
        self._documents = Documents(table)
        if since is not None and not (isinstance(since.get("token"), dict) and since.get("at")):
            raise PositionLost(f"{table.full_name}: its position is not one of a change stream; a new generation must be read")

    @property
    def must_land(self) -> bool:
        if self._since is None:
            return False
        moved = self.until["token"] != self._since["token"]
        return moved and self.taken_at - datetime.fromisoformat(self._since["at"]) >= _STALE

    @property
    def notes(self) -> Sequence[str]:
        return self._documents.notes

    def __iter__(self) -> Iterator[Chunk]:
        with self._connection.translated(resuming=self._since is not None):
            yield from self._read()

    def _shared_keys(self, session: ClientSession) -> SharedKeys:
        return SharedKeys(committed(self._database, self._table), self._documents, session)

    def _read(self) -> Iterator[Chunk]:
        # One causally consistent session: scans and lookups never return data older than the events already read.
        with self._database.client.start_session(causal_consistency=True) as session:
            collection = identity(self._database, self._table, session)
            _refuse_other_collection(self._table, self._since, collection)
            with _Stream(self._database, self._table, _token(self._since), session, _whole_events(self._database)) as stream:
                if self._since is None:
                    documents = scans.batches(committed(self._database, self._table), session=session)
                    yield from scans.chunks(self._documents, documents, shared=self._shared_keys(session))
                    stream.extend(session, self._database)
                yield from self._changes(stream, session)
                if stream.token is None:
                    raise SourceUnavailable(f"{self._table.full_name}: the server returned no resume token; the next reading tries again")
                token = json.loads(json_util.dumps(stream.token))
            self._until = {"token": token, "at": self.taken_at.isoformat(), "collection": collection}

    def _changes(self, stream: _Stream, session: ClientSession) -> Iterator[Chunk]:
        window = _Window(self._documents)
        self._shared = self._shared_keys(session)  # a document of a new type may have come since
        gone: dict[Key, Row] = {}
        for event, size in stream:
            window.add(event, size)
            if window.full:
                yield from self._chunks(window, gone)
            if len(gone) >= _GONE:
                yield from self._other_holders(gone, session)
        yield from self._chunks(window, gone)
        yield from self._other_holders(gone, session)

    def _chunks(self, window: _Window, gone: dict[Key, Row]) -> Iterator[Chunk]:
        tombstones, rows = window.drain(self._shared)
        if tombstones:
            yield scans.without_rejects(self._table, tombstones)
            if not self._documents.own_key or self._shared.may_be:
                gone |= {self._documents.key(row): row for row in tombstones}
        if rows:
            yield scans.chunk(self._table, rows)

    def _other_holders(self, gone: dict[Key, Row], session: ClientSession) -> Iterator[Chunk]:
        """The rows with a key in `gone` that other documents still hold. An index on the source's key field makes this cheap."""
        if gone:
            collection = committed(self._database, self._table)
            filters = self._documents.holding(row[self._table.key[0]] for row in gone.values())
            documents = (batch for where in filters for batch in scans.batches(collection, where, session=session))
            keys = frozenset(gone)
            yield from scans.chunks(
                self._documents,
                documents,
                lambda row: not isinstance(row, Refused) and self._documents.key(row) in keys,
                shared=self._shared,
            )
            gone.clear()


def head(connection: Connection, table: Table, since: Position | None) -> str:
    """The token of the last event after the position, of at most the first thousand; "" if there is none."""
    if since is None:
        return "new"
    reading = StreamReading(connection, table, since)
    database = connection.database
    with connection.translated(resuming=True), database.client.start_session(causal_consistency=True) as session:
        _refuse_other_collection(table, since, identity(database, table, session))
        count, last = 0, ""
        with _Stream(database, table, _token(since), session, [{"$project": {"clusterTime": 1, "operationType": 1}}]) as stream:
            for event, _ in stream:
                count, last = count + 1, str(event["_id"]["_data"])
                if count >= _PEEK:
                    # There may be more events, whose number can grow, so the text never repeats.
                    return f"{last} {reading.taken_at.isoformat()}"
        return last


def _token(since: Position | None) -> Document | None:
    return None if since is None else dict(json_util.loads(json.dumps(since["token"])))


def _whole_events(database: Database[Document]) -> list[Document]:
    wire = database.client.admin.command("hello").get("maxWireVersion", 0)
    return [{"$changeStreamSplitLargeEvent": {}}] if wire >= _SPLITS_EVENTS else []


def _refuse_other_collection(table: Table, since: Position | None, collection: str) -> None:
    """Raises PositionLost if the position belongs to another collection. One that did not exist at the position may have been created."""
    if since is not None and (uuid := since.get("collection", "")) and uuid != collection:
        raise PositionLost(
            f"{table.full_name}: its collection is not the one that was read before: it was dropped, created again or restored, "
            "or the address is that of another server; a new generation must be read"
        )
