"""`stori detect-deletes` as people and programs use it: on real servers, in a process of its own."""

from __future__ import annotations

import pytest

from stori_pipeline_tests.cli.conftest import ProjectFolder, in_one_line


@pytest.mark.usefixtures("first_sync")
def test_detect_deletes_deletes_what_the_source_deleted(project: ProjectFolder) -> None:
    project.bank("DELETE FROM transactions WHERE transaction_no IN (31, 32)")
    project.bank("UPDATE transactions SET transaction_details = 'before the detection' WHERE transaction_no = 33")
    ended = project.stori("detect-deletes", "--json", "bank.transactions")
    assert ended.code == 0, ended.err
    (bank,) = ended.json
    assert list(bank) == ["table", "batch", "rows_deleted"]
    assert bank["rows_deleted"] == 2
    assert project.warehouse("SELECT transaction_no FROM bank.transactions WHERE transaction_no IN (31, 32, 33)") == [(33,)]
    again = project.stori("detect-deletes", "bank.transactions")
    assert again.code == 0, again.err
    assert "Deletes" in again.out


@pytest.mark.usefixtures("first_sync")
def test_detect_deletes_of_several_tables_keeps_their_order_and_does_each_once(project: ProjectFolder) -> None:
    named = ["totesys.staff", "bank.transactions", "totesys.design", "bank.transactions", "app.users", "exchange.trades"]
    project.bank("DELETE FROM transactions WHERE transaction_no = 34")
    done = project.stori("detect-deletes", "--json", *named).expect(0).json
    assert [each["table"] for each in done] == list(dict.fromkeys(named))
    assert [each["rows_deleted"] for each in done] == [0, 1, 0, 0, 0]


@pytest.mark.usefixtures("first_sync")
def test_detect_deletes_refuses_a_source_without_rows_unless_forced(project: ProjectFolder) -> None:
    project.bank("CREATE TABLE kept AS SELECT * FROM transactions")
    project.bank("DELETE FROM transactions")
    try:
        line = in_one_line(project.stori("detect-deletes", "bank.transactions"))
        assert "the source lists no rows" in line
        assert "`stori detect-deletes --force bank.transactions`" in line
        assert "nothing was changed" not in line, "it was synced first"
        every = project.stori("detect-deletes", "--json", "bank.transactions", "totesys.staff").expect(1)
        assert "bank.transactions: the source lists no rows" in every.err
        assert [each["table"] for each in every.json] == ["totesys.staff"], "the other tables were left out after a refusal"
        synced = project.stori("sync", "--detect-deletes", "bank.transactions").expect(1)
        assert "bank.transactions: the source lists no rows" in " ".join(synced.err.split())
        (count,) = project.warehouse("SELECT COUNT(*) FROM bank.transactions")[0]
        assert count > 0
        (bank,) = project.stori("detect-deletes", "--force", "--json", "bank.transactions").json
        assert bank["rows_deleted"] == count
        assert project.warehouse("SELECT COUNT(*) FROM bank.transactions") == [(0,)]
    finally:
        project.bank("INSERT INTO transactions SELECT * FROM kept")
        project.bank("DROP TABLE kept")
    (bank,) = project.stori("sync", "--json", "bank.transactions").json
    assert bank["rows_loaded"] == count
