"""The sensor: it asks every source for changes and requests one run for those that have some.

Belongs here: promptness. Does not belong here: certainty (`schedules`), or any position. The sensor's cursor remembers what it has
requested and nothing else: a run that fails is made good by the schedule, and a lost cursor costs one run that finds nothing new.
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
_PATIENCE = 20  # seconds that a tick waits for all heads together
_AT_ONCE = 8


def busy(instance: DagsterInstance, tables: Sequence[Table]) -> set[str]:
    """The tables that a run which has not ended yet is about; a run of the whole job is about all of them."""
    found: set[str] = set()
    for run in instance.get_runs(RunsFilter(statuses=UNFINISHED)):
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


def changes_sensor(project: Project, clock: Clock = utc_now) -> SensorDefinition:
    """The sensor of that graph's tables. `clock` gives the day of a request, because Dagster tells a sensor no time of its tick."""

    @sensor(
        name="changes",
        job=sync_job(),
        description="Asks each source whether a table has changed, and requests one run for those that have and all that is made of them.",
        minimum_interval_seconds=5,
        default_status=DefaultSensorStatus.RUNNING,
    )
    def changes(context: SensorEvaluationContext, sources: SourcesResource, lake: LakeResource) -> SensorResult:
        asked_for: dict[str, str] = json.loads(context.cursor) if context.cursor else {}
        heads, away = _heads(project.tables, sources, lake)
        for name, reason in away.items():
            context.log.warning(f"{name} was not looked at: {reason}")
        moved = [t for t in project.tables if t.full_name in heads and heads[t.full_name] != asked_for.get(t.full_name)]
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
        affected = downstream(project, wanted)
        request = sync_request(
            affected,
            day=utc_day(clock()),
            checks=quick_checks(project, affected),
            run_key=hashlib.sha256(said.encode()).hexdigest()[:32],
        )
        return SensorResult(run_requests=[request], cursor=json.dumps(asked_for, sort_keys=True))

    return changes


def _why_nothing(away: dict[str, str], held: set[str]) -> SkipReason:
    reasons = [f"{name} was not looked at: {reason}" for name, reason in sorted(away.items())]
    reasons += [f"{name} has changed, and a run for it has not ended yet" for name in sorted(held)]
    return SkipReason("; ".join(reasons) or "nothing has changed")
