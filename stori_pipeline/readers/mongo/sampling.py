"""Fields of a collection that no column reads, and suggested definitions of collections.

Belongs here: what follows from a sample of documents. Does not belong here: reading tables (`streams`, `cursors`), or the text of a
definition (`readers.scaffolding`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import bson
from bson.objectid import ObjectId
from pymongo.collection import Collection

from stori_pipeline.model.drift import Drift
from stori_pipeline.model.table import Table
from stori_pipeline.model.types import Type
from stori_pipeline.model.types.suggestions import Suggestion, for_values
from stori_pipeline.readers.json_rows import value_at
from stori_pipeline.readers.mongo.connection import CODEC, SCAN_MS, Document
from stori_pipeline.readers.mongo.documents import json_value, native
from stori_pipeline.readers.sampled_drift import unnamed, wider
from stori_pipeline.readers.scaffolding import SuggestedTable
from stori_pipeline.readers.suggested_columns import Sampled, columns_of, suggested_column, uncovered, without_path

_DOCUMENTS = 20_000
_BYTES = 100_000_000
"""The bounds of a sample: the oldest documents and as many of the newest."""

_DRIFT_DOCUMENTS = 1_000


def drift(collection: Collection[Document], table: Table) -> list[Drift]:
    """See `readers.Reader.drift`."""
    documents, _ = _samples(collection, _DRIFT_DOCUMENTS)
    sampled = _sampled(_unnested(documents, table.unnest) if table.unnest else documents)
    covered = [*(column.source_path for column in table.columns), "_id"]
    added = uncovered(sampled, covered, [column.name for column in table.columns], suggest=_suggestion)
    return sorted([*wider(table, sampled, "documents", _handed_native), *(unnamed("documents", column.path, column) for column in added)])


def suggested_table(collection: Collection[Document], name: str) -> SuggestedTable | None:
    """A suggested definition of a collection, from a sample of its documents; None if it has none.

    Args:
        name: our name for the table.
    """
    documents, is_all = _samples(collection, _DOCUMENTS)
    if not documents:
        return None
    sampled = _sampled(documents)
    key = suggested_column("id", _suggestion(sampled.values.pop("_id"), is_key=True), "_id", is_key=True)
    extent = "which is all" if is_all else "the oldest and the newest"
    return SuggestedTable(
        name=name,
        columns=(key, *columns_of(sampled, suggest=_suggestion, taken=[key.name]).values()),
        key=(key.name,),
        changes="ChangeStream()",
        package="stori_pipeline.readers.mongo",
        source_name=collection.name,
        notes=(f"suggested from {sampled.rows:,} documents, {extent}; MongoDB promises no types", *without_path(sampled)),
    )


def _samples(collection: Collection[Document], count: int) -> tuple[list[Document], bool]:
    """The oldest and the newest documents, and whether there are no others."""
    oldest, is_all = _end(collection, 1, count)
    if is_all:
        return oldest, True
    newest, _ = _end(collection, -1, count // 2)
    documents = {repr(document["_id"]): document for document in [*oldest[: count // 2], *newest]}
    return list(documents.values()), False


def _end(collection: Collection[Document], direction: int, count: int) -> tuple[list[Document], bool]:
    """The first documents by `_id`, and whether there are no others."""
    documents: list[Document] = []
    size = 0
    cursor: Any = collection.find_raw_batches({}, limit=count + 1, batch_size=1_000, sort=[("_id", direction)], max_time_ms=SCAN_MS)
    try:
        for raw in cursor:
            documents += bson.decode_all(raw, CODEC)
            size += len(raw)
            if size > _BYTES // 2:
                return documents[:count], False
    finally:
        cursor.close()
    return documents[:count], len(documents) <= count


def _sampled(documents: Iterable[Document]) -> Sampled:
    sampled = Sampled()
    for document in documents:
        sampled.add(document)
    return sampled


def _unnested(documents: Iterable[Document], path: str) -> Iterator[Document]:
    for document in documents:
        value = value_at(document, path)
        elements = value[:_DRIFT_DOCUMENTS] if isinstance(value, list) else [document]
        yield from (element for element in elements if isinstance(element, dict))


def _suggestion(values: list[Any], *, is_key: bool = False) -> Suggestion:
    kinds = set(map(type, values)) - {type(None)}
    if kinds == {ObjectId}:
        return Suggestion("varchar(24)", f"each of {len(values):,} values is an ObjectId")
    return for_values([native(value) for value in values], handed=_handed, role="key" if is_key else None)


def _handed_native(kind: Type, value: Any) -> Any:
    return _handed(kind, native(value))


def _handed(kind: Type, value: Any) -> Any:
    return json_value(value) if kind.is_document else value
