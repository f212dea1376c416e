"""Which runs Dagster's storage keeps: what would grow for ever is removed, and what anybody still reads stays.

Belongs here: which runs may go, and removing them. Does not belong here: when that happens (`defs.retention`), or ticks of sensors and
schedules, which Dagster removes itself (`dagster.yaml`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime

from dagster import AssetCheckKey, AssetKey, DagsterEvent, DagsterEventType, DagsterInstance, DagsterRunStatus, EventLogEntry, RunsFilter

_ENDED = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]
_PAGE = 100
_EXECUTIONS = 100  # of a check: so many runs in a row may have been killed before it was evaluated
_NEWS = {DagsterEventType.ASSET_MATERIALIZATION, DagsterEventType.ASSET_OBSERVATION, DagsterEventType.ASSET_CHECK_EVALUATION}


@dataclass(frozen=True)
class Forgotten:
    """How many runs were removed; how many old ones stay, because they have the newest word on something; and whether more may be old."""

    removed: int
    kept: int
    is_complete: bool


def forget_runs(instance: DagsterInstance, before: datetime, *, most: int = 20_000, seconds: float = 1_800) -> Forgotten:
    """Removes the runs that ended before a moment, the oldest first, with their events, results of checks, and captured output.

    A run stays if it has the newest materialization or observation of an asset, or the newest evaluation of a check. Sensors, freshness,
    `/freshness` and the UI read these; there are at most as many such runs as assets and checks.

    It may end at any moment, and be begun again.

    Args:
        most, seconds: after so many removed runs, or so much time, it ends; the next call continues.
    """
    until, newest = time.monotonic() + seconds, _Newest(instance)
    removed, kept, after = 0, 0, None
    while True:
        filters = RunsFilter(statuses=_ENDED, updated_before=before)
        # What is removed is in no later page, so each page follows the last run that stays.
        page = instance.get_run_records(filters, limit=_PAGE, ascending=True, cursor=after)
        if not page:
            return Forgotten(removed, kept, is_complete=True)
        for record in page:
            if removed >= most or time.monotonic() > until:
                return Forgotten(removed, kept, is_complete=False)
            run_id = record.dagster_run.run_id
            if newest.is_in(run_id):
                kept, after = kept + 1, run_id
            else:
                _forget(instance, run_id)
                removed += 1


def _forget(instance: DagsterInstance, run_id: str) -> None:
    instance.compute_log_manager.delete_logs(prefix=[run_id])
    # The run itself last, because an interrupted removal begins again with the runs that there are.
    instance.event_log_storage.delete_events(run_id)
    instance.delete_run(run_id)


class _Newest:
    """Which run has the newest word on each asset and check. Asks once for each: what is newer meanwhile only lets more runs go."""

    def __init__(self, instance: DagsterInstance) -> None:
        self._dagster = instance
        self._runs: dict[tuple[DagsterEventType, AssetKey | AssetCheckKey], str | None] = {}

    def is_in(self, run_id: str) -> bool:
        entries = self._dagster.all_logs(run_id, of_type=_NEWS)
        return any(self._run_of(entry.dagster_event) == run_id for entry in entries if entry.dagster_event)

    def _run_of(self, event: DagsterEvent) -> str | None:
        """The run that has the newest event of that kind, of the same asset or check."""
        key: AssetKey | AssetCheckKey | None = event.asset_key
        if event.event_type == DagsterEventType.ASSET_CHECK_EVALUATION:
            data = event.asset_check_evaluation_data
            key = AssetCheckKey(data.asset_key, data.check_name)
        if key is None:
            return None
        if (event.event_type, key) not in self._runs:
            self._runs[event.event_type, key] = self._newest(event.event_type, key)
        return self._runs[event.event_type, key]

    def _newest(self, kind: DagsterEventType, key: AssetKey | AssetCheckKey) -> str | None:
        if isinstance(key, AssetCheckKey):
            executions = self._dagster.event_log_storage.get_asset_check_execution_history(key, limit=_EXECUTIONS)
            return next((each.run_id for each in executions if _is_evaluated(each.event)), None)
        fetch = self._dagster.fetch_materializations
        if kind == DagsterEventType.ASSET_OBSERVATION:
            fetch = self._dagster.fetch_observations
        records = fetch(key, limit=1).records
        return records[0].run_id if records else None


def _is_evaluated(entry: EventLogEntry | None) -> bool:
    """Whether an execution of a check has a result; a run that was killed before has only planned it."""
    return bool(entry and entry.dagster_event and entry.dagster_event.event_type == DagsterEventType.ASSET_CHECK_EVALUATION)
