"""How many rows of each table are in quarantine, as its last landing found.

Belongs here: reading these numbers from Dagster's instance, for `/freshness`. Does not belong here: counting the rows (`lake.quarantine`).
"""

from __future__ import annotations

from dagster import AssetKey

from stori_pipeline.model.project import Project
from stori_pipeline.runtime.instance import open_instance


def quarantined_now(project: Project) -> dict[str, int]:
    """The number of open rejected rows by full name, with the Dagster instance of `DAGSTER_HOME`. Reads all tables in one query."""
    names = {AssetKey(table.landing_path): name for name, table in project.mirrors.items()}
    counts = {}
    with open_instance() as instance:
        for record in instance.get_asset_records(list(names)):
            event = record.asset_entry.last_materialization
            if event is not None and event.asset_materialization is not None:
                value = event.asset_materialization.metadata.get("quarantined")
                if value is not None:  # a landing of an earlier version does not say
                    counts[names[record.asset_entry.asset_key]] = int(str(value.value))
    return counts
