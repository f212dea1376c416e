"""What a run of the continuous sync and the sensors know of each other, through Dagster's instance.

Belongs here: the tags of such a run, which scopes it brings, and whether it is to go on. Does not belong here: the job and its sensor
(`continuous`), or what the other sensors do with that (`sensors`).
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dagster import AssetKey, DagsterInstance, DagsterRun, DagsterRunStatus, RunRecord, RunsFilter

from stori_pipeline.defs.scopes import scopes
from stori_pipeline.model.project import Project
from stori_pipeline.pipeline.continuous import Left
from stori_pipeline.runtime.names import CONTINUOUS

CODE_TAG = "stori/code"
"""The definitions that a run of the continuous sync works by."""

SCOPES_TAG = "stori/scopes"
"""The scopes that it brings, separated by commas. A run without it has not begun yet."""

LEFT_TAG = "stori/left"
"""The tables that it leaves to ordinary runs, with a sign of each that changes if the table is left again, as JSON."""

BROUGHT_TAG = "stori/loads"
"""The number of loads that it has made."""

UNFINISHED = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]
_SENSORS_SECONDS = 6.0  # between two looks at which sensors are on
_SILENCE = 90.0  # seconds without a tick of any sensor after which there is no daemon any more


def sensor_name(scope: str) -> str:
    return f"{scope}_changes"


def code_of(code_versions: Mapping[AssetKey, str]) -> str:
    """A short hash of the definitions of all assets."""
    text = "\n".join(sorted(f"{'/'.join(key.path)} {code}" for key, code in code_versions.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def signs(left: Iterable[Left]) -> dict[str, str]:
    """The sign of each table that is left to ordinary runs."""
    return {each.table.full_name: hashlib.sha256(f"{each.reason}\n{each.head}".encode()).hexdigest()[:12] for each in left}


def continuous_runs(instance: DagsterInstance) -> list[RunRecord]:
    """The runs of the continuous sync that have not ended, the newest first."""
    return list(instance.get_run_records(RunsFilter(job_name=CONTINUOUS, statuses=UNFINISHED)))


@dataclass(frozen=True)
class Follower:
    """A run of the continuous sync that works now."""

    scopes: frozenset[str]
    left: Mapping[str, str]


def follower(instance: DagsterInstance, code: str) -> Follower | None:
    """The newest run of the continuous sync that works by these definitions now, if there is one."""
    for record in continuous_runs(instance):
        run = record.dagster_run
        if run.status == DagsterRunStatus.STARTED and run.tags.get(CODE_TAG) == code and SCOPES_TAG in run.tags:
            return Follower(frozenset(filter(None, run.tags[SCOPES_TAG].split(","))), json.loads(run.tags.get(LEFT_TAG, "{}")))
    return None


class Following:
    """What a run of the continuous sync is to do, by what Dagster's instance says now."""

    def __init__(self, instance: DagsterInstance, project: Project, run: DagsterRun, *, in_terminal: bool = False) -> None:
        """`in_terminal`: somebody started the run there, whatever the sensors would do, and it brings all tables."""
        self._dagster = instance
        self._run = run
        self._in_terminal = in_terminal
        self._began = time.time()
        self._known: tuple[set[str], float] = set(), 0.0
        self._known_at = 0.0
        self._by_sensor = {sensor_name(scope.name): scope for scope in scopes(project)}
        origin = run.remote_job_origin
        self._repository = origin.repository_origin.get_id() if origin else None  # a run of a test has no daemon
        self.scopes: tuple[str, ...] = ()
        """Names of the scopes whose sensors are on."""
        self.followed: frozenset[str] = frozenset()
        """Full names of the tables of those scopes."""

    def ends(self) -> str:
        """Looks again. Returns why the run is to end; "" if it is to go on."""
        off, last_tick = self._sensors()
        on = [scope for name, scope in self._by_sensor.items() if name not in off]
        self.scopes = tuple(scope.name for scope in on)
        self.followed = frozenset(table.full_name for scope in on for table in scope.content.mirrored)
        if CONTINUOUS in off:
            return "its sensor is off"
        if self._repository and max(last_tick, self._began) < time.time() - _SILENCE:
            return "no sensor has ticked for a while, so Dagster's daemon does not run any more"
        for record in continuous_runs(self._dagster):
            if record.dagster_run.run_id == self._run.run_id:
                return ""
            if record.dagster_run.status == DagsterRunStatus.STARTED and SCOPES_TAG in record.dagster_run.tags:
                return "a newer run goes on"
        return ""

    def _sensors(self) -> tuple[set[str], float]:
        """The names of the sensors that are off, and when one last ticked, in seconds since 1970."""
        if self._in_terminal or time.monotonic() < self._known_at + _SENSORS_SECONDS:
            return self._known
        off, last_tick = set(), 0.0
        for state in self._dagster.all_instigator_state(repository_origin_id=self._repository):
            if state.status.value == "STOPPED":
                off.add(state.instigator_name)
            last_tick = max(last_tick, getattr(state.instigator_data, "last_tick_start_timestamp", None) or 0.0)
        self._known, self._known_at = (off, last_tick), time.monotonic()
        return self._known
