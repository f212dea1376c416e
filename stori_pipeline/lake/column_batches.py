"""Landing a batch of the kind `columns`: keys, and the values of columns that are new in the definition.

Belongs here: its commit. Does not belong here: what rows before it have in its columns (`columns`), or which definitions keep a generation
(`model.schema`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from stori_pipeline.lake.batches import Lake
from stori_pipeline.lake.manifest import Manifest, still_open
from stori_pipeline.model.reading import Chunk, Position
from stori_pipeline.model.schema import Schema, to_land
from stori_pipeline.model.table import Table


def land_columns(
    lake: Lake,
    table: Table,
    newest: Manifest,
    brings: tuple[str, ...],
    *,
    chunks: Iterable[Chunk],
    until: Callable[[], Position],
    taken_at: datetime,
    run_id: str,
    progress: Callable[[int], None] = lambda _rows: None,
) -> Manifest:
    """Lands a batch after which the table has the columns of its present definition. It keeps the generation and adds no row.

    Args:
        brings: the columns whose values have not landed. The rows before the batch get those of `chunks`, by key, and null without one.
        chunks: their rows, with the columns of `model.schema.to_land(table, brings)` among others.
        until: the position of the batch, called after the chunks have ended. It must not be past the rows that landed before.

    Raises:
        LandingConflict: another run landed a batch first; nothing was changed.
        LakeUnavailable: S3 cannot be reached.
    """
    generation, batch = lake.next_order("columns", newest)
    kept = to_land(table, brings)
    written = lake.write_files(kept, (Chunk(each.rows.select(kept.read_schema.names), each.rejected) for each in chunks), batch, progress)
    manifest = Manifest(
        table=table.full_name,
        generation=generation,
        batch=batch,
        kind="columns",
        since=newest.until,
        until=until(),
        rows=written.rows,
        rejected=written.rejected,
        fingerprint=table.fingerprint,
        run_id=run_id,
        taken_at=taken_at,
        parts=written.parts,
        quarantine=written.quarantine,
        snapshot=newest.snapshot,
        written_at=lake.clock(),
        # The generation goes on, and with it what was decided about its rejected rows.
        decided=newest.newest_decided,
        still_open=still_open(newest, written.rejected, ()),
        schema=Schema.of(table),
        brings=brings,
        columns_at=batch,
    )
    return lake.commit(table, manifest)
