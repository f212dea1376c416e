"""Fields of a collection that no column reads, and a suggested definition of a collection.

Belongs here: what follows from a sample of documents. Does not belong here: reading tables (`streams`, `cursors`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.objectid import ObjectId
from pymongo.collection import Collection

from stori_pipeline.model.table import Table
from stori_pipeline.model.types import suggestions
from stori_pipeline.readers.json_fields import column_name
from stori_pipeline.readers.mongo.connection import SCAN_MS, Document
from stori_pipeline.readers.scaffolding import definition_text

_EACH_END = 500
"""The sample has this many of the oldest documents and as many of the newest."""

_NATIVES: dict[type, type] = {Int64: int, Decimal128: Decimal}
"""The Python types of BSON's own numbers."""


def drift(collection: Collection[Document], table: Table) -> list[str]:
    """See `readers.Reader.drift`."""
    samples = _samples(collection)
    if not samples:
        return []
    covered = {column.source_path for column in table.columns}
    rows = list(_unnested(samples, table.unnest)) if table.unnest else samples
    lines = []
    for path, values in _leaves(rows).items():
        if path != "_id" and not any(path == each or path.startswith(f"{each}.") for each in covered):
            taken = {column.name for column in table.columns}
            lines.append(f"the documents have {path}, which the definition does not name; to read it add {_column(path, values, taken)}")
    return sorted(lines)


def definition(collection: Collection[Document]) -> str:
    """A suggested definition of a collection, from a sample of its documents; "" if it has none.

    Lengths are at least twice that of the longest text, and a field that holds numbers of several types becomes a decimal.
    """
    leaves = _leaves(_samples(collection))
    if not leaves:
        return ""
    names: set[str] = set()
    columns = []
    for path, values in leaves.items():
        column = _column(path, values, names, key=path == "_id")
        names.add(column.split('"')[1])
        columns.append(f"{column},")
    return definition_text(column_name(collection.name), columns, ["id"], "ChangeStream()", "stori_pipeline.readers.mongo")


def _samples(collection: Collection[Document]) -> list[Document]:
    ends: dict[str, Document] = {}
    for direction in (1, -1):
        for document in collection.find({}, limit=_EACH_END, sort=[("_id", direction)], max_time_ms=SCAN_MS):
            ends[repr(document["_id"])] = document
    return list(ends.values())


def _unnested(documents: Iterable[Document], path: str) -> Iterator[Document]:
    for document in documents:
        value: Any = document
        for part in path.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        elements = value[:_EACH_END] if isinstance(value, list) else [document]
        yield from (element for element in elements if isinstance(element, dict))


def _leaves(documents: Iterable[Document]) -> dict[str, list[Any]]:
    """The values at each path that holds any; nulls do not count."""
    leaves: dict[str, list[Any]] = {}

    def walk(fields: Document, prefix: str) -> None:
        for name, value in fields.items():
            if isinstance(value, dict):
                walk(value, f"{prefix}{name}.")
            elif value is not None:
                leaves.setdefault(f"{prefix}{name}", []).append(value)

    for document in documents:
        walk(document, "")
    return leaves


def _column(path: str, values: list[Any], taken: set[str], *, key: bool = False) -> str:
    name = "id" if key else column_name(path.rpartition(".")[2])
    if name in taken or (name == "id" and not key):
        name = column_name(path)
    arguments = [f'"{name}"', _type(values)]
    arguments += ["nullable=False"] if key else []
    arguments += [f'path="{path}"'] if name != path else []
    return f"Column({', '.join(arguments)})"


def _type(values: list[Any]) -> str:
    kinds = {str if isinstance(value, str) else _NATIVES.get(type(value), type(value)) for value in values}
    if kinds == {str}:
        return suggestions.for_longest(suggestions.longest_of(values))
    if kinds == {ObjectId}:
        return "varchar(24)"
    return suggestions.for_natives(kinds) or "super_"
