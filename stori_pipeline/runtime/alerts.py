"""The sensor that tells people what is wrong, and CloudWatch how it goes.

Belongs here: reading what Dagster knows (runs, checks, freshness), where the memory is kept, and when it is looked at. Does not belong
here: what a cause is and how it is told (`stori_pipeline.alerts`), or what is measured (`stori_pipeline.metrics`).

**Memory.** It is in Dagster's storage, beside the cursors of its daemons, and not in the sensor's own cursor: the command looks too,
without a daemon, and both must know what has been told. Where it is lost, the last hour is read again, in which the schedule has
run everything, and what is wrong now is told once more; nothing of the past is.

**Once.** A message is noted before it is sent and crossed out after, so it is sent at least once; a repetition has the same id. Two
looks at once are kept apart by a lock on a file.
"""

from __future__ import annotations

import fcntl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from dagster import (
    AssetKey,
    DagsterEvent,
    DagsterEventType,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    DefaultSensorStatus,
    RunsFilter,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
    sensor,
)

from stori_pipeline.alerts import Cause, Channel, Landing, Memory, Message, Unsent, Verdict, channels
from stori_pipeline.alerts.causes import broken, counted, newest, overflowing
from stori_pipeline.alerts.metrics import Metric, MetricsUnsent, send, switched_on
from stori_pipeline.model.names import chart_path, relation_path
from stori_pipeline.model.project import Project
from stori_pipeline.model.report import SCHEMA
from stori_pipeline.model.table import STALE_AFTER
from stori_pipeline.runtime.failures import failure_message, first_error, root_message, steps_about
from stori_pipeline.runtime.names import CONTRACT, TABLES_TAG
from stori_pipeline.settings import Settings

KEY = "stori/alerts"
"""What the memory is kept under."""

UI = "http://127.0.0.1:3000"
_FIRST = 3_600.0  # seconds that are looked back over without a memory
_OVERLAP = 60.0  # seconds that are looked at again: two processes' clocks differ, and storage shows a row after it was stamped
_RUNS = 100  # read in one go
_PATIENCE = 20.0  # seconds for another look to end; Dagster gives a sensor sixty in all
_READING = 20.0  # seconds of reading after which a look stops short
_MOST_MEASURED = 20_000  # metrics that wait for CloudWatch to come back; the oldest are dropped

_ENDED = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]
_GOING = [DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]
_EVENTS = {
    DagsterEventType.STEP_SUCCESS,
    DagsterEventType.STEP_FAILURE,
    DagsterEventType.ASSET_CHECK_EVALUATION,
    DagsterEventType.ASSET_MATERIALIZATION,
    DagsterEventType.RUN_SUCCESS,
    DagsterEventType.RUN_FAILURE,
}


class LookTimeout(RuntimeError):
    """Another process has been looking for longer than it may take."""


def alerts_sensor(project: Project) -> SensorDefinition:
    @sensor(
        name="alerts",
        description="Tells SNS and Slack what is wrong, once for each cause, and when it is over; tells CloudWatch how each table does.",
        minimum_interval_seconds=30,
        default_status=DefaultSensorStatus.RUNNING,
    )
    def alerts(context: SensorEvaluationContext) -> SkipReason:
        sent = tell(context.instance, project, warn=context.log.warning)
        return SkipReason("; ".join(message.subject for message in sent) or "nothing to tell")

    return alerts


def tell(
    instance: DagsterInstance, project: Project, *, now: float | None = None, warn: Callable[[str], None] | None = None
) -> list[Message]:
    """Look once at what has happened since the last look, and send what there is to tell; returns what was sent.

    A channel that is away keeps nothing else from being done: its messages wait for the next look.

    Args:
        now: seconds since 1970.
        warn: is given what could not be sent; by default nobody is.

    Raises:
        LookTimeout: another look has not ended.
    """
    settings, warn = Settings.load(), warn or (lambda _: None)
    measures = switched_on(settings)
    with _alone(instance):
        moment = time.time() if now is None else now
        memory = _recall(instance, moment)
        until = time.monotonic() + _READING
        while _catch_up(instance, project, memory, moment, measures=measures):
            if time.monotonic() > until:
                # What is over by now may look in force, so nothing is told before everything is read.
                _remember(instance, memory)
                warn("there is much to read since the last look; the next one goes on")
                return []
        ready = {channel.name: channel for channel in channels(settings)}
        if ready:  # with nobody to tell, nothing counts as told
            memory.note(
                [*broken(memory.last.values()), *overflowing(memory.days, moment), *_stale(instance, project)],
                made_of=_made_of(project),
                to=tuple(ready),
                ui=settings.environ.get("STORI_UI_URL", UI).rstrip("/"),
                now=moment,
                pages=_pages(project),
            )
        _remember(instance, memory)
        sent = _send(instance, memory, ready, warn)
        if measures:
            _measure(memory, moment, warn)
            _remember(instance, memory)
    return sent


def _send(instance: DagsterInstance, memory: Memory, ready: Mapping[str, Channel], warn: Callable[[str], None]) -> list[Message]:
    sent: dict[str, Message] = {}
    away: set[str] = set()
    for message in list(memory.unsent):
        for name in message.to:
            if name in away:
                continue  # it would take as long again
            if name in ready:  # a channel that is not configured any more has nothing to wait for
                try:
                    ready[name].send(message)
                except Unsent as error:
                    away.add(name)
                    warn(f"{error}. What there is to tell waits")
                    continue
                sent[message.id] = message
            memory.sent(message, name)
            _remember(instance, memory)
    return list(sent.values())


def _measure(memory: Memory, now: float, warn: Callable[[str], None]) -> None:
    memory.measured += [list(astuple(Metric("LagSeconds", table, now, now - as_of))) for table, as_of in sorted(memory.as_of.items())]
    try:
        send([Metric(*each) for each in memory.measured])
    except MetricsUnsent as error:
        warn(f"{error}. They wait")
        memory.measured = memory.measured[-_MOST_MEASURED:]
    else:
        memory.measured = []


# ---- the memory


def _recall(instance: DagsterInstance, now: float) -> Memory:
    text = instance.daemon_cursor_storage.get_cursor_values({KEY}).get(KEY)
    return Memory.from_json(text) if text else Memory(until=now - _FIRST)


def _remember(instance: DagsterInstance, memory: Memory) -> None:
    instance.daemon_cursor_storage.set_cursor_values({KEY: memory.to_json()})


@contextmanager
def _alone(instance: DagsterInstance) -> Iterator[None]:
    pause, deadline = threading.Event(), time.monotonic() + _PATIENCE
    folder = Path(instance.storage_directory())
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "alerts.lock").open("wb") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise LookTimeout(
                        f"another process has been looking at the alerts for {_PATIENCE:.0f} s; see which one holds it"
                    ) from None
                pause.wait(0.05)
        yield


# ---- what Dagster knows


def _made_of(project: Project) -> dict[str, set[str]]:
    return (
        {star.table.full_name: set(star.inputs.values()) for star in project.stars}
        | {report.full_name: set(report.reads) for report in project.reports}
        | {chart.full_name: {f"{SCHEMA}.{chart.report}"} for chart in project.charts}
    )


def _pages(project: Project) -> dict[str, str]:
    paths = {name: relation_path(name) for name in project.names} | {chart.full_name: chart_path(chart.name) for chart in project.charts}
    return {name: "/".join(path) for name, path in paths.items()}


@dataclass
class _Seen:
    verdicts: list[Verdict] = field(default_factory=list)
    landings: list[Landing] = field(default_factory=list)
    metrics: list[Metric] = field(default_factory=list)
    as_of: dict[str, float] = field(default_factory=dict)


def _catch_up(instance: DagsterInstance, project: Project, memory: Memory, now: float, *, measures: bool) -> bool:
    """Read the runs that have ended since, and those that go on; says whether there may be more of the former."""
    since = datetime.fromtimestamp(memory.until - _OVERLAP, timezone.utc)
    ended = instance.get_run_records(
        RunsFilter(statuses=_ENDED, updated_after=since), limit=len(memory.done) + _RUNS, order_by="update_timestamp", ascending=True
    )
    fresh = [record for record in ended if record.dagster_run.run_id not in memory.done]
    more = len(ended) == len(memory.done) + _RUNS
    verdicts: list[Verdict] = []
    landings: list[Landing] = []
    about = steps_about(project.names)
    for record in fresh:
        seen = _read(instance, project, record.dagster_run, about)
        verdicts += seen.verdicts
        landings += seen.landings
        memory.as_of |= seen.as_of
        if measures:
            memory.measured += [list(astuple(metric)) for metric in seen.metrics]
        memory.until = max(memory.until, record.update_timestamp.timestamp())
        memory.done[record.dagster_run.run_id] = record.update_timestamp.timestamp()
    if not more:
        for run in instance.get_runs(RunsFilter(statuses=_GOING)):
            verdicts += _read(instance, project, run, about).verdicts
    memory.done = {run_id: at for run_id, at in memory.done.items() if at >= memory.until - _OVERLAP}
    memory.last = newest(memory.last, verdicts, now)
    memory.days = counted(memory.days, landings, now)
    return more


def _read(instance: DagsterInstance, project: Project, run: DagsterRun, about: Any) -> _Seen:
    """Everything that one run has said."""
    entries = [(entry.timestamp, entry.dagster_event) for entry in instance.all_logs(run.run_id, of_type=_EVENTS) if entry.dagster_event]
    events = [event for _, event in entries]
    seen = _Seen()
    materialized: dict[AssetKey, tuple[float, Mapping[str, Any]]] = {}
    for at, event in entries:
        kind = event.event_type
        if kind in (DagsterEventType.STEP_SUCCESS, DagsterEventType.STEP_FAILURE):
            seen.verdicts.append(_of_step(event, at, run.run_id, events, about))
        elif kind == DagsterEventType.ASSET_CHECK_EVALUATION:
            seen.verdicts += _of_check(event, at, run.run_id)
        elif kind == DagsterEventType.ASSET_MATERIALIZATION and event.asset_key:
            said = event.step_materialization_data.materialization.metadata
            materialized[event.asset_key] = (at, {name: value.value for name, value in said.items()})
        elif kind in (DagsterEventType.RUN_SUCCESS, DagsterEventType.RUN_FAILURE):
            seen.verdicts += _of_run(event, at, run)
    _of_tables(project, materialized, seen)
    return seen


def _of_step(event: DagsterEvent, at: float, run_id: str, events: Iterable[DagsterEvent], about: Any) -> Verdict:
    key = event.step_key or ""
    found = about.fullmatch(key)
    table = (found["name"] if found else key).replace("__", ".", 1)
    if event.event_type == DagsterEventType.STEP_SUCCESS:
        return Verdict(f"step {key}", at, False, "run_failed", table)
    blocked = any(
        each.step_key == key
        and each.event_type == DagsterEventType.ASSET_CHECK_EVALUATION
        and each.asset_check_evaluation_data.check_name == CONTRACT
        and not each.asset_check_evaluation_data.passed
        for each in events
    )
    error = event.step_failure_data.error
    blocked = blocked or bool(error and first_error(error).cls_name == "LoadBlocked")
    return Verdict(f"step {key}", at, True, "load_blocked" if blocked else "run_failed", table, failure_message(event, events), run_id)


def _of_check(event: DagsterEvent, at: float, run_id: str) -> list[Verdict]:
    said = event.asset_check_evaluation_data
    if said.check_name == CONTRACT:
        return []  # it fails its step, which tells it
    table = ".".join(said.asset_key.path[-2:])
    bad = not said.passed and said.severity.value == "ERROR"
    about = f"check {said.asset_key.to_user_string()} {said.check_name}"
    words = said.description or f"{table}: the check {said.check_name} has failed"
    return [Verdict(about, at, bad, "check_failed", table, words, run_id, said.check_name)]


def _of_run(event: DagsterEvent, at: float, run: DagsterRun) -> list[Verdict]:
    """Of a run that fails as a whole, such as one that was killed, every table of it fails; a failed step is not that."""
    data = event.job_failure_data if event.event_type == DagsterEventType.RUN_FAILURE and event.event_specific_data else None
    bad = event.event_type == DagsterEventType.RUN_FAILURE and (
        data is None or data.failure_reason is None or data.failure_reason.value != "STEP_FAILURE"
    )
    words = (root_message(data.error) if data and data.error else event.message or "the run failed") if bad else ""
    tables = run.tags.get(TABLES_TAG, "").split() or [run.job_name]
    return [Verdict(f"run {table}", at, bad, "run_failed", table, words, run.run_id) for table in tables]


def _of_tables(project: Project, materialized: Mapping[AssetKey, tuple[float, Mapping[str, Any]]], seen: _Seen) -> None:
    for name, table in project.mirrors.items():
        landing, mirror = (materialized.get(AssetKey(path)) for path in (table.landing_path, table.mirror_path))
        seconds = sum(each[1].get("seconds", 0.0) for each in (landing, mirror) if each)
        if landing:
            at, said = landing
            rows, rejected = said["rows_landed"], said["rows_rejected"]
            if said.get("kind"):
                seen.landings.append(Landing(name, at, said["kind"] == "snapshot", rows, rejected, table.max_rejected))
            seen.metrics += [Metric("RowsLanded", name, at, rows), Metric("RowsRejected", name, at, rejected)]
            if mirror:
                seen.as_of[name] = said.get("source_snapshot") or at - said["seconds"]
        if mirror:
            seen.metrics.append(Metric("RowsLoaded", name, mirror[0], mirror[1]["rows_inserted"]))
        if last := mirror or landing:
            seen.metrics.append(Metric("RunSeconds", name, last[0], seconds))


def _stale(instance: DagsterInstance, project: Project) -> list[Cause]:
    """The mirrors that Dagster's daemon has found to break their policy."""
    keys = {AssetKey(table.mirror_path): name for name, table in project.mirrors.items()}
    states = instance.get_freshness_state_records(list(keys))
    words = f"nothing has been loaded for {STALE_AFTER.total_seconds() / 60:.0f} minutes"
    return [
        Cause("freshness", keys[key], state.updated_at.timestamp(), words)
        for key, state in sorted(states.items(), key=lambda each: keys[each[0]])
        if state.freshness_state.value == "FAIL"
    ]


def tell_once(project: Project) -> list[Message]:
    """`tell` for the instance of `DAGSTER_HOME`, for commands."""
    with DagsterInstance.get() as instance:
        return tell(instance, project)
