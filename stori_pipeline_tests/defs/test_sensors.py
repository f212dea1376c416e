"""The requests of the sensors, tick after tick, on real servers."""

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
from stori_pipeline_tests.platforms import BANK, EXCHANGE, Platform


def settle(sensor: Sensor, instance: DagsterInstance) -> None:
    """Ticks and runs until nothing is requested any more."""
    for _ in range(4):
        result = sensor.tick()
        if not result.run_requests:
            return
        moved = [table for table in PLAIN.tables if table.full_name in tables(requested(result))]
        assert execute_sync(moved, instance=instance, project=PLAIN).success
    raise AssertionError(f"the sensor does not come to rest; last it asked for {requested(result)}")


def test_each_source_is_requested_by_its_own_sensor(platform: Platform, instance: DagsterInstance, bank: Sensor, exchange: Sensor) -> None:
    platform.move(2)
    platform.trade(1)
    first = requested(bank.tick())
    assert tables(first) == {"bank.transactions"}
    assert tables(requested(exchange.tick())) == {"exchange.trades"}
    settle(bank, instance)

    platform.move(1)
    second = requested(bank.tick())
    assert tables(second) == {"bank.transactions"}
    assert second.asset_selection == [landing_key(BANK), mirror_key(BANK)]
    assert AssetCheckKey(landing_key(BANK), "contract") in (second.asset_check_keys or [])
    assert AssetCheckKey(mirror_key(BANK), "source_equals_mirror") not in (second.asset_check_keys or [])
    assert second.run_key != first.run_key
    assert reason(exchange.tick()) == "nothing has changed"


def test_without_changes_nothing_is_requested(platform: Platform, instance: DagsterInstance, bank: Sensor) -> None:
    platform.move(2)
    settle(bank, instance)
    assert reason(bank.tick()) == "nothing has changed"


def test_a_change_is_requested_once(platform: Platform, bank: Sensor) -> None:
    platform.move(1)
    assert bank.tick().run_requests
    assert reason(bank.tick()) == "nothing has changed"


@pytest.mark.parametrize("cursor", [None, "no JSON", '["of another shape"]'])
def test_a_lost_cursor_loses_nothing(platform: Platform, instance: DagsterInstance, bank: Sensor, cursor: str | None) -> None:
    platform.move(1)
    settle(bank, instance)
    platform.move(1)
    bank.cursor = cursor
    assert "bank.transactions" in tables(requested(bank.tick()))


def test_an_unavailable_source_is_named_and_delays_no_other(
    platform: Platform, bank: Sensor, exchange: Sensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORI_SOURCE_BANK", at_port(os.environ["STORI_SOURCE_BANK"], closed_port()))
    platform.trade(1)
    assert tables(requested(exchange.tick())) == {"exchange.trades"}
    skip_reason = reason(bank.tick())
    assert "bank.transactions was not checked for changes: SourceUnavailable" in skip_reason
    password = os.environ["STORI_SOURCE_BANK"].split(":")[2].split("@")[0]
    assert password not in skip_reason


@pytest.mark.parametrize("job", ["sync", "sync_bank"])
def test_a_table_with_a_run_under_way_waits_for_it(
    platform: Platform, defs: Definitions, instance: DagsterInstance, bank: Sensor, job: str
) -> None:
    platform.move(1)
    selection = frozenset([landing_key(BANK), mirror_key(BANK)]) if job == "sync" else None  # all of the bank's job
    run = instance.create_run_for_job(defs.resolve_job_def(job), asset_selection=selection, status=DagsterRunStatus.STARTED)
    assert "bank.transactions has changed, and a run for it has not ended yet" in reason(bank.tick())
    instance.report_run_canceled(run)
    assert tables(requested(bank.tick())) == {"bank.transactions"}


def test_a_table_does_not_wait_for_the_run_of_another_source(
    platform: Platform, defs: Definitions, instance: DagsterInstance, exchange: Sensor
) -> None:
    platform.trade(1)
    instance.create_run_for_job(defs.resolve_job_def("sync_bank"), status=DagsterRunStatus.STARTED)
    assert tables(requested(exchange.tick())) == {EXCHANGE.full_name}


def test_a_changed_definition_is_requested(platform: Platform, instance: DagsterInstance, bank: Sensor) -> None:
    """Its position belongs to another definition, so everything has to be read again although the source has not changed."""
    platform.move(1)
    settle(bank, instance)
    assert bank.cursor
    bank.cursor = bank.cursor.replace(BANK.fingerprint, "0" * 16)
    assert tables(requested(bank.tick())) == {"bank.transactions"}
