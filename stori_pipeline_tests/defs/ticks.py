"""Ticks of a scope's sensor and of its schedule, as the daemon evaluates them, and their requests."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from dagster import (
    DagsterInstance,
    Definitions,
    RunRequest,
    SensorResult,
    SkipReason,
    build_schedule_context,
    build_sensor_context,
)

from stori_pipeline.defs.requested import Requested
from stori_pipeline.runtime.names import TABLES_TAG


class Sensor:
    """The sensor of a scope as the daemon runs it: tick after tick, each with the cursor that the previous one left."""

    def __init__(self, defs: Definitions, instance: DagsterInstance, scope: str) -> None:
        self._defs, self._instance, self._repository = defs, instance, defs.get_repository_def()
        self._sensor = self._repository.get_sensor_def(f"{scope}_changes")
        self.cursor: str | None = None

    def tick(self) -> SensorResult:
        """A tick long after the one before."""
        self.cursor = _long_ago(self.cursor)
        return self.tick_soon()

    def tick_soon(self) -> SensorResult:
        """A tick right after the one before."""
        resources = {name: value for name, value in (self._defs.resources or {}).items() if name in ("sources", "lake")}
        with build_sensor_context(
            instance=self._instance, cursor=self.cursor, resources=resources, repository_def=self._repository
        ) as context:
            result = self._sensor(context)
        assert isinstance(result, SensorResult)
        self.cursor = result.cursor
        return result


def _long_ago(cursor: str | None) -> str | None:
    """The cursor as if everything had been requested in 1970."""
    requested = Requested.parse(cursor)
    if requested == Requested():
        return cursor
    return replace(requested, moved_at=dict.fromkeys(requested.moved_at, 0.0), looked_at=0.0).text()


def requested(result: SensorResult) -> RunRequest:
    (request,) = result.run_requests or []
    return request


def tables(request: RunRequest) -> set[str]:
    return set(request.tags[TABLES_TAG].split())


def reason(result: SensorResult) -> str:
    assert not result.run_requests
    skipped = result.skip_reason
    return skipped.skip_message or "" if isinstance(skipped, SkipReason) else skipped or ""


def scheduled(defs: Definitions, instance: DagsterInstance, moment: datetime, scope: str) -> RunRequest | SkipReason:
    """The request of a scope's schedule for a scheduled time, whenever the daemon evaluates it."""
    repository = defs.get_repository_def()
    with build_schedule_context(instance=instance, scheduled_execution_time=moment, repository_def=repository) as context:
        data = repository.get_schedule_def(f"{scope}_every_20_minutes").evaluate_tick(context)
    return data.run_requests[0] if data.run_requests else SkipReason(data.skip_message)
