"""The gate: blocks batches that have too many rejected rows.

Belongs here: which batches are blocked. Does not belong here: which rows fit (`contract`), or the callers: the load (`sync`), star tables
(`derive`), and the check that shows the verdict (`defs`).
"""

from __future__ import annotations

from collections.abc import Sequence

from stori_pipeline.lake import Manifest
from stori_pipeline.model.table import Table

SMALL_BATCH = 1_000
"""A smaller batch counts as one of this many rows: one rejected row of three does not yet mean a broken source."""


class LoadBlocked(RuntimeError):
    """The contract blocks a batch, so nothing was loaded. The message says which batch, why, and what to do."""


def blocked_batches(table: Table, batches: Sequence[Manifest]) -> list[Manifest]:
    """The batches in which more rows were rejected than `table.max_rejected` allows."""
    return [each for each in batches if each.rejected > table.max_rejected * max(each.rows + each.rejected, SMALL_BATCH)]


def block_message(table: Table, blocked: Sequence[Manifest]) -> str:
    worst = max(blocked, key=lambda each: each.rejected / (each.rows + each.rejected))
    return (
        f"{table.full_name}: {worst.rejected} of the {worst.rows + worst.rejected} rows of batch {worst.batch} break the "
        f"table's definition, more than max_rejected={table.max_rejected} allows, so nothing is loaded. Its quarantine has the reasons. "
        f"Correct the source or the definition, then land a new snapshot with `stori sync --full {table.full_name}`"
    )


def refuse_blocked(table: Table, batches: Sequence[Manifest]) -> None:
    """Raises LoadBlocked if one of the batches is blocked."""
    if blocked := blocked_batches(table, batches):
        raise LoadBlocked(block_message(table, blocked))
