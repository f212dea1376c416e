"""The check that finds rows whose newer version was rejected: the mirror shows the older one, which looks current.

Belongs here: that check of each mirror of a source table. Does not belong here: which keys are in quarantine (`verify.quarantine`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar

from dagster import AssetCheckResult, AssetCheckSeverity, MetadataValue

from stori_pipeline.defs.check_steps import SHOWN, CheckResources
from stori_pipeline.defs.keys import mirror_key
from stori_pipeline.defs.metadata import preview
from stori_pipeline.model.project import Project
from stori_pipeline.model.table import Table

LOOKED_AT = 200
"""The check looks at so many of the newest batches with rejected rows: it must not become slow where a source always has some."""

NEWEST_VERSIONS = "no_newer_version_in_quarantine"


@dataclass(frozen=True)
class NewestVersions:
    """Compares the keys in quarantine with the mirror. Asks the warehouse only if there are any."""

    table: Table
    name: ClassVar[str] = NEWEST_VERSIONS
    description: ClassVar[str] = "No row is older than its source because the newer version was rejected."

    def reads(self, project: Project) -> frozenset[str]:  # noqa: ARG002  (it reads nothing but its own table)
        return frozenset()

    def result(self, full_name: str, resources: CheckResources) -> AssetCheckResult:
        from stori_pipeline.verify.quarantine import keys_in_quarantine, older_in_mirror

        reader, lake = resources.sources.reader(self.table.source), resources.lake(self.table)
        rejected = keys_in_quarantine(self.table, reader, lake, batches=LOOKED_AT)
        stale = older_in_mirror(self.table, resources.warehouse, rejected) if rejected else {}
        values: dict[str, Any] = {"keys_in_quarantine": len(rejected), "older_rows": len(stale)}
        if stale:
            rows = [(*key, f"{each.batch}:{each.number}", each.code, each.reason) for key, each in islice(stale.items(), SHOWN)]
            values["examples"] = MetadataValue.md(preview((*self.table.key, "row in quarantine", "code", "reason"), rows))
        message = (
            f"{full_name}: {len(stale)} rows show an older version, because the newer one was rejected; "
            f"`stori quarantine show {full_name}` shows why"
        )
        return AssetCheckResult(
            check_name=NEWEST_VERSIONS,
            asset_key=mirror_key(self.table),
            passed=not stale,
            severity=AssetCheckSeverity.WARN,
            metadata=values,
            description=message if stale else None,
        )
