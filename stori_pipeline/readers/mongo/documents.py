"""Turns documents into rows: paths, unnesting, and BSON's own types as Python natives.

Belongs here: the rows and the keys of a document, without a server. Does not belong here: what fits the definition (`contract`), or
reading documents (`scans`, `streams`).
"""

# A document is one row. If the definition's `unnest` names a field that holds an array, it is a row per element, in the array's order. A
# path that does not exist is NULL. If the table has one key column, and a document that is one row has no value at its path, the key is the
# document's `_id`.

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import bson
from bson import json_util
from bson.binary import UUID_SUBTYPE, Binary
from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128
from bson.errors import BSONError
from bson.int64 import Int64
from bson.objectid import ObjectId

from stori_pipeline.contract import RAW_CHARACTERS, SHORTENED, Misfit, Refused, raw_text
from stori_pipeline.model.table import Column, Table
from stori_pipeline.readers.json_rows import as_document, steps, value_or_misfit
from stori_pipeline.readers.mongo.connection import UNREADABLE, Document

Row = Mapping[str, object]
Key = tuple[object, ...]

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PLAIN = frozenset({type(None), bool, int, float, str, datetime})


def _binary(value: Binary) -> object:
    return str(value.as_uuid()) if value.subtype == UUID_SUBTYPE else bytes(value)


_BSON: dict[type, Callable[[Any], object]] = {
    Int64: int,
    ObjectId: str,
    Decimal128: Decimal128.to_decimal,
    Binary: _binary,
    DatetimeMS: lambda value: Misfit("range", f"{int(value)} ms from 1970 is outside the years 1 to 9999"),
    dict: lambda value: {name: native(inner) for name, inner in value.items()},
    list: lambda value: value if all(type(inner) in _PLAIN for inner in value) else [native(inner) for inner in value],
}


def native(value: Any) -> object:
    """A BSON value as a Python native. A type that has none (a regular expression, a MinKey) stays as it is and fits no column."""
    convert = _BSON.get(type(value))
    return value if convert is None else convert(value)


def json_value(value: Any) -> object:
    """A BSON value for a column of documents."""
    # The contract reads bytes in a super column as JSON, as it does a text.
    value = native(value)
    return as_document(base64.b64encode(value).decode() if isinstance(value, bytes) else value)


def extended_json(document: Document) -> str:
    """A document in MongoDB's relaxed Extended JSON, which keeps the types of values, so that a quarantined row can be read again."""
    try:
        text = json_util.dumps(document, json_options=json_util.RELAXED_JSON_OPTIONS, ensure_ascii=False)
    except Exception:  # noqa: BLE001  (a value of which the driver can say no more than its `repr`)
        return raw_text({"_id": repr(document.get("_id")), "document": repr(document)[:RAW_CHARACTERS]})
    try:
        text.encode()
    except UnicodeEncodeError:
        text = json.dumps(json.loads(text))
    shortened = {"_id": str(document.get("_id")), "document": text[:RAW_CHARACTERS], SHORTENED: True}
    return text if len(text) <= RAW_CHARACTERS else raw_text(shortened)


_OPTIONS = json_util.JSONOptions(tz_aware=True, datetime_representation=json_util.DatetimeRepresentation.ISO8601)


def of_extended_json(text: str) -> Document | None:
    """The document of a text that `extended_json` wrote; None if it is none, or was too large to be kept whole."""
    try:
        document = json_util.loads(text, json_options=_OPTIONS)
    except (ValueError, TypeError, KeyError, BSONError, RecursionError):
        return None
    return document if isinstance(document, dict) and SHORTENED not in document else None


class Documents:
    """Turns documents into rows of one table."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self._columns = [(c.name, steps(c.source_path), _converter(c)) for c in table.columns]
        self._unnest = tuple(table.unnest.split(".")) if table.unnest else ()
        self._key_paths = [table[name].source_path for name in table.key]
        self.own_key = len(table.key) == 1 and not table.unnest and self._key_paths == ["_id"]
        """Whether `_id` is the key of every row. If so, no other document can hold the same key, and a delete event names it."""
        self._may_use_id = len(table.key) == 1
        self.without_rows = 0
        """The number of documents that were read and have no rows: their array of rows is empty."""

    @property
    def notes(self) -> list[str]:
        """See `model.reading.HasNotes`."""
        empty = self.without_rows
        return [f"{empty:,} documents have no rows: their array {self.table.unnest!r} is empty"] if empty else []

    def rows(self, document: Document) -> list[Row | Refused]:
        """The rows of a document, in order, as `contract.conform` takes them; a Refused for a document that cannot be read."""
        if UNREADABLE in document:
            raw, why = document[UNREADABLE]
            return [Refused("document", f"the document cannot be read: {why[:500]}", raw_text({"bson": raw}))]
        try:
            return self._rows(document)
        except Exception as error:  # noqa: BLE001  (whatever a value does to the driver, it is one document)
            return [Refused("document", f"the document cannot be read: {type(error).__name__}: {error}", extended_json(document))]

    def _rows(self, document: Document) -> list[Row | Refused]:
        elements = self._elements(document)
        if elements is None:
            row = self._row(document, partial(extended_json, document))
            if self._may_use_id and row[self.table.key[0]] is None:
                row[self.table.key[0]] = native(document.get("_id"))
            return [row]
        if not isinstance(elements, list):
            reason = f"its field {self.table.unnest} holds a {type(elements).__name__}, not an array of rows"
            return [Refused("document", reason, extended_json(document), self.table.unnest)]
        return [self._of_element(document, element) for element in elements]

    def _elements(self, document: Document) -> Any:
        value = value_or_misfit(document, self._unnest) if self._unnest else None
        return document if isinstance(value, Misfit) else value

    def _of_element(self, document: Document, element: Any) -> Row | Refused:
        raw = partial(self._element_json, document.get("_id"), element)
        if not isinstance(element, dict):
            return Refused("document", f"an element of {self.table.unnest} is a {type(element).__name__}, not a row", raw())
        return self._row(element, raw)

    def _element_json(self, identifier: object, element: object) -> str:
        """A document that holds this element alone, so that a quarantined row can be read like a document of the source."""
        wrapped: Any = [element]
        for part in reversed(self._unnest):
            wrapped = {part: wrapped}
        return extended_json({"_id": identifier, **wrapped})

    def _row(self, fields: Document, raw: Callable[[], str]) -> dict[str, object]:
        row: dict[str, object] = {"_raw": raw}
        for name, path, convert in self._columns:
            value = fields.get(path[0]) if len(path) == 1 else value_or_misfit(fields, path)
            row[name] = value if type(value) in _PLAIN and convert is native else convert(value)
        return row

    def key(self, row: Row) -> Key:
        """The row's key, as a hashable value."""
        return tuple(value if type(value) in _PLAIN else repr(value) for value in (row[name] for name in self.table.key))

    def keyed(self, document: Document | None) -> dict[Key, Row]:
        """A document's rows by their keys; of two rows with the same key, the later one."""
        rows = self.rows(document) if document is not None else []
        return {self.key(row): row for row in rows if not isinstance(row, Refused)}

    @property
    def key_fields(self) -> list[str]:
        """The fields to fetch for the rows' keys. An array of rows is fetched in full, because elements that are no rows count, too."""
        return [*self._key_paths, self.table.unnest] if self._unnest else self._key_paths

    # --- deletions -------------------------------------------------------------------------------------------------

    def tombstone(self, row: Row) -> Row:
        return {"_deleted": True, **{name: row[name] for name in self.table.key}}

    def by_id(self, identifier: object) -> Row | None:
        """The tombstone of a document that is one row with its `_id` as key; None if the table can have no such row."""
        return {"_deleted": True, self.table.key[0]: native(identifier)} if self._may_use_id else None

    def may_lose_rows(self, event: Document) -> bool:
        """Whether an update event without the document's earlier state may have removed rows or changed their keys.

        Elements appended to the array remove no row. The event of a *replacement* does not say whether keys changed; for a table whose
        rows are array elements, assume that they did.
        """
        if event["operationType"] == "replace":
            return bool(self._unnest)
        update = event.get("updateDescription") or {}
        truncated = [entry.get("field", "") for entry in update.get("truncatedArrays") or ()]
        paths = [*update.get("removedFields", ()), *truncated, *update.get("updatedFields", {})]
        after = event.get("fullDocument")
        elements = self._elements(after) if after is not None else None
        count = len(elements) if isinstance(elements, list) else 0
        touched = [path for path in paths if not self._appended(path, count, paths)]
        return any(self._decides_keys(path, truncated=path in truncated) for path in touched)

    def _appended(self, path: str, count: int, paths: Iterable[str]) -> bool:
        """Whether a path is an element in the unbroken run of changed elements at the end of the array."""
        prefix = f"{self.table.unnest}."
        if not self._unnest or not path.startswith(prefix) or not path[len(prefix) :].isdigit():
            return False
        changed = set(paths)
        return all(f"{prefix}{number}" in changed for number in range(int(path[len(prefix) :]), count))

    def _decides_keys(self, path: str, *, truncated: bool) -> bool:
        if truncated:
            return path == self.table.unnest
        if self._unnest and (path == self.table.unnest or self.table.unnest.startswith(f"{path}.")):
            return True
        inner = path
        if self._unnest and path.startswith(f"{self.table.unnest}."):
            number, _, inner = path[len(self.table.unnest) + 1 :].partition(".")
            if not inner:
                return number.isdigit()
        return any(inner == key or key.startswith(f"{inner}.") or inner.startswith(f"{key}.") for key in self._key_paths)

    def holding(self, values: Iterable[object]) -> list[Document]:
        """Filters for the documents that may hold rows with one of these values (natives) in the first key column.

        One filter for each path at which the value may be, instead of one `$or`, so that each can use the index on its path.
        """
        stored: list[object] = []
        for value in values:
            stored.append(Decimal128(value) if isinstance(value, Decimal) else value)
            if isinstance(value, str) and ObjectId.is_valid(value):
                stored.append(ObjectId(value))
            if isinstance(value, str) and _UUID.fullmatch(value):
                stored.append(Binary.from_uuid(UUID(value)))
            if isinstance(value, str):
                stored += [*_of_text(value), *_instant(value)]
        paths = [self._key_paths[0]]
        paths += [f"{self.table.unnest}.{paths[0]}"] if self._unnest else []
        paths += ["_id"] if self._may_use_id and "_id" not in paths else []
        return [{path: {"$in": stored}} for path in paths]


def _of_text(text: str) -> list[object]:
    """The number, boolean or document that a column of texts holds as this text. Numbers too large for BSON are left out."""
    try:
        value = json.loads(text)
        bson.encode({"_id": value})
    except (ValueError, RecursionError, OverflowError, ArithmeticError, BSONError):
        return []
    return [] if value is None or isinstance(value, (str, list)) else [value]


def _instant(text: str) -> list[object]:
    """The instant that a column of texts holds as this text."""
    try:
        return [datetime.fromisoformat(text)] if "T" in text else []
    except ValueError:
        return []


def _converter(column: Column) -> Callable[[Any], object]:
    return json_value if column.type.is_document else native
