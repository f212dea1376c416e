"""The jobs, and requests for their runs.

Belongs here: a job for each scope, the jobs `sync`, `prove` and `sweep`, and the configuration of their runs. Does not belong here: when a
run is requested (`sensors`, `schedules`), or what is in a scope (`scopes`).
"""

# A run uses Dagster's in-process executor, one step after another. The multiprocess executor starts a Python process for each
# step: seconds of imports for milliseconds of work. Threads would not help: the time of a quiet table is Dagster's own bookkeeping, and the
# GIL serializes it. Slow steps use threads inside, and runs are concurrent, each in a process of its own.

import functools
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from dagster import (
    AssetCheckKey,
    AssetKey,
    AssetSelection,
    JobDefinition,
    OpExecutionContext,
    RunRequest,
    define_asset_job,
    in_process_executor,
    job,
    op,
)

from stori_pipeline.defs.checks import quick_checks
from stori_pipeline.defs.keys import chart_key, landing_key, mirror_key, quarantine_key, report_key, step_name
from stori_pipeline.defs.resources import LakeResource, ProcessedResource, lake_of
from stori_pipeline.defs.scopes import Scope
from stori_pipeline.model.project import Affected, Project
from stori_pipeline.model.table import Table
from stori_pipeline.runtime.logging import TO_CONSOLE
from stori_pipeline.runtime.names import PROOF, TABLES_TAG
from stori_pipeline.runtime.retries import RETRY, only_transient

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

_BACK = timedelta(days=8)
"""How far back the nightly sweep looks: earlier nights swept older days, and a week without Dagster is still covered."""


@functools.cache
def sync_job() -> "UnresolvedAssetJobDefinition":
    """The job of all assets and checks, from landings to charts. A run executes the part that was requested."""
    return define_asset_job(
        "sync",
        selection=AssetSelection.all(),
        description="What `stori sync` runs: tables of any sources, and everything downstream. Sensors and schedules do not use it.",
        executor_def=in_process_executor,
    )


@functools.lru_cache(maxsize=256)
def scope_job(project: Project, scope: Scope) -> "UnresolvedAssetJobDefinition":
    """The job of a scope: its assets, their checks, and the checks of other assets that read something of the scope."""
    made = "the star tables, reports and charts that are made of its tables alone"
    across = "Updates the star tables, reports and charts that are made of the tables of several sources."
    assets = AssetSelection.assets(*selected(scope.content), *quarantines(scope.content))
    return define_asset_job(
        scope.job,
        selection=assets | AssetSelection.checks(*quick_checks(project, scope.content)),
        description=f"Lands what changed in `{scope.name}`, loads it, and updates {made}." if scope.content.tables else across,
        executor_def=in_process_executor,
    )


def sweep_job(project: Project) -> JobDefinition:
    @op(name="sweep_lakes", retry_policy=RETRY)
    def sweep_lakes(context: OpExecutionContext, lake: LakeResource, processed: ProcessedResource) -> None:
        from stori_pipeline.lake.upkeep import compact
        from stori_pipeline.lake.upkeep import sweep as sweep_table

        swept, compacted = {}, []
        with only_transient():
            for name, table in project.mirrors.items():
                store = lake_of(table, lake, processed).open()
                if compact(store, table):
                    compacted.append(name)
                if count := sweep_table(store, table, back=_BACK):
                    swept[name] = count
        context.log.info(f"{sum(swept.values())} objects removed: {swept}" if swept else "there was nothing to remove")
        context.add_output_metadata(swept | ({"compacted": compacted} if compacted else {}))

    @job(
        name="sweep",
        executor_def=in_process_executor,
        description="Removes from both buckets files of unfinished landings, and files that newer ones replace, when they are a day old.",
    )
    def sweep() -> None:
        sweep_lakes()

    return sweep


@functools.lru_cache(maxsize=8)
def prove_job(project: Project) -> "UnresolvedAssetJobDefinition":
    """The job that compares every row of every source table. It syncs each table first, deletes included: what the source deleted since the
    last look would count as different."""
    assets = [key for table in project.tables for key in (landing_key(table), mirror_key(table))]
    proofs = [AssetCheckKey(mirror_key(table), PROOF) for table in project.tables]
    steps = {f"{step_name(mirror_key(table))}_{PROOF}": {"config": {"whole": True}} for table in project.tables}
    steps |= sync_config(project.tables, detect_deletes=True).get("ops", {})
    return define_asset_job(
        "prove",
        selection=AssetSelection.assets(*assets).without_checks() | AssetSelection.checks(*proofs),
        config={"ops": steps, "loggers": TO_CONSOLE},
        description="Brings what changed in every source table, and compares every row with its mirror.",
        executor_def=in_process_executor,
    )


def sync_config(tables: Iterable[Table], *, full: bool = False, detect_deletes: bool = False, day: date | None = None) -> dict[str, Any]:
    """The run configuration for a full refresh of these tables, for detecting deletes first, or for reading a day again; empty for an
    ordinary run."""
    options: dict[str, Any] = {name: True for name, is_set in (("full", full), ("detect_deletes", detect_deletes)) if is_set}
    options |= {"day": day.isoformat()} if day else {}
    return {"ops": {step_name(landing_key(table)): {"config": options} for table in tables}} if options else {}


def selected(affected: Affected) -> list[AssetKey]:
    """The assets that a run after a change materializes: the landings of the source tables, and everything downstream of them."""
    keys = [key for table in affected.mirrored for key in (landing_key(table), mirror_key(table))]
    keys += [report_key(report.name) for report in affected.reports]
    return keys + [chart_key(chart.name) for chart in affected.charts]


def quarantines(affected: Affected) -> list[AssetKey]:
    """The pages of the quarantines of the sources that are read."""
    return sorted({quarantine_key(table.source) for table in affected.tables})


def sync_request(
    affected: Affected,
    *,
    checks: Sequence[AssetCheckKey],
    day: date | None = None,
    run_key: str | None = None,
    full: bool = False,
    detect_deletes: bool = False,
    pages: bool = False,
    loggers: Mapping[str, Any] = TO_CONSOLE,
) -> RunRequest:
    """A request for one run that lands what changed in these tables, updates everything downstream and runs the checks.

    Args:
        day: a day to read again, in UTC; by default the run lands what changed.
        pages: also bring the pages of quarantine up to date.
    """
    return RunRequest(
        run_key=run_key,
        asset_selection=[*selected(affected), *(quarantines(affected) if pages else ())],
        asset_check_keys=list(checks),
        run_config={**sync_config(affected.tables, full=full, detect_deletes=detect_deletes, day=day), "loggers": dict(loggers)},
        tags={TABLES_TAG: " ".join(table.full_name for table in affected.tables)},
    )
