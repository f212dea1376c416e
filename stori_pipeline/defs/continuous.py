"""The continuous sync as Dagster shows it: one long run, with an event for each batch and each load, and the sensor that keeps it running.

Belongs here: the job, how long a run of it lasts, and the sensor. Does not belong here: bringing tables (`pipeline.continuous`), the events
of what it brought (`continuous_events`), or what follows behind (`follow_ups`).
"""

# One run that lasts, and not one for each change: a process that starts and imports for every change takes longer than bringing it, and a
# step for each asset takes longer than a landing. The run ends and another begins now and then, so that it stays small and its definitions
# and settings are those of the code server.

import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

from dagster import (
    AssetKey,
    Config,
    DagsterExecutionInterruptedError,
    DagsterRunStatus,
    DefaultSensorStatus,
    JobDefinition,
    OpExecutionContext,
    RunRequest,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    in_process_executor,
    job,
    op,
    sensor,
)
from pydantic import Field

from stori_pipeline.defs.continuous_events import Events
from stori_pipeline.defs.follower import BROUGHT_TAG, CODE_TAG, LEFT_TAG, SCOPES_TAG, Following, code_of, continuous_runs, signs
from stori_pipeline.defs.resources import LakeResource, ProcessedResource, SourcesResource, WarehouseResource
from stori_pipeline.lake.live_frames import LiveFrames
from stori_pipeline.model.project import Project
from stori_pipeline.pipeline.continuous import ContinuousSync, Left, Places
from stori_pipeline.runtime.leases import Leases
from stori_pipeline.runtime.liveness import end_killed_runs
from stori_pipeline.runtime.logging import TO_CONSOLE
from stori_pipeline.runtime.names import CONTINUOUS
from stori_pipeline.runtime.watched import WATCHED_TAG, watched_text
from stori_pipeline.settings import Settings

if TYPE_CHECKING:
    from stori_pipeline.pipeline.bring import Brought

STEP = "bring_changes"
INTERRUPTED = "it was interrupted"
_LASTS = 3600.0  # seconds after which a run of the continuous sync makes room for the next
_NO_RETRY = "dagster/max_retries"  # of a run that was killed: the sensor starts the next one
_OVERLAP = 120.0  # seconds before that at which the next run is started, so that nothing waits for it
_TOLD = 10.0  # seconds between two words on how new mirrors are; each is a write to Dagster's storage
_LOOKS = 2.0  # seconds between two looks at whether the run is to go on, and at which sensors are paused


class Terminal(Protocol):
    """What a run in the process of a command tells the command."""

    def happened(self, what: "Brought | Left") -> None:
        """A table was brought, or left to a run of its own."""

    def ends(self, left: Sequence[Left]) -> str:
        """Why the run is to end, given the tables that it leaves to others now; "" if it is to go on."""

    def ended(self, why: str) -> None:
        """The run ends for that reason; "" if its time is over."""


TERMINAL: ContextVar[Terminal | None] = ContextVar("TERMINAL", default=None)
"""Of a run in the process of a command."""


class ContinuousConfig(Config):
    seconds: float = Field(_LASTS, description="After so many seconds the run ends; the sensor starts the next one before that.")


def continuous_job(project: Project, code_versions: Mapping[AssetKey, str]) -> JobDefinition:
    """The job that brings what changes, as long as it runs."""

    @op(name=STEP, out={})
    def bring_changes(
        context: OpExecutionContext,
        config: ContinuousConfig,
        sources: SourcesResource,
        lake: LakeResource,
        processed: ProcessedResource,
        warehouse: WarehouseResource,
    ) -> Iterator[Any]:
        events = Events(context.instance, project, code_versions, lake, processed, warehouse)
        yield from _bring(context, project, config.seconds, _places(context, project, sources, lake, processed, warehouse), events)

    @job(
        name=CONTINUOUS,
        executor_def=in_process_executor,
        config={"loggers": TO_CONSOLE},
        tags={CODE_TAG: code_of(code_versions), _NO_RETRY: "0"},
        description=(
            "Brings what changes in the sources within seconds: lands it, loads it and derives star tables, without a run for each change. "
            "The sensor of the same name starts it, and starts it again when it has ended. Checks, reports and charts follow in runs of "
            "their own."
        ),
    )
    def continuous_sync() -> None:
        bring_changes()

    return continuous_sync


def _places(
    context: OpExecutionContext,
    project: Project,
    sources: SourcesResource,
    lake: LakeResource,
    processed: ProcessedResource,
    warehouse: WarehouseResource,
) -> Places:
    landing, deriving = lake.open(), processed.open()
    landing.frames, deriving.frames = LiveFrames(), LiveFrames()
    default, leases = Settings.load().target_lag, Leases(context.instance, context.run_id)
    return Places(
        reader=sources.reader,
        landing=landing,
        processed=deriving,
        warehouse=warehouse.open(),
        lease=lambda table: leases.lease(table.full_name),
        lag=lambda table: project.target_lag(table, default).total_seconds(),
    )


def _bring(context: OpExecutionContext, project: Project, seconds: float, places: Places, events: Events) -> Iterator[Any]:
    terminal = TERMINAL.get()
    look = Following(context.instance, project, context.run, in_terminal=terminal is not None)
    sync = ContinuousSync(project, places, run_id=context.run_id)
    try:
        with sync, _fewer_lines():
            until, said, due = time.monotonic() + seconds, None, 0.0
            while time.monotonic() < until and not (ends := look.ends() or (terminal.ends(sync.left) if terminal else "")):
                sync.followed = look.followed
                state = {BROUGHT_TAG: str(events.loads), SCOPES_TAG: ",".join(look.scopes), LEFT_TAG: json.dumps(signs(sync.left))}
                if state != said:
                    context.instance.add_run_tags(context.run_id, state)
                    said = state
                if time.monotonic() >= due:
                    context.instance.add_run_tags(context.run_id, {WATCHED_TAG: watched_text(sync.instants(), project)})
                    due = time.monotonic() + _TOLD
                yield from _recorded(context, sync, events, _LOOKS)
            context.log.info(f"ends, because {ends or 'the next run of the continuous sync begins'}")
            if terminal:
                terminal.ended(ends)
    except (KeyboardInterrupt, DagsterExecutionInterruptedError):
        if terminal is None:
            raise  # somebody cancelled the run, and it shows as cancelled
        terminal.ended(INTERRUPTED)
    yield from _recorded(context, sync, events, 0.1)


def _recorded(context: OpExecutionContext, sync: ContinuousSync, events: Events, seconds: float) -> Iterator[Any]:
    """The events of what happens in so many seconds."""
    terminal = TERMINAL.get()
    for happened in sync.events(timeout=seconds):
        if terminal:
            terminal.happened(happened)
        if isinstance(happened, Left):
            context.log.warning(f"{happened.table.full_name} is left to a run of its own: {happened.reason}")
        else:
            yield from events.of(happened)


@contextmanager
def _fewer_lines() -> Iterator[None]:
    """Without a line in the log for each batch and each load: the materializations say the same, and each line is a row in a database."""
    logger = logging.getLogger("stori_pipeline.pipeline.sync")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def continuous_sensor(job_of_changes: JobDefinition, code_versions: Mapping[AssetKey, str]) -> SensorDefinition:
    """Keeps one run of the continuous sync going, by the definitions of this code server."""
    code = code_of(code_versions)

    @sensor(
        name=CONTINUOUS,
        job_name=job_of_changes.name,
        description=(
            "Keeps the continuous sync running, which brings changes within seconds. If it is off, the other sensors request a run for "
            "each change instead."
        ),
        minimum_interval_seconds=5,
        default_status=DefaultSensorStatus.RUNNING,
    )
    def keep_running(context: SensorEvaluationContext) -> SensorResult:
        end_killed_runs(context.instance)
        records = continuous_runs(context.instance)
        if any(each.dagster_run.status != DagsterRunStatus.STARTED for each in records):
            return SensorResult(skip_reason=SkipReason("a run of the continuous sync is about to begin or to end"))
        for each in records:
            age = time.time() - each.create_timestamp.timestamp()
            if each.dagster_run.tags.get(CODE_TAG) == code and age < _LASTS - _OVERLAP:
                return SensorResult(skip_reason=SkipReason("the continuous sync is running"))
        return SensorResult(run_requests=[RunRequest()])

    return keep_running
