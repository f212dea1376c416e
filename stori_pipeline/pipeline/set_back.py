"""Whether a lake was set back: it lost its newest batches, or was restored from a backup, after the mirror was loaded.

Belongs here: the ledger's entry against the batches of the lake. Does not belong here: what follows from it, a new generation (`sync`,
`derive`) or no load (`sync`).
"""

from __future__ import annotations

from stori_pipeline.lake import Lake, Manifest
from stori_pipeline.model.table import Table
from stori_pipeline.warehouse.session import LedgerEntry


def set_back_reason(table: Table, lake: Lake, newest: Manifest | None, loaded: LedgerEntry | None) -> str:
    """Why the batches of the lake do not continue those in the mirror; "" if they do.

    A number alone does not say which batch the mirror holds: a lake that lost batches 7 and 8 lands others under the same numbers, and the
    mirror, which has a batch 8, would never get them.

    Args:
        newest: the table's newest batch. It may be older than `loaded`, if another run loads at the same time.
        loaded: the ledger's entry for the mirror.

    Raises:
        LakeUnavailable: S3 cannot be reached.
    """
    if loaded is None or newest is None:
        return ""
    if newest.order < loaded.order:
        newest = lake.newest(table) or newest
    if newest.generation > loaded.generation:
        return ""  # it began with a snapshot, which replaces everything before it
    what = f"batch {loaded.batch} of generation {loaded.generation}, which the mirror has"
    if newest.order < loaded.order:
        return f"the lake does not have {what}; its newest is batch {newest.batch} of generation {newest.generation}"
    same = newest if newest.batch == loaded.batch else lake.find(table, loaded.batch)
    if same is None or same.order != loaded.order:
        return f"the lake does not have {what}"
    return f"the lake has another {what}" if loaded.batch_id and same.id != loaded.batch_id else ""
