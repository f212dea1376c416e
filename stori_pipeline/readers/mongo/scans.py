"""Going through a collection: documents in batches of bounded size, rows in chunks.

Belongs here: plain reads of documents, whole or filtered. Does not belong here: what changed since a position (`streams`,
`cursors`).
"""

# Documents come in the collection's natural order, which is the order in which they were written; within a document rows keep
# the order of its array. So of two rows with one key the one that was written later comes later.

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import bson
from pymongo.client_session import ClientSession
from pymongo.collection import Collection

from stori_pipeline.contract import Refused, conform
from stori_pipeline.model.reading import Chunk
from stori_pipeline.model.table import Table
from stori_pipeline.readers.mongo.connection import CODEC, SCAN_MS, Document
from stori_pipeline.readers.mongo.documents import Documents, Row

_DOCUMENTS = 5_000  # and at most 16 MB, which is as much as the server puts into one reply


def batches(
    collection: Collection[Document],
    where: Document | None = None,
    *,
    session: ClientSession | None = None,
    fields: Iterable[str] = (),
) -> Iterator[list[Document]]:
    """All documents that a filter finds, or only these fields of them; a batch is one reply of the server."""
    found: Any = collection.find_raw_batches(
        where or {}, projection=dict.fromkeys(fields, 1) or None, batch_size=_DOCUMENTS, session=session, max_time_ms=SCAN_MS
    )
    try:
        for raw in found:
            yield bson.decode_all(raw, CODEC)
    finally:
        found.close()


def chunk(table: Table, rows: Iterable[Row | Refused]) -> Chunk:
    return Chunk(*conform(table, rows))


def chunks(documents: Documents, batches: Iterable[list[Document]], keep: Callable[[Row | Refused], bool] | None = None) -> Iterator[Chunk]:
    """The rows of those documents, a chunk per batch, or those of them that `keep` takes."""
    for batch in batches:
        rows = [row for document in batch for row in documents.rows(document)]
        if keep is not None:
            rows = [row for row in rows if keep(row)]
        if rows:
            yield chunk(documents.table, rows)


def without_rejects(table: Table, rows: Iterable[Row]) -> Chunk:
    """The rows that fit. For tombstones: what never fitted never landed, and need not be taken back."""
    fitting, rejected = conform(table, rows)
    return Chunk(fitting, rejected.slice(0, 0))
