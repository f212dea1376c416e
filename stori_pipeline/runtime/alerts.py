"""The sensor that sends alerts and metrics.

Belongs here: reading runs, checks and freshness from Dagster, and storing the alerts' memory. Does not belong here: what a cause, a
message or a metric is (`stori_pipeline.alerts`). The memory is in Dagster's storage and not in the sensor's cursor, because commands
send alerts too. If it is lost, the sensor reads the last hour again and repeats only the alerts that are still in force.
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

from stori_pipeline.alerts import Cause, Channel, Landing, Memory, Message, SendError, Signal, configured_channels
from stori_pipeline.alerts.causes import add_landings, latest_signals, quarantine_causes, signal_causes
from stori_pipeline.alerts.metrics import Metric, MetricsError, metrics_enabled, send_metrics
from stori_pipeline.model.names import chart_path, relation_path
from stori_pipeline.model.project import Project
from stori_pipeline.model.report import SCHEMA
from stori_pipeline.model.table import STALE_AFTER
from stori_pipeline.runtime.failures import failure_message, first_error, is_failure_of_run, run_failure_message, step_error, steps_about
from stori_pipeline.runtime.lag import lag_seconds
from stori_pipeline.runtime.names import CONTRACT, TABLES_TAG
from stori_pipeline.settings import Settings

KEY = "stori/alerts"
"""The key of the memory in the storage of Dagster's daemons."""

UI = "http://127.0.0.1:3000"
_LOOK_BACK = 3_600.0  # seconds to read back without a memory; the schedule runs every table at least once in that time
_OVERLAP = 60.0  # seconds to read again: the clocks of two processes differ, and storage shows a row after its timestamp
_RUNS_PER_READ = 100
_LOCK_SECONDS = 20.0  # wait for another evaluation to end; Dagster stops a sensor after sixty seconds in all
_READ_SECONDS = 20.0  # after this time the evaluation stops reading, and the next one goes on
_MAX_WAITING_METRICS = 20_000  # metrics kept while CloudWatch is unavailable; the oldest are dropped

_ENDED = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]
_IN_PROGRESS = [DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]
_EVENTS = {
    DagsterEventType.STEP_SUCCESS,
    DagsterEventType.STEP_FAILURE,
    DagsterEventType.ASSET_CHECK_EVALUATION,
    DagsterEventType.ASSET_MATERIALIZATION,
    DagsterEventType.RUN_SUCCESS,
    DagsterEventType.RUN_FAILURE,
}


class AlertsBusy(RuntimeError):
    """Another process is sending alerts and has not finished in time. The message says what to do."""


def alerts_sensor(project: Project) -> SensorDefinition:
    @sensor(
        name="alerts",
        description="Sends SNS and Slack one message per problem and one when it is resolved, and CloudWatch the metrics of each table.",
        minimum_interval_seconds=30,
        default_status=DefaultSensorStatus.RUNNING,
    )
    def alerts(context: SensorEvaluationContext) -> SkipReason:
        sent = send_alerts(context.instance, project, warn=context.log.warning)
        return SkipReason("; ".join(message.subject for message in sent) or "no alert to send")

    return alerts


def send_alerts(
    instance: DagsterInstance, project: Project, *, now: float | None = None, warn: Callable[[str], None] | None = None
) -> list[Message]:
    """Read the runs that ended since the last evaluation, and send the messages and metrics that are due; returns the messages sent.

    If a channel is unavailable, its messages wait for the next evaluation, and everything else is still sent.

    A message is stored in the memory before it is sent and removed afterwards, so it is sent at least once; a duplicate has the same id.

    Args:
        now: seconds since 1970.
        warn: called with one sentence for each failure to send; by default nothing is called.

    Raises:
        AlertsBusy: another process held the lock for 20 seconds.
    """
    settings, warn = Settings.load(), warn or (lambda _: None)
    measures = metrics_enabled(settings)
    with _lock(instance):
        moment = time.time() if now is None else now
        memory = _load_memory(instance, moment)
        until = time.monotonic() + _READ_SECONDS
        while _read_runs(instance, project, memory, moment, measures=measures):
            if time.monotonic() > until:
                # Process the backlog before alerting, or resolved causes would be sent.
                _save_memory(instance, memory)
                warn("too many runs ended since the last evaluation to read them all now; the next evaluation reads the rest")
                return []
        ready = {channel.name: channel for channel in configured_channels(settings)}
        if ready:  # without a channel no cause counts as announced
            memory.update(
                [*signal_causes(memory.signals.values()), *quarantine_causes(memory.days, moment), *_freshness_causes(instance, project)],
                inputs=_inputs(project),
                to=tuple(ready),
                ui=settings.environ.get("STORI_UI_URL", UI).rstrip("/"),
                now=moment,
                pages=_pages(project),
            )
        _save_memory(instance, memory)
        sent = _send_messages(instance, memory, ready, warn)
        if measures:
            memory.unsent_metrics += [
                list(astuple(Metric("LagSeconds", table, moment, lag)))
                for table, lag in sorted(lag_seconds(instance, project, moment).items())
            ]
            _send_metrics(memory, warn)
            _save_memory(instance, memory)
    return sent


def _send_messages(instance: DagsterInstance, memory: Memory, ready: Mapping[str, Channel], warn: Callable[[str], None]) -> list[Message]:
    sent: dict[str, Message] = {}
    unavailable: set[str] = set()
    for message in list(memory.unsent):
        for name in message.to:
            if name in unavailable:
                continue  # another timeout would take as long again
            if name in ready:  # messages do not wait for a channel that is no longer configured
                try:
                    ready[name].send(message)
                except SendError as error:
                    unavailable.add(name)
                    warn(f"{error}. The next evaluation sends its messages")
                    continue
                sent[message.id] = message
            memory.mark_sent(message, name)
            _save_memory(instance, memory)
    return list(sent.values())


def _send_metrics(memory: Memory, warn: Callable[[str], None]) -> None:
    try:
        send_metrics([Metric(*each) for each in memory.unsent_metrics])
    except MetricsError as error:
        warn(f"{error}. The next evaluation sends them")
        memory.unsent_metrics = memory.unsent_metrics[-_MAX_WAITING_METRICS:]
    else:
        memory.unsent_metrics = []


# ---- the memory


def _load_memory(instance: DagsterInstance, now: float) -> Memory:
    text = instance.daemon_cursor_storage.get_cursor_values({KEY}).get(KEY)
    return Memory.from_json(text) if text else Memory(read_until=now - _LOOK_BACK)


def _save_memory(instance: DagsterInstance, memory: Memory) -> None:
    instance.daemon_cursor_storage.set_cursor_values({KEY: memory.to_json()})


@contextmanager
def _lock(instance: DagsterInstance) -> Iterator[None]:
    pause, deadline = threading.Event(), time.monotonic() + _LOCK_SECONDS
    folder = Path(instance.storage_directory())
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "alerts.lock").open("wb") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise AlertsBusy(
                        f"another process has been sending alerts for {_LOCK_SECONDS:.0f} s; wait for it, or end the process that holds "
                        f"{folder / 'alerts.lock'}"
                    ) from None
                pause.wait(0.05)
        yield


# ---- what Dagster stores


def _inputs(project: Project) -> dict[str, set[str]]:
    return (
        {star.table.full_name: set(star.inputs.values()) for star in project.stars}
        | {report.full_name: set(report.reads) for report in project.reports}
        | {chart.full_name: {f"{SCHEMA}.{chart.report}"} for chart in project.charts}
    )


def _pages(project: Project) -> dict[str, str]:
    paths = {name: relation_path(name) for name in project.names} | {chart.full_name: chart_path(chart.name) for chart in project.charts}
    return {name: "/".join(path) for name, path in paths.items()}


@dataclass
class _RunFacts:
    signals: list[Signal] = field(default_factory=list)
    landings: list[Landing] = field(default_factory=list)
    metrics: list[Metric] = field(default_factory=list)


def _read_runs(instance: DagsterInstance, project: Project, memory: Memory, now: float, *, measures: bool) -> bool:
    """Read the runs that have ended since, and those in progress; returns whether more ended runs may be left to read."""
    since, limit = datetime.fromtimestamp(memory.read_until - _OVERLAP, timezone.utc), len(memory.read_runs) + _RUNS_PER_READ
    ended = instance.get_run_records(
        RunsFilter(statuses=_ENDED, updated_after=since), limit=limit, order_by="update_timestamp", ascending=True
    )
    fresh = [record for record in ended if record.dagster_run.run_id not in memory.read_runs]
    more = len(ended) == limit
    signals: list[Signal] = []
    landings: list[Landing] = []
    about = steps_about(project.names)
    for record in fresh:
        facts = _read_run(instance, project, record.dagster_run, about)
        signals += facts.signals
        landings += facts.landings
        if measures:
            memory.unsent_metrics += [list(astuple(metric)) for metric in facts.metrics]
        memory.read_until = max(memory.read_until, record.update_timestamp.timestamp())
        memory.read_runs[record.dagster_run.run_id] = record.update_timestamp.timestamp()
    if not more:
        for record in instance.get_run_records(RunsFilter(statuses=_IN_PROGRESS)):
            signals += _read_run(instance, project, record.dagster_run, about).signals
    memory.read_runs = {run_id: at for run_id, at in memory.read_runs.items() if at >= memory.read_until - _OVERLAP}
    memory.signals = latest_signals(memory.signals, signals, now)
    memory.days = add_landings(memory.days, landings, now)
    return more


def _read_run(instance: DagsterInstance, project: Project, run: DagsterRun, about: Any) -> _RunFacts:
    """What the events of one run say about its tables."""
    entries = [(entry.timestamp, entry.dagster_event) for entry in instance.all_logs(run.run_id, of_type=_EVENTS) if entry.dagster_event]
    events = [event for _, event in entries]
    facts = _RunFacts()
    materialized: dict[AssetKey, tuple[float, Mapping[str, Any]]] = {}
    for at, event in entries:
        kind = event.event_type
        if kind in (DagsterEventType.STEP_SUCCESS, DagsterEventType.STEP_FAILURE):
            facts.signals.append(_step_signal(event, at, run.run_id, events, about))
        elif kind == DagsterEventType.ASSET_CHECK_EVALUATION:
            facts.signals += _check_signals(event, at, run.run_id)
        elif kind == DagsterEventType.ASSET_MATERIALIZATION and event.asset_key:
            metadata = event.materialization.metadata
            materialized[event.asset_key] = (at, {name: value.value for name, value in metadata.items()})
        elif kind in (DagsterEventType.RUN_SUCCESS, DagsterEventType.RUN_FAILURE):
            facts.signals += _run_signals(event, at, run)
    _add_landings_and_metrics(project, materialized, facts)
    return facts


def _step_signal(event: DagsterEvent, at: float, run_id: str, events: Iterable[DagsterEvent], about: Any) -> Signal:
    key = event.step_key or ""
    match = about.fullmatch(key)
    table = (match["name"] if match else key).replace("__", ".", 1)
    if event.event_type == DagsterEventType.STEP_SUCCESS:
        return Signal(f"step {key}", at, False, "run_failed", table)
    blocked = any(
        each.step_key == key
        and each.event_type == DagsterEventType.ASSET_CHECK_EVALUATION
        and each.asset_check_evaluation_data.check_name == CONTRACT
        and not each.asset_check_evaluation_data.passed
        for each in events
    )
    error = step_error(event)
    blocked = blocked or bool(error and first_error(error).cls_name == "LoadBlocked")
    return Signal(f"step {key}", at, True, "load_blocked" if blocked else "run_failed", table, failure_message(event, events), run_id)


def _check_signals(event: DagsterEvent, at: float, run_id: str) -> list[Signal]:
    evaluation = event.asset_check_evaluation_data
    if evaluation.check_name == CONTRACT:
        return []  # it fails its step, and the step gives the signal
    table = ".".join(evaluation.asset_key.path[-2:])
    bad = not evaluation.passed and evaluation.severity.value == "ERROR"
    about = f"check {'/'.join(evaluation.asset_key.path)} {evaluation.check_name}"
    words = evaluation.description or f"{table}: the check {evaluation.check_name} failed"
    return [Signal(about, at, bad, "check_failed", table, words, run_id, evaluation.check_name)]


def _run_signals(event: DagsterEvent, at: float, run: DagsterRun) -> list[Signal]:
    """If a run fails as a whole, for example because it was killed, each of its tables fails. If it fails because a step failed, the step
    gives the signal."""
    bad = event.event_type == DagsterEventType.RUN_FAILURE and is_failure_of_run(event)
    words = (run_failure_message(event) or event.message or "the run failed") if bad else ""
    tables = run.tags.get(TABLES_TAG, "").split() or [run.job_name]
    return [Signal(f"run {table}", at, bad, "run_failed", table, words, run.run_id) for table in tables]


def _add_landings_and_metrics(project: Project, materialized: Mapping[AssetKey, tuple[float, Mapping[str, Any]]], facts: _RunFacts) -> None:
    for name, table in project.mirrors.items():
        landing, mirror = (materialized.get(AssetKey(path)) for path in (table.landing_path, table.mirror_path))
        seconds = sum(each[1].get("seconds", 0.0) for each in (landing, mirror) if each)
        if landing:
            at, metadata = landing
            rows, rejected = metadata["rows_landed"], metadata["rows_rejected"]
            still_open = metadata.get("quarantined")
            if metadata.get("kind") or still_open == 0:
                allowed = (table.max_rejected, table.max_rejected_rows, still_open)
                facts.landings.append(Landing(name, at, metadata.get("kind") == "snapshot", rows, rejected, *allowed))
            facts.metrics += [Metric("RowsLanded", name, at, rows), Metric("RowsRejected", name, at, rejected)]
            facts.metrics += [Metric("RowsInQuarantine", name, at, still_open)] if still_open is not None else []
        if mirror:
            facts.metrics.append(Metric("RowsLoaded", name, mirror[0], mirror[1]["rows_inserted"]))
        if last := mirror or landing:
            facts.metrics.append(Metric("RunSeconds", name, last[0], seconds))


def _freshness_causes(instance: DagsterInstance, project: Project) -> list[Cause]:
    """A cause for each mirror whose freshness policy is broken, as Dagster's daemon found."""
    keys = {AssetKey(table.mirror_path): name for name, table in project.mirrors.items()}
    states = instance.get_freshness_state_records(list(keys))
    words = f"nothing has been loaded for {STALE_AFTER.total_seconds() / 60:.0f} minutes"
    return [
        Cause("freshness", keys[key], state.updated_at.timestamp(), words)
        for key, state in sorted(states.items(), key=lambda each: keys[each[0]])
        if state.freshness_state.value == "FAIL"
    ]


def send_alerts_now(project: Project) -> list[Message]:
    """`send_alerts` with the Dagster instance of `DAGSTER_HOME`, for commands. Errors as for `send_alerts`."""
    with DagsterInstance.get() as instance:
        return send_alerts(instance, project)
