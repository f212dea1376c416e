"""Changes that a reader by timestamp would never see: late commits, silent edits, deletes; and rollbacks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stori_pipeline.pipeline.detect_deletes import DetectionRefused
from stori_pipeline_tests.platforms import BANK, EXCHANGE, Platform


def test_a_transaction_that_commits_after_a_sync_arrives_with_the_next(platform: Platform) -> None:
    platform.move(20)
    platform.sync(BANK)
    with platform.transaction() as late, late.cursor() as cursor:
        cursor.execute("UPDATE transactions SET balance_amt = 5, updated_at = now() WHERE transaction_no = 3")
        cursor.execute(
            "INSERT INTO transactions (account_no, txn_date, chip_used, value_date, deposit_amt, balance_amt)"
            " VALUES ('1', '2017-01-01', false, '2017-01-01', 1, 1)"
        )
        platform.move(4)  # begun later, committed earlier, and synced with a later updated_at
        manifest, _ = platform.sync(BANK)
        assert manifest is not None
        assert manifest.rows == 4
        late.commit()

    manifest, _ = platform.sync(BANK)

    assert manifest is not None
    assert manifest.rows == 2
    platform.assert_equal(BANK)


def test_a_rolled_back_transaction_lands_nothing(platform: Platform) -> None:
    platform.move(20)
    platform.sync(BANK)
    with platform.transaction() as never, never.cursor() as cursor:
        cursor.execute("UPDATE transactions SET balance_amt = 5")
        cursor.execute("DELETE FROM transactions WHERE transaction_no = 1")
        assert platform.sync(BANK) == (None, None)
        never.rollback()
    assert platform.sync(BANK) == (None, None)
    assert platform.detect_deletes(BANK) is None
    platform.assert_equal(BANK)


def test_a_rolled_back_savepoint_leaves_nothing_and_its_transaction_arrives(platform: Platform) -> None:
    platform.move(5)
    platform.sync(BANK)
    with platform.transaction() as partly, partly.cursor() as cursor:
        cursor.execute("UPDATE transactions SET balance_amt = 50 WHERE transaction_no = 1")
        cursor.execute("SAVEPOINT a")
        cursor.execute("UPDATE transactions SET balance_amt = 60 WHERE transaction_no = 2")
        cursor.execute("ROLLBACK TO a")
        cursor.execute("SAVEPOINT b")
        cursor.execute("UPDATE transactions SET balance_amt = 70 WHERE transaction_no = 3")
        cursor.execute("RELEASE b")
        platform.sync(BANK)
        partly.commit()
    platform.sync(BANK)
    platform.assert_equal(BANK)
    assert platform.query("SELECT transaction_no FROM bank.transactions WHERE balance_amt >= 50 ORDER BY 1") == [(1,), (3,)]


def test_an_edit_that_does_not_set_updated_at_arrives(platform: Platform) -> None:
    platform.move(20)
    platform.sync(BANK)
    platform.write("UPDATE transactions SET transaction_details = 'silent' WHERE transaction_no = 3")
    platform.write("UPDATE transactions SET updated_at = '2001-01-01Z' WHERE transaction_no = 4")
    platform.sync(BANK)
    platform.assert_equal(BANK)


def test_a_deleted_row_of_the_bank_is_removed_by_detect_deletes(platform: Platform) -> None:
    platform.move(20)
    platform.sync(BANK)
    platform.write("DELETE FROM transactions WHERE transaction_no IN (3, 20)")
    platform.write("UPDATE transactions SET transaction_no = 100 WHERE transaction_no = 5")  # a key that moves is one that goes

    result = platform.stori("detect-deletes", "--json", BANK.full_name).expect(0)

    assert [each["rows_deleted"] for each in result.json] == [3], str(result)
    platform.assert_equal(BANK)
    platform.write(
        "INSERT INTO transactions (transaction_no, account_no, txn_date, chip_used, value_date, balance_amt)"
        " VALUES (3, 'back', '2017-01-01', false, '2017-01-01', 0)"
    )
    platform.sync(BANK)
    platform.assert_equal(BANK)


def test_a_source_that_lists_no_rows_is_refused_unless_forced(platform: Platform) -> None:
    platform.move(20)
    platform.sync(BANK)
    platform.write("DELETE FROM transactions")

    refused = platform.stori("detect-deletes", BANK.full_name).expect(1)
    assert f"stori detect-deletes --force {BANK.full_name}" in " ".join(refused.err.split()), str(refused)
    assert "Traceback" not in refused.output, str(refused)
    with pytest.raises(DetectionRefused, match="lists no rows"):
        platform.detect_deletes(BANK)
    assert platform.query("SELECT COUNT(*) FROM bank.transactions") == [(20,)]

    platform.stori("detect-deletes", "--force", BANK.full_name).expect(0)
    assert platform.query("SELECT COUNT(*) FROM bank.transactions") == [(0,)]
    platform.assert_equal(BANK)


def test_detect_deletes_by_force_empties_a_mirror_whose_position_is_lost(platform: Platform) -> None:
    """Regression: --force refused the emptied source, because all rows had to be read."""
    platform.move(20)
    platform.sync(BANK)
    # Another table of the same name: the reader knows it by its identity, as it knows a server that has crashed.
    platform.write("ALTER TABLE transactions RENAME TO old")
    platform.write("CREATE TABLE transactions (LIKE old INCLUDING ALL)")

    refused = " ".join(platform.stori("detect-deletes", BANK.full_name).expect(1).err.split())
    assert "and the source has none, although 20 versions of rows have landed" in refused
    assert platform.query("SELECT COUNT(*) FROM bank.transactions") == [(20,)]

    forced = platform.stori("detect-deletes", "--force", "--json", BANK.full_name).expect(0)
    assert [each["rows_deleted"] for each in forced.json] == [20], str(forced)
    assert platform.query("SELECT COUNT(*) FROM bank.transactions") == [(0,)]


def test_a_table_that_may_be_empty_is_emptied_without_force(platform: Platform) -> None:
    """Regression: a table that its application empties wanted --force each time."""
    platform.move(20)
    platform.sync(BANK)
    platform.write("DELETE FROM transactions")
    manifest = platform.detect_deletes(replace(BANK, may_be_empty=True))
    assert manifest is not None
    assert manifest.rows == 20
    assert replace(BANK, may_be_empty=True).fingerprint == BANK.fingerprint


def test_detect_deletes_of_a_mirror_that_is_behind_is_refused(platform: Platform) -> None:
    platform.move(20)
    platform.sync(BANK)
    platform.move(1)
    platform.land(BANK)
    with pytest.raises(DetectionRefused, match="does not hold batch 2 yet"):
        platform.detect_deletes(BANK)


def test_deletes_and_edits_of_documents_arrive_with_the_stream(platform: Platform) -> None:
    trades = platform.trades
    platform.trade(0, 20)
    trades.insert_one({"data": [{"id": f"{n:024x}", "price": 1, "shares": 1} for n in range(100, 104)]})
    platform.sync(EXCHANGE)
    trades.delete_one({"id": f"{3:024x}"})
    trades.update_one({"id": f"{4:024x}"}, {"$set": {"shares": 777}, "$unset": {"ticker": ""}})
    trades.update_one({"data.id": f"{100:024x}"}, {"$pull": {"data": {"id": f"{101:024x}"}}})
    platform.trade(50)
    trades.delete_one({"id": f"{50:024x}"})  # came and went between two syncs
    trades.delete_one({"id": f"{5:024x}"})
    platform.trade(5)  # went and came back

    manifest, loaded = platform.sync(EXCHANGE)

    assert manifest is not None
    assert manifest.kind == "changes"
    assert loaded is not None
    assert loaded.rows_deleted == 2
    platform.assert_equal(EXCHANGE)
