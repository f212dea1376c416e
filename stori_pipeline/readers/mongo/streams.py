"""Change streams: a snapshot, then every insert, update, replacement and delete in order, by resume token.

Belongs here: readings and heads of tables whose definition says `ChangeStream`. Does not belong here: what a document means
(`documents`), or collections without change streams (`cursors`).
"""

# A snapshot is a scan, followed in the same reading by the changes made meanwhile: together they are the collection as it was
# when the scan ended. No snapshot session is used, because a server keeps one for five minutes only.
#
# What an event does to rows: those that the document no longer has become tombstones, those it has are read again. For the first
# the document's state before the change is needed, which the server keeps where the collection has
# `changeStreamPreAndPostImages` on. Without it, rows that the document's `_id` identifies are deleted; the rest goes to quarantine as
# `delete_unresolved`, and nothing is dropped silently. A key that goes from one document may still be held by another; those are looked up.

from __future__ import annotations

import json
from collections.abc import Iterator
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
from stori_pipeline.readers.readings import ReadingSince

_STALE = timedelta(hours=1)
"""How old a position may become on a quiet collection before it must land again: oplogs are kept for a day or so, busy ones for less."""

_WINDOW_EVENTS = 5_000
_WINDOW_BYTES = 16_000_000
_PATIENCE_MS = 100  # how long the server waits for one more event before it says that there is none
_PEEK = 1_000
_GONE = 50_000  # keys whose other holders are looked up at once
_SPLITS_EVENTS = 21  # the wire version of MongoDB 7.0, which sends an event above 16 MB in fragments

_ENDS = {"drop", "rename", "dropDatabase", "invalidate"}

_UNRESOLVED = (
    "{what}, and the collection keeps no image of the state before, so rows may be in the mirror that are no longer in the source. "
    "Run `stori detect-deletes {table}` to remove them, and let the source's owner turn changeStreamPreAndPostImages on for this collection"
)


@dataclass
class _Touched:
    """What happened to one document within a window: its last state, and all keys that it was seen to have before."""

    after: Document | None = None
    before: dict[Key, Row] = field(default_factory=dict)
    unresolved: Refused | None = None
    by_id: Row | None = None


class _Window:
    """A stretch of events, each document's collapsed into one. Bounded by the events' number and bytes."""

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
        # Taken out and put in again: documents stand in the order of their last event.
        touched = self._touched.pop(identifier, None) or _Touched()
        self._touched[identifier] = touched
        kind, before = event["operationType"], event.get("fullDocumentBeforeChange")
        # None for an update whose document was deleted since: then the event of that deletion follows.
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

    def taken(self) -> tuple[list[Row], list[Row | Refused]]:
        """The tombstones and the live rows of the window, which is then empty. Tombstones go first: where one document lost a key
        that another gained, the row lives."""
        gone: list[Row] = []
        rows: list[Row | Refused] = []
        for touched in self._touched.values():
            rows += self._documents.rows(touched.after) if touched.after is not None else []
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
    """A change stream from a token, or from now, up to what the server had done when it was opened."""

    def __init__(
        self, database: Database[Document], table: Table, token: Document | None, session: ClientSession, pipeline: list[Document]
    ) -> None:
        database.command("ping", session=session)
        self._until: Timestamp | None = session.operation_time
        self._table = table
        self._from_start = token is None
        # Raw, so that an event's size is known; decoded one by one below.
        watched = database.get_collection(table.name, codec_options=CodecOptions(document_class=RawBSONDocument))
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
        """Let the stream end at what the server has done by now."""
        database.command("ping", session=session)
        self._until = session.operation_time

    def __iter__(self) -> Iterator[tuple[Document, int]]:
        """The events up to the end, each with its size in bytes; `token` follows them. Never runs after a source that is being
        written to for ever."""
        parts: Document = {}
        size = 0
        while True:
            raw = self._stream.try_next()
            if raw is None:
                # Nothing more: past all that concerned others, too, so that the position keeps up with the oplog.
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
            raise PositionLost(f"{table.full_name}: its position was not made by a change stream; a new generation must be read")

    @property
    def must_land(self) -> bool:
        if self._since is None:
            return False
        moved = self.until["token"] != self._since["token"]
        return moved and self.taken_at - datetime.fromisoformat(self._since["at"]) >= _STALE

    def __iter__(self) -> Iterator[Chunk]:
        with self._connection.translated(resuming=self._since is not None):
            yield from self._read()

    def _read(self) -> Iterator[Chunk]:
        # One causally consistent session: what is looked up and scanned is never older than the events already seen.
        with self._database.client.start_session(causal_consistency=True) as session:
            collection = identity(self._database, self._table, session)
            _refuse_other_collection(self._table, self._since, collection)
            with _Stream(self._database, self._table, _token(self._since), session, _whole_events(self._database)) as stream:
                if self._since is None:
                    yield from scans.chunks(self._documents, scans.batches(committed(self._database, self._table), session=session))
                    stream.extend(session, self._database)
                yield from self._changes(stream, session)
                if stream.token is None:
                    raise SourceUnavailable(f"{self._table.full_name}: the server gave no resume token to continue from")
                token = json.loads(json_util.dumps(stream.token))
            self._until = {"token": token, "at": self.taken_at.isoformat(), "collection": collection}

    def _changes(self, stream: _Stream, session: ClientSession) -> Iterator[Chunk]:
        window = _Window(self._documents)
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
        tombstones, rows = window.taken()
        if tombstones:
            yield scans.without_rejects(self._table, tombstones)
            if not self._documents.own_key:
                gone |= {self._documents.key(row): row for row in tombstones}
        if rows:
            yield scans.chunk(self._table, rows)

    def _other_holders(self, gone: dict[Key, Row], session: ClientSession) -> Iterator[Chunk]:
        """Rows whose key went from one document while another still has it. An index on the source's key field makes this cheap."""
        if gone:
            collection = committed(self._database, self._table)
            places = self._documents.holding(row[self._table.key[0]] for row in gone.values())
            found = (batch for where in places for batch in scans.batches(collection, where, session=session))
            wanted = frozenset(gone)
            yield from scans.chunks(self._documents, found, lambda row: not isinstance(row, Refused) and self._documents.key(row) in wanted)
            gone.clear()


def head(connection: Connection, table: Table, since: Position | None) -> str:
    """The token of the newest of the first events after the position, or nothing."""
    if since is None:
        return "new"
    reading = StreamReading(connection, table, since)
    database = connection.database
    with connection.translated(resuming=True), database.client.start_session(causal_consistency=True) as session:
        _refuse_other_collection(table, since, identity(database, table, session))
        seen, last = 0, ""
        with _Stream(database, table, _token(since), session, [{"$project": {"clusterTime": 1, "operationType": 1}}]) as stream:
            for event, _ in stream:
                seen, last = seen + 1, str(event["_id"]["_data"])
                if seen >= _PEEK:
                    # There is more than a glance shows. What lies behind it may grow unseen, so this never says the same twice.
                    return f"{last} {reading.taken_at.isoformat()}"
        return last


def _token(since: Position | None) -> Document | None:
    return None if since is None else dict(json_util.loads(json.dumps(since["token"])))


def _whole_events(database: Database[Document]) -> list[Document]:
    wire = database.client.admin.command("hello").get("maxWireVersion", 0)
    return [{"$changeStreamSplitLargeEvent": {}}] if wire >= _SPLITS_EVENTS else []


def _refuse_other_collection(table: Table, since: Position | None, collection: str) -> None:
    """A collection that did not exist when the position was taken may have been created since."""
    if since is not None and (known := since.get("collection", "")) and known != collection:
        raise PositionLost(
            f"{table.full_name}: its collection is not the one that was read before: it was dropped, created again or restored, "
            "or the address is another server's; a new generation must be read"
        )
