"""The gate: which batches have too many rejected rows to be loaded.

Belongs here: the verdict on batches. Does not belong here: what makes a row fit (`contract`), or who asks: the load, the making of star
tables, and the check that shows the verdict.
"""

from __future__ import annotations

from collections.abc import Sequence

from stori_pipeline.lake import Manifest
from stori_pipeline.model.table import Table

SMALL_BATCH = 1_000
"""A smaller batch is judged as if it had so many rows: of three changed rows, one that is rejected is not yet a broken source."""


class LoadBlocked(RuntimeError):
    """The contract blocks a batch, so nothing was loaded. The message says which batch, why, and what to do."""


def blocked_batches(table: Table, batches: Sequence[Manifest]) -> list[Manifest]:
    """Those of the batches in which more rows were rejected than `table.max_rejected` allows."""
    return [each for each in batches if each.rejected > table.max_rejected * max(each.rows + each.rejected, SMALL_BATCH)]


def block_message(table: Table, blocked: Sequence[Manifest]) -> str:
    worst = max(blocked, key=lambda each: each.rejected / (each.rows + each.rejected))
    return (
        f"{table.full_name}: {worst.rejected} of the {worst.rows + worst.rejected} rows of batch {worst.batch} break the "
        f"table's definition, more than max_rejected={table.max_rejected} allows, so nothing is loaded. Its quarantine says why. "
        f"Mend the source or the definition, then land a new snapshot with `stori sync --full {table.full_name}`"
    )


def refuse_blocked(table: Table, batches: Sequence[Manifest]) -> None:
    """Let batches through, or none of them.

    Raises:
        LoadBlocked: the contract blocks one.
    """
    if blocked := blocked_batches(table, batches):
        raise LoadBlocked(block_message(table, blocked))
