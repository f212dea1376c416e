"""The whole graph, put together.

Belongs here: which parts there are, and the resources they use. Does not belong here: any part.
"""

from __future__ import annotations

import functools

from dagster import Definitions, in_process_executor

from stori_pipeline.clock import Clock, utc_now
from stori_pipeline.defs.alerts import alerts_sensor
from stori_pipeline.defs.assets import assets_for, mirror_asset
from stori_pipeline.defs.automation import changes_sensor, everything_schedule
from stori_pipeline.defs.charts import chart_asset
from stori_pipeline.defs.checks import checks_for
from stori_pipeline.defs.io_managers import LakeIOManager, ProcessedIOManager, RedshiftIOManager
from stori_pipeline.defs.jobs import sync
from stori_pipeline.defs.lineage import Graph, whole
from stori_pipeline.defs.logs import console
from stori_pipeline.defs.reports import report_asset
from stori_pipeline.defs.resources import LakeResource, ProcessedResource, SourcesResource, WarehouseResource
from stori_pipeline.defs.stars import star_asset
from stori_pipeline.defs.sweeping import sweep_job, sweep_schedule


@functools.lru_cache(maxsize=4)
def build_defs(graph: Graph | None = None, clock: Clock = utc_now) -> Definitions:
    """The definitions of that graph; of everything that the project has, without one. `clock` gives the day on which the sensor asks.

    Made once for a graph: they are immutable, and a process may run them again and again.
    """
    graph = graph or whole()
    sweep = sweep_job(graph)
    lake, processed, warehouse = LakeResource(), ProcessedResource(), WarehouseResource()
    return Definitions(
        assets=[
            *assets_for(graph.tables),
            *(made for star in graph.stars for made in (star_asset(star, graph), mirror_asset(star.table))),
            *(report_asset(report, graph) for report in graph.reports),
            *(chart_asset(chart) for chart in graph.charts),
        ],
        asset_checks=checks_for(graph),
        jobs=[sync, sweep],
        sensors=[changes_sensor(graph, clock), alerts_sensor(graph)],
        schedules=[everything_schedule(graph), sweep_schedule(sweep)],
        loggers={"console": console},
        executor=in_process_executor,  # for runs that the UI starts beside the job; `jobs` says why this one
        resources={
            "sources": SourcesResource(),
            "lake": lake,
            "processed": processed,
            "warehouse": warehouse,
            "lake_io": LakeIOManager(lake, graph),
            "processed_io": ProcessedIOManager(lake, processed, graph),
            "warehouse_io": RedshiftIOManager(warehouse),
        },
    )
