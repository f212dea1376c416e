"""A table's rows as a polars frame, read from the lake: those in its mirror, and those that may be loaded.

Belongs here: the live rows up to the mirror's batch. Does not belong here: which rows are live (`lake.live`), or reading a table of the
warehouse that is not a mirror (`warehouse.frames`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stori_pipeline.lake import Lake, LakeError
from stori_pipeline.model.table import Table
from stori_pipeline.pipeline.gate import refuse_blocked
from stori_pipeline.warehouse import Warehouse

if TYPE_CHECKING:
    import polars as pl


def loaded_rows(table: Table, lake: Lake, warehouse: Warehouse) -> pl.LazyFrame:
    """The live rows of a table up to the newest batch in its mirror, without rows that are kept as deleted.

    They have the definition's columns, with `super_` as JSON text. Batches that landed later, or are blocked, are left out. The rows are
    read when the frame is collected. Writes nothing.

    Raises:
        LakeError: nothing is loaded yet, or the lake does not have the mirror's batch.
        LakeUnavailable, WarehouseUnavailable: S3 or the warehouse cannot be reached.
    """
    from stori_pipeline.pipeline.derive import present  # polars is slow to import, and most steps do not need it

    order = warehouse.ledger(table)
    if order is None:
        raise LakeError(f"{table.full_name}: nothing is loaded yet; run `stori sync`")
    manifest = lake.find(table, order[1])
    if manifest is None or manifest.order != order:
        raise LakeError(
            f"{table.full_name}: the mirror holds batch {order[1]} of generation {order[0]}, which the lake does not have; run `stori sync`"
        )
    return present(lake.live(table, manifest), table)


def loadable_rows(table: Table, lake: Lake) -> pl.LazyFrame:
    """The live rows of a table up to its newest batch, loaded or not, in the columns of `Lake.live`.

    Raises:
        LoadBlocked: the contract blocks a batch since the last snapshot.
        LakeError: nothing has landed yet.
        LakeUnavailable: S3 cannot be reached.
    """
    from stori_pipeline.lake.live import live  # polars is slow to import, and most steps do not need it

    newest = lake.newest(table)
    if newest is None:
        return lake.live(table)  # which says that nothing has landed
    parts = lake.live_parts(table, newest)
    # A compacted file has no rows of a blocked batch (`lake.upkeep.compact`), so only the batches after it must be judged.
    refuse_blocked(table, parts.batches)
    return live(lake.scan(table, parts, newest), table)
