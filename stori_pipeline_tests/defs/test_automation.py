"""What the sensor and the schedule ask for, on real servers."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path

import pytest
from dagster import (
    AssetCheckKey,
    AssetKey,
    DagsterInstance,
    DagsterRunStatus,
    Definitions,
    RunRequest,
    SensorResult,
    SkipReason,
    build_schedule_context,
    build_sensor_context,
)

from stori_pipeline.defs.assets import today
from stori_pipeline.defs.build import build_defs
from stori_pipeline.defs.checks import quick_checks, scheduled_checks
from stori_pipeline.defs.jobs import TABLES_TAG
from stori_pipeline.defs.lineage import downstream
from stori_pipeline.defs.metadata import landing_key, mirror_key
from stori_pipeline.defs.run import execute_sync
from stori_pipeline_tests.defs.conftest import BANK, PLAIN, World, at_port, closed_port

TABLES = PLAIN.tables


@pytest.fixture(scope="module")
def defs() -> Definitions:
    return build_defs(PLAIN)


class Sensor:
    """The sensor as the daemon runs it: tick after tick, each with the cursor that the one before left."""

    def __init__(self, defs: Definitions, instance: DagsterInstance) -> None:
        self._defs, self._instance, self._repository = defs, instance, defs.get_repository_def()
        self._sensor = self._repository.get_sensor_def("changes")
        self.cursor: str | None = None

    def tick(self) -> SensorResult:
        resources = {name: value for name, value in (self._defs.resources or {}).items() if name in ("sources", "lake")}
        with build_sensor_context(
            instance=self._instance, cursor=self.cursor, resources=resources, repository_def=self._repository
        ) as context:
            result = self._sensor(context)
        assert isinstance(result, SensorResult)
        self.cursor = result.cursor
        return result


@pytest.fixture
def sensor(defs: Definitions, instance: DagsterInstance) -> Sensor:
    return Sensor(defs, instance)


def requested(result: SensorResult) -> RunRequest:
    (request,) = result.run_requests or []
    return request


def tables(request: RunRequest) -> set[str]:
    return set(request.tags[TABLES_TAG].split())


def reason(result: SensorResult) -> str:
    assert not result.run_requests
    said = result.skip_reason
    return said.skip_message or "" if isinstance(said, SkipReason) else said or ""


def settle(sensor: Sensor, instance: DagsterInstance) -> None:
    """Tick and run until nothing is asked for any more."""
    for _ in range(4):
        result = sensor.tick()
        if not result.run_requests:
            return
        assert execute_sync([t for t in TABLES if t.full_name in tables(requested(result))], instance=instance, graph=PLAIN).success
    raise AssertionError(f"the sensor does not come to rest; last it asked for {requested(result)}")


def test_only_what_has_moved_is_asked_for(world: World, instance: DagsterInstance, sensor: Sensor) -> None:
    world.move(2)
    world.trade(1)
    first = requested(sensor.tick())
    assert tables(first) == {"bank.transactions", "exchange.trades"}
    assert first.partition_key == today()
    settle(sensor, instance)

    world.move(1)
    second = requested(sensor.tick())
    assert tables(second) == {"bank.transactions"}
    assert second.asset_selection == [landing_key(BANK), mirror_key(BANK)]
    assert AssetCheckKey(landing_key(BANK), "contract") in (second.asset_check_keys or [])
    assert AssetCheckKey(mirror_key(BANK), "source_equals_mirror") not in (second.asset_check_keys or [])
    assert second.run_key != first.run_key


def test_at_rest_nothing_is_asked_for(world: World, instance: DagsterInstance, sensor: Sensor) -> None:
    world.move(2)
    world.trade(1)
    settle(sensor, instance)
    assert reason(sensor.tick()) == "nothing has changed"


def test_a_change_is_asked_for_once(world: World, sensor: Sensor) -> None:
    world.move(1)
    assert sensor.tick().run_requests
    assert reason(sensor.tick()) == "nothing has changed"


def test_a_lost_cursor_loses_nothing(world: World, instance: DagsterInstance, sensor: Sensor) -> None:
    world.move(1)
    settle(sensor, instance)
    world.move(1)
    sensor.cursor = None
    assert "bank.transactions" in tables(requested(sensor.tick()))


def test_a_source_that_is_away_keeps_no_other_waiting(world: World, sensor: Sensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORI_SOURCE_BANK", at_port(os.environ["STORI_SOURCE_BANK"], closed_port()))
    world.trade(1)
    assert tables(requested(sensor.tick())) == {"exchange.trades"}
    said = reason(sensor.tick())
    assert "bank.transactions was not looked at: SourceUnavailable" in said
    password = os.environ["STORI_SOURCE_BANK"].split(":")[2].split("@")[0]
    assert password not in said


def test_a_table_with_a_run_under_way_waits_for_it(world: World, defs: Definitions, instance: DagsterInstance, sensor: Sensor) -> None:
    world.move(1)
    world.trade(1)
    run = instance.create_run_for_job(
        defs.resolve_job_def("sync"), asset_selection=frozenset([landing_key(BANK), mirror_key(BANK)]), status=DagsterRunStatus.STARTED
    )
    assert tables(requested(sensor.tick())) == {"exchange.trades"}
    assert "bank.transactions has changed, and a run for it has not ended yet" in reason(sensor.tick())
    instance.report_run_canceled(run)
    assert tables(requested(sensor.tick())) == {"bank.transactions"}


def test_a_changed_record_is_asked_for(world: World, instance: DagsterInstance, sensor: Sensor) -> None:
    """Its position stands on another record, so everything has to be read again although the source has not moved."""
    world.move(1)
    settle(sensor, instance)
    assert sensor.cursor
    sensor.cursor = sensor.cursor.replace(BANK.fingerprint, "0" * 16)
    assert tables(requested(sensor.tick())) == {"bank.transactions"}


def test_the_schedule_asks_for_everything(defs: Definitions, instance: DagsterInstance) -> None:
    repository = defs.get_repository_def()
    everything = repository.get_schedule_def("everything")

    def tick() -> RunRequest | SkipReason:
        moment = datetime(2026, 11, 21, 10, 20, tzinfo=timezone.utc)
        with build_schedule_context(instance=instance, scheduled_execution_time=moment, repository_def=repository) as context:
            data = everything.evaluate_tick(context)
        return data.run_requests[0] if data.run_requests else SkipReason(data.skip_message)

    request = tick()
    assert isinstance(request, RunRequest)
    assert set(request.asset_selection or []) == {key(t) for t in TABLES for key in (landing_key, mirror_key)}
    everything_moved = downstream(PLAIN, TABLES)
    assert set(request.asset_check_keys or []) == {*quick_checks(PLAIN, everything_moved), *scheduled_checks(TABLES)}
    assert request.run_config["ops"]["landing__bank__transactions"]["config"] == {"reconcile": True}
    assert request.partition_key == today()

    instance.create_run_for_job(defs.resolve_job_def("sync"), tags=request.tags, status=DagsterRunStatus.STARTED)
    assert isinstance(tick(), SkipReason)


def test_a_request_is_one_that_the_job_can_run(world: World, defs: Definitions, instance: DagsterInstance, sensor: Sensor) -> None:
    """Partitioned landing and unpartitioned mirror go into one run; Dagster checks that when the run is made."""
    world.move(1)
    request = requested(sensor.tick())
    job = defs.resolve_job_def("sync").get_subset(
        asset_selection=set(request.asset_selection or []), asset_check_selection=set(request.asset_check_keys or [])
    )
    result = job.execute_in_process(run_config=request.run_config, partition_key=request.partition_key, instance=instance)
    assert result.success
    by_key: dict[AssetKey, str | None] = {
        e.asset_key: e.materialization.partition for e in result.get_asset_materialization_events() if e.asset_key
    }
    assert by_key[landing_key(BANK)] == request.partition_key
    assert by_key[mirror_key(BANK)] is None


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
