"""The sensor: checks every source for changes and requests one run for the tables that changed.

Belongs here: promptness. The sensor's cursor holds only what it has requested: the schedule repairs a failed run, and a lost cursor costs
one run that finds nothing new. Does not belong here: certainty (`schedules`), or any position.
"""

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait

from dagster import (
    DagsterInstance,
    DagsterRunStatus,
    DefaultSensorStatus,
    RunsFilter,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)

from stori_pipeline.clock import Clock, utc_day, utc_now
from stori_pipeline.defs.checks import quick_checks
from stori_pipeline.defs.jobs import sync_job, sync_request
from stori_pipeline.defs.keys import landing_key, mirror_key
from stori_pipeline.defs.resources import LakeResource, SourcesResource
from stori_pipeline.model.project import Project, downstream
from stori_pipeline.model.table import Table
from stori_pipeline.runtime.liveness import end_killed_runs

UNFINISHED = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]
_HEADS_TIMEOUT = 20  # seconds for which a tick waits for all heads together
_THREADS = 8


def busy(instance: DagsterInstance, tables: Sequence[Table]) -> set[str]:
    """Full names of the tables in runs that have not ended yet. A run without a selection has all tables."""
    names: set[str] = set()
    for record in instance.get_run_records(RunsFilter(statuses=UNFINISHED)):
        selected = record.dagster_run.asset_selection
        names |= {t.full_name for t in tables if not selected or landing_key(t) in selected or mirror_key(t) in selected}
    return names


def _head(table: Table, sources: SourcesResource, lake: LakeResource) -> str:
    """The text that the sensor compares: the source's head, and the generation and the definition of its position."""
    newest = lake.open().newest(table)
    since = newest if newest and newest.fingerprint == table.fingerprint else None
    head = sources.reader(table.source).head(table, since.until if since else None)
    return f"{since.generation if since else 'whole'} {table.fingerprint} {head}"


def _heads(tables: Sequence[Table], sources: SourcesResource, lake: LakeResource) -> tuple[dict[str, str], dict[str, str]]:
    """The heads by table, and the errors of the other tables. A slow source does not delay the others."""
    pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="head")
    try:
        names = {pool.submit(_head, table, sources, lake): table.full_name for table in tables}
        done, late = wait(names, timeout=_HEADS_TIMEOUT)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    failures = {names[each]: f"no answer within {_HEADS_TIMEOUT} s" for each in late}
    failures |= {names[each]: f"{type(error).__name__}: {error}" for each in done if (error := each.exception())}
    return {names[each]: each.result() for each in done if not each.exception()}, failures


def changes_sensor(project: Project, clock: Clock = utc_now) -> SensorDefinition:
    """The sensor of the project's source tables. `clock` gives the day of a request, because Dagster does not pass the time of a tick."""

    @sensor(
        name="changes",
        job=sync_job(),
        description="Checks which source tables have changed, and requests one run for them and everything downstream.",
        minimum_interval_seconds=5,
        default_status=DefaultSensorStatus.RUNNING,
    )
    def changes(context: SensorEvaluationContext, sources: SourcesResource, lake: LakeResource) -> SensorResult:
        requested: dict[str, str] = json.loads(context.cursor) if context.cursor else {}
        heads, failures = _heads(project.tables, sources, lake)
        for name, reason in failures.items():
            context.log.warning(f"{name} was not checked for changes: {reason}")
        moved = [t for t in project.tables if t.full_name in heads and heads[t.full_name] != requested.get(t.full_name)]
        if moved:
            end_killed_runs(context.instance)  # otherwise their tables would stay busy for ever
        busy_tables = busy(context.instance, moved) if moved else set()
        due = [t for t in moved if t.full_name not in busy_tables]
        if not due:
            # A busy table is not stored as requested, so the next tick finds it again.
            return SensorResult(skip_reason=_skip_reason(failures, busy_tables), cursor=context.cursor)
        requested |= {t.full_name: heads[t.full_name] for t in due}
        # The run key contains the heads. So a crash between launching a run and saving the cursor does not launch the run twice, and no
        # later change has the same key; Dagster deduplicates run keys without a time limit.
        identity = "\n".join(f"{t.full_name} {heads[t.full_name]}" for t in due)
        affected = downstream(project, due)
        request = sync_request(
            affected,
            day=utc_day(clock()),
            checks=quick_checks(project, affected),
            run_key=hashlib.sha256(identity.encode()).hexdigest()[:32],
        )
        return SensorResult(run_requests=[request], cursor=json.dumps(requested, sort_keys=True))

    return changes


def _skip_reason(failures: dict[str, str], busy_tables: set[str]) -> SkipReason:
    reasons = [f"{name} was not checked for changes: {reason}" for name, reason in sorted(failures.items())]
    reasons += [f"{name} has changed, and a run for it has not ended yet" for name in sorted(busy_tables)]
    return SkipReason("; ".join(reasons) or "nothing has changed")
