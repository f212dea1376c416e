"""The requests of the sensor, tick after tick, on real servers."""

from __future__ import annotations

import os

import pytest
from dagster import (
    AssetCheckKey,
    DagsterInstance,
    DagsterRunStatus,
    Definitions,
)

from stori_pipeline.cli.sync import execute_sync
from stori_pipeline.defs.keys import landing_key, mirror_key
from stori_pipeline_tests.databases import at_port, closed_port
from stori_pipeline_tests.defs.graphs import PLAIN
from stori_pipeline_tests.defs.ticks import Sensor, reason, requested, tables
from stori_pipeline_tests.platforms import BANK, Platform

TABLES = PLAIN.tables


def settle(sensor: Sensor, instance: DagsterInstance) -> None:
    """Ticks and runs until nothing is requested any more."""
    for _ in range(4):
        result = sensor.tick()
        if not result.run_requests:
            return
        assert execute_sync([t for t in TABLES if t.full_name in tables(requested(result))], instance=instance, project=PLAIN).success
    raise AssertionError(f"the sensor does not come to rest; last it asked for {requested(result)}")


def test_only_changed_tables_are_requested(platform: Platform, instance: DagsterInstance, sensor: Sensor) -> None:
    platform.move(2)
    platform.trade(1)
    first = requested(sensor.tick())
    assert tables(first) == {"bank.transactions", "exchange.trades"}
    settle(sensor, instance)

    platform.move(1)
    second = requested(sensor.tick())
    assert tables(second) == {"bank.transactions"}
    assert second.asset_selection == [landing_key(BANK), mirror_key(BANK)]
    assert AssetCheckKey(landing_key(BANK), "contract") in (second.asset_check_keys or [])
    assert AssetCheckKey(mirror_key(BANK), "source_equals_mirror") not in (second.asset_check_keys or [])
    assert second.run_key != first.run_key


def test_without_changes_nothing_is_requested(platform: Platform, instance: DagsterInstance, sensor: Sensor) -> None:
    platform.move(2)
    platform.trade(1)
    settle(sensor, instance)
    assert reason(sensor.tick()) == "nothing has changed"


def test_a_change_is_requested_once(platform: Platform, sensor: Sensor) -> None:
    platform.move(1)
    assert sensor.tick().run_requests
    assert reason(sensor.tick()) == "nothing has changed"


def test_a_lost_cursor_loses_nothing(platform: Platform, instance: DagsterInstance, sensor: Sensor) -> None:
    platform.move(1)
    settle(sensor, instance)
    platform.move(1)
    sensor.cursor = None
    assert "bank.transactions" in tables(requested(sensor.tick()))


def test_an_unavailable_source_does_not_delay_others(platform: Platform, sensor: Sensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORI_SOURCE_BANK", at_port(os.environ["STORI_SOURCE_BANK"], closed_port()))
    platform.trade(1)
    assert tables(requested(sensor.tick())) == {"exchange.trades"}
    skip_reason = reason(sensor.tick())
    assert "bank.transactions was not checked for changes: SourceUnavailable" in skip_reason
    password = os.environ["STORI_SOURCE_BANK"].split(":")[2].split("@")[0]
    assert password not in skip_reason


def test_a_table_with_a_run_under_way_waits_for_it(
    platform: Platform, defs: Definitions, instance: DagsterInstance, sensor: Sensor
) -> None:
    platform.move(1)
    platform.trade(1)
    run = instance.create_run_for_job(
        defs.resolve_job_def("sync"), asset_selection=frozenset([landing_key(BANK), mirror_key(BANK)]), status=DagsterRunStatus.STARTED
    )
    assert tables(requested(sensor.tick())) == {"exchange.trades"}
    assert "bank.transactions has changed, and a run for it has not ended yet" in reason(sensor.tick())
    instance.report_run_canceled(run)
    assert tables(requested(sensor.tick())) == {"bank.transactions"}


def test_a_changed_definition_is_requested(platform: Platform, instance: DagsterInstance, sensor: Sensor) -> None:
    """Its position belongs to another definition, so everything has to be read again although the source has not changed."""
    platform.move(1)
    settle(sensor, instance)
    assert sensor.cursor
    sensor.cursor = sensor.cursor.replace(BANK.fingerprint, "0" * 16)
    assert tables(requested(sensor.tick())) == {"bank.transactions"}
