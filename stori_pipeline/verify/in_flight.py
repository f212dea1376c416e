"""Rows in flight: changed in the source, and not in the mirror yet.

Belongs here: finding their keys. Does not belong here: landing or loading them; a proof only reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from stori_pipeline.lake import Lake, Manifest
from stori_pipeline.model.comparable import Comparable
from stori_pipeline.model.row_checksum import key_text
from stori_pipeline.model.table import Table
from stori_pipeline.readers import PositionLost, Reader


def keys_in_flight(table: Table, reader: Reader, lake: Lake, mirrored: tuple[int, int] | None) -> set[tuple[str, ...]]:
    """The keys of all rows that changed since the mirror's position. None if the source tells only that a row changed, and not which.

    If the source itself is compared, it is read from the position of the mirror's batch; nothing is landed or acknowledged. Otherwise the
    lake is compared, and the keys are those of the batches that are not loaded yet.

    Args:
        mirrored: the ledger's entry from before the comparison began (`Warehouse.ledger`).
    """
    batch = lake.find(table, mirrored[1]) if mirrored else None
    if batch is None or batch.order != mirrored:
        return set()
    if table.changes.reads_whole:
        return set()
    if not isinstance(reader, Comparable):
        later = lake.rows(table, *lake.manifests(table, after=mirrored)).select(table.key).collect()
        return {key_text(table, row) for row in later.iter_rows(named=True)}
    try:
        return set(_keys_read(table, reader, batch))
    except PositionLost:
        return set()  # the next landing reads everything; until then every difference counts


def _keys_read(table: Table, reader: Reader, since: Manifest) -> Iterator[tuple[str, ...]]:
    with reader.read(table, since.until) as reading:
        for row in chain.from_iterable(chunk.rows.select(list(table.key)).to_pylist() for chunk in reading):
            yield key_text(table, row)
