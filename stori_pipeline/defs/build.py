"""The whole graph, put together.

Belongs here: which parts there are, and the resources they use. Does not belong here: any part.
"""

from __future__ import annotations

from collections.abc import Sequence

from dagster import Definitions, in_process_executor

from stori_pipeline.catalog import TABLES
from stori_pipeline.defs.assets import assets_for
from stori_pipeline.defs.automation import changes_sensor, everything_schedule
from stori_pipeline.defs.checks import checks_for
from stori_pipeline.defs.io_managers import LakeIOManager, RedshiftIOManager
from stori_pipeline.defs.jobs import sync
from stori_pipeline.defs.resources import LakeResource, SourcesResource, WarehouseResource
from stori_pipeline.spec import Table


def build_defs(tables: Sequence[Table] = TABLES) -> Definitions:
    lake, warehouse = LakeResource(), WarehouseResource()
    return Definitions(
        assets=assets_for(tables),
        asset_checks=checks_for(tables),
        jobs=[sync],
        sensors=[changes_sensor(tables)],
        schedules=[everything_schedule(tables)],
        executor=in_process_executor,  # for runs that the UI starts beside the job; `jobs` says why this one
        resources={
            "sources": SourcesResource(),
            "lake": lake,
            "warehouse": warehouse,
            "lake_io": LakeIOManager(lake=lake),
            "warehouse_io": RedshiftIOManager(warehouse=warehouse),
        },
    )
