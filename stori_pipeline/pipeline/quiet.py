"""Whether a sync would find anything: what there was after one that did everything, held against what there is now.

Belongs here: what must be the same, and what a sync must have done. Does not belong here: asking a source (`readers.heads`), where the
result of a sync is kept, and what is printed (`cli`).
"""

# Nothing is new if the heads are those from before the last sync began to read, and if what that sync left is still there: the newest batch
# of every table, and with it every position; in the ledger, exactly these batches; every report and picture, as they were made. A batch of
# another process, a lake or a mirror that was lost or set back, a decision about quarantine: each of them changes one of these.

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any

from stori_pipeline.lake import Lake
from stori_pipeline.lake.bucket import Bucket, Stored
from stori_pipeline.lake.manifest import manifest_key, manifests_prefix
from stori_pipeline.model.reading import Position
from stori_pipeline.model.table import Table
from stori_pipeline.warehouse.state import State

_THREADS = 8


@dataclass(frozen=True)
class Batch:
    """The newest batch of a table, and how to see with one request that it still is.

    Attributes:
        prefix: of the table's manifests.
        before: the key after which its manifest comes first.
        stored: its manifest, as `_identity` has it.
        loaded: its generation, its number and its id, as in the ledger.
        until: the position.
    """

    prefix: str
    before: str
    stored: list[Any]
    loaded: list[Any]
    until: Position


@dataclass(frozen=True)
class Mark:
    """What a sync left that did everything.

    Attributes:
        heads: of each source table that was synced, the head from before the sync. Only one that tells of the table as it is.
        landing: the newest batch of each source table that was synced, or that what was made depends on.
        processed: the same of star tables.
        comments: the comment of each report, which says from what it was made.
        pictures: the pictures of charts, by key, as `_identity` has them.
        absent: full names of relations without which some reports and charts are not made yet.
    """

    heads: dict[str, str]
    landing: dict[str, Batch]
    processed: dict[str, Batch]
    comments: dict[str, str]
    pictures: dict[str, list[Any]] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Mark:
        """Raises KeyError or TypeError if these are not the values of a mark."""
        batches = {layer: {name: Batch(**each) for name, each in values[layer].items()} for layer in ("landing", "processed")}
        return cls(values["heads"], **batches, comments=values["comments"], pictures=values["pictures"], absent=values["absent"])

    @property
    def loaded(self) -> dict[str, list[Any]]:
        """By full name, what the ledger must say."""
        return {name: batch.loaded for name, batch in {**self.landing, **self.processed}.items()}


def newest(lake: Lake, tables: Sequence[Table]) -> dict[str, Batch]:
    """The newest batch of each table, by full name. Tables that have none are left out, and those that land just now.

    Raises:
        LakeUnavailable, LakeError: those of `Lake.newest`.
    """
    if not tables:
        return {}
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="newest") as threads:
        found = threads.map(lambda table: _newest(lake, table), tables)
        return {table.full_name: batch for table, batch in zip(tables, found, strict=True) if batch}


def _newest(lake: Lake, table: Table) -> Batch | None:
    manifest = lake.newest(table)
    if manifest is None:
        return None
    before = manifest_key(table, manifest.batch - 1) if manifest.batch > 1 else manifests_prefix(table)
    page, _ = lake.bucket.page(manifests_prefix(table), before)
    if [each.key for each in page] != [manifest_key(table, manifest.batch)]:
        return None
    return Batch(manifests_prefix(table), before, _identity(page[0]), [*manifest.order, manifest.id], manifest.until)


def _identity(stored: Stored) -> list[Any]:
    """What differs if an object is written again."""
    return [stored.key, stored.bytes, stored.modified.isoformat()]


def moved_batches(bucket: Bucket, batches: Mapping[str, Batch]) -> list[str]:
    """Full names of the tables whose newest batch is another one now, or written again. Takes a request for each table.

    Raises:
        LakeUnavailable, LakeError: S3 does not answer, or refuses.
    """
    if not batches:
        return []

    def is_newest(batch: Batch) -> bool:
        page, _ = bucket.page(batch.prefix, batch.before)
        return [_identity(each) for each in page] == [batch.stored]

    with ThreadPoolExecutor(_THREADS, thread_name_prefix="newest") as threads:
        return [name for name, still in zip(batches, threads.map(is_newest, batches.values()), strict=True) if not still]


def pictures_of(bucket: Bucket, keys: Collection[str], prefix: str) -> dict[str, list[Any]]:
    """Those of these objects under the prefix that exist, by key. Errors as for `moved_batches`."""
    return {each.key: _identity(each) for each in bucket.objects(prefix) if each.key in keys} if keys else {}


def moved_in_warehouse(mark: Mark, state: State) -> list[str]:
    """Full names of the mirrors and reports that are not in the warehouse as the sync left them."""
    loaded = {name: list(entry) for name, entry in state.loads.items() if name in state.relations}
    mirrors = [name for name, entry in mark.loaded.items() if loaded.get(name) != entry]
    reports = [name for name, comment in mark.comments.items() if state.comments.get(name) != comment]
    return mirrors + reports + [name for name in mark.absent if name in state.relations]


def unfinished(
    before: Mapping[str, Batch], after: Mapping[str, Batch], landed: Mapping[str, int | None], names: Collection[str]
) -> list[str]:
    """Full names of the tables whose newest batch after a sync is neither that of before it nor one that it landed: another process landed
    it, and what is made of it may not be. So are synced tables that have no batch.

    Args:
        landed: the number of the batch that the sync landed, or None, by the full name of each table that it synced or derived.
        names: of all tables that the sync, or what it made, depends on.
    """

    def is_ours(name: str) -> bool:
        if name not in after:
            return name not in before and name not in landed
        return after[name] == before.get(name) or after[name].loaded[1] == landed.get(name)

    return [name for name in names if not is_ours(name)]
