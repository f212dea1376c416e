"""What a mirror is compared with: its source if that is a `Comparable`, else its batches in the lake.

Belongs here: choosing one, and the lake as a comparable. A comparison with the lake proves that the mirror has exactly what landed; that
everything landed is guaranteed by the reader, which acknowledges only what is durable. Does not belong here: what a checksum is
(`model.row_checksum`).
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import polars as pl

from stori_pipeline.contract import conform
from stori_pipeline.lake import Lake, Manifest
from stori_pipeline.model import row_checksum
from stori_pipeline.model.comparable import Comparable
from stori_pipeline.model.reading import Chunk, Position
from stori_pipeline.model.row_checksum import HASH_RANGE, Digest, KeyRange, digests_of, has_integer_key, key_text, keys_of
from stori_pipeline.model.table import Table
from stori_pipeline.readers import Reader

_ROWS_AT_ONCE = 20_000

Values = Mapping[str, list[Any]]


def comparable_source(reader: Reader, lake: Lake) -> Comparable:
    """The comparable for a mirror's source."""
    return reader if isinstance(reader, Comparable) else LakeComparable(lake)


class LakeComparable:
    """A table's rows in the lake, with checksums computed in Python. A pass keeps sixteen bytes per row in memory.

    Raises:
        LakeError: nothing has landed yet.
    """

    def __init__(self, lake: Lake, at: Manifest | None = None) -> None:
        """With `at`, the rows as of that batch."""
        self._lake = lake
        self._at = at

    def key_range(self, table: Table) -> tuple[int, KeyRange]:
        rows, partition_values = 0, array("q")
        for values in self._batches(table, keys_of(table)):
            rows += len(values[table.key[0]])
            if has_integer_key(table):
                partition_values.extend(row_checksum.partition_values(table, values))
        if not has_integer_key(table):
            return rows, HASH_RANGE
        return rows, KeyRange(min(partition_values), max(partition_values) + 1) if partition_values else KeyRange(0, 0)

    def digests(self, table: Table, key_range: KeyRange, width: int, *, keys_only: bool = False) -> dict[int, Digest]:
        columns = keys_of(table) if keys_only else table
        partition_values, numbers = array("q"), array("q")
        for values in self._batches(table, columns):
            for at, number in zip(row_checksum.partition_values(table, values), row_checksum.checksums(columns, values), strict=True):
                if key_range.low <= at < key_range.high:
                    partition_values.append(at)
                    numbers.append(number)
        return digests_of(partition_values, numbers, key_range, width)

    def checksums(self, table: Table, *ranges: KeyRange) -> dict[tuple[str, ...], int]:
        by_key: dict[tuple[str, ...], int] = {}
        for values in self._batches(table, table):
            inside = [
                index
                for index, at in enumerate(row_checksum.partition_values(table, values))
                if any(key_range.low <= at < key_range.high for key_range in ranges)
            ]
            for index in inside:
                row = {name: column[index] for name, column in values.items()}
                by_key[key_text(table, row)] = row_checksum.checksum(table, row)
        return by_key

    def read_keys(
        self,
        table: Table,
        keys: Collection[tuple[str, ...]],
        *,
        since: Position | None = None,  # noqa: ARG002  (the lake has what has landed)
    ) -> Iterator[Chunk]:
        """See `ReadsKeys.read_keys`."""
        asked = set(keys)
        for values in self._batches(table, table):
            rows = [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
            yield Chunk(*conform(table, [row for row in rows if key_text(table, row) in asked]))

    def _batches(self, table: Table, columns: Table) -> Iterator[Values]:
        """The live rows in batches of bounded size, with the columns of `columns`, as `model.row_checksum` expects them."""
        frame = self._lake.live(table, self._at)
        if table.keep_deleted:
            frame = frame.filter(~pl.col("_deleted"))
        documents = [column.name for column in columns.columns if column.type.is_document]
        for part in frame.select(column.name for column in columns.columns).collect_batches(chunk_size=_ROWS_AT_ONCE):
            values: dict[str, list[Any]] = part.to_dict(as_series=False)
            for name in documents:
                values[name] = [None if text is None else text.encode() for text in values[name]]
            yield values
