"""When runs happen: a sensor for promptness, a schedule for certainty.

Belongs here: deciding what to ask for. Does not belong here: any position. The sensor's cursor remembers what it has asked for and
nothing else: a run that fails is made good by the schedule, and a cursor that is lost costs one run that finds nothing new.
"""

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait

from dagster import (
    DagsterInstance,
    DagsterRunStatus,
    DefaultScheduleStatus,
    DefaultSensorStatus,
    RunRequest,
    RunsFilter,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    schedule,
    sensor,
)

from stori_pipeline.clock import Clock, utc_day, utc_now
from stori_pipeline.defs.checks import quick_checks, scheduled_checks
from stori_pipeline.defs.jobs import TABLES_TAG, sync, sync_request
from stori_pipeline.defs.killed import end_killed_runs
from stori_pipeline.defs.lineage import Affected, Graph, downstream
from stori_pipeline.defs.metadata import landing_key, mirror_key
from stori_pipeline.defs.resources import LakeResource, SourcesResource
from stori_pipeline.spec import Table

_UNFINISHED = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]
_PATIENCE = 20  # seconds that a tick waits for all heads together
_AT_ONCE = 8


def busy(instance: DagsterInstance, tables: Sequence[Table]) -> set[str]:
    """The tables that a run which has not ended yet is about; a run of the whole job is about all of them."""
    found: set[str] = set()
    for run in instance.get_runs(RunsFilter(statuses=_UNFINISHED)):
        selected = run.asset_selection
        found |= {t.full_name for t in tables if not selected or landing_key(t) in selected or mirror_key(t) in selected}
    return found


def _head(table: Table, sources: SourcesResource, lake: LakeResource) -> str:
    """What the sensor compares: the source's head past the position, and what that position stands on."""
    newest = lake.open().newest(table)
    known = newest if newest and newest.fingerprint == table.fingerprint else None
    head = sources.reader(table.source).head(table, known.until if known else None)
    return f"{known.generation if known else 'whole'} {table.fingerprint} {head}"


def _heads(tables: Sequence[Table], sources: SourcesResource, lake: LakeResource) -> tuple[dict[str, str], dict[str, str]]:
    """Every table's head, and for those that could not be asked the reason; none keeps the others waiting."""
    pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="head")
    try:
        asked = {pool.submit(_head, table, sources, lake): table.full_name for table in tables}
        done, late = wait(asked, timeout=_PATIENCE)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    away = {asked[each]: f"no answer within {_PATIENCE} s" for each in late}
    away |= {asked[each]: f"{type(error).__name__}: {error}" for each in done if (error := each.exception())}
    return {asked[each]: each.result() for each in done if not each.exception()}, away


def changes_sensor(graph: Graph, clock: Clock = utc_now) -> SensorDefinition:
    """The sensor of that graph's tables. `clock` gives the day of a request, because Dagster tells a sensor no time of its tick."""

    @sensor(
        name="changes",
        job=sync,
        description="Asks each source whether a table has changed, and requests one run for those that have and all that is made of them.",
        minimum_interval_seconds=5,
        default_status=DefaultSensorStatus.RUNNING,
    )
    def changes(context: SensorEvaluationContext, sources: SourcesResource, lake: LakeResource) -> SensorResult:
        asked_for: dict[str, str] = json.loads(context.cursor) if context.cursor else {}
        heads, away = _heads(graph.tables, sources, lake)
        for name, reason in away.items():
            context.log.warning(f"{name} was not looked at: {reason}")
        moved = [t for t in graph.tables if t.full_name in heads and heads[t.full_name] != asked_for.get(t.full_name)]
        if moved:
            end_killed_runs(context.instance)  # or they would hold their tables back for ever
        held = busy(context.instance, moved) if moved else set()
        wanted = [t for t in moved if t.full_name not in held]
        if not wanted:
            # What is held back is not remembered as asked for, so the next tick finds it again.
            return SensorResult(skip_reason=_why_nothing(away, held), cursor=context.cursor)
        asked_for |= {t.full_name: heads[t.full_name] for t in wanted}
        # The heads are in the key, so a crash between launching and remembering launches nothing twice, and no later change is taken
        # for this one: Dagster never forgets a run key.
        said = "\n".join(f"{t.full_name} {heads[t.full_name]}" for t in wanted)
        affected = downstream(graph, wanted)
        request = sync_request(
            affected,
            day=utc_day(clock()),
            checks=quick_checks(graph, affected),
            run_key=hashlib.sha256(said.encode()).hexdigest()[:32],
        )
        return SensorResult(run_requests=[request], cursor=json.dumps(asked_for, sort_keys=True))

    return changes


def _why_nothing(away: dict[str, str], held: set[str]) -> SkipReason:
    reasons = [f"{name} was not looked at: {reason}" for name, reason in sorted(away.items())]
    reasons += [f"{name} has changed, and a run for it has not ended yet" for name in sorted(held)]
    return SkipReason("; ".join(reasons) or "nothing has changed")


def everything_schedule(graph: Graph) -> ScheduleDefinition:
    @schedule(
        name="everything",
        job=sync,
        cron_schedule="*/20 * * * *",
        execution_timezone="UTC",
        description="Every table, whatever the sensor saw: lands and loads, looks for deleted rows, and proves source and mirror equal.",
        default_status=DefaultScheduleStatus.RUNNING,
    )
    def everything(context: ScheduleEvaluationContext) -> RunRequest | SkipReason:
        end_killed_runs(context.instance)
        everything_tag = {TABLES_TAG: " ".join(t.full_name for t in graph.tables)}
        if context.instance.get_runs(RunsFilter(statuses=_UNFINISHED, tags=everything_tag), limit=1):
            return SkipReason("the run before has not ended yet")
        affected = Affected(graph.tables, graph.stars, graph.reports, graph.charts)
        checks = [*quick_checks(graph, affected), *scheduled_checks(graph.tables)]
        # Of the scheduled time, not of the wall: a tick that is late, or made up for, still asks for its own day.
        return sync_request(affected, day=utc_day(context.scheduled_execution_time), checks=checks, reconcile=True)

    return everything
