"""The gate: which batches have too many rejected rows to be loaded.

Belongs here: the verdict on batches. Does not belong here: what makes a row fit (`contract`), how many rejected rows are too many
(`Table.blocks`), or who asks: the load, the making of star tables, whoever reads live rows, and the check that shows the verdict.
"""

from __future__ import annotations

from collections.abc import Sequence

from stori_pipeline.lake import Manifest
from stori_pipeline.model.changes import History
from stori_pipeline.model.table import SMALL_BATCH, Table


class LoadBlocked(RuntimeError):
    """The contract blocks a batch, so nothing was loaded. The message says which batch, why, and what to do."""


def blocked_batches(table: Table, batches: Sequence[Manifest]) -> list[Manifest]:
    """Those of the batches in which more rows were rejected than the table's definition allows."""
    return [each for each in batches if table.blocks(each.rows, each.rejected)]


def block_message(table: Table, blocked: Sequence[Manifest]) -> str:
    worst = max(blocked, key=lambda each: each.rejected / (each.rows + each.rejected))
    rows = worst.rows + worst.rejected
    counted = f" of {SMALL_BATCH} rows, as which a smaller batch counts," if rows < SMALL_BATCH else ""
    what = "an input or the function of the star table" if table.is_derived else "the source or the definition"
    if isinstance(table.changes, History):
        what = "the function of the star table"  # its inputs' older rows stay as they are
    return (
        f"{table.full_name}: {worst.rejected} of the {rows} rows of batch {worst.batch} break the table's definition, more than "
        f"max_rejected={table.max_rejected}{counted} allows, so nothing is loaded. Its quarantine says why. Mend {what}, then "
        f"{table.snapshot_advice}"
    )


def refuse_blocked(table: Table, batches: Sequence[Manifest]) -> None:
    """Let batches through, or none of them.

    Raises:
        LoadBlocked: the contract blocks one.
    """
    if blocked := blocked_batches(table, batches):
        raise LoadBlocked(block_message(table, blocked))
