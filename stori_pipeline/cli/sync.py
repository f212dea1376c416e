"""A sync from the command: one Dagster run in this process, and its result for each table.

Belongs here: requesting the run, and its results as data. Does not belong here: executing it (`runtime.in_process`), and printing (`data`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

from dagster import AssetCheckSeverity, AssetKey, DagsterEventType, DagsterInstance, ExecuteInProcessResult

from stori_pipeline import logs
from stori_pipeline.cli.results import FailedCheck, SyncResult
from stori_pipeline.defs.build import build_defs
from stori_pipeline.defs.checks import drift_checks, quick_checks, scheduled_checks
from stori_pipeline.defs.io_managers import ON_ROWS
from stori_pipeline.defs.jobs import sync_request
from stori_pipeline.defs.keys import chart_key, landing_key, mirror_key, report_key
from stori_pipeline.defs.materialization_metadata import DELETES_REFUSED, NOTHING_NEW
from stori_pipeline.discovery import current
from stori_pipeline.model.project import Project, downstream
from stori_pipeline.model.table import Table
from stori_pipeline.runtime.failures import failure_message, run_failure_message, steps_about
from stori_pipeline.runtime.in_process import execute_request
from stori_pipeline.runtime.instance import open_instance
from stori_pipeline.runtime.logging import TO_CONSOLE
from stori_pipeline.runtime.names import CONTRACT
from stori_pipeline.runtime.retries import NO_RETRIES

if TYPE_CHECKING:
    from stori_pipeline.model.chart import Chart
    from stori_pipeline.model.report import Report

QUIET: Mapping[str, Any] = {"console": {"config": {"log_level": "CRITICAL"}}}
"""The loggers of a run without `STORI_LOG=json`: Dagster's log goes to the instance, where the UI shows it, and not to the terminal."""


def execute_sync(
    tables: Sequence[Table],
    *,
    instance: DagsterInstance,
    project: Project | None = None,
    full: bool = False,
    detect_deletes: bool = False,
    prove: bool = False,
    day: date | None = None,
) -> ExecuteInProcessResult:
    """Run the job `sync` for these source tables and everything downstream.

    Args:
        instance: Dagster's instance.
        project: by default the one that the command stands in.
        full: read the whole tables again.
        detect_deletes: also find rows that the sources deleted.
        prove: also run the checks of the schedule, which compare source and mirror. Without it, the definition is held against the source.
        day: a day to read again; by default the run lands what changed.
    """
    project = project or current().project
    affected = downstream(project, tables)
    request = sync_request(
        affected,
        day=day,
        checks=[*quick_checks(project, affected), *(scheduled_checks(tables) if prove else drift_checks(tables))],
        full=full,
        detect_deletes=detect_deletes,
        pages=True,
        loggers=TO_CONSOLE if logs.json_enabled() else QUIET,
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
    """Sync these source tables and everything downstream, without retries: the tables of an unavailable server fail at once.

    Returns:
        A result for each source table, star table, report and chart, in this order. A failed one has its error in `error`.

    Args:
        project: by default the one that the command stands in.
        full: read the whole tables again.
        detect_deletes: also find rows that the sources deleted.
        progress: called with a table's name and the number of its rows read so far.
        instance: Dagster's instance; by default the one of `DAGSTER_HOME`.
    """
    project = project or current().project
    with ExitStack() as stack:
        stack.callback(ON_ROWS.reset, ON_ROWS.set(progress))
        stack.callback(NO_RETRIES.reset, NO_RETRIES.set(True))
        instance = instance or stack.enter_context(open_instance())
        result = execute_sync(tables, instance=instance, project=project, full=full, detect_deletes=detect_deletes)
    affected = downstream(project, tables)
    materialized = {
        event.asset_key: {name: value.value for name, value in event.materialization.metadata.items()}
        for event in result.all_events
        if event.event_type == DagsterEventType.ASSET_MATERIALIZATION and event.asset_key
    }
    errors, checks = _Errors(result), _failed_checks(result)
    results = [
        *(_table_result(table, "source", materialized, errors) for table in affected.tables),
        *(_table_result(star.table, "star", materialized, errors) for star in affected.stars),
        *(_report_result(report, materialized, errors) for report in affected.reports),
        *(_chart_result(chart, materialized, errors) for chart in affected.charts),
    ]
    return [replace(each, failed_checks=checks.get(each.table, ())) for each in results]


def _failed_checks(result: ExecuteInProcessResult) -> dict[str, tuple[FailedCheck, ...]]:
    """The checks that failed, by the full name of the table or report that they check. A blocked load is its step's error."""
    failed: dict[str, tuple[FailedCheck, ...]] = {}
    for event in result.all_events:
        if event.event_type == DagsterEventType.ASSET_CHECK_EVALUATION:
            checked = event.asset_check_evaluation_data
            warns = checked.severity == AssetCheckSeverity.WARN
            if not checked.passed and (checked.check_name != CONTRACT or warns):
                each = FailedCheck(checked.check_name, checked.description or "it failed; the UI shows the rows", warns)
                name = ".".join(checked.asset_key.path[-2:])
                failed[name] = (*failed.get(name, ()), each)
    return failed


def _table_result(table: Table, layer: str, materialized: Mapping[AssetKey, Mapping[str, Any]], errors: _Errors) -> SyncResult:
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
        refused=landing.get(DELETES_REFUSED, ""),
        layer=layer,
        notes=tuple(str(landing["notes"]).splitlines()) if "notes" in landing else (),
    )


def _report_result(report: Report, materialized: Mapping[AssetKey, Mapping[str, Any]], errors: _Errors) -> SyncResult:
    metadata = materialized.get(report_key(report.name), {})
    return SyncResult(
        table=report.full_name,
        batch=None,
        kind=report.materialized if metadata.get("outcome", NOTHING_NEW) != NOTHING_NEW else None,
        rows_landed=0,
        rows_loaded=metadata.get("dagster/row_count", 0),
        rows_deleted=0,
        rejected=0,
        seconds=metadata.get("seconds", 0.0),
        error=errors.of(report.full_name),
        layer="report",
    )


def _chart_result(chart: Chart, materialized: Mapping[AssetKey, Mapping[str, Any]], errors: _Errors) -> SyncResult:
    metadata = materialized.get(chart_key(chart.name), {})
    return SyncResult(
        table=chart.full_name,
        batch=None,
        kind="drawn" if metadata.get("outcome") == "drawn" else None,
        rows_landed=0,
        rows_loaded=metadata.get("rows_drawn", 0),
        rows_deleted=0,
        rejected=0,
        seconds=metadata.get("seconds", 0.0),
        error=errors.of(chart.full_name),
        layer="chart",
    )


class _Errors:
    """The message of the first error of each table, report and chart of a run."""

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
            if event.event_type == DagsterEventType.RUN_FAILURE and (message := run_failure_message(event)):
                return message  # the run itself failed, and with it all its tables
        return ""
