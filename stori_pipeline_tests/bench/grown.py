"""What `idle` runs in the folder of a project of many tables, in processes of their own.

Belongs here: filling all mirrors at once, timing the definitions, and a scheduled run. Does not belong here: starting these processes, and
what they cost (`idle`).
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from stori_pipeline.cli.console import load_dotenv
from stori_pipeline.discovery import current
from stori_pipeline_tests.bench.many import PACKAGE, SOURCE

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from stori_pipeline.model.project import Project

_THREADS = 4


def _project() -> Project:
    return current().project


def fill() -> None:
    """Land and load every table, and record it as the continuous sync does, so that no sensor finds a table that was never made."""
    from dagster import AssetMaterialization, DagsterInstance

    from stori_pipeline.defs.build import build_defs
    from stori_pipeline.defs.continuous_events import CONTINUOUS_TAG, Events
    from stori_pipeline.defs.resources import LakeResource, ProcessedResource, SourcesResource, WarehouseResource
    from stori_pipeline.defs.sensors import _heads
    from stori_pipeline.model.table import Table
    from stori_pipeline.pipeline.bring import Brought
    from stori_pipeline.pipeline.sync import changed_rows, load_new, new_batches

    project, run = _project(), "grown"
    lake, processed, warehouse, sources = LakeResource(), ProcessedResource(), WarehouseResource(), SourcesResource()
    store, mirrors = lake.open(), warehouse.open()

    def bring(table: Table) -> Brought:
        with changed_rows(table, sources.reader(table.source), store, run_id=run) as rows:
            landed = rows.land(run_id=run)
        new = new_batches(table, store, None)
        loaded = load_new(new, mirrors, run_id=run)
        return Brought(table, rows, landed, new, loaded, None, 0.0, 0.0)

    graph = build_defs(project).get_repository_def().asset_graph
    codes = {key: graph.get(key).code_version or "" for key in graph.get_all_asset_keys()}
    first, *others = project.tables
    with DagsterInstance.get() as instance, ThreadPoolExecutor(_THREADS) as threads:
        events = Events(instance, project, codes, lake, processed, warehouse)
        mirrors_made = [bring(first), *threads.map(bring, others)]  # the first makes the schema
        for event in (event for each in mirrors_made for event in events.of(each)):
            if isinstance(event, AssetMaterialization):
                tags = {name: value for name, value in (event.tags or {}).items() if name != CONTINUOUS_TAG}
                instance.report_runless_asset_event(AssetMaterialization(event.asset_key, metadata=event.metadata, tags=tags))
        _remember(instance, _heads(project.tables, sources, lake)[0])


def _remember(instance: DagsterInstance, heads: dict[str, str]) -> None:
    """What Dagster knows after a while: the source's sensor has seen these heads. Its schedule is off, because it is measured by itself: a
    few minutes would have all of its run, or nothing."""
    from dagster._core.definitions.run_request import InstigatorType
    from dagster._core.remote_origin import InProcessCodeLocationOrigin, RemoteRepositoryOrigin
    from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, ScheduleInstigatorData, SensorInstigatorData
    from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

    from stori_pipeline.defs.requested import Requested

    location = InProcessCodeLocationOrigin(LoadableTargetOrigin(module_name=f"{PACKAGE}.definitions"), PACKAGE)
    repository, name = RemoteRepositoryOrigin(location, "__repository__"), SOURCE.name
    sensor, schedule = (repository.get_instigator_origin(f"{name}_{each}") for each in ("changes", "every_20_minutes"))
    seen = SensorInstigatorData(cursor=Requested(moved=heads).text())
    instance.add_instigator_state(InstigatorState(sensor, InstigatorType.SENSOR, InstigatorStatus.DECLARED_IN_CODE, seen))
    off = ScheduleInstigatorData("0 * * * *")
    instance.add_instigator_state(InstigatorState(schedule, InstigatorType.SCHEDULE, InstigatorStatus.STOPPED, off))


def definitions() -> None:
    """Print what the definitions take, in processor seconds: imports, building them, and what Dagster's servers ask of them."""
    began = time.process_time()
    project = _project()
    from stori_pipeline.defs.build import build_defs

    imported = time.process_time()
    repository = build_defs(project).get_repository_def()
    built = time.process_time()
    from dagster._core.remote_representation.external_data import RepositorySnap
    from dagster_shared.serdes import serialize_value

    size = len(serialize_value(RepositorySnap.from_def(repository, defer_snapshots=True)))
    found = {"imports_cpu_s": imported - began, "definitions_cpu_s": built - imported, "snapshot_cpu_s": time.process_time() - built}
    found = {name: round(value, 3) for name, value in found.items()} | {"snapshot_mb": round(size / 1e6, 1)}
    sys.stdout.write(json.dumps(found) + "\n")


def scheduled() -> None:
    """One run as the schedule requests it."""
    from dagster import DagsterInstance

    from stori_pipeline.defs.build import build_defs
    from stori_pipeline.defs.checks import quick_checks, scheduled_checks
    from stori_pipeline.defs.jobs import sync_request
    from stori_pipeline.defs.scopes import scopes
    from stori_pipeline.runtime.in_process import execute_request

    project = _project()
    (scope,) = scopes(project)
    checks = [*quick_checks(project, scope.content), *scheduled_checks(scope.content.tables)]
    request = sync_request(scope.content, checks=checks, detect_deletes=True, pages=True)
    with DagsterInstance.get() as instance:
        if not execute_request(build_defs(project), scope.job, request, instance=instance).success:
            raise SystemExit("the scheduled run failed")


if __name__ == "__main__":
    load_dotenv()
    {"fill": fill, "definitions": definitions, "scheduled": scheduled}[sys.argv[1]]()
