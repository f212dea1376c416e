"""What the sensor and the schedule request: for which day, and that the job can run it, on real servers."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from dagster import (
    AssetKey,
    DagsterInstance,
    DagsterRunStatus,
    Definitions,
    ExecuteInProcessResult,
    RunRequest,
    SkipReason,
)

from stori_pipeline.clock import Clock, utc_day, utc_now
from stori_pipeline.defs.build import build_defs
from stori_pipeline.defs.checks import quick_checks, scheduled_checks
from stori_pipeline.defs.keys import landing_key, mirror_key
from stori_pipeline.model.project import downstream
from stori_pipeline.runtime.names import REQUESTED_ON_TAG
from stori_pipeline_tests.defs.graphs import PLAIN
from stori_pipeline_tests.defs.ticks import Sensor, requested, scheduled
from stori_pipeline_tests.platforms import BANK, Platform

pytestmark = pytest.mark.clock

TABLES = PLAIN.tables
SCHEDULED = datetime(2026, 11, 21, 23, 40, tzinfo=timezone.utc)


@pytest.fixture
def yesterday() -> datetime:
    """A moment of the day before the present one, ten seconds before its end."""
    return datetime.combine(utc_day(utc_now()), datetime.min.time(), timezone.utc) - timedelta(seconds=10)


def run(defs: Definitions, request: RunRequest, instance: DagsterInstance) -> ExecuteInProcessResult:
    """The run of a request, started now, as the daemon would."""
    job = defs.resolve_job_def("sync").get_subset(
        asset_selection=set(request.asset_selection or []), asset_check_selection=set(request.asset_check_keys or [])
    )
    return job.execute_in_process(
        run_config=request.run_config, partition_key=request.partition_key, tags=dict(request.tags), instance=instance
    )


def landed(result: ExecuteInProcessResult) -> tuple[str | None, str, int]:
    """The partition that the bank's landing went to, and the kind and rows of its batch."""
    (event,) = [e for e in result.get_asset_materialization_events() if e.asset_key == landing_key(BANK)]
    values = event.materialization.metadata
    return event.materialization.partition, str(values["kind"].value), int(str(values["rows_landed"].value))


def test_the_schedule_requests_everything(defs: Definitions, instance: DagsterInstance) -> None:
    def tick() -> RunRequest | SkipReason:
        return scheduled(defs, instance, SCHEDULED)

    request = tick()
    assert isinstance(request, RunRequest)
    assert set(request.asset_selection or []) == {key(t) for t in TABLES for key in (landing_key, mirror_key)}
    everything_moved = downstream(PLAIN, TABLES)
    assert set(request.asset_check_keys or []) == {*quick_checks(PLAIN, everything_moved), *scheduled_checks(TABLES)}
    assert request.run_config["ops"]["landing__bank__transactions"]["config"] == {"detect_deletes": True}
    assert request.partition_key == "2026-11-21"

    instance.create_run_for_job(defs.resolve_job_def("sync"), tags=request.tags, status=DagsterRunStatus.STARTED)
    assert isinstance(tick(), SkipReason)


def test_a_request_is_one_that_the_job_can_run(platform: Platform, defs: Definitions, instance: DagsterInstance, sensor: Sensor) -> None:
    """A partitioned landing and an unpartitioned mirror are in one run; Dagster checks that when it creates the run."""
    platform.move(1)
    request = requested(sensor.tick())
    result = run(defs, request, instance)
    assert result.success
    by_key: dict[AssetKey, str | None] = {
        e.asset_key: e.materialization.partition for e in result.get_asset_materialization_events() if e.asset_key
    }
    assert by_key[landing_key(BANK)] == request.partition_key
    assert by_key[mirror_key(BANK)] is None


def test_the_sensor_requests_the_day_of_its_clock(platform: Platform, instance: DagsterInstance) -> None:
    clock: Clock = lambda: datetime(2027, 3, 1, 13, 59, 59, tzinfo=timezone(timedelta(hours=14)))  # noqa: E731
    platform.move(1)
    request = requested(Sensor(build_defs(PLAIN, clock), instance).tick())
    assert (request.partition_key, request.tags[REQUESTED_ON_TAG]) == ("2027-02-28", "2027-02-28")


def test_a_run_that_starts_after_midnight_lands_what_changed(platform: Platform, instance: DagsterInstance, yesterday: datetime) -> None:
    """Regression: a run for the previous day was taken for one that reads a past day again, which lands no other row."""
    defs = build_defs(PLAIN, lambda: yesterday)
    sensor = Sensor(defs, instance)
    day = yesterday.date().isoformat()
    for moved, kind in ((3, "snapshot"), (2, "changes")):
        platform.move(moved)
        result = run(defs, requested(sensor.tick()), instance)
        assert result.success
        assert landed(result) == (day, kind, moved)
    assert platform.query("SELECT COUNT(*) FROM bank.transactions") == [(5,)]


def test_a_late_tick_of_the_schedule_lands_what_changed(platform: Platform, defs: Definitions, instance: DagsterInstance) -> None:
    """Whatever its day: the daemon evaluates missed ticks later."""
    moment = utc_now() - timedelta(days=2)
    for moved, kind in ((3, "snapshot"), (2, "changes")):
        platform.move(moved)
        request = scheduled(defs, instance, moment)
        assert isinstance(request, RunRequest)
        assert landed(run(defs, request, instance)) == (utc_day(moment).isoformat(), kind, moved)


def test_the_instance_of_dagster_yaml_loads(environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file as it is, with its storage: two instances, as of two processes, see each other's runs."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    root = Path(__file__).parents[2]
    (tmp_path / "dagster.yaml").write_text((root / "dagster.yaml").read_text())
    with DagsterInstance.from_config(str(tmp_path)) as one, DagsterInstance.from_config(str(tmp_path)) as other:
        run = one.create_run_for_job(build_defs(PLAIN).resolve_job_def("sync"))
        assert other.get_run_by_id(run.run_id) is not None
        assert one.global_op_concurrency_default_limit == 1
        one.delete_run(run.run_id)
