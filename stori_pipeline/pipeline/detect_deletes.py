"""Finds the rows that a source has deleted, if its reader sees no deletes, and lands their tombstones.

Belongs here: when a missing row counts as deleted, and the reading that lands it. Does not belong here: comparing (`verify`), or loading
the tombstones (`sync`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from stori_pipeline.clock import utc_now
from stori_pipeline.contract import conform
from stori_pipeline.lake import Lake, Manifest
from stori_pipeline.model.comparable import ListsKeys
from stori_pipeline.model.reading import Chunk, Kind, Position
from stori_pipeline.model.table import Table
from stori_pipeline.pipeline.sync import RowStream
from stori_pipeline.readers import PositionLost, Reader
from stori_pipeline.verify.compare import count_both, differences
from stori_pipeline.warehouse import Warehouse

_log = logging.getLogger(__name__)

CANNOT_DETECT = "its source cannot list its rows, so deleted rows cannot be detected"
"""The message for a table whose source is not comparable."""

_ALWAYS_ACCEPTED = 1_000
"""Up to this many deleted rows are accepted, whatever their share of the table."""

_ROWS_AT_ONCE = 50_000


class DetectionRefused(RuntimeError):
    """The source's listing is not plausible, so no row was deleted. The message says why, and what to do."""


@dataclass
class Tombstones:
    """A reading of deleted rows: keys that the source no longer has, found by a comparison."""

    table: Table
    keys: list[tuple[str, ...]]
    since: Manifest
    kind: Kind = "changes"
    must_land: bool = False

    def __post_init__(self) -> None:
        self.taken_at = utc_now()

    @property
    def until(self) -> Position:
        return self.since.until  # a comparison finds only deleted rows, so the reader's position stays

    def __iter__(self) -> Iterator[Chunk]:
        for start in range(0, len(self.keys), _ROWS_AT_ONCE):
            rows = [dict(zip(self.table.key, key, strict=True)) | {"_deleted": True} for key in self.keys[start : start + _ROWS_AT_ONCE]]
            yield Chunk(*conform(self.table, rows))

    def ack(self) -> None:
        return None


def detect_deletes(table: Table, reader: Reader, lake: Lake, warehouse: Warehouse, *, run_id: str, force: bool = False) -> Manifest | None:
    """Lands a tombstone for every row of the mirror that the source no longer has.

    Returns None if there is no such row, or if the source cannot list its rows: a message that has left a queue is not deleted. The
    comparison by checksums only finds the rows to ask for: a tombstone lands after the source was asked for the key itself.

    The mirror must hold the newest batch, so that a row which is missing in the source was deleted since. If another run lands a batch
    first, this one changes nothing (`LandingConflict`).

    Raises:
        DetectionRefused: the mirror is behind the lake, or the lake behind the definition; or, without `force` and `table.may_be_empty`,
            the source lists no rows, or under half of the mirror's. An outage or a wrong address is then more likely than so many deletes.
    """
    newest = lake.newest(table)
    if newest is None or not isinstance(reader, ListsKeys):
        return None
    what = f"detect-deletes of {table.full_name}"
    if newest.fingerprint != table.fingerprint:
        raise DetectionRefused(f"{what}: its definition has changed since batch {newest.batch} landed; sync it first")
    if warehouse.ledger(table) != newest.order:
        raise DetectionRefused(f"{what}: its mirror does not hold batch {newest.batch} yet; sync it first")
    source_rows, mirror_rows, key_range = count_both(table, reader, warehouse)
    accepts_all = force or table.may_be_empty
    if not accepts_all:
        refuse_implausible(what, table, source_rows, mirror_rows, 0)  # before the rows are listed
    differing = differences(table, reader, warehouse, key_range, keys_only=True)
    try:
        deleted = _gone(table, reader, [each.key for each in differing if each.verdict == "not in the source"], newest.until)
    except PositionLost as lost:
        raise DetectionRefused(f"{what}: {lost}; sync it first") from lost
    if not accepts_all:
        refuse_implausible(what, table, source_rows, mirror_rows, len(deleted))
    return RowStream(table, lake, newest, Tombstones(table, deleted, newest)).land(run_id=run_id).manifest if deleted else None


def refuse_implausible(what: str, table: Table, source_rows: int, mirror_rows: int, deleted: int) -> None:
    """Refuses to delete so many rows: an outage or a wrong address is more likely. Errors begin with `what`.

    Raises:
        DetectionRefused: the source lists no rows, or under half of the mirror's.
    """
    confirm = (
        f"say so with `stori detect-deletes --force {table.full_name}` or, if that is usual, with may_be_empty=True in its definition."
        " No row was deleted"
    )
    if mirror_rows > 0 and source_rows == 0:
        raise DetectionRefused(f"{what}: the source lists no rows and the mirror has {mirror_rows}. If all were deleted, {confirm}")
    if deleted > _ALWAYS_ACCEPTED and deleted * 2 > mirror_rows:
        raise DetectionRefused(f"{what}: {deleted} of {mirror_rows} rows would be deleted, more than half. If that is true, {confirm}")


def _gone(table: Table, reader: ListsKeys, keys: list[tuple[str, ...]], since: Position) -> list[tuple[str, ...]]:
    """Those of the keys that the source does not have now. Errors as for `ListsKeys.existing`."""
    gone = []
    for start in range(0, len(keys), _ROWS_AT_ONCE):
        asked = keys[start : start + _ROWS_AT_ONCE]
        existing = reader.existing(table, asked, since=since)
        gone += [key for key in asked if key not in existing]
    if len(gone) < len(keys):
        _log.warning("%s: %d keys seemed deleted by their checksums, but the source has them", table.full_name, len(keys) - len(gone))
    return gone
