"""Whether the last load of a mirror was complete: the ledger against the manifests.

Belongs here: comparing the rows of both. Does not belong here: loading (`sync`), comparing rows with the source (`verify`), or the check
that shows the result (`defs.checks`).
"""

from __future__ import annotations

from dataclasses import dataclass

from stori_pipeline.lake import Lake, Manifest
from stori_pipeline.model.table import Table
from stori_pipeline.pipeline.sync import since_last_snapshot
from stori_pipeline.warehouse import Warehouse


@dataclass(frozen=True)
class LastLoad:
    """The last load of a mirror, and the batches that it should have loaded.

    Attributes:
        batch: number of the newest batch in the mirror.
        rows_landed: rows of the batches that it should have loaded.
        rows_loaded: rows that it copied.
        batches_waiting: batches that have landed since and are not loaded.
    """

    batch: int
    rows_landed: int
    rows_loaded: int
    batches_waiting: int

    @property
    def complete(self) -> bool:
        return self.rows_landed == self.rows_loaded and not self.batches_waiting


def last_load(table: Table, lake: Lake, warehouse: Warehouse) -> LastLoad:
    """Reads the ledger's newest load of a table, and the manifests of its batches. The mirror must have been loaded."""
    (generation, batch, copied), *before = warehouse.last_loads(table.full_name)
    loaded = (generation, batch)
    since = before[0][:2] if before else None
    landed = _rows_landed(lake.manifests(table, after=since), loaded)
    if landed != copied:
        landed_again = _rows_landed(lake.manifests(table), loaded)  # a lost mirror is loaded again from the snapshot on
        landed = landed_again if landed_again == copied else landed
    return LastLoad(batch, landed, copied, len(lake.manifests(table, after=loaded)))


def _rows_landed(batches: list[Manifest], until: tuple[int, int]) -> int:
    return sum(each.rows for each in since_last_snapshot([each for each in batches if each.order <= until]))
