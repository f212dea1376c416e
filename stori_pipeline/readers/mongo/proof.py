"""Counts and checksums of a collection's rows, for comparisons, and its rows by key.

Belongs here: `key_range`, `digests`, `checksums`, `existing` and `read_keys`. Does not belong here: what a checksum is
(`model.row_checksum`), or comparing (`verify`).
"""

# MongoDB has no md5, and this package turns documents into rows; so the rows are read like any reading and their checksums computed here. A
# pass reads the whole collection in bounded batches and keeps sixteen bytes per row. If two rows have the same key, the one written later
# counts, as in the mirror; that is known only at the end of the pass.

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Collection as AnyCollection
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pymongo.collection import Collection

from stori_pipeline.contract import conform
from stori_pipeline.imports import later
from stori_pipeline.model import row_checksum
from stori_pipeline.model.reading import Chunk
from stori_pipeline.model.row_checksum import HASH_RANGE, Digest, KeyRange, digests_of, has_integer_key, key_text, keys_of
from stori_pipeline.model.table import Table
from stori_pipeline.readers.mongo import scans
from stori_pipeline.readers.mongo.connection import Document
from stori_pipeline.readers.mongo.documents import Documents, of_extended_json
from stori_pipeline.readers.mongo.shared_keys import SharedKeys

_KEYLESS_VALUE = 0
"""The partition value of rows without a usable key, in a table whose partition values are its keys: the comparison must find them."""

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa
else:
    pa = later("pyarrow")

Row = Mapping[str, Any]


def raw_checksum(raw: str) -> int:
    """A checksum of the raw text of a row that does not fit its definition; no row in the mirror has the same."""
    return int(hashlib.md5(raw.encode(), usedforsecurity=False).hexdigest()[:15], 16)


def key_range(collection: Collection[Document], table: Table) -> tuple[int, KeyRange]:
    """See `Comparable.key_range`. Only the keys are fetched."""
    frame = _passed(collection, keys_of(table), HASH_RANGE if not has_integer_key(table) else None)
    if not has_integer_key(table) or frame.is_empty():
        return len(frame), HASH_RANGE if not has_integer_key(table) else KeyRange(0, 0)
    low, high = frame["value"].min(), frame["value"].max()
    return len(frame), KeyRange(int(low), int(high) + 1)  # type: ignore[arg-type]  # both are ints if there are rows


def digests(collection: Collection[Document], table: Table, key_range: KeyRange, width: int, *, keys_only: bool) -> dict[int, Digest]:
    """See `Comparable.digests`."""
    rows = _passed(collection, keys_of(table) if keys_only else table, key_range)
    return digests_of(rows["value"], rows["checksum"], key_range, width)


def checksums(collection: Collection[Document], table: Table, *ranges: KeyRange) -> dict[tuple[str, ...], int]:
    """See `Comparable.checksums`. The key of a row without a usable key is the beginning of its raw text."""
    by_key: dict[tuple[str, ...], int] = {}
    for part in _passes(collection, table):
        for index, at in enumerate(part.partition_values):
            if any(key_range.low <= at < key_range.high for key_range in ranges):
                by_key[part.key(table, index)] = part.checksums[index]
    return by_key


def existing(collection: Collection[Document], table: Table, keys: AnyCollection[tuple[str, ...]]) -> set[tuple[str, ...]]:
    """See `ListsKeys.existing`."""
    asked, keys_only = set(keys), keys_of(table)
    parts = _passes(collection, keys_only)
    return asked & {part.key(keys_only, index) for part in parts for index in range(len(part.checksums))}


def read_keys(collection: Collection[Document], table: Table, keys: AnyCollection[tuple[str, ...]]) -> Iterator[Chunk]:
    """See `ReadsKeys.read_keys`. Reads the collection once. Of two rows with the same key the later one counts, as in every reading."""
    asked, keys_only, documents = set(keys), keys_of(table), Documents(table)
    for chunk in scans.chunks(documents, scans.batches(collection), shared=SharedKeys(collection, documents)):
        is_asked = [key_text(keys_only, row) in asked for row in chunk.rows.select(list(table.key)).to_pylist()]
        rejected = [key is not None and key_text(keys_only, key) in asked for key in _rejected_keys(keys_only, chunk)]
        found = chunk.only(pa.array(is_asked, pa.bool_()))
        if any(is_asked) or any(rejected):
            yield Chunk(found.rows, found.rejected.filter(pa.array(rejected, pa.bool_())))


def _rejected_keys(keys: Table, chunk: Chunk) -> Iterator[Row | None]:
    return (_key_of(keys, raw) for raw in chunk.rejected.column("raw").to_pylist())


def _passed(collection: Collection[Document], table: Table, key_range: KeyRange | None) -> pl.DataFrame:
    """The partition value and checksum of every row in the range; of two rows with the same partition value, the later one."""
    values, numbers = array("q"), array("q")
    for part in _passes(collection, table):
        for at, number in zip(part.partition_values, part.checksums, strict=True):
            if key_range is None or key_range.low <= at < key_range.high:
                values.append(at)
                numbers.append(number)
    import polars as pl  # slow to import, and only a proof needs it

    frame = pl.DataFrame({"value": pl.Series(values, dtype=pl.Int64), "checksum": pl.Series(numbers, dtype=pl.Int64)})
    return frame.unique("value", keep="last", maintain_order=True)


@dataclass(frozen=True)
class _Part:
    """A bounded number of rows: their partition values, their checksums, and their values by column."""

    partition_values: list[int]
    checksums: list[int]
    values: Mapping[str, list[Any]]
    raw: str = ""
    """The raw text, if the part is a single row without a usable key."""

    def key(self, table: Table, index: int) -> tuple[str, ...]:
        if self.raw:
            return (self.raw[:80], *[""] * (len(table.key) - 1))
        return key_text(table, {name: self.values[name][index] for name in table.key})


def _passes(collection: Collection[Document], table: Table) -> Iterator[_Part]:
    """Reads the collection once."""
    documents, keys = Documents(table), keys_of(table)
    has_values = len(table.columns) > len(table.key)
    for chunk in scans.chunks(documents, scans.batches(collection, fields=() if has_values else documents.key_fields)):
        values = {column.name: chunk.rows.column(column.name).to_pylist() for column in table.columns}
        yield _Part(row_checksum.partition_values(table, values), row_checksum.checksums(table, values), values)
        for raw in chunk.rejected.column("raw").to_pylist():
            number, key = raw_checksum(raw), _key_of(keys, raw)
            if key is None:
                yield _Part([_KEYLESS_VALUE if has_integer_key(table) else number], [number], {}, raw)
            else:
                yield _Part([row_checksum.partition_value(table, key)], [number], {name: [value] for name, value in key.items()})


def _key_of(keys: Table, raw: str) -> Row | None:
    """The key of a row that does not fit; None if its key does not fit either."""
    document = of_extended_json(raw)
    fitting, _ = conform(keys, Documents(keys).rows(document) if document is not None else [])
    rows: list[Row] = fitting.to_pylist()
    return rows[0] if rows else None
