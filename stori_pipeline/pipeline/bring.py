"""One table from its newest position to its mirror, as the continuous sync does it again and again.

Belongs here: landing or deriving what is new and loading it, with the ledger's entry that the process knows already. Does not belong here:
when a table is due, and threads (`continuous`), or the rules of the journey (`sync`, `derive`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from stori_pipeline.lake import Lake, Manifest
from stori_pipeline.model.changes import Rebuilt
from stori_pipeline.model.star import Star
from stori_pipeline.model.table import Table
from stori_pipeline.pipeline.derive import derived_rows
from stori_pipeline.pipeline.sync import Landed, NewBatches, Progress, RowStream, changed_rows, ignore, load_new, new_batches
from stori_pipeline.readers import Reader
from stori_pipeline.warehouse import Warehouse
from stori_pipeline.warehouse.load import Loaded
from stori_pipeline.warehouse.session import LedgerEntry


class TooMuch(RuntimeError):
    """All rows of a table must be read or derived: work for a run of its own. Nothing was changed."""


@dataclass(frozen=True)
class Brought:
    """What was brought of one table.

    Attributes:
        rows: what landed, or would have; it knows the newest batch before it.
        landed: the result of the landing. Its manifest is None if nothing was new.
        new: the batches that the mirror did not have.
        loaded: the result of the load; None if the mirror had everything.
        entry: the ledger's entry for the mirror now; None if nothing is loaded.
        land_seconds, load_seconds: wall-clock time.
    """

    table: Table
    rows: RowStream
    landed: Landed
    new: NewBatches
    loaded: Loaded | None
    entry: LedgerEntry | None
    land_seconds: float
    load_seconds: float
    head: str = ""
    """What the source said before it was read; "" of a star table."""

    @property
    def has_landed(self) -> bool:
        return self.landed.manifest is not None or self.rows.columns is not None

    @property
    def is_anything(self) -> bool:
        """Whether a batch landed, or was loaded."""
        return self.has_landed or self.loaded is not None


def newest_to_follow(table: Table, lake: Lake) -> Manifest:
    """The table's newest batch, if the continuous sync can go on from it.

    Raises:
        TooMuch: nothing has landed yet, or it landed under another definition.
        LakeUnavailable: S3 cannot be reached.
    """
    newest = lake.newest(table)
    if newest is None:
        raise TooMuch(f"{table.full_name}: nothing has landed yet")
    if newest.fingerprint != table.fingerprint:
        raise TooMuch(f"{table.full_name}: its definition has changed since its newest batch")
    return newest


def bring_table(
    table: Table, reader: Reader, lake: Lake, warehouse: Warehouse, entry: LedgerEntry | None, *, run_id: str, progress: Progress = ignore
) -> Brought:
    """Lands what changed in a source table, and loads it.

    Args:
        entry: the ledger's entry for the mirror, as this process last saw it. Another process may have loaded since: the load notices.

    Raises:
        TooMuch: all rows must be read.
        Anything that `changed_rows`, `RowStream.land` and `load_new` raise.
    """
    began = time.monotonic()
    with changed_rows(table, reader, lake, loaded=entry, run_id=run_id, follows=True) as rows:
        if rows.full_refresh_reason:
            raise TooMuch(f"{table.full_name}: all rows must be read, because {rows.full_refresh_reason}")
        landed = rows.land(run_id=run_id, progress=progress)
    return _loaded(table, rows, landed, lake, warehouse, entry, run_id=run_id, began=began)


def bring_star(
    star: Star,
    landing: Lake,
    processed: Lake,
    warehouse: Warehouse,
    entry: LedgerEntry | None,
    *,
    tables: Mapping[str, Table],
    known: Mapping[str, Manifest],
    run_id: str,
) -> Brought:
    """Derives a star table from its inputs' new batches, and loads it. The arguments are those of `derived_rows` and `bring_table`.

    Raises:
        TooMuch: it must be derived from all batches.
        Anything that `derived_rows`, `RowStream.land` and `load_new` raise.
    """
    began = time.monotonic()
    rows = derived_rows(star, landing, processed, tables=tables, loaded=entry, known=known)
    if rows.full_refresh_reason:
        raise TooMuch(f"{star.table.full_name}: it must be derived from all batches, because {rows.full_refresh_reason}")
    # An empty batch would only record that the inputs were read. This process knows, and the schedule's next run records it.
    landed = Landed(None, rows.newest) if _is_unchanged(star, rows) else rows.land(run_id=run_id)
    return _loaded(star.table, rows, landed, processed, warehouse, entry, run_id=run_id, began=began)


def _is_unchanged(star: Star, rows: RowStream) -> bool:
    """Whether a table of the present was computed again and has the same rows."""
    return isinstance(star.table.changes, Rebuilt) and rows.reading is not None and rows.reading.kind == "changes" and rows.first is None


def _loaded(
    table: Table, rows: RowStream, landed: Landed, lake: Lake, warehouse: Warehouse, entry: LedgerEntry | None, *, run_id: str, began: float
) -> Brought:
    landed_at = time.monotonic()
    new = _new_batches(table, rows, landed, lake, entry)
    loaded = load_new(new, warehouse, run_id=run_id)
    if loaded:
        entry = _entry(table, loaded, new.batches[-1], warehouse)
    return Brought(table, rows, landed, new, loaded, entry, landed_at - began, time.monotonic() - landed_at)


def _new_batches(table: Table, rows: RowStream, landed: Landed, lake: Lake, entry: LedgerEntry | None) -> NewBatches:
    """What the mirror lacks. If it has everything before this landing, that is the batch that landed, and nobody has to list the lake."""
    before = rows.newest.order if rows.newest else None
    if entry and entry.order == before and rows.columns is None:
        return NewBatches(table, lake, entry.order, (landed.manifest,) if landed.manifest else ())
    return new_batches(table, lake, entry)


def _entry(table: Table, loaded: Loaded, last: Manifest, warehouse: Warehouse) -> LedgerEntry | None:
    if last.order == (loaded.generation, loaded.batch):
        return LedgerEntry(*last.order, table.fingerprint, last.id)
    return warehouse.ledger_entry(table)  # another load was first, and `load_new` has loaded what came after it
