"""Scans of a collection: documents in batches of bounded size, rows in chunks.

Belongs here: reading documents, all or filtered. Does not belong here: what changed since a position (`streams`, `cursors`).
"""

# Documents come in the collection's natural order, in which they were written; within a document, rows keep the order of its array. So of
# two rows with the same key, the one that was written later comes later.

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pymongo.client_session import ClientSession
from pymongo.collection import Collection

from stori_pipeline.contract import Refused, conform
from stori_pipeline.model.reading import Chunk
from stori_pipeline.model.table import Table
from stori_pipeline.readers.mongo.connection import SCAN_MS, Document, decoded
from stori_pipeline.readers.mongo.documents import Documents, Row
from stori_pipeline.readers.mongo.shared_keys import SharedKeys

_DOCUMENTS = 5_000  # the server also limits a reply to 16 MB


def batches(
    collection: Collection[Document],
    where: Document | None = None,
    *,
    session: ClientSession | None = None,
    fields: Iterable[str] = (),
) -> Iterator[list[Document]]:
    """The documents that match a filter, with all fields or only `fields`. A batch is one reply of the server."""
    cursor: Any = collection.find_raw_batches(
        where or {}, projection=dict.fromkeys(fields, 1) or None, batch_size=_DOCUMENTS, session=session, max_time_ms=SCAN_MS
    )
    try:
        for raw in cursor:
            yield decoded(raw)
    finally:
        cursor.close()


def chunk(table: Table, rows: Iterable[Row | Refused]) -> Chunk:
    return Chunk(*conform(table, rows))


def chunks(
    documents: Documents,
    batches: Iterable[list[Document]],
    keep: Callable[[Row | Refused], bool] | None = None,
    *,
    shared: SharedKeys | None = None,
) -> Iterator[Chunk]:
    """The rows of the documents, a chunk per batch.

    Args:
        keep: leaves out the rows for which it is false.
        shared: finds documents that share their key, which are rejected.
    """
    for batch in batches:
        rows = rows_of(documents, batch, shared)
        if keep is not None:
            rows = [row for row in rows if keep(row)]
        if rows:
            yield chunk(documents.table, rows)


def rows_of(documents: Documents, batch: Iterable[Document], shared: SharedKeys | None) -> list[Row | Refused]:
    """The rows of these documents; a Refused for each that shares its key with another."""
    batch = list(batch)
    rejected = shared.rejected(batch) if shared is not None else {}
    found: list[Row | Refused] = []
    for document in batch:
        refused = rejected.get(repr(document["_id"])) if rejected else None
        rows = [refused] if refused is not None else documents.rows(document)
        documents.without_rows += not rows
        found += rows
    return found


def without_rejects(table: Table, rows: Iterable[Row]) -> Chunk:
    """The rows that fit. For tombstones: a row that does not fit never landed, so it need not be deleted."""
    fitting, rejected = conform(table, rows)
    return Chunk(fitting, rejected.slice(0, 0))
