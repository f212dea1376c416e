"""Quarantine: the rejected rows of a table's newest generation, and what was decided about them.

Belongs here: which rejected rows are open, which batches they block, and reading them. Does not belong here: writing them (`batches`),
their reasons (`contract`), or deciding (`pipeline.quarantine`).
"""

# A row in quarantine is known by its table, its batch, and its number in the file that the batch's manifest names. A file that no manifest
# names is that of an attempt which was killed: nobody reads it, and it is swept. A new generation has read the source again, so what the
# generations before it rejected is superseded, and does not count.

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stori_pipeline.contract import rejected_schema
from stori_pipeline.lake.batches import Lake
from stori_pipeline.lake.bucket import LakeError
from stori_pipeline.lake.decisions import Decision
from stori_pipeline.lake.manifest import Manifest, batch_of, quarantine_prefix
from stori_pipeline.model.table import Table

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class RejectedBatch:
    """A batch with rejected rows. `decided` are the numbers of those that are no longer open; `accepted` says that the batch may be loaded
    without its rejected rows."""

    manifest: Manifest
    decided: frozenset[int] = frozenset()
    accepted: bool = False

    @property
    def open(self) -> int:
        """How many of its rejected rows are open."""
        return self.manifest.rejected - len(self.decided)

    def blocks(self, table: Table) -> bool:
        """Whether its open rows keep the batch from being loaded. Decided rows count as rows of the batch, and as rejected no more."""
        rows = self.manifest.rows + len(self.decided)
        return not self.accepted and table.blocks(rows, self.open)


def blocked_batches(table: Table, batches: Sequence[Manifest]) -> list[Manifest]:
    """The batches that may not be loaded; see `blocking`."""
    return [each.manifest for each in blocking(table, batches)]


def blocking(table: Table, batches: Sequence[Manifest]) -> list[RejectedBatch]:
    """The batches that may not be loaded: more of their rows were rejected than the table's definition allows, and nobody has decided.

    Args:
        batches: consecutive ones up to the newest, since later ones decide about earlier ones.
    """
    decisions = {generation: list[Decision]() for generation in {each.generation for each in batches}}
    for each in batches:
        decisions[each.generation] += each.decisions
    rejected = [found for each in batches for found in with_decisions([each], decisions[each.generation])]
    return [each for each in rejected if each.blocks(table)]


def with_decisions(manifests: Sequence[Manifest], decisions: Sequence[Decision]) -> list[RejectedBatch]:
    """The batches among these that have rejected rows, with what the decisions of their generation say of them."""
    found = []
    for each in manifests:
        if each.rejected:
            own = [decision for decision in decisions if decision.batch == each.batch]
            decided = frozenset(number for decision in own for number in decision.numbers)
            found.append(RejectedBatch(each, decided, any(decision.what == "accepted" for decision in own)))
    return found


def rejected_batches(lake: Lake, table: Table, newest: Manifest | None = None, *, most: int | None = None) -> list[RejectedBatch]:
    """The batches of the newest generation that have open rows, in order.

    Reads the manifests of those batches, and of those that decide something.

    Args:
        newest: the table's newest batch, if the caller has it.
        most: look at so many of the newest batches with rejected rows, and no others.

    Raises:
        LakeUnavailable: S3 cannot be reached.
        LakeError: an object among the manifests is not a manifest of this table.
    """
    newest = newest or lake.newest(table)
    if newest is None or newest.still_open == 0:
        return []
    listed = sorted({batch_of(stored.key) for stored in lake.bucket.objects(quarantine_prefix(table))}, reverse=True)
    numbers = [number for number in listed if newest.snapshot <= number <= newest.batch][:most]
    with ThreadPoolExecutor(8, thread_name_prefix="manifests") as pool:
        found = list(pool.map(lambda number: lake.find(table, number), reversed(numbers)))
    own = [each for each in found if each and each.generation == newest.generation]
    return [each for each in with_decisions(own, list(_decisions(lake, table, newest))) if each.open] if own else []


def _decisions(lake: Lake, table: Table, newest: Manifest) -> Iterator[Decision]:
    """The decisions of the newest batch's generation: each batch that decides something names the one before it."""
    manifest: Manifest | None = newest
    while manifest:
        yield from manifest.decisions
        manifest = lake.find(table, manifest.decided) if manifest.decided else None


def rows_in_quarantine(lake: Lake, table: Table, newest: Manifest | None = None) -> int:
    """How many rows of the newest generation are in quarantine and not decided. Arguments and errors as for `rejected_batches`."""
    newest = newest or lake.newest(table)
    if newest is not None and newest.still_open is not None:
        return newest.still_open
    return sum(each.open for each in rejected_batches(lake, table, newest))


def rejected_rows(lake: Lake, table: Table, manifest: Manifest) -> pl.LazyFrame:
    """The rejected rows of a batch that has some, decided ones included: `number`, from 1, and the columns of `contract.rejected_schema`.
    They are read when the frame is collected.

    Raises:
        LakeError: the batch's quarantine file is gone.
    """
    import polars as pl

    if lake.bucket.size(lake.bucket.key(manifest.quarantine)) is None:
        raise LakeError(
            f"{table.full_name}: {manifest.quarantine}, the quarantine of batch {manifest.batch}, is gone, and {manifest.rejected} "
            "rejected rows with it; restore the file"
        )
    rows = lake.scan_files(manifest.quarantine)
    known = rows.collect_schema().names()
    # Files of earlier versions have no `seq`.
    columns = [pl.col(name) if name in known else pl.lit(None, pl.Int64).alias(name) for name in rejected_schema().names]
    return rows.select(columns).with_row_index("number", offset=1)


def open_rows(lake: Lake, table: Table, batch: RejectedBatch) -> pl.LazyFrame:
    """The rows of `rejected_rows` that are not decided."""
    import polars as pl

    rows = rejected_rows(lake, table, batch.manifest)
    return rows.filter(~pl.col("number").is_in(sorted(batch.decided))) if batch.decided else rows
