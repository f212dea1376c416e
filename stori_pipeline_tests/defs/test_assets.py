"""A run of `sync` on real servers: what it materializes, what stops it, and what does not."""

from __future__ import annotations

import os
import threading
from dataclasses import replace

import boto3
import pytest
from dagster import (
    DagsterEvent,
    DagsterEventType,
    DagsterInstance,
    ExecuteInProcessResult,
)

from stori_pipeline.defs.build import build_defs
from stori_pipeline.defs.jobs import sync_request
from stori_pipeline.defs.keys import landing_key, mirror_key, source_key, step_name
from stori_pipeline.model.project import Project, downstream
from stori_pipeline.model.table import Column
from stori_pipeline.model.types import varchar
from stori_pipeline.runtime.in_process import execute_request
from stori_pipeline_tests.databases import at_port, closed_port
from stori_pipeline_tests.defs.graphs import PLAIN
from stori_pipeline_tests.defs.runs import TABLES, checks, execute_sync, metadata_of, run_sync, steps, version, why
from stori_pipeline_tests.platforms import BANK, EXCHANGE, Platform


def test_both_tables_end_to_end_and_then_nothing_new(platform: Platform, instance: DagsterInstance) -> None:
    platform.move(30)
    for number in range(20):
        platform.trade(number)

    first = execute_sync(TABLES, instance=instance, prove=True)
    assert first.success, why(first)
    failed = {name: e.description for name, e in checks(first).items() if not e.passed}
    assert failed == {}
    assert platform.query("SELECT COUNT(*) FROM bank.transactions") == [(30,)]
    assert platform.query("SELECT COUNT(*) FROM exchange.trades") == [(20,)]
    landed, loaded = metadata_of(first, landing_key(BANK)), metadata_of(first, mirror_key(BANK))
    assert (landed["kind"], landed["rows_landed"], landed["rows_rejected"]) == ("snapshot", 30, 0)
    assert landed["full_refresh_reason"] == "nothing has landed yet"
    assert landed["preview"].count("\n") == 11
    assert (loaded["rows_inserted"], loaded["dagster/row_count"]) == (30, 30)

    quiet = execute_sync(TABLES, instance=instance)
    assert quiet.success
    for table in TABLES:
        for key in (landing_key(table), mirror_key(table)):
            assert metadata_of(quiet, key)["outcome"] == "nothing new"
            assert version(quiet, key) == version(first, key)
        assert len(platform.lake.manifests(table)) == 1


def test_a_change_and_a_delete_reach_the_mirror(platform: Platform, instance: DagsterInstance) -> None:
    platform.move(5)
    platform.trade(1)
    execute_sync(TABLES, instance=instance)
    platform.write("UPDATE transactions SET chip_used = true WHERE transaction_no = 2")
    platform.write("DELETE FROM transactions WHERE transaction_no = 5")

    result = execute_sync([BANK], instance=instance, detect_deletes=True, prove=True)

    assert result.success
    assert not [(n, e.description, e.metadata) for n, e in checks(result).items() if not e.passed]
    assert platform.query("SELECT transaction_no FROM bank.transactions WHERE chip_used") == [(2,)]
    assert platform.query("SELECT MAX(transaction_no) FROM bank.transactions") == [(4,)]
    assert metadata_of(result, landing_key(BANK))["deletes"].startswith("1 rows deleted in the source")
    assert metadata_of(result, mirror_key(BANK))["rows_deleted"] == 1


@pytest.mark.parametrize("is_lost", [False, True], ids=["", "its position is lost"])
def test_a_run_says_once_that_an_emptied_table_is_meant(platform: Platform, instance: DagsterInstance, is_lost: bool) -> None:
    """Regression: the refusal stood in the log alone, and no run could accept it."""
    platform.move(5)
    execute_sync([BANK], instance=instance)
    platform.write("DELETE FROM transactions")
    (refused,) = (each for each in run_sync([BANK], instance=instance, detect_deletes=True) if each.table == BANK.full_name)
    assert (refused.error, refused.rows_deleted) == ("", 0)
    assert refused.refused.startswith("detect-deletes of bank.transactions: the source lists no rows and the mirror has 5")
    if is_lost:
        platform.write("ALTER TABLE transactions RENAME TO old; CREATE TABLE transactions (LIKE old INCLUDING ALL)")
    request = sync_request(downstream(PLAIN, [BANK]), checks=[], detect_deletes=True)
    request.run_config["ops"][step_name(landing_key(BANK))]["config"]["force"] = True
    assert execute_request(build_defs(PLAIN), "sync", request, instance=instance).success
    assert platform.query("SELECT COUNT(*) FROM bank.transactions") == [(0,)]


def test_a_landing_says_which_rows_it_read_whole_and_why(platform: Platform, instance: DagsterInstance) -> None:
    platform.move(2)
    execute_sync([BANK], instance=instance)
    platform.write(
        "CREATE TABLE archived (LIKE transactions INCLUDING ALL);"
        " INSERT INTO archived SELECT (jsonb_populate_record(t, '{\"transaction_no\": 900}')).* FROM transactions t LIMIT 1",
    )
    platform.write("ALTER TABLE archived INHERIT transactions")
    joined = metadata_of(execute_sync([BANK], instance=instance), landing_key(BANK))
    assert (joined["kind"], joined["rows_landed"]) == ("changes", 1)
    assert joined["joined"] == "every row of archived was read, because it joined the table since the last batch"
    platform.write("ALTER TABLE transactions DROP chip_used; ALTER TABLE transactions ADD chip_used boolean NOT NULL DEFAULT true")
    changed = metadata_of(execute_sync([BANK], instance=instance), landing_key(BANK))
    assert changed["kind"] == "snapshot"
    assert "column 'chip_used' was changed in the source without writing its rows" in changed["full_refresh_reason"]
    assert platform.query("SELECT transaction_no FROM bank.transactions WHERE chip_used ORDER BY 1") == [(1,), (2,)]


def test_the_source_is_observed_before_it_is_read(platform: Platform, instance: DagsterInstance) -> None:
    platform.move(1)
    result = execute_sync([BANK], instance=instance)
    (observed,) = instance.fetch_observations(source_key(BANK), limit=5).records
    assert observed.asset_observation is not None
    landing = next(e for e in result.get_asset_materialization_events() if e.asset_key == landing_key(BANK))
    tags = landing.materialization.tags or {}
    assert tags["dagster/input_data_version/bank/transactions"] == (observed.asset_observation.tags or {})["dagster/data_version"]


def test_a_column_missing_in_the_definition_is_a_warning(platform: Platform, instance: DagsterInstance) -> None:
    platform.write("ALTER TABLE transactions ADD COLUMN branch text")
    platform.move(1)
    result = execute_sync([BANK], instance=instance, prove=True)
    assert result.success
    drift = checks(result)["landing/bank/transactions definition_complete"]
    assert (drift.passed, drift.severity.value) == (False, "WARN")
    assert "branch" in (drift.description or "")


def test_a_changed_definition_shows_what_its_new_columns_brought(platform: Platform, instance: DagsterInstance) -> None:
    platform.move(3)
    execute_sync([BANK], instance=instance)
    platform.write("ALTER TABLE transactions ADD COLUMN branch text DEFAULT 'north'")
    branched = replace(BANK, columns=(*BANK.columns, Column("branch", varchar(20))))
    result = execute_sync([branched], instance=instance, project=Project((branched,)))
    assert result.success, why(result)
    landing = metadata_of(result, landing_key(BANK))
    assert (landing["kind"], landing["batch"], landing["rows_landed"]) == ("columns", 2, 3)
    assert landing["columns"] == "batch 2 follows the changed definition; new columns: branch; 3 rows with values, 0 rejected"
    assert platform.query("SELECT branch, COUNT(*) FROM bank.transactions GROUP BY branch") == [("north", 3)]


def test_rows_that_fail_a_check_are_shown_and_a_warning_stops_nothing(platform: Platform, instance: DagsterInstance) -> None:
    platform.move(30)
    platform.write("UPDATE transactions SET balance_amt = 1000 WHERE transaction_no = 7")
    platform.write("UPDATE transactions SET withdrawal_amt = 1, balance_amt = balance_amt WHERE transaction_no = 9")
    result = execute_sync([BANK], instance=instance)
    assert result.success
    found = checks(result)
    continuity, amount = (found[f"warehouse/bank/transactions {name}"] for name in ("balance_continuity", "one_amount"))
    assert (continuity.passed, continuity.severity.value, continuity.metadata["failing_rows"].value) == (False, "WARN", 3)
    assert (amount.passed, amount.severity.value, amount.metadata["failing_rows"].value) == (False, "ERROR", 1)
    assert "| 9 |" in str(amount.metadata["examples"].value)


def test_a_source_table_can_be_observed_without_landing_it(platform: Platform, instance: DagsterInstance) -> None:
    platform.move(1)
    job = build_defs(PLAIN).resolve_implicit_global_asset_job_def().get_subset(asset_selection={source_key(BANK)})
    assert job.execute_in_process(instance=instance).success
    observed = instance.fetch_observations(source_key(BANK), limit=1).records[0].asset_observation
    assert observed is not None
    assert platform.lake.newest(BANK) is None
    execute_sync([BANK], instance=instance)
    assert len(instance.fetch_observations(source_key(BANK), limit=5).records) == 2


def test_a_failed_table_stops_no_other_and_is_not_retried(platform: Platform, instance: DagsterInstance) -> None:
    platform.write("ALTER TABLE transactions DROP COLUMN chip_used")
    platform.trade(1)
    result = execute_sync(TABLES, instance=instance)
    assert not result.success
    assert steps(result, DagsterEventType.STEP_UP_FOR_RETRY) == []
    assert steps(result, DagsterEventType.STEP_FAILURE) == ["landing__bank__transactions"]
    assert metadata_of(result, mirror_key(EXCHANGE))["rows_inserted"] == 1
    bank, exchange = run_sync(TABLES, instance=instance)
    assert "chip_used" in bank.error
    assert (exchange.error, exchange.batch) == ("", None)


def test_an_unavailable_source_is_retried_until_it_answers(
    platform: Platform, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.move(2)
    working = os.environ["STORI_SOURCE_BANK"]
    monkeypatch.setenv("STORI_SOURCE_BANK", at_port(working, closed_port()))
    results: list[ExecuteInProcessResult] = []
    running = threading.Thread(target=lambda: results.append(execute_sync([BANK], instance=instance)))
    running.start()
    _wait_for(instance, DagsterEventType.STEP_UP_FOR_RETRY)
    monkeypatch.setenv("STORI_SOURCE_BANK", working)
    running.join(timeout=180)
    assert results, "the run has not ended"
    assert results[0].success
    assert platform.query("SELECT COUNT(*) FROM bank.transactions") == [(2,)]


@pytest.mark.parametrize("setting", ["STORI_SOURCE_BANK", "AWS_ENDPOINT_URL", "STORI_WAREHOUSE"])
def test_a_server_of_this_machine_that_is_down_names_the_command(
    platform: Platform, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    platform.move(1)
    monkeypatch.setenv(setting, at_port(os.environ[setting], closed_port()))
    (bank,) = run_sync([BANK], instance=instance)
    assert bank.error.endswith(" On a laptop, `stori up` starts it")
    assert "\n" not in bank.error


def test_a_lost_lake_is_read_again_and_says_so(platform: Platform, instance: DagsterInstance) -> None:
    platform.move(3)
    execute_sync([BANK], instance=instance)
    boto3.resource("s3").Bucket(platform.bucket).objects.all().delete()
    platform.move(1)
    result = execute_sync([BANK], instance=instance, prove=True)
    assert result.success
    assert metadata_of(result, landing_key(BANK))["full_refresh_reason"] == "nothing has landed yet"
    assert not [(n, e.description, e.metadata) for n, e in checks(result).items() if not e.passed]
    assert platform.query("SELECT COUNT(*) FROM bank.transactions") == [(4,)]


def test_run_sync_returns_a_result_for_each_table(platform: Platform, instance: DagsterInstance) -> None:
    platform.move(6)
    seen: list[tuple[str, int]] = []
    bank, exchange = run_sync(TABLES, instance=instance, progress=lambda table, rows: seen.append((table, rows)))
    assert (bank.batch, bank.kind, bank.rows_landed, bank.rows_loaded, bank.rejected, bank.error) == (1, "snapshot", 6, 6, 0, "")
    assert (exchange.rows_landed, exchange.error) == (0, "")
    assert ("bank.transactions", 6) in seen
    (quiet,) = run_sync([BANK], instance=instance)
    assert (quiet.batch, quiet.kind, quiet.rows_landed, quiet.rows_loaded) == (None, None, 0, 0)


def _wait_for(instance: DagsterInstance, kind: DagsterEventType, seconds: float = 40) -> DagsterEvent:
    """The first event of that kind in any run of the instance."""
    stop = threading.Event()
    for _ in range(int(seconds / 0.1)):
        for run in instance.get_runs():
            for entry in instance.all_logs(run.run_id, of_type=kind):
                if entry.dagster_event:
                    return entry.dagster_event
        stop.wait(0.1)
    raise AssertionError(f"no {kind} within {seconds} s")
