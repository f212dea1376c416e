"""The continuous sync in Dagster: its events, the sensors around it, and its end."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from dagster import (
    AssetCheckKey,
    AssetKey,
    AssetMaterialization,
    DagsterInstance,
    DagsterRunStatus,
    Definitions,
    SensorResult,
    build_sensor_context,
)
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import InProcessCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, SensorInstigatorData
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from stori_pipeline.cli.sync import execute_sync
from stori_pipeline.defs.build import build_defs
from stori_pipeline.defs.continuous_events import CONTINUOUS_TAG
from stori_pipeline.defs.follower import CODE_TAG, LEFT_TAG, SCOPES_TAG
from stori_pipeline.defs.keys import landing_key, mirror_key, report_key, source_key
from stori_pipeline.model.project import Project
from stori_pipeline.pipeline.continuous import Left
from stori_pipeline.runtime.in_process import execute_request
from stori_pipeline.runtime.names import CONTINUOUS, FOLLOW_UP
from stori_pipeline_tests.defs.bringing import PATIENCE, bringing
from stori_pipeline_tests.defs.graphs import PLAIN, small_star
from stori_pipeline_tests.defs.runs import why
from stori_pipeline_tests.defs.ticks import Sensor, reason, requested, tables
from stori_pipeline_tests.platforms import BANK, EXCHANGE, Platform


def tick(defs: Definitions, instance: DagsterInstance, sensor: str, cursor: str | None = None) -> SensorResult:
    repository = defs.get_repository_def()
    with build_sensor_context(instance=instance, cursor=cursor, repository_def=repository) as context:
        result = repository.get_sensor_def(sensor)(context)
    assert isinstance(result, SensorResult)
    return result


def last_tags(instance: DagsterInstance, key: AssetKey) -> dict[str, str]:
    event = instance.get_latest_materialization_event(key)
    assert event is not None
    assert event.asset_materialization is not None
    return dict(event.asset_materialization.tags or {})


def code(defs: Definitions) -> str:
    return defs.resolve_job_def(CONTINUOUS).tags[CODE_TAG]


def rows(platform: Platform, table: str) -> int:
    return int(platform.query(f"SELECT COUNT(*) FROM {table}")[0][0])


def test_what_is_brought_shows_on_the_assets_as_if_steps_had_made_it(
    platform: Platform, defs: Definitions, instance: DagsterInstance
) -> None:
    platform.move(5)
    assert execute_sync([BANK], instance=instance, project=PLAIN).success
    with bringing(defs, instance) as running:
        platform.move(2)
        running.until(lambda: rows(platform, "bank.transactions") == 7, "the movements")
    result = running.end()
    assert result.success, why(result)
    landing, mirror = last_tags(instance, landing_key(BANK)), last_tags(instance, mirror_key(BANK))
    newest = platform.lake.newest(BANK)
    assert newest is not None
    assert landing["dagster/data_version"] == mirror["dagster/data_version"] == f"{newest.generation}-{newest.batch}"
    assert mirror[f"dagster/input_data_version/{landing_key(BANK).to_user_string()}"] == landing["dagster/data_version"]
    assert landing[CONTINUOUS_TAG] == mirror[CONTINUOUS_TAG] == "true"
    observed = instance.fetch_observations(source_key(BANK), limit=1).records[0].asset_observation
    assert observed is not None
    assert landing[f"dagster/input_data_version/{source_key(BANK).to_user_string()}"] == (observed.tags or {})["dagster/data_version"]
    for key in (landing_key(BANK), mirror_key(BANK)):
        assert landing_code(defs, key) == last_tags(instance, key)["dagster/code_version"]
    landed = instance.get_latest_materialization_event(landing_key(BANK))
    assert landed is not None
    assert landed.asset_materialization is not None
    assert landed.asset_materialization.metadata["quarantined"].value == 0  # the API and the metrics read it
    # The exchange never landed, so it was left to a run.
    assert {each.table.full_name for each in running.seen if isinstance(each, Left)} == {EXCHANGE.full_name}
    # Nothing of the run holds a table any more.
    assert instance.event_log_storage.get_concurrency_run_ids() == set()
    platform.assert_equal(BANK)


def last_values(instance: DagsterInstance, key: AssetKey) -> dict[str, Any]:
    event = instance.get_latest_materialization_event(key)
    assert event is not None
    assert event.asset_materialization is not None
    return {name: value.value for name, value in event.asset_materialization.metadata.items()}


def test_the_number_of_a_mirrors_rows_goes_on_without_counting_them(
    platform: Platform, defs: Definitions, instance: DagsterInstance
) -> None:
    platform.move(20)
    platform.trade(1, 5)
    assert execute_sync([BANK, EXCHANGE], instance=instance, project=PLAIN).success
    with bringing(defs, instance) as running:
        platform.move(3)
        platform.change()
        platform.trades.delete_one({"id": f"{2:024x}"})
        platform.trade(50, 3)
        running.until(lambda: (rows(platform, "bank.transactions"), rows(platform, "exchange.trades")) == (30, 7), "all changes")
    for table, count in ((BANK, 30), (EXCHANGE, 7)):
        values = last_values(instance, mirror_key(table))
        assert last_tags(instance, mirror_key(table))[CONTINUOUS_TAG] == "true"
        assert values["dagster/row_count"] == count
        assert "preview" in last_values(instance, landing_key(table))


def test_after_a_load_without_an_event_there_is_no_number_of_rows(platform: Platform, defs: Definitions, instance: DagsterInstance) -> None:
    platform.move(5)
    assert execute_sync([BANK], instance=instance, project=PLAIN).success
    platform.move(2)
    platform.sync(BANK)  # without an event
    with bringing(defs, instance) as running:
        platform.move(1)
        running.until(lambda: rows(platform, "bank.transactions") == 8, "the movement")
    assert "dagster/row_count" not in last_values(instance, mirror_key(BANK))


def landing_code(defs: Definitions, key: AssetKey) -> str | None:
    return defs.get_repository_def().asset_graph.get(key).code_version


def test_a_table_that_a_step_holds_waits_for_it(platform: Platform, defs: Definitions, instance: DagsterInstance) -> None:
    platform.move(5)
    assert execute_sync([BANK], instance=instance, project=PLAIN).success
    storage = instance.event_log_storage
    assert storage.claim_concurrency_slot(BANK.full_name, "another run", "a step").is_claimed
    with bringing(defs, instance, 14.0) as running:
        platform.move(1)
        time.sleep(4)
        assert rows(platform, "bank.transactions") == 5
        storage.free_concurrency_slot_for_step("another run", "a step")
        running.until(lambda: rows(platform, "bank.transactions") == 6, "the movement")


def follows(instance: DagsterInstance, defs: Definitions, scopes: str, left: dict[str, str]) -> None:
    """A run of the continuous sync that works in another process, as it shows in the instance."""
    tags = {CODE_TAG: code(defs), SCOPES_TAG: scopes, LEFT_TAG: json.dumps(left)}
    instance.create_run_for_job(defs.resolve_job_def(CONTINUOUS), status=DagsterRunStatus.STARTED, tags=tags)


def test_a_sensor_leaves_to_the_continuous_sync_what_that_brings(
    platform: Platform, defs: Definitions, instance: DagsterInstance, bank: Sensor, exchange: Sensor
) -> None:
    platform.move(1)
    platform.trade(1)
    for table in (BANK, EXCHANGE):
        assert execute_sync([table], instance=instance, project=PLAIN).success
    platform.move(1)
    platform.trade(2)
    follows(instance, defs, "bank", {})
    assert reason(bank.tick()) == "nothing has changed"
    assert reason(bank.tick_soon()) == "the continuous sync brings what changes"
    assert tables(requested(exchange.tick())) == {EXCHANGE.full_name}  # its scope is not among those that are brought


def test_a_sensor_requests_once_what_the_continuous_sync_leaves(
    platform: Platform, defs: Definitions, instance: DagsterInstance, bank: Sensor
) -> None:
    platform.move(1)
    assert execute_sync([BANK], instance=instance, project=PLAIN).success
    follows(instance, defs, "bank,exchange", {BANK.full_name: "a sign"})
    assert tables(requested(bank.tick())) == {BANK.full_name}
    assert reason(bank.tick()) == "nothing has changed"
    follows(instance, defs, "bank,exchange", {BANK.full_name: "another sign"})
    assert tables(requested(bank.tick())) == {BANK.full_name}


def test_without_it_changes_are_collected_for_half_of_the_target_lag(
    platform: Platform, instance: DagsterInstance, bank: Sensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORI_TARGET_LAG", "1h")
    platform.move(1)
    assert tables(requested(bank.tick())) == {BANK.full_name}
    platform.move(1)
    assert "more changes are collected, as its target lag allows" in reason(bank.tick_soon())
    assert tables(requested(bank.tick())) == {BANK.full_name}


def test_its_sensor_keeps_one_run_going_by_the_present_definitions(defs: Definitions, instance: DagsterInstance) -> None:
    job = defs.resolve_job_def(CONTINUOUS)
    assert requested(tick(defs, instance, CONTINUOUS)) is not None
    starting = instance.create_run_for_job(job, status=DagsterRunStatus.STARTING)
    assert "about to begin" in reason(tick(defs, instance, CONTINUOUS))
    instance.report_run_canceled(starting)
    instance.create_run_for_job(job, status=DagsterRunStatus.STARTED, tags={CODE_TAG: "of older definitions"})
    assert requested(tick(defs, instance, CONTINUOUS)) is not None
    instance.create_run_for_job(job, status=DagsterRunStatus.STARTED, tags={CODE_TAG: code(defs)})
    assert "is running" in reason(tick(defs, instance, CONTINUOUS))


def test_a_run_ends_when_a_newer_one_goes_on(platform: Platform, defs: Definitions, instance: DagsterInstance) -> None:
    began = time.monotonic()
    with bringing(defs, instance, 120.0) as running:
        running.until(lambda: bool(instance.get_run_records()), "the run")
        time.sleep(1)
        follows(instance, defs, "bank,exchange", {})
        result = running.end()
    assert result.success, why(result)
    assert running.why == "a newer run goes on"
    assert time.monotonic() - began < 100


def turn_off(instance: DagsterInstance) -> None:
    """The sensor of the continuous sync."""
    location = InProcessCodeLocationOrigin(LoadableTargetOrigin(module_name="tests"), "tests")
    origin = RemoteRepositoryOrigin(location, "__repository__").get_instigator_origin(CONTINUOUS)
    instance.add_instigator_state(InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.STOPPED, SensorInstigatorData()))


def test_a_run_ends_when_its_sensor_is_off(defs: Definitions, platform: Platform, instance: DagsterInstance) -> None:
    began = time.monotonic()
    with bringing(defs, instance, 120.0, in_terminal=False) as running:
        running.until(lambda: bool(instance.get_run_records()), "the run")
        turn_off(instance)
        result = running.end()
    assert result.success, why(result)
    assert time.monotonic() - began < 100


def test_a_run_in_a_terminal_goes_on_when_its_sensor_is_off(platform: Platform, defs: Definitions, instance: DagsterInstance) -> None:
    """Regression: it ended at once, without a word, where the documentation says to turn the sensor off first."""
    platform.move(1)
    assert execute_sync([BANK], instance=instance, project=PLAIN).success
    turn_off(instance)
    with bringing(defs, instance, 20.0) as running:
        platform.move(1)
        running.until(lambda: rows(platform, "bank.transactions") == 2, "the movement")
        result = running.end()
    assert result.success, why(result)
    assert running.why == ""


@pytest.fixture
def star(tmp_path: Path) -> Project:
    return small_star(tmp_path)


def test_checks_and_reports_follow_what_was_brought_in_a_run_of_their_own(
    platform: Platform, instance: DagsterInstance, star: Project
) -> None:
    defs = build_defs(star)
    platform.move(3)
    platform.trade(1, 3)
    assert execute_sync([BANK, EXCHANGE], instance=instance, project=star).success
    assert reason(tick(defs, instance, FOLLOW_UP)) == "nothing has been brought"
    with bringing(defs, instance) as running:
        platform.trade(10, 2)
        running.until(lambda: rows(platform, "exchange.trades") == 5, "the trades")
    first = tick(defs, instance, FOLLOW_UP)
    request = requested(first)
    reports = {report_key(report.name) for report in star.reports}
    assert set(request.asset_selection or []) == reports
    checked = request.asset_check_keys or []
    assert AssetCheckKey(landing_key(EXCHANGE), "contract") in checked
    assert AssetCheckKey(mirror_key(BANK), "landed_rows_loaded") not in checked
    result = execute_request(defs, FOLLOW_UP, request, instance=instance)
    assert result.success, why(result)
    assert {each.asset_key for each in result.get_asset_materialization_events()} == reports
    assert reason(tick(defs, instance, FOLLOW_UP, first.cursor)).startswith("the next run begins")


def test_what_follows_a_change_without_reports_is_only_checks(platform: Platform, defs: Definitions, instance: DagsterInstance) -> None:
    platform.move(1)
    assert execute_sync([BANK], instance=instance, project=PLAIN).success
    tags = {"dagster/data_version": "1-1", CONTINUOUS_TAG: "true"}
    instance.report_runless_asset_event(AssetMaterialization(mirror_key(BANK), tags=tags))
    request = requested(tick(defs, instance, FOLLOW_UP))
    assert not request.asset_selection
    result = execute_request(defs, FOLLOW_UP, request, instance=instance)
    assert result.success, why(result)
    assert result.get_asset_materialization_events() == []
    assert {each.check_name for each in result.get_asset_check_evaluations()} >= {"contract", "landed_rows_loaded"}


def test_a_cancelled_run_is_cancelled_and_leaves_nothing_half_done(platform: Platform) -> None:
    platform.move(20)
    platform.sync(BANK)
    platform.trade(1)
    platform.sync(EXCHANGE)
    done = subprocess.run(
        [sys.executable, "-m", "stori_pipeline_tests.defs.cancelled_continuous"],
        env={**platform.environ},
        cwd=platform.folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert json.loads(done.stdout.splitlines()[-1]) == {"status": "CANCELED", "slots": []}, done.stderr
    platform.sync(BANK)
    platform.assert_equal(BANK)
