"""A run of `sync` on real servers: what it materializes, what stops it, and what does not."""

from __future__ import annotations

import functools
import os
import threading
from dataclasses import replace
from datetime import date
from typing import Any

import boto3
import pytest
from dagster import (
    AssetCheckEvaluation,
    AssetKey,
    DagsterEvent,
    DagsterEventType,
    DagsterInstance,
    ExecuteInProcessResult,
)

from stori_pipeline.cli.sync import execute_sync as execute_sync_of
from stori_pipeline.cli.sync import run_sync as run_sync_of
from stori_pipeline.defs.build import build_defs
from stori_pipeline.defs.jobs import sync_request
from stori_pipeline.defs.keys import landing_key, mirror_key, quarantine_key, source_key, step_name
from stori_pipeline.model.project import Project, downstream
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import varchar
from stori_pipeline.runtime.in_process import execute_request
from stori_pipeline_tests.databases import at_port, closed_port
from stori_pipeline_tests.defs.graphs import PLAIN
from stori_pipeline_tests.platforms import BANK, EXCHANGE, Platform

TABLES = PLAIN.tables
execute_sync = functools.partial(execute_sync_of, project=PLAIN)
run_sync = functools.partial(run_sync_of, project=PLAIN)


def metadata_of(result: ExecuteInProcessResult, key: AssetKey) -> dict[str, Any]:
    (event,) = [e for e in result.get_asset_materialization_events() if e.asset_key == key]
    return {name: value.value for name, value in event.materialization.metadata.items()}


def version(result: ExecuteInProcessResult, key: AssetKey) -> str:
    (event,) = [e for e in result.get_asset_materialization_events() if e.asset_key == key]
    return (event.materialization.tags or {})["dagster/data_version"]


def checks(result: ExecuteInProcessResult) -> dict[str, AssetCheckEvaluation]:
    return {f"{e.asset_key.to_user_string()} {e.check_name}": e for e in result.get_asset_check_evaluations()}


def why(result: ExecuteInProcessResult) -> list[str]:
    """The errors of a run, to show if it should have succeeded."""
    return [str(e.step_failure_data.error) if e.is_step_failure else str(e.message) for e in result.all_events if e.is_failure]


def steps(result: ExecuteInProcessResult, kind: DagsterEventType) -> list[str]:
    return [e.step_key or "" for e in result.all_events if e.event_type == kind]


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


def test_a_run_says_once_that_an_emptied_table_is_meant(platform: Platform, instance: DagsterInstance) -> None:
    """Regression: the refusal stood in the log alone, and no run could accept it."""
    platform.move(5)
    execute_sync([BANK], instance=instance)
    platform.write("DELETE FROM transactions")
    (refused,) = (each for each in run_sync([BANK], instance=instance, detect_deletes=True) if each.table == BANK.full_name)
    assert (refused.error, refused.rows_deleted) == ("", 0)
    assert refused.refused.startswith("detect-deletes of bank.transactions: the source lists no rows and the mirror has 5")
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


def test_a_batch_that_breaks_the_contract_is_not_loaded(platform: Platform, instance: DagsterInstance) -> None:
    platform.move(100)
    execute_sync([BANK], instance=instance)
    platform.move(20, details="x" * 1025)  # one byte more than the definition allows
    platform.move(1)

    result = execute_sync([BANK], instance=instance)

    assert not result.success
    contract = checks(result)["landing/bank/transactions contract"]
    assert not contract.passed
    assert "20 of the 21 rows of batch 2 break the table's definition" in (contract.description or "")
    assert mirror_key(BANK) not in {e.asset_key for e in result.get_asset_materialization_events()}
    assert platform.query("SELECT COUNT(*) FROM bank.transactions") == [(100,)]

    # A later run must not load what was blocked, just because it has landed nothing wrong itself.
    again = run_sync([BANK], instance=instance)
    assert "batch 2 break the table's definition" in again[0].error
    # The page of the quarantine still says what is in it, and what to do, although the last landing brought nothing.
    (page,) = instance.fetch_materializations(quarantine_key(BANK.source), limit=1).records
    assert page.asset_materialization is not None
    shown = {name: value.value for name, value in page.asset_materialization.metadata.items()}
    assert shown["dagster/row_count"] == 20
    assert "| bank.transactions | too_long | transaction_details | 20 |" in str(shown["by_reason"])
    assert "| bank.transactions | 2:1 | too_long | transaction_details |" in str(shown["rows"])
    assert "`stori quarantine accept bank.transactions --batch 2`" in str(shown["what_to_do"])
    assert platform.query("SELECT COUNT(*) FROM bank.transactions") == [(100,)]

    platform.write("UPDATE transactions SET transaction_details = 'x' WHERE length(transaction_details) > 1024")
    mended = execute_sync([BANK], instance=instance, full=True, prove=True)
    assert mended.success
    assert all(each.passed for each in checks(mended).values())
    assert metadata_of(mended, landing_key(BANK))["full_refresh_reason"] == "a full refresh was requested"
    assert metadata_of(mended, quarantine_key(BANK.source)) == {"dagster/row_count": 0}


def test_a_few_rejected_rows_do_not_block(platform: Platform, instance: DagsterInstance) -> None:
    platform.move(3)
    platform.move(1, details="x" * 1025)
    result = execute_sync([BANK], instance=instance)
    assert result.success
    assert metadata_of(result, landing_key(BANK))["rows_rejected"] == 1
    assert metadata_of(result, landing_key(BANK))["quarantine"].startswith(f"s3://{platform.bucket}/bank/transactions/_quarantine/")
    assert checks(result)["landing/bank/transactions contract"].passed


def test_a_batch_with_nothing_good_in_it_warns_though_it_is_too_small_to_be_blocked(platform: Platform, instance: DagsterInstance) -> None:
    platform.move(3)
    execute_sync([BANK], instance=instance)
    platform.move(1, details="x" * 1025)
    result = execute_sync([BANK], instance=instance)
    assert result.success
    contract = checks(result)["landing/bank/transactions contract"]
    assert (contract.passed, contract.severity.value) == (False, "WARN")
    assert "nothing good came: all 1 rows of batch 2 were rejected" in (contract.description or "")
    platform.write("UPDATE transactions SET transaction_details = repeat('x', 1025) WHERE transaction_no = 2")
    quiet = execute_sync([BANK], instance=instance)
    assert metadata_of(quiet, landing_key(BANK))["quarantined"] == 2
    # The mirror has the older version of row 2, which looks current; of row 4 it has none.
    older = checks(quiet)["warehouse/bank/transactions no_newer_version_in_quarantine"]
    assert (older.passed, older.severity.value) == (False, "WARN")
    assert (older.description or "").startswith("bank.transactions: 1 rows show an older version, because the newer one was rejected")
    assert "| 2 | 3:1 | too_long |" in str(older.metadata["examples"].value)


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


@pytest.mark.clock
def test_a_past_day_is_read_again(platform: Platform, instance: DagsterInstance) -> None:
    platform.write("ALTER TABLE transactions ALTER updated_at SET DEFAULT '2015-01-05 12:00Z'")
    platform.move(4)
    platform.write("ALTER TABLE transactions ALTER updated_at SET DEFAULT '2015-01-06 12:00Z'")
    platform.move(3)
    execute_sync([BANK], instance=instance)
    before = platform.lake.newest(BANK)

    result = execute_sync([BANK], instance=instance, day=date(2015, 1, 5))

    assert result.success
    after = platform.lake.newest(BANK)
    assert before is not None
    assert after is not None
    assert (after.batch, after.kind, after.rows, after.until) == (2, "changes", 4, before.until)
    assert metadata_of(result, mirror_key(BANK))["dagster/row_count"] == 7


@pytest.mark.clock
def test_a_green_mirror_has_every_batch_of_the_lake_also_after_a_past_day(platform: Platform, instance: DagsterInstance) -> None:
    """Landing and mirror of a past day were green with the ledger at the first batch, and the lake at the eighth."""
    platform.write("ALTER TABLE transactions ALTER updated_at SET DEFAULT '2015-01-05 12:00Z'")
    platform.move(2)
    execute_sync([BANK], instance=instance)
    for _ in range(3):
        platform.move(1)
        platform.land(BANK)

    result = execute_sync([BANK], instance=instance, day=date(2015, 1, 5))

    newest = platform.lake.newest(BANK)
    assert newest is not None
    assert newest.batch == 5
    assert result.success
    assert platform.ledger(BANK)[-1] == newest.order
    assert checks(result)["warehouse/bank/transactions complete"].passed


@pytest.mark.parametrize(
    ("table", "day", "reason"),
    [
        (BANK, "2999-01-01", "because it has not come yet"),
        (BANK, "yesterday", "because it is no day; write it like 2024-03-01"),
        (replace(BANK, cursor=""), "2024-03-01", "because the definition names no cursor column."),
    ],
    ids=["not come yet", "no day", "no cursor"],
)
def test_a_day_that_cannot_be_read_again_is_refused(
    platform: Platform, instance: DagsterInstance, table: Table, day: str, reason: str
) -> None:
    job = build_defs(Project((table,))).resolve_job_def("sync").get_subset(asset_selection={landing_key(table)})
    config = {"ops": {step_name(landing_key(table)): {"config": {"day": day}}}}
    errors = why(job.execute_in_process(run_config=config, instance=instance, raise_on_error=False))
    assert f"bank.transactions: {day} cannot be read again, {reason}" in errors[0]
    assert platform.lake.newest(table) is None


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
