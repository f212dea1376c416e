"""A changed definition: what of it has not landed, and the batch that lands it without reading the table again.

Belongs here: whether a generation can be kept, and reading the new columns. Does not belong here: comparing definitions (`model.schema`),
storing the batch (`lake.columns`), or DDL (`warehouse.reshape`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, runtime_checkable

from stori_pipeline.lake import Lake, Manifest
from stori_pipeline.lake.column_batches import land_columns
from stori_pipeline.lake.columns import schema_of
from stori_pipeline.lake.quarantine import rows_in_quarantine
from stori_pipeline.model.reading import Position
from stori_pipeline.model.schema import SchemaChange, change, to_read
from stori_pipeline.model.table import Table
from stori_pipeline.readers import Reader

_log = logging.getLogger(__name__)


@runtime_checkable
class JoinsPositions(Protocol):
    """A reader whose positions say something of single columns."""

    def joined(self, position: Position, of_columns: Position) -> Position:
        """The position, with what a later one, which read some more columns, says of these."""


def schema_change(table: Table, lake: Lake, newest: Manifest | None) -> SchemaChange | None:
    """How the definition differs from that of the newest batch; None if it does not, or if nothing has landed.

    Raises:
        LakeError: the generation's snapshot is gone.
    """
    if newest is None or newest.fingerprint == table.fingerprint:
        return None
    found = change(schema_of(lake, table, newest), newest.fingerprint, table)
    if found and found.takes_more and not found.whole:
        rejected = rows_in_quarantine(lake, table, newest)
        if rejected:
            reason = f"{rejected} rows of its generation are in quarantine, and may fit by now"
            return replace(found, whole=(reason,))
    return found


def keep_generation(
    table: Table, reader: Reader, lake: Lake, newest: Manifest, *, run_id: str, progress: Callable[[int], None] = lambda _rows: None
) -> Manifest | None:
    """Lands a batch that gives a generation the columns of a changed definition, and reads keys and new columns for it. The position stays,
    so the next reading brings each row that has changed meanwhile. None if the whole table must be read instead.

    Raises:
        LandingConflict: another run landed a batch first; nothing was changed.
        SourceError, LakeError, LakeUnavailable: the source or the lake cannot be read or written; nothing was changed.
    """
    found = schema_change(table, lake, newest)
    if found is None or found.whole:
        return None
    if found.added and table.changes.is_replayable:
        with reader.read(to_read(table, found.added), None) as reading:

            def until() -> Position:
                return reader.joined(newest.until, reading.until) if isinstance(reader, JoinsPositions) else newest.until

            landed = land_columns(
                lake, table, newest, found.added, chunks=reading, until=until, taken_at=newest.taken_at, run_id=run_id, progress=progress
            )
    else:  # a queue does not have the rows any more, so the new columns are null in them
        landed = land_columns(
            lake, table, newest, found.added, chunks=(), until=lambda: newest.until, taken_at=newest.taken_at, run_id=run_id
        )
    _log.info("%s: batch %d changes its columns: %s", table.full_name, landed.batch, "; ".join(found.lines) or "their order")
    return landed
