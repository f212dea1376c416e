"""A blocked batch is not loaded, whoever loads: a test for each caller."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone

import polars as pl
import pytest
from click.testing import CliRunner
from dagster import AssetCheckKey, AssetIn, DagsterInstance, Definitions, ExecuteInProcessResult, RunRequest, asset

from stori_pipeline.cli import main
from stori_pipeline.cli.sync import execute_sync
from stori_pipeline.defs.build import build_defs
from stori_pipeline.defs.keys import landing_key, mirror_key
from stori_pipeline.pipeline.gate import LoadBlocked
from stori_pipeline.pipeline.sync import load
from stori_pipeline.runtime.in_process import execute_request
from stori_pipeline.runtime.names import CONTRACT, PROOF
from stori_pipeline_tests.defs.graphs import PLAIN, small_star
from stori_pipeline_tests.defs.ticks import Sensor, requested, scheduled
from stori_pipeline_tests.platforms import BANK, Platform

TOO_LONG = "x" * 1025
"""One byte more than the definition allows."""

Way = Callable[[Platform, Definitions, DagsterInstance], str]
"""Asks for a load in some way; returns what that way says of it."""


@pytest.fixture
def blocked(platform: Platform, instance: DagsterInstance) -> Platform:
    """A mirror of 100 rows, and a batch of one good row and twenty that break the definition, landed and not loaded."""
    platform.move(100)
    assert execute_sync([BANK], instance=instance, project=PLAIN).success
    platform.move(20, details=TOO_LONG)
    platform.move(1)
    platform.land(BANK)
    return platform


def _errors(result: ExecuteInProcessResult) -> str:
    failures = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    descriptions = [each.user_failure_data.description or "" for each in failures if each.user_failure_data]
    checks = [each.description or "" for each in result.get_asset_check_evaluations() if not each.passed]
    return "\n".join([*descriptions, *checks])


def by_sync(_platform: Platform, _defs: Definitions, instance: DagsterInstance) -> str:
    return _errors(execute_sync([BANK], instance=instance, project=PLAIN))


def by_detect_deletes(_platform: Platform, _defs: Definitions, _instance: DagsterInstance) -> str:
    done = CliRunner().invoke(main, ["detect-deletes", BANK.full_name])
    assert done.exit_code == 1
    return done.output


def by_the_proof(_platform: Platform, defs: Definitions, instance: DagsterInstance) -> str:
    keys = {AssetCheckKey(landing_key(BANK), CONTRACT), AssetCheckKey(mirror_key(BANK), PROOF)}
    job = defs.resolve_job_def("sync").get_subset(asset_check_selection=keys)
    return _errors(job.execute_in_process(instance=instance, raise_on_error=False))


def by_the_schedule(_platform: Platform, defs: Definitions, instance: DagsterInstance) -> str:
    request = scheduled(defs, instance, datetime.now(timezone.utc), "bank")
    assert isinstance(request, RunRequest)
    return _errors(execute_request(defs, "sync_bank", request, instance=instance))


def by_the_sensor(_platform: Platform, defs: Definitions, instance: DagsterInstance) -> str:
    return _errors(execute_request(defs, "sync_bank", requested(Sensor(defs, instance, "bank").tick()), instance=instance))


def by_a_click_on_the_mirror(_platform: Platform, defs: Definitions, instance: DagsterInstance) -> str:
    """In the UI a person may materialize a mirror alone, without its landing and its checks."""
    job = defs.resolve_implicit_global_asset_job_def().get_subset(asset_selection={mirror_key(BANK)})
    return _errors(job.execute_in_process(instance=instance, raise_on_error=False))


@asset(key=["lab", "movements"], ins={"movements": AssetIn(landing_key(BANK))}, io_manager_key="warehouse_io")
def movements(movements: pl.DataFrame) -> pl.DataFrame:
    return movements


def by_an_asset_of_ones_own(platform: Platform, defs: Definitions, instance: DagsterInstance) -> str:
    """An asset that is not the project's takes a landing as a frame, and stores it in the warehouse."""
    job = Definitions.merge(defs, Definitions([movements])).resolve_implicit_global_asset_job_def()
    result = job.get_subset(asset_selection={movements.key}).execute_in_process(instance=instance, raise_on_error=False)
    assert platform.query("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'lab'") == [(0,)]
    return _errors(result)


@pytest.mark.parametrize(
    "way",
    [
        by_sync,
        by_detect_deletes,
        by_the_proof,
        pytest.param(by_the_schedule, marks=pytest.mark.clock),
        pytest.param(by_the_sensor, marks=pytest.mark.clock),
        by_a_click_on_the_mirror,
        by_an_asset_of_ones_own,
    ],
    ids=lambda way: way.__name__,
)
def test_a_blocked_batch_stays_out(way: Way, blocked: Platform, defs: Definitions, instance: DagsterInstance) -> None:
    before = blocked.warehouse.ledger(BANK)
    message = " ".join(way(blocked, defs, instance).split())
    assert "20 of the 21 rows of batch 2 break the table's definition" in message
    assert blocked.query("SELECT COUNT(*) FROM bank.transactions") == [(100,)]
    assert blocked.warehouse.ledger(BANK) == before
    assert [each.batch for each in blocked.lake.manifests(BANK)] == [1, 2]


def test_the_load_itself_refuses_a_blocked_batch(blocked: Platform) -> None:
    with pytest.raises(LoadBlocked, match="batch 2 break the table's definition"):
        load(BANK, blocked.lake, blocked.warehouse, run_id="by hand")
    assert blocked.query("SELECT COUNT(*) FROM bank.transactions") == [(100,)]


def test_a_star_table_is_not_derived_from_a_blocked_batch(
    platform: Platform, instance: DagsterInstance, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A run for another input must not derive from it; after a good snapshot has landed, the history leaves the blocked batch out."""
    project = small_star(tmp_path_factory.mktemp("star"))
    platform.move(100)
    platform.trade(1)
    assert execute_sync(PLAIN.tables, instance=instance, project=project).success
    platform.move(20, details=TOO_LONG)
    platform.move(1, details="good, and in a blocked batch")
    platform.land(BANK)
    fact = next(star.table for star in project.stars if star.name == "fact_movement")
    job = build_defs(project).resolve_job_def("sync")
    alone = job.get_subset(asset_selection={landing_key(fact), mirror_key(fact)}, asset_check_selection=set())
    assert alone.execute_in_process(instance=instance, raise_on_error=False).success
    assert platform.query("SELECT COUNT(*) FROM star.fact_movement") == [(100,)]

    platform.write("DELETE FROM transactions WHERE length(transaction_details) > 1024 OR transaction_details LIKE 'good%'")
    assert execute_sync([BANK], instance=instance, project=project, full=True).success
    assert platform.query("SELECT COUNT(*) FROM bank.transactions") == [(100,)]
    assert platform.query("SELECT COUNT(*) FROM star.fact_movement WHERE details LIKE 'good%'") == [(0,)]
