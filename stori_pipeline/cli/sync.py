"""A sync from the command: one run in this process, and what it did to each table.

Belongs here: requesting the run, and its results as data. Does not belong here: running it (`runtime.in_process`), or printing (`data`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from dagster import AssetKey, DagsterInstance, ExecuteInProcessResult

from stori_pipeline import logs
from stori_pipeline.clock import Clock, utc_day, utc_now
from stori_pipeline.defs.build import build_defs
from stori_pipeline.defs.checks import quick_checks, scheduled_checks
from stori_pipeline.defs.io_managers import ON_ROWS
from stori_pipeline.defs.jobs import sync_request
from stori_pipeline.defs.keys import chart_key, landing_key, mirror_key, report_key
from stori_pipeline.defs.materialization_metadata import NOTHING_NEW
from stori_pipeline.model.project import Project, downstream
from stori_pipeline.model.table import Table
from stori_pipeline.project import load_project
from stori_pipeline.runtime.failures import failure_message, root_message, steps_about
from stori_pipeline.runtime.in_process import execute_request
from stori_pipeline.runtime.logging import TO_CONSOLE
from stori_pipeline.runtime.retries import NO_RETRIES

if TYPE_CHECKING:
    from stori_pipeline.model.chart import Chart
    from stori_pipeline.model.report import Report

QUIET: Mapping[str, Any] = {"console": {"config": {"log_level": "CRITICAL"}}}
"""Dagster's log goes to the instance, where the UI shows it, and not to the terminal, unless JSON is wanted there."""


@dataclass(frozen=True)
class SyncResult:
    """What a run did to one table, report or chart.

    `layer` says which of these it is: a `source` table, a `star` table, a `report` or a `chart`. `batch` and `kind` are those of the batch
    that it landed; None where nothing was new. A report lands nothing: its `kind` says what was made, and `rows_loaded` how many rows it
    has. So does a chart, whose `rows_loaded` are the values that it shows. `seconds` are those of landing and loading. `error` is empty
    where all that concerns it succeeded.
    """

    table: str
    batch: int | None
    kind: str | None
    rows_landed: int
    rows_loaded: int
    rows_deleted: int
    rejected: int
    seconds: float
    error: str = ""
    layer: str = "source"


def execute_sync(
    tables: Sequence[Table],
    *,
    instance: DagsterInstance,
    project: Project | None = None,
    full: bool = False,
    detect_deletes: bool = False,
    prove: bool = False,
    day: date | None = None,
    clock: Clock = utc_now,
) -> ExecuteInProcessResult:
    """Run `sync` for these source tables and everything downstream of them.

    Args:
        day: a past day to land again; without it, what has changed lands into today's partition.
        project: what there is; by default the project that this is.
        prove: also run the checks that otherwise only the schedule runs: source and mirror are compared.
        clock: gives the day on which the run is requested.
    """
    project = project or load_project()
    affected, today = downstream(project, tables), utc_day(clock())
    request = sync_request(
        affected,
        day=today,
        partition=day or today,
        checks=[*quick_checks(project, affected), *(scheduled_checks(tables) if prove else ())],
        full=full,
        detect_deletes=detect_deletes,
        loggers=TO_CONSOLE if logs.wanted() else QUIET,
    )
    return execute_request(build_defs(project), "sync", request, instance=instance)


def run_sync(
    tables: Sequence[Table],
    *,
    project: Project | None = None,
    full: bool = False,
    detect_deletes: bool = False,
    progress: Callable[[str, int], None] | None = None,
    instance: DagsterInstance | None = None,
) -> list[SyncResult]:
    """Sync these source tables and say what came of each, then of every star table, report and chart downstream, in order; one that
    fails is among the results, with its error.

    A server that is away fails its tables at once; unlike a run of the daemon's, this one does not wait for it to come back.

    Args:
        progress: told a table's name and how many of its rows have been read so far.
        instance: Dagster's; by default the one of `DAGSTER_HOME`, whose UI then shows the run.
    """
    project = project or load_project()
    with ExitStack() as stack:
        stack.callback(ON_ROWS.reset, ON_ROWS.set(progress))
        stack.callback(NO_RETRIES.reset, NO_RETRIES.set(True))
        where = instance or stack.enter_context(DagsterInstance.get())
        result = execute_sync(tables, instance=where, project=project, full=full, detect_deletes=detect_deletes)
    affected = downstream(project, tables)
    materialized = {
        event.asset_key: {name: value.value for name, value in event.materialization.metadata.items()}
        for event in result.get_asset_materialization_events()
        if event.asset_key
    }
    errors = _Errors(result)
    return [
        *(_of_table(table, "source", materialized, errors) for table in affected.tables),
        *(_of_table(star.table, "star", materialized, errors) for star in affected.stars),
        *(_of_report(report, materialized, errors) for report in affected.reports),
        *(_of_chart(chart, materialized, errors) for chart in affected.charts),
    ]


def _of_table(table: Table, layer: str, materialized: Mapping[AssetKey, Mapping[str, Any]], errors: _Errors) -> SyncResult:
    landing, mirror = (materialized.get(key, {}) for key in (landing_key(table), mirror_key(table)))
    return SyncResult(
        table=table.full_name,
        batch=landing.get("batch") if landing.get("kind") else None,
        kind=landing.get("kind"),
        rows_landed=landing.get("rows_landed", 0),
        rows_loaded=mirror.get("rows_inserted", 0),
        rows_deleted=mirror.get("rows_deleted", 0),
        rejected=landing.get("rows_rejected", 0),
        seconds=round(landing.get("seconds", 0.0) + mirror.get("seconds", 0.0), 3),
        error=errors.of(table.full_name),
        layer=layer,
    )


def _of_report(report: Report, materialized: Mapping[AssetKey, Mapping[str, Any]], errors: _Errors) -> SyncResult:
    made = materialized.get(report_key(report.name), {})
    return SyncResult(
        table=report.full_name,
        batch=None,
        kind=report.materialized if made.get("outcome", NOTHING_NEW) != NOTHING_NEW else None,
        rows_landed=0,
        rows_loaded=made.get("dagster/row_count", 0),
        rows_deleted=0,
        rejected=0,
        seconds=made.get("seconds", 0.0),
        error=errors.of(report.full_name),
        layer="report",
    )


def _of_chart(chart: Chart, materialized: Mapping[AssetKey, Mapping[str, Any]], errors: _Errors) -> SyncResult:
    drawn = materialized.get(chart_key(chart.name), {})
    return SyncResult(
        table=chart.full_name,
        batch=None,
        kind="drawn" if drawn.get("outcome") == "drawn" else None,
        rows_landed=0,
        rows_loaded=drawn.get("rows_drawn", 0),
        rows_deleted=0,
        rejected=0,
        seconds=drawn.get("seconds", 0.0),
        error=errors.of(chart.full_name),
        layer="chart",
    )


class _Errors:
    """The first thing that went wrong with each table or report of a run, in the words of its own error."""

    def __init__(self, result: ExecuteInProcessResult) -> None:
        self._result = result
        self._failed = [event for event in result.all_events if event.is_step_failure]

    def of(self, full_name: str) -> str:
        about = steps_about([full_name])
        for event in self._failed:
            if event.step_key and about.fullmatch(event.step_key):
                return failure_message(event, self._result.all_events)
        if self._failed:
            return ""
        for event in self._result.all_events:
            if event.is_job_failure and event.job_failure_data.error:  # not a step failed, but the run itself, and all tables with it
                return root_message(event.job_failure_data.error)
        return ""
