"""The source's side of a comparison where the source has nothing to compare with: the lake's live rows stand for it.

Belongs here: count, digests and checksums of a table's rows in the lake. Does not belong here: which sources need that (`compare.side`),
or what a checksum is (`digest`).

What is proved by it is that the warehouse has what landed, no more and no less. That everything landed which the source had is its
reader's promise: it lets the source forget only what is durable.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import polars as pl

from stori_pipeline import digest
from stori_pipeline.digest import HASHED, Digest, Span, has_integer_places, key_text
from stori_pipeline.lake import Lake
from stori_pipeline.spec import Rebuilt, Table, super_

_ROWS_AT_ONCE = 20_000
_LOW_BITS = (1 << 30) - 1

Values = Mapping[str, list[Any]]


class LakeSide:
    """A table's rows in the lake, digested in Python. A pass keeps sixteen bytes a row.

    Raises:
        LakeError: nothing has landed yet.
    """

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    def span(self, table: Table) -> tuple[int, Span]:
        rows, places = 0, array("q")
        for values in self._batches(table, _keys_of(table)):
            rows += len(values[table.key[0]])
            if has_integer_places(table):
                places.extend(digest.places(table, values))
        if not has_integer_places(table):
            return rows, HASHED
        return rows, Span(min(places), max(places) + 1) if places else Span(0, 0)

    def digests(self, table: Table, span: Span, width: int, *, keys_only: bool = False) -> dict[int, Digest]:
        digested = _keys_of(table) if keys_only else table
        places, numbers = array("q"), array("q")
        for values in self._batches(table, digested):
            for at, number in zip(digest.places(table, values), digest.checksums(digested, values), strict=True):
                if span.low <= at < span.high:
                    places.append(at)
                    numbers.append(number)
        frame = pl.DataFrame({"place": pl.Series(places, dtype=pl.Int64), "checksum": pl.Series(numbers, dtype=pl.Int64)})
        # Sixty-bit numbers would soon overflow a column of sums: their halves do not.
        found = frame.group_by(((pl.col("place") - span.low) // width).alias("bucket")).agg(
            pl.len().alias("rows"),
            (pl.col("checksum") & _LOW_BITS).sum().alias("low"),
            (pl.col("checksum") // (_LOW_BITS + 1)).sum().alias("high"),
        )
        return {bucket: Digest(rows, (high << 30) + low) for bucket, rows, low, high in found.iter_rows()}

    def checksums(self, table: Table, *spans: Span) -> dict[tuple[str, ...], int]:
        found: dict[tuple[str, ...], int] = {}
        for values in self._batches(table, table):
            inside = [index for index, at in enumerate(digest.places(table, values)) if any(span.low <= at < span.high for span in spans)]
            for index in inside:
                row = {name: column[index] for name, column in values.items()}
                found[key_text(table, row)] = digest.checksum(table, row)
        return found

    def _batches(self, table: Table, wanted: Table) -> Iterator[Values]:
        """The live rows, a bounded number at a time: the columns of `wanted`, as the functions of `digest` take them."""
        frame = self._lake.current(table)
        if table.keep_deleted:
            frame = frame.filter(~pl.col("_deleted"))
        documents = [column.name for column in wanted.columns if column.type == super_]
        for part in frame.select(column.name for column in wanted.columns).collect_batches(chunk_size=_ROWS_AT_ONCE):
            values: dict[str, list[Any]] = part.to_dict(as_series=False)
            for name in documents:
                values[name] = [None if text is None else text.encode() for text in values[name]]
            yield values


def _keys_of(table: Table) -> Table:
    """The record of the table's keys alone, whose rows' checksums are those of the keys."""
    keys = tuple(table[name] for name in table.key)
    return replace(table, columns=keys, changes=Rebuilt(), cursor="", sortkey=(), distkey="", arrivals=None)
