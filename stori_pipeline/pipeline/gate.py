"""The gate: blocks batches that have too many rejected rows.

Belongs here: which batches are blocked. Does not belong here: which rows fit (`contract`), how many rejected rows are too many
(`Table.blocks`), or the callers: the load (`sync`), star tables (`derive`), readers of live rows (`loaded_rows`), and the check that shows
the verdict (`defs`).
"""

from __future__ import annotations

from collections.abc import Sequence

from stori_pipeline.lake import Manifest
from stori_pipeline.model.changes import History
from stori_pipeline.model.table import SMALL_BATCH, Table


class LoadBlocked(RuntimeError):
    """The contract blocks a batch, so nothing was loaded. The message says which batch, why, and what to do."""


def blocked_batches(table: Table, batches: Sequence[Manifest]) -> list[Manifest]:
    """The batches in which more rows were rejected than the table's definition allows."""
    return [each for each in batches if table.blocks(each.rows, each.rejected)]


def block_message(table: Table, blocked: Sequence[Manifest]) -> str:
    worst = max(blocked, key=lambda each: each.rejected / (each.rows + each.rejected))
    rows = worst.rows + worst.rejected
    counted = f" (a smaller batch counts as one of {SMALL_BATCH} rows)" if rows < SMALL_BATCH else ""
    what = "an input or the function of the star table" if table.is_derived else "the source or the definition"
    if isinstance(table.changes, History):
        what = "the function of the star table"  # a corrected input adds versions, and its older versions stay
    return (
        f"{table.full_name}: {worst.rejected} of the {rows} rows of batch {worst.batch} break the table's definition, more than "
        f"max_rejected={table.max_rejected} allows{counted}, so nothing is loaded. Its quarantine has the reasons. Correct {what}, then "
        f"{table.snapshot_advice}"
    )


def refuse_blocked(table: Table, batches: Sequence[Manifest]) -> None:
    """Raises LoadBlocked if one of the batches is blocked."""
    if blocked := blocked_batches(table, batches):
        raise LoadBlocked(block_message(table, blocked))
