"""What a bucket holds of one table by its name, also of a table that the project no longer defines, and removing it.

Belongs here: everything under a table's prefix. Does not belong here: removing what no manifest names (`upkeep`), the warehouse
(`warehouse.leftovers`), or whether the table may go (`pipeline.drop`).
"""

from __future__ import annotations

from dataclasses import dataclass

from stori_pipeline.lake.bucket import Bucket
from stori_pipeline.lake.manifest import MANIFESTS, QUARANTINE


@dataclass(frozen=True)
class LakeLeftovers:
    """What a bucket holds of a table: numbers of objects, and bytes."""

    bucket: str
    manifests: int
    quarantine_files: int
    objects: int
    bytes: int


def find_leftovers(bucket: Bucket, source: str, name: str) -> LakeLeftovers:
    """What the bucket holds under the prefix of `source.name`. Errors as for `Bucket.objects`."""
    prefix = f"{source}/{name}/"
    manifests = quarantined = objects = size = 0
    for stored in bucket.objects(prefix):
        objects, size = objects + 1, size + stored.bytes
        manifests += stored.key.startswith(prefix + MANIFESTS)
        quarantined += stored.key.startswith(prefix + QUARANTINE)
    return LakeLeftovers(bucket.name, manifests, quarantined, objects, size)


def remove_leftovers(bucket: Bucket, source: str, name: str) -> int:
    """Remove everything under the prefix of `source.name`; returns the number of objects.

    The manifests go first, because a batch exists when its manifest does, and the newest first: whatever is left after an interruption is
    an earlier state of the table. Errors as for `Bucket.delete`; a repetition removes the rest.
    """
    prefix = f"{source}/{name}/"
    manifests = sorted((stored.key for stored in bucket.objects(prefix + MANIFESTS)), reverse=True)
    removed = bucket.delete(manifests)
    removed += bucket.delete(stored.key for stored in bucket.objects(prefix))
    for key, upload, _ in bucket.uploads(prefix):
        bucket.abort_upload(key, upload)
    return removed
