"""The gate: nothing loads a batch that has too many rejected rows, whoever asks.

Belongs here: refusing blocked batches, and what to do about them. Does not belong here: which rows fit (`contract`), which batches are
blocked (`lake.quarantine`, `Table.blocks`), deciding (`quarantine`), or the callers: the load (`sync`), star tables (`derive`), readers of
live rows (`loaded_rows`), and the check that shows the verdict (`defs`).
"""

from __future__ import annotations

from collections.abc import Sequence

from stori_pipeline.lake import Manifest
from stori_pipeline.lake.quarantine import RejectedBatch, blocking
from stori_pipeline.model.changes import History
from stori_pipeline.model.table import Table


class LoadBlocked(RuntimeError):
    """The contract blocks a batch, so nothing was loaded. The message says which batch, why, and what to do."""


def block_message(table: Table, blocked: Sequence[RejectedBatch]) -> str:
    """What the worst of these batches (`lake.quarantine.blocking`) waits for. It counts the rows that nobody has decided about."""
    worst = max(blocked, key=lambda each: each.open / (each.manifest.rows + each.manifest.rejected))
    number, rows = worst.manifest.batch, worst.manifest.rows + worst.manifest.rejected
    what = "an input or the function of the star table" if table.is_derived else "the source or the definition"
    if isinstance(table.changes, History):
        what = "the function of the star table"  # a corrected input adds versions, and its older versions stay
    which = f"{table.full_name} --batch {number}"
    return (
        f"{table.full_name}: {worst.open} of the {rows} rows of batch {number} break the table's definition, more than "
        f"max_rejected={table.max_rejected} and max_rejected_rows={table.max_rejected_rows} allow, so nothing is loaded. "
        f"`stori quarantine show {which}` shows the reasons; `stori quarantine accept {which}` loads the batch without these rows, which "
        f"stay in quarantine. Or correct {what}, then {table.snapshot_advice}"
    )


def refuse_blocked(table: Table, batches: Sequence[Manifest]) -> None:
    """Raises LoadBlocked if one of the batches is blocked. They are consecutive, up to the newest."""
    if blocked := blocking(table, batches):
        raise LoadBlocked(block_message(table, blocked))


def nothing_good(batches: Sequence[Manifest]) -> list[Manifest]:
    """The batches in which every row was rejected. Few such rows do not block the load, but always tell."""
    return [each for each in batches if each.rejected and not each.rows]


def nothing_good_message(table: Table, batches: Sequence[Manifest]) -> str:
    last = batches[-1]
    show = f"`stori quarantine show {table.full_name} --batch {last.batch}` shows why"
    return f"{table.full_name}: nothing good came: all {last.rejected} rows of batch {last.batch} were rejected; {show}"
