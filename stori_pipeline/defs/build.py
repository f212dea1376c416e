"""The Dagster definitions of a project, put together.

Belongs here: collecting the parts, and the resources that they use. Does not belong here: any part (the modules beside this one).
"""

from __future__ import annotations

import functools

from dagster import AssetKey, Definitions, in_process_executor

from stori_pipeline.defs.assets import assets_of, mirror_asset
from stori_pipeline.defs.charts import chart_asset
from stori_pipeline.defs.checks import checks_for
from stori_pipeline.defs.continuous import continuous_job, continuous_sensor
from stori_pipeline.defs.follow_ups import follow_up_job, follow_up_sensor
from stori_pipeline.defs.io_managers import RedshiftIOManager, S3ParquetIOManager
from stori_pipeline.defs.jobs import prove_job, scope_job, sweep_job, sync_job
from stori_pipeline.defs.quarantine import quarantine_asset, tables_of_sources
from stori_pipeline.defs.reports import report_asset
from stori_pipeline.defs.resources import LakeResource, ProcessedResource, SourcesResource, WarehouseResource
from stori_pipeline.defs.retention import tidy, tidy_schedule
from stori_pipeline.defs.schedules import prove_schedule, scope_schedules, sweep_schedule
from stori_pipeline.defs.scopes import scopes
from stori_pipeline.defs.sensors import change_sensors
from stori_pipeline.defs.stars import star_asset
from stori_pipeline.defs.step_functions import many_objects
from stori_pipeline.model.project import Project
from stori_pipeline.model.table import Table
from stori_pipeline.runtime.alerts import alerts_sensor
from stori_pipeline.runtime.logging import console
from stori_pipeline.settings import dotenv


@functools.lru_cache(maxsize=4)
def build_defs(project: Project) -> Definitions:
    """The Dagster definitions of a project.

    Cached per project: definitions are immutable, and a process may use them many times.
    """
    dotenv.mark()  # before the file can change: this process, and the runs that it starts, then read the change
    with many_objects(7 * len(project.mirrors)):
        return _built(project)


def _built(project: Project) -> Definitions:
    class TableParquetIOManager(S3ParquetIOManager):
        """An `S3ParquetIOManager` that has the project's tables."""

        def table_of(self, key: AssetKey) -> Table | None:
            table = project.mirrors.get(".".join(key.path[-2:]))
            return table if table and table.landing_path == list(key.path) else None

    class TableRedshiftIOManager(RedshiftIOManager):
        """A `RedshiftIOManager` that has the project's relations."""

        def is_of_project(self, full_name: str) -> bool:
            return full_name in project.relations

    sweep = sweep_job(project)
    nightly = [prove_job(project)] if project.tables else []
    lake, processed, warehouse = LakeResource(), ProcessedResource(), WarehouseResource()
    assets = [
        *assets_of(project.tables),
        *(quarantine_asset(source, tables) for source, tables in tables_of_sources(project)),
        *(asset for star in project.stars for asset in (star_asset(star, project), mirror_asset(star.table))),
        *(report_asset(report, project) for report in project.reports),
        *(chart_asset(chart) for chart in project.charts),
    ]
    code_versions = {key: asset.get_asset_spec(key).code_version or "" for asset in assets for key in asset.keys}
    following = [continuous_job(project, code_versions)] if project.tables else []
    sensors = [*(continuous_sensor(each, code_versions) for each in following), *change_sensors(project, code_versions)]
    behind = [follow_up_job(project)] if project.tables else []
    sensors += [follow_up_sensor(project, each) for each in behind]
    return Definitions(
        assets=assets,
        asset_checks=checks_for(project),
        jobs=[*(scope_job(project, scope) for scope in scopes(project)), sync_job(), sweep, tidy, *nightly, *following, *behind],
        sensors=[*sensors, alerts_sensor(project)],
        schedules=[*scope_schedules(project), sweep_schedule(sweep), tidy_schedule(), *([prove_schedule(project)] if nightly else [])],
        loggers={"console": console},
        executor=in_process_executor,  # for runs that the UI starts without the job; `jobs` gives the reason
        resources={
            "sources": SourcesResource(),
            "lake": lake,
            "processed": processed,
            "warehouse": warehouse,
            "lake_io": TableParquetIOManager(lake=lake),
            "processed_io": TableParquetIOManager(lake=processed),
            "warehouse_io": TableRedshiftIOManager(warehouse=warehouse, lake=lake),
        },
    )
