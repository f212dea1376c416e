"""The source's side of a comparison: counts and checksums of a collection's rows.

Belongs here: `key_range`, `digests` and `checksums`. Does not belong here: what a checksum is (`model.row_checksum`), or what is compared
(`verify`).
"""

# MongoDB has no md5, and what a document means as rows is decided by this package; so the rows are read as any reading reads
# them and digested here. A pass goes through the whole collection in bounded batches and keeps sixteen bytes per row: where two
# rows have one key the one written later counts, as it does in the mirror, and that shows only at the end.

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl
from bson import json_util
from pymongo.collection import Collection

from stori_pipeline.contract import conform
from stori_pipeline.model import row_checksum
from stori_pipeline.model.row_checksum import HASH_RANGE, Digest, KeyRange, digests_of, has_integer_key, key_text, keys_of
from stori_pipeline.model.table import Table
from stori_pipeline.readers.mongo import scans
from stori_pipeline.readers.mongo.connection import Document
from stori_pipeline.readers.mongo.documents import Documents

_KEYLESS_PLACE = 0
"""Where rows without a usable key count in a table whose places are its keys: they must show somewhere."""

_OPTIONS = json_util.JSONOptions(tz_aware=True, datetime_representation=json_util.DatetimeRepresentation.ISO8601)

Row = Mapping[str, Any]


def raw_checksum(raw: str) -> int:
    """A checksum for a row that does not fit its definition, from the row as it was read: sixty bits that no mirrored row has."""
    return int(hashlib.md5(raw.encode(), usedforsecurity=False).hexdigest()[:15], 16)


def key_range(collection: Collection[Document], table: Table) -> tuple[int, KeyRange]:
    """See `Comparable.key_range`. Only the keys are fetched."""
    places = _passed(collection, keys_of(table), HASH_RANGE if not has_integer_key(table) else None)
    if not has_integer_key(table) or places.is_empty():
        return len(places), HASH_RANGE if not has_integer_key(table) else KeyRange(0, 0)
    low, high = places["place"].min(), places["place"].max()
    return len(places), KeyRange(int(low), int(high) + 1)  # type: ignore[arg-type]  # both are ints where there are rows


def digests(collection: Collection[Document], table: Table, key_range: KeyRange, width: int, *, keys_only: bool) -> dict[int, Digest]:
    """See `Comparable.digests`."""
    rows = _passed(collection, keys_of(table) if keys_only else table, key_range)
    return digests_of(rows["place"], rows["checksum"], key_range, width)


def checksums(collection: Collection[Document], table: Table, *ranges: KeyRange) -> dict[tuple[str, ...], int]:
    """See `Comparable.checksums`. A row without a usable key is named by its beginning."""
    found: dict[tuple[str, ...], int] = {}
    for part in _passes(collection, table):
        for index, at in enumerate(part.places):
            if any(key_range.low <= at < key_range.high for key_range in ranges):
                found[part.key(table, index)] = part.checksums[index]
    return found


def _passed(collection: Collection[Document], table: Table, key_range: KeyRange | None) -> pl.DataFrame:
    """Place and checksum of every row in the key_range, of two with one place the later."""
    places, numbers = array("q"), array("q")
    for part in _passes(collection, table):
        for at, number in zip(part.places, part.checksums, strict=True):
            if key_range is None or key_range.low <= at < key_range.high:
                places.append(at)
                numbers.append(number)
    frame = pl.DataFrame({"place": pl.Series(places, dtype=pl.Int64), "checksum": pl.Series(numbers, dtype=pl.Int64)})
    return frame.unique("place", keep="last", maintain_order=True)


@dataclass(frozen=True)
class _Part:
    """A bounded number of rows: their places, their checksums, and what their keys can be told from."""

    places: list[int]
    checksums: list[int]
    values: Mapping[str, list[Any]]
    raw: str = ""
    """Where it is a single row without a usable key: the row as it was read."""

    def key(self, table: Table, index: int) -> tuple[str, ...]:
        if self.raw:
            return (self.raw[:80], *[""] * (len(table.key) - 1))
        return key_text(table, {name: self.values[name][index] for name in table.key})


def _passes(collection: Collection[Document], table: Table) -> Iterator[_Part]:
    """Goes once through the collection."""
    documents, keys = Documents(table), keys_of(table)
    has_values = len(table.columns) > len(table.key)
    for chunk in scans.chunks(documents, scans.batches(collection, fields=() if has_values else documents.key_fields)):
        values = {column.name: chunk.rows.column(column.name).to_pylist() for column in table.columns}
        yield _Part(row_checksum.partition_values(table, values), row_checksum.checksums(table, values), values)
        for raw in chunk.rejected.column("raw").to_pylist():
            number, key = raw_checksum(raw), _key_of(keys, raw)
            if key is None:
                yield _Part([_KEYLESS_PLACE if has_integer_key(table) else number], [number], {}, raw)
            else:
                yield _Part([row_checksum.partition_value(table, key)], [number], {name: [value] for name, value in key.items()})


def _key_of(keys: Table, raw: str) -> Row | None:
    """The key of a row that does not fit, where it has one that does."""
    fitting, _ = conform(keys, Documents(keys).rows(json_util.loads(raw, json_options=_OPTIONS)))
    found: list[Row] = fitting.to_pylist()
    return found[0] if found else None
