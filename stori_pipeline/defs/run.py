"""The job `sync` in this very process, for the command and for tests.

Belongs here: running it against Dagster's instance, and what came of each table. Does not belong here: printing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from dagster import AssetKey, DagsterEvent, DagsterInstance, ExecuteInProcessResult
from dagster_shared.error import SerializableErrorInfo

from stori_pipeline.defs.assets import today
from stori_pipeline.defs.build import build_defs
from stori_pipeline.defs.checks import all_checks, quick_checks
from stori_pipeline.defs.io_managers import ON_ROWS
from stori_pipeline.defs.jobs import TABLES_TAG, sync_config
from stori_pipeline.defs.killed import end_killed_runs, shown_alive
from stori_pipeline.defs.metadata import landing_key, mirror_key
from stori_pipeline.defs.retries import AT_ONCE
from stori_pipeline.spec import Table

QUIET: Mapping[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""Dagster's log goes to the instance, where the UI shows it, and not to the terminal."""


@dataclass(frozen=True)
class SyncResult:
    """What a run did to one table. `batch` and `kind` are those of the batch it landed; None where nothing was new. `seconds` are those
    of landing and loading. `error` is empty where both succeeded."""

    table: str
    batch: int | None
    kind: str | None
    rows_landed: int
    rows_loaded: int
    rows_deleted: int
    rejected: int
    seconds: float
    error: str = ""


def execute_sync(
    tables: Sequence[Table],
    *,
    instance: DagsterInstance,
    full: bool = False,
    reconcile: bool = False,
    prove: bool = False,
    day: str | None = None,
) -> ExecuteInProcessResult:
    """Run `sync` for these tables, for today or for that day's partition; `prove` also compares source and mirror."""
    checks = {key for table in tables for key in (all_checks(table) if prove else quick_checks(table))}
    job = (
        build_defs()
        .resolve_job_def("sync")
        .get_subset(
            asset_selection={key for table in tables for key in (landing_key(table), mirror_key(table))}, asset_check_selection=checks
        )
    )
    # Otherwise this run would wait for ever for the slots of one that was killed.
    end_killed_runs(instance)
    run_id = str(uuid4())
    with shown_alive(instance, run_id):
        return job.execute_in_process(
            run_config={**sync_config(tables, full=full, reconcile=reconcile), **QUIET},
            instance=instance,
            partition_key=day or today(),
            tags={TABLES_TAG: " ".join(table.full_name for table in tables)},
            raise_on_error=False,
            run_id=run_id,
        )


def run_sync(
    tables: Sequence[Table],
    *,
    full: bool = False,
    reconcile: bool = False,
    progress: Callable[[str, int], None] | None = None,
    instance: DagsterInstance | None = None,
) -> list[SyncResult]:
    """Sync these tables and say what came of each; one that fails is among the results, with its error.

    A server that is away fails its tables at once; unlike a run of the daemon's, this one does not wait for it to come back.

    Args:
        progress: told a table's name and how many of its rows have been read so far.
        instance: Dagster's; by default the one of `DAGSTER_HOME`, whose UI then shows the run.
    """
    with ExitStack() as stack:
        stack.callback(ON_ROWS.reset, ON_ROWS.set(progress))
        stack.callback(AT_ONCE.reset, AT_ONCE.set(True))
        where = instance or stack.enter_context(DagsterInstance.get())
        result = execute_sync(tables, instance=where, full=full, reconcile=reconcile)
        return [_result(table, result) for table in tables]


def _result(table: Table, result: ExecuteInProcessResult) -> SyncResult:
    landing, mirror = (_materialized(result, key) for key in (landing_key(table), mirror_key(table)))
    return SyncResult(
        table=table.full_name,
        batch=landing.get("batch") if landing.get("kind") else None,
        kind=landing.get("kind"),
        rows_landed=landing.get("rows_landed", 0),
        rows_loaded=mirror.get("rows_inserted", 0),
        rows_deleted=mirror.get("rows_deleted", 0),
        rejected=landing.get("rows_rejected", 0),
        seconds=round(landing.get("seconds", 0.0) + mirror.get("seconds", 0.0), 3),
        error=_error(table, result),
    )


def _materialized(result: ExecuteInProcessResult, key: AssetKey) -> dict[str, Any]:
    """The metadata of an asset's materialization in that run; empty where there is none."""
    for event in result.get_asset_materialization_events():
        if event.asset_key == key:
            return {name: value.value for name, value in event.materialization.metadata.items()}
    return {}


def _error(table: Table, result: ExecuteInProcessResult) -> str:
    """The first thing that went wrong with a table, in the words of its own error."""
    name = landing_key(table).to_python_identifier().removeprefix("landing__")
    for event in result.all_events:
        if event.is_step_failure and event.step_key and name in event.step_key:
            return _said(event, result)
    if any(event.is_step_failure for event in result.all_events):
        return ""
    for event in result.all_events:
        if event.is_job_failure and event.job_failure_data.error:  # not a step failed, but the run itself, and all tables with it
            return _root(event.job_failure_data.error)
    return ""


def _said(event: DagsterEvent, result: ExecuteInProcessResult) -> str:
    failure = event.step_failure_data
    if failure.user_failure_data and failure.user_failure_data.description:
        return failure.user_failure_data.description
    for each in result.all_events:  # a check that blocks says why in its evaluation, not in its step's error
        if each.step_key == event.step_key and each.event_type_value == "ASSET_CHECK_EVALUATION":
            evaluation = each.asset_check_evaluation_data
            if not evaluation.passed and evaluation.description:
                return evaluation.description
    return _root(failure.error) if failure.error else f"{event.step_key} failed"


def _root(error: SerializableErrorInfo) -> str:
    while error.cause:
        error = error.cause
    name, _, said = error.message.strip().partition(": ")
    return said if error.cls_name and name.endswith(error.cls_name) else error.message.strip()
