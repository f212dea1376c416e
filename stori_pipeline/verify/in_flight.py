"""Rows in flight: changed in the source, and not in the mirror yet.

Belongs here: finding their keys. Does not belong here: landing or loading them; a proof only reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from stori_pipeline.lake import Lake, Manifest
from stori_pipeline.model.comparable import Comparable
from stori_pipeline.model.row_checksum import KeyRange, key_text
from stori_pipeline.model.table import Table
from stori_pipeline.readers import PositionLost, Reader
from stori_pipeline.verify.comparables import LakeComparable
from stori_pipeline.verify.compare import differences


def keys_in_flight(table: Table, reader: Reader, lake: Lake, batch: Manifest | None, key_range: KeyRange) -> set[tuple[str, ...]]:
    """The keys of the rows that changed since the mirror's batch: of all rows, or of those in the range.

    If the source itself is compared, it is read from the position of that batch; nothing is landed or acknowledged. Otherwise the lake is
    compared, and the keys are those of the batches that are not loaded yet.

    Args:
        batch: the newest batch in the mirror, from before the comparison began; None if the lake does not have it.
    """
    if batch is None:
        return set()
    if not isinstance(reader, Comparable):
        later = lake.rows(table, *lake.manifests(table, after=batch.order)).select(table.key).collect()
        return {key_text(table, row) for row in later.iter_rows(named=True)}
    try:
        if table.changes.reads_whole:
            return _keys_changed(table, reader, reader, lake, batch, key_range)
        return set(_keys_read(table, reader, batch))
    except PositionLost:
        return set()  # the next landing reads everything; until then every difference counts


def _keys_read(table: Table, reader: Reader, since: Manifest) -> Iterator[tuple[str, ...]]:
    with reader.read(table, since.until) as reading:
        for row in chain.from_iterable(chunk.rows.select(list(table.key)).to_pylist() for chunk in reading):
            yield key_text(table, row)


def _keys_changed(
    table: Table, reader: Reader, source: Comparable, lake: Lake, since: Manifest, key_range: KeyRange
) -> set[tuple[str, ...]]:
    """Of a table that is read as a whole, whose source does not tell which rows changed: those in which it differs from what landed; none
    if no row has changed since."""
    with reader.read(table, since.until) as reading:
        if reading.kind == "changes":
            return set()
    return {each.key for each in differences(table, source, LakeComparable(lake, at=since), key_range)}
