"""What a run of `sync` brings and says where a source was edited, emptied, or changed without a row being written.

Belongs here: its metadata and its refusals. Does not belong here: finding such changes (`readers`).
"""

from __future__ import annotations

from typing import Any

from dagster import AssetKey, DagsterInstance, ExecuteInProcessResult

from stori_pipeline.cli.sync import execute_sync, run_sync
from stori_pipeline.defs.build import build_defs
from stori_pipeline.defs.jobs import sync_request
from stori_pipeline.defs.keys import landing_key, mirror_key, step_name
from stori_pipeline.model.project import downstream
from stori_pipeline.runtime.in_process import execute_request
from stori_pipeline_tests.defs.graphs import PLAIN
from stori_pipeline_tests.platforms import BANK, Platform


def metadata_of(result: ExecuteInProcessResult, key: AssetKey) -> dict[str, Any]:
    (event,) = (each for each in result.get_asset_materialization_events() if each.asset_key == key)
    return {name: value.value for name, value in event.materialization.metadata.items()}


def landed(instance: DagsterInstance) -> dict[str, Any]:
    """The metadata of the bank's landing in a run that syncs it."""
    return metadata_of(execute_sync([BANK], instance=instance, project=PLAIN), landing_key(BANK))


def test_a_change_and_a_delete_reach_the_mirror(platform: Platform, instance: DagsterInstance) -> None:
    platform.move(5)
    platform.trade(1)
    execute_sync(PLAIN.tables, instance=instance, project=PLAIN)
    platform.write("UPDATE transactions SET chip_used = true WHERE transaction_no = 2")
    platform.write("DELETE FROM transactions WHERE transaction_no = 5")

    result = execute_sync([BANK], instance=instance, project=PLAIN, detect_deletes=True, prove=True)

    assert result.success
    assert not [(e.check_name, e.description) for e in result.get_asset_check_evaluations() if not e.passed]
    assert platform.query("SELECT transaction_no FROM bank.transactions WHERE chip_used") == [(2,)]
    assert platform.query("SELECT MAX(transaction_no) FROM bank.transactions") == [(4,)]
    assert metadata_of(result, landing_key(BANK))["deletes"].startswith("1 rows deleted in the source")
    assert metadata_of(result, mirror_key(BANK))["rows_deleted"] == 1


def test_a_run_says_once_that_an_emptied_table_is_meant(platform: Platform, instance: DagsterInstance) -> None:
    """Regression: the refusal stood in the log alone, and no run could accept it."""
    platform.move(5)
    landed(instance)
    platform.write("DELETE FROM transactions")
    (refused,) = (each for each in run_sync([BANK], instance=instance, project=PLAIN, detect_deletes=True) if each.table == BANK.full_name)
    assert (refused.error, refused.rows_deleted) == ("", 0)
    assert refused.refused.startswith("detect-deletes of bank.transactions: the source lists no rows and the mirror has 5")
    request = sync_request(downstream(PLAIN, [BANK]), checks=[], detect_deletes=True)
    request.run_config["ops"][step_name(landing_key(BANK))]["config"]["force"] = True
    assert execute_request(build_defs(PLAIN), "sync", request, instance=instance).success
    assert platform.query("SELECT COUNT(*) FROM bank.transactions") == [(0,)]


def test_a_landing_says_which_rows_it_read_whole_and_why(platform: Platform, instance: DagsterInstance) -> None:
    platform.move(2)
    landed(instance)
    platform.write(
        "CREATE TABLE archived (LIKE transactions INCLUDING ALL);"
        " INSERT INTO archived SELECT (jsonb_populate_record(t, '{\"transaction_no\": 900}')).* FROM transactions t LIMIT 1",
    )
    platform.write("ALTER TABLE archived INHERIT transactions")
    joined = landed(instance)
    assert (joined["kind"], joined["rows_landed"]) == ("changes", 1)
    assert joined["joined"] == "every row of archived was read, because it joined the table since the last batch"
    platform.write("ALTER TABLE transactions DROP chip_used; ALTER TABLE transactions ADD chip_used boolean NOT NULL DEFAULT true")
    changed = landed(instance)
    assert changed["kind"] == "snapshot"
    assert "column 'chip_used' was changed in the source without writing its rows" in changed["full_refresh_reason"]
    assert platform.query("SELECT transaction_no FROM bank.transactions WHERE chip_used ORDER BY 1") == [(1,), (2,)]
