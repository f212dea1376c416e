"""A table's rows as a polars frame, read from the lake: those that its mirror holds, and those that it may hold.

Belongs here: up to which batch. Does not belong here: which rows are live (`lake.live`), or reading a table of the warehouse that is no
mirror (`warehouse.frames`).
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
    """The live rows of a table up to the newest batch that its mirror holds, without rows that are kept as deleted.

    The definition's columns, `super_` as JSON text. What landed after that batch, or is blocked, is not among them. Rows are read when the
    frame is collected. Writes nothing.

    Raises:
        LakeError: the mirror holds nothing yet, or the lake does not have the batch that it is at.
        LakeUnavailable, WarehouseUnavailable: S3 or the warehouse is away.
    """
    from stori_pipeline.pipeline.derive import present  # polars is heavy, and most steps do without

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
    """The live rows of a table up to its newest batch, whether or not they are loaded yet. As `Lake.live` gives them.

    Raises:
        LoadBlocked: the contract blocks a batch since the last snapshot.
        LakeError: nothing has landed yet.
        LakeUnavailable: S3 is away.
    """
    newest = lake.newest(table)
    if newest is not None:
        # A compacted file holds no blocked batch (`lake.upkeep.compact`), so only the batches after it need be judged.
        refuse_blocked(table, lake.live_parts(table, newest).batches)
    return lake.live(table, newest)
