"""How many rows of a table are in quarantine.

Belongs here: counting them without reading every manifest. Does not belong here: writing the quarantine (`batches`), or its rows' reasons
(`contract`).
"""

from __future__ import annotations

from stori_pipeline.lake.batches import Lake
from stori_pipeline.lake.manifest import batch_of, quarantine_prefix
from stori_pipeline.model.table import Table


def rows_in_quarantine(lake: Lake, table: Table) -> int:
    """The rows of the newest generation that went to quarantine. Reads the manifests of those batches alone that have any.

    Raises:
        LakeUnavailable: S3 cannot be reached.
        LakeError: an object among the manifests is not a manifest of this table.
    """
    newest = lake.newest(table)
    if newest is None:
        return 0
    batches = {batch_of(stored.key) for stored in lake.bucket.objects(quarantine_prefix(table))}
    manifests = [lake.find(table, batch) for batch in sorted(batches) if newest.snapshot <= batch <= newest.batch]
    return sum(each.rejected for each in manifests if each and each.generation == newest.generation)
