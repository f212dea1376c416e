"""Upkeep of a lake: compacting live rows into one file, and removing files that no manifest names.

Belongs here: compacting and sweeping, which change and lose no row. Does not belong here: landing and reading (`batches`); reading the
lake needs no permission to write.
"""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from stori_pipeline.lake.batches import Lake
from stori_pipeline.lake.bucket import Bucket
from stori_pipeline.lake.manifest import (
    Manifest,
    batch_of,
    compacted_key,
    compacted_prefix,
    day_of,
    loads_prefix,
    quarantine_prefix,
)
from stori_pipeline.lake.parts import PartWriter
from stori_pipeline.lake.quarantine import blocked_batches
from stori_pipeline.lake.upload import BoundedPool
from stori_pipeline.model.table import Table

COMPACT_AFTER = 50
"""If the live rows of a table are in more batches than this, they are also written as one file. Reading a batch takes two requests and
about ten milliseconds; writing a few hundred thousand rows takes less than a second."""


def compact_if_due(lake: Lake, table: Table, landed: Manifest) -> bool:
    """Compacts after every fiftieth batch of a generation. `pipeline.sync` calls it after each landing."""
    since_snapshot = landed.batch - landed.snapshot
    return bool(since_snapshot) and since_snapshot % COMPACT_AFTER == 0 and compact(lake, table, more_than=COMPACT_AFTER - 1)


def compact(lake: Lake, table: Table, *, more_than: int | None = None) -> bool:
    """Writes the live rows of a table as one file if they are in more than `more_than` batches (default: `COMPACT_AFTER`), and the contract
    blocks none of these batches. Later readers begin with this file.

    Returns whether it wrote one. The file is not a batch: without it, readers read the batches.

    Raises:
        LakeError: the generation's snapshot is gone.
        LakeUnavailable: S3 cannot be reached.
    """
    newest = lake.newest(table)
    if newest is None or newest.fingerprint != table.fingerprint:
        return False
    parts = lake.live_parts(table, newest)
    if len(parts.batches) <= (COMPACT_AFTER if more_than is None else more_than):
        return False
    if blocked_batches(table, parts.batches):
        return False  # the gate judges batches, and would not find a blocked one in the file
    from stori_pipeline.lake import live  # polars is slow to import, and most landings do not need it

    last = parts.batches[-1]
    # A unique name, because another process may be writing the same rows.
    key = compacted_key(table, last.generation, last.batch, secrets.token_hex(4))
    with (
        BoundedPool("upload", threads=4, depth=5) as uploads,
        PartWriter(lake.bucket, uploads, lambda _: key, lake.sizes.in_one_part()) as writer,
    ):
        for rows in live.as_written(live.winners(lake.scan(table, parts, newest), table), table):
            writer.write(rows)
        writer.finish()
    return True


def sweep(lake: Lake, table: Table, older_than: timedelta = timedelta(days=1), *, back: timedelta | None = None) -> int:
    """Removes files that no manifest names and that are older than `older_than`: parts, quarantined rows, manifests of loads and unfinished
    uploads; also compacted files that newer ones replace. Returns the number of removed objects.

    Younger files stay: a landing in progress has parts that no manifest names yet, and a reader may still read older rows.

    Args:
        back: how far back to look at landed days; without it, all of them. Each batch of those days takes a request.
    """
    bucket, now = lake.bucket, lake.clock()
    before, first = now - older_than, f"{now - back:%Y-%m-%d}" if back else ""
    days = (f"{table.prefix}/date=", f"{quarantine_prefix(table)}date=")
    # List the files before the manifests, so that a batch that lands in between is among the manifests.
    old = [key for prefix in days for key in _older(bucket, prefix, before, prefix + first)]
    with ThreadPoolExecutor(8, thread_name_prefix="manifests") as pool:
        manifests = pool.map(lambda number: lake.find(table, number), {batch_of(key) for key in old})
        named = {url for each in manifests if each for url in (each.quarantine, *(part.url for part in each.parts))}
    unnamed = [key for key in old if bucket.url(key) not in named]
    newest = max((stored.key for stored in bucket.objects(compacted_prefix(table))), default="")
    replaced = [key for key in _older(bucket, compacted_prefix(table), before) if key < newest]
    swept = bucket.delete([*unnamed, *replaced, *_older(bucket, loads_prefix(table), before)])
    for key, upload, began in bucket.uploads(f"{table.prefix}/"):
        # The day in the name counts, too, because not every S3 server reports the time at which an upload began.
        day = day_of(key)
        if began < before and (day is None or day < before.date()):
            bucket.abort_upload(key, upload)
            swept += 1
    return swept


def _older(bucket: Bucket, prefix: str, before: datetime, after: str = "") -> list[str]:
    return [stored.key for stored in bucket.objects(prefix, after) if stored.modified < before]
