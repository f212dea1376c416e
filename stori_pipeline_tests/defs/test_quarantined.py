"""A run whose batches have rejected rows: what it loads, and what it shows."""

from __future__ import annotations

from dagster import (
    DagsterInstance,
)

from stori_pipeline.defs.keys import landing_key, mirror_key, quarantine_key
from stori_pipeline_tests.defs.runs import checks, execute_sync, metadata_of, run_sync
from stori_pipeline_tests.platforms import BANK, Platform


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
    quiet = execute_sync([BANK], instance=instance, prove=True)
    assert metadata_of(quiet, landing_key(BANK))["quarantined"] == 2
    # The mirror has the older version of row 2, which looks current; of row 4 it has none.
    older = checks(quiet)["warehouse/bank/transactions no_newer_version_in_quarantine"]
    assert (older.passed, older.severity.value) == (False, "WARN")
    assert (older.description or "").startswith("bank.transactions: 1 rows show an older version, because the newer one was rejected")
    assert "| 2 | 3:1 | too_long |" in str(older.metadata["examples"].value)
