"""Puts right the rows in which a mirror differs from its source, and no others.

Belongs here: which rows are read again by their keys, when a row that is gone counts as deleted, and what is done where a source cannot be
asked for keys. Does not belong here: comparing (`verify`), or landing and loading (`sync`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from stori_pipeline.clock import utc_now
from stori_pipeline.contract import conform
from stori_pipeline.lake import Lake, Manifest
from stori_pipeline.model.comparable import ListsKeys, ReadsKeys
from stori_pipeline.model.reading import Chunk, Kind, Position
from stori_pipeline.model.row_checksum import key_text
from stori_pipeline.model.table import Table
from stori_pipeline.pipeline.detect_deletes import DetectionRefused, refuse_implausible
from stori_pipeline.pipeline.sync import NewBatches, RowStream, load, load_new, since_last_snapshot
from stori_pipeline.readers import PositionLost, Reader
from stori_pipeline.verify.comparables import LakeComparable
from stori_pipeline.verify.compare import Difference, count_both, differences
from stori_pipeline.verify.in_flight import keys_in_flight
from stori_pipeline.verify.quarantine import keys_in_quarantine
from stori_pipeline.warehouse import Warehouse

Key = tuple[str, ...]

_KEYS_AT_ONCE = 20_000


@dataclass(frozen=True)
class Repaired:
    """What a repair did.

    Attributes:
        rows_landed, rows_deleted: rows that were read again and landed, and rows of the mirror that the source no longer has.
        batch: the batch that they became; None if no row had to land.
        reloaded: whether the mirror was loaded again from the lake.
        in_quarantine: rows that differ because their newest version is in quarantine. They are left as they are.
    """

    rows_landed: int = 0
    rows_deleted: int = 0
    batch: int | None = None
    reloaded: bool = False
    in_quarantine: int = 0


@dataclass
class RowsByKey:
    """A reading of rows that differ: read by their keys, after the newest batch, so that they are later than everything that landed.

    A row that the source no longer has becomes a tombstone, after the source was asked for its key.
    """

    table: Table
    reader: ReadsKeys
    lists: ListsKeys
    found: Sequence[Difference]
    since: Manifest
    kind: Kind = "changes"
    must_land: bool = False
    taken_at: datetime = field(default_factory=utc_now)
    deleted: int = 0
    """How many tombstones it has given so far."""

    @property
    def until(self) -> Position:
        return self.since.until  # the rows are chosen by key, so the reader's position stays

    def __iter__(self) -> Iterator[Chunk]:
        for start in range(0, len(self.found), _KEYS_AT_ONCE):
            some = self.found[start : start + _KEYS_AT_ONCE]
            missing = {each.key for each in some}
            for chunk in self.reader.read_keys(self.table, [each.key for each in some], since=self.until):
                missing -= {key_text(self.table, row) for row in chunk.rows.select(list(self.table.key)).to_pylist()}
                yield chunk
            yield self._tombstones({each.key for each in some if each.verdict != "not in the warehouse"} & missing)

    def _tombstones(self, keys: set[Key]) -> Chunk:
        gone = sorted(keys - self.lists.existing(self.table, keys, since=self.until)) if keys else []
        self.deleted += len(gone)
        return Chunk(*conform(self.table, [dict(zip(self.table.key, key, strict=True)) | {"_deleted": True} for key in gone]))

    def ack(self) -> None:
        return None


def repair(table: Table, reader: Reader, lake: Lake, warehouse: Warehouse, *, run_id: str) -> Repaired:
    """Reads the rows that differ again, lands them as a batch, and loads it.

    A source that cannot be asked for keys (a queue, files, an API) is not read: if the mirror differs from the lake, it is loaded again.
    What the source itself has anew needs `stori sync --full`. Rows in flight and rows in quarantine are left alone.

    The mirror must hold the newest batch. If another run lands a batch first, nothing is changed (`LandingConflict`). A repair that was
    killed can run again: what it landed is a batch like any other.

    Raises:
        DetectionRefused: the mirror is behind the lake, or the source lists no rows, or under half of the mirror's.
        LoadBlocked: the contract blocks a batch; nothing was loaded.
    """
    newest = lake.newest(table)
    if newest is None:
        return Repaired()
    what = f"repair of {table.full_name}"
    if warehouse.ledger(table) != newest.order:
        raise DetectionRefused(f"{what}: its mirror does not hold batch {newest.batch} yet; sync it first")
    if not (isinstance(reader, ListsKeys) and isinstance(reader, ReadsKeys)):
        return Repaired(reloaded=_reload_if_different(table, lake, warehouse, newest, run_id))
    source_rows, mirror_rows, key_range = count_both(table, reader, warehouse)
    found = list(differences(table, reader, warehouse, key_range))
    if not found:
        return Repaired()
    rejected: Mapping[Key, object] = keys_in_quarantine(table, reader, lake)
    in_flight = keys_in_flight(table, reader, lake, newest, key_range)
    rows = [each for each in found if each.key not in in_flight and each.key not in rejected]
    extra = sum(each.verdict == "not in the source" for each in rows)
    if not table.may_be_empty:
        refuse_implausible(what, table, source_rows, mirror_rows, extra)
    reading = RowsByKey(table, reader, reader, rows, newest)
    try:
        manifest = RowStream(table, lake, newest, reading).land(run_id=run_id).manifest if rows else None
    except PositionLost as lost:
        raise DetectionRefused(f"{what}: {lost}; sync it first") from lost
    load(table, lake, warehouse, run_id=run_id)
    landed = manifest.rows - reading.deleted if manifest else 0
    waiting = sum(each.key in rejected for each in found)
    return Repaired(landed, reading.deleted, manifest.batch if manifest else None, in_quarantine=waiting)


def _reload_if_different(table: Table, lake: Lake, warehouse: Warehouse, newest: Manifest, run_id: str) -> bool:
    """Whether the mirror differed from the lake. It then has the lake's rows again, loaded in one transaction."""
    rows = LakeComparable(lake)
    if next(differences(table, rows, warehouse, count_both(table, rows, warehouse)[2]), None) is None:
        return False
    again = tuple(since_last_snapshot(lake.manifests(table)))
    load_new(NewBatches(table, lake, newest.order, again), warehouse, run_id=run_id)
    return True
