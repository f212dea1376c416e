"""sync, verify, scaffold and workload, as people and programs use them: on real servers, in a process of their own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from stori_pipeline.model.table import Table
from stori_pipeline.project import find_table
from stori_pipeline_tests import shipped
from stori_pipeline_tests.cli.conftest import ROOT, TABLES, ProjectFolder, in_one_line
from stori_pipeline_tests.commands import Ended, started
from stori_pipeline_tests.pasting import pasted

SYNC = ["table", "batch", "kind", "rows_landed", "rows_loaded", "rows_deleted", "rejected", "seconds"]
VERIFY = ["table", "source_rows", "warehouse_rows", "equal", "differing", "differing_rows", "more", "rows", "rows_in_flight", "in_flight"]
VERIFY += ["verified_through", "how", "range", "compared", "checksums", "generation", "batch", "position", "run_id", "started_at"]
VERIFY += ["finished_at", "repaired"]


# ---- sync


def test_sync_json_has_its_shape_and_nothing_else(first_sync: Ended) -> None:
    assert first_sync.code == 0, first_sync.err
    assert [list(each) for each in first_sync.json] == [SYNC, SYNC]
    bank, exchange = first_sync.json
    assert {**bank, "seconds": 0} == {
        "table": "bank.transactions",
        "batch": 1,
        "kind": "snapshot",
        "rows_landed": 400,
        "rows_loaded": 400,
        "rows_deleted": 0,
        "rejected": 0,
        "seconds": 0,
    }
    assert (exchange["table"], exchange["rows_landed"], exchange["rows_loaded"]) == ("exchange.trades", 60, 60)
    assert all(each["seconds"] > 0 for each in first_sync.json)


def test_progress_off_a_terminal_is_a_line_at_the_end_and_on_stderr(first_sync: Ended) -> None:
    assert first_sync.err.splitlines() == ["  landing bank.transactions: 400", "  landing exchange.trades: 60"]


@pytest.mark.usefixtures("first_sync")
def test_sync_with_nothing_new_says_so(project: ProjectFolder) -> None:
    ended = project.stori("sync", "bank.transactions")
    assert ended.code == 0, ended.err
    assert "Nothing new" in ended.err
    assert "bank.transactions" in ended.out
    assert "exchange.trades" not in ended.out


@pytest.mark.usefixtures("first_sync")
def test_a_sync_that_only_loads_does_not_say_that_nothing_is_new(project: ProjectFolder) -> None:
    """Regression: "Nothing new" stood below a table that showed its loaded rows."""
    project.warehouse("DROP TABLE exchange.trades CASCADE")
    ended = project.stori("sync", "exchange.trades").expect(0)
    assert " 60 " in ended.out
    assert "Nothing new" not in ended.err


@pytest.mark.usefixtures("first_sync")
def test_sync_full_begins_a_new_generation(project: ProjectFolder) -> None:
    (before,) = project.warehouse("SELECT MAX(generation) FROM pipeline.loads WHERE target = 'bank.transactions'")
    ended = project.stori("sync", "--full", "--json", "bank.transactions")
    assert ended.code == 0, ended.err
    (bank,) = ended.json
    (count,) = project.warehouse("SELECT COUNT(*) FROM bank.transactions")[0]
    assert (bank["kind"], bank["rows_landed"]) == ("snapshot", count)
    (after,) = project.warehouse("SELECT MAX(generation) FROM pipeline.loads WHERE target = 'bank.transactions'")
    assert after > before


@pytest.mark.usefixtures("first_sync")
def test_sync_of_an_unavailable_source_fails_and_syncs_the_others(project: ProjectFolder) -> None:
    project.bank("UPDATE transactions SET transaction_details = 'seen' WHERE transaction_no = 7")
    away = "mongodb://reader:hunter2@127.0.0.1:1/exchange?serverSelectionTimeoutMS=500"
    ended = project.stori("sync", "--json", *TABLES, env={"STORI_SOURCE_EXCHANGE": away})
    assert ended.code == 1
    bank, exchange = ended.json
    assert (bank["rows_landed"], bank["rows_loaded"]) == (1, 1)
    assert (exchange["batch"], exchange["rows_landed"]) == (None, 0)
    assert "exchange.trades at 127.0.0.1:1: the server cannot be reached" in ended.err
    assert "Traceback" not in ended.err
    assert "hunter2" not in ended.err + ended.out


def test_sync_names_the_checks_that_fail(project: ProjectFolder) -> None:
    """Regression: it was silent."""
    project.bank("UPDATE transactions SET balance_amt = balance_amt + 1000000 WHERE transaction_no = 30")
    try:
        ended = project.stori("sync", "bank.transactions").expect(0)
        assert "bank.transactions: the check balance_continuity warns: " in ended.err
        assert "bank.transactions: the check balance_continuity warns: " not in project.stori("sync", "exchange.trades").expect(0).err
    finally:
        project.bank("UPDATE transactions SET balance_amt = balance_amt - 1000000 WHERE transaction_no = 30")
        project.stori("sync", "bank.transactions").expect(0)


def test_sync_before_the_first_up_ends_with_a_line_that_names_it(tmp_path: Path) -> None:
    """Regression: it was a traceback of Dagster's."""
    shutil.copy(ROOT / "dagster.yaml", tmp_path)
    with started(("sync", "bank.transactions"), {}, tmp_path) as running:
        ended = running.end().expect(1)
    assert ended.err.splitlines()[-1].startswith("bank.transactions: STORI_SOURCE_BANK is not set: ")
    assert "On a laptop, `stori up` writes it to .env" in ended.err
    assert "Traceback" not in ended.output


# ---- verify


@pytest.mark.usefixtures("first_sync")
def test_verify_of_what_was_synced_is_equal(project: ProjectFolder) -> None:
    assert project.stori("sync", *TABLES).code == 0
    ended = project.stori("verify", "--json", *TABLES)
    assert ended.code == 0, ended.out + ended.err
    assert [list(each) for each in ended.json] == [VERIFY, VERIFY]
    for each in ended.json:
        assert each["source_rows"] == each["warehouse_rows"] > 0
        assert (each["equal"], each["differing"]) == (True, [])


@pytest.mark.usefixtures("first_sync")
def test_verify_fails_on_a_difference_and_prints_the_rows(project: ProjectFolder) -> None:
    assert project.stori("sync", "bank.transactions").code == 0
    project.warehouse("UPDATE bank.transactions SET balance_amt = balance_amt + 1 WHERE transaction_no = 20")
    project.warehouse("DELETE FROM bank.transactions WHERE transaction_no = 21")
    try:
        ended = project.stori("verify", "bank.transactions")
        assert ended.code == 1
        assert "bank.transactions 20: different" in ended.out
        assert "bank.transactions 21: not in the warehouse" in ended.out
        assert "NO" in ended.out
        (as_json,) = project.stori("verify", "--json", "bank.transactions").json
        assert (as_json["equal"], as_json["differing"]) == (False, ["20", "21"])
        assert as_json["source_rows"] == as_json["warehouse_rows"] + 1
    finally:
        assert project.stori("sync", "--full", "bank.transactions").code == 0


def test_verify_compares_the_others_where_a_table_no_longer_fits(project: ProjectFolder) -> None:
    """Regression: it compared nothing then, and named the first such table only."""
    project.stori("sync", *TABLES).expect(0)
    project.bank("ALTER TABLE transactions RENAME COLUMN chip_used TO chip")
    try:
        ended = project.stori("verify", "--json", *TABLES).expect(1)
        assert [each["table"] for each in ended.json] == ["exchange.trades"]
        assert "bank.transactions: " in ended.err
        assert "chip_used" in ended.err
    finally:
        project.bank("ALTER TABLE transactions RENAME COLUMN chip TO chip_used")


def test_sync_and_verify_say_where_rejected_rows_are(project: ProjectFolder) -> None:
    """Regression: they gave a number alone."""
    project.bank("ALTER TABLE transactions ALTER transaction_details TYPE text")
    project.bank("UPDATE transactions SET transaction_details = repeat('x', 70000) WHERE transaction_no = 33")
    try:
        where = "`stori quarantine show bank.transactions` shows why"
        assert f"rows that went to quarantine: 1; {where}" in project.stori("sync", "bank.transactions").expect(0).err
        assert f"rows in quarantine: 1; {where}" in project.stori("verify", "bank.transactions").expect(1).err
    finally:
        project.bank("UPDATE transactions SET transaction_details = 'short' WHERE transaction_no = 33")
        project.bank("ALTER TABLE transactions ALTER transaction_details TYPE varchar(1024)")
        project.stori("sync", "--full", "bank.transactions").expect(0)


# ---- scaffold


@pytest.mark.parametrize("table", shipped.TABLES, ids=lambda t: t.full_name)
def test_scaffold_prints_a_definition_that_can_be_pasted(project: ProjectFolder, table: Table) -> None:
    if not table.changes.is_replayable:  # what a queue's messages hold can only be seen while they wait
        assert project.stori("workload", "events", "--operations", "20", "--rate", "200").code == 0
    ended = project.stori("scaffold", table.full_name)
    assert ended.code == 0, ended.err
    definition = pasted(ended.out, table.source)
    assert definition.full_name == table.full_name
    assert type(definition.changes) is type(table.changes)
    # A document's own key is its _id, a file's rows are told apart by their lines, an API's by names: of those only a person knows the key.
    assert definition.key == table.key or table.source.kind in ("mongodb", "s3_drop", "http_api")


def test_scaffold_reads_a_database_that_the_catalog_does_not_have(project: ProjectFolder) -> None:
    ended = project.stori("scaffold", "--url", project.environ["STORI_SOURCE_BANK"], "shop.transactions")
    assert ended.code == 0, ended.err
    assert pasted(ended.out, find_table("bank.transactions").source).name == "transactions"


def test_scaffold_of_a_missing_table_is_one_line(project: ProjectFolder) -> None:
    assert "no_such_table" in in_one_line(project.stori("scaffold", "bank.no_such_table"))
    assert "no_such" in in_one_line(project.stori("scaffold", "exchange.no_such"))
    assert "Add it with `stori add source shop`" in in_one_line(project.stori("scaffold", "shop.orders"))
    assert "the address of 'shop' does not show its kind; give the kind with --kind: postgres, mongodb" in in_one_line(
        project.stori("scaffold", "--url", "ftp://files", "shop.orders")
    )
    assert "there is no kind of source 'oracle'; there are postgres, mongodb" in in_one_line(
        project.stori("scaffold", "--url", "x", "--kind", "oracle", "shop.orders")
    )
    assert "SOURCE.TABLE, such as bank.transactions, nor SOURCE with --all" in in_one_line(project.stori("scaffold", "orders"))


# ---- seed and workload


def test_a_second_seed_skips_sources_with_rows_unless_again_is_given(project: ProjectFolder) -> None:
    size = "--rows", "400", "--trades", "60", "--users", "20", "--totesys-until", "2022-11-04"
    ended = project.stori("seed", *size)
    assert ended.code == 0, ended.err
    for source in ("bank", "exchange", "app", "totesys", "drops"):
        assert f"{source}: skipped, because it has rows already" in ended.err
    assert "inserted," not in ended.err
    again = project.stori("seed", "--again", *size)
    assert again.code == 0, again.err
    assert "bank.transactions: 0 inserted, 400 existed already, 0 rejected" in again.err
    assert "exchange.trades: 0 inserted, 60 existed already, 0 rejected" in again.err
    assert "app: skipped, because it has rows already" in again.err


def test_workload_does_the_given_number_of_operations(project: ProjectFolder) -> None:
    ended = project.stori("workload", "--operations", "20", "--rate", "200")
    assert ended.code == 0, ended.err
    assert "Workload" in ended.out
    counts = [int(line.replace("│", " ").split()[-1]) for line in ended.out.splitlines() if line.startswith("│")]
    assert 18 <= sum(counts) <= 20  # late transactions count when they end, with what they did
    assert "operations: 20" in ended.err


def test_workload_writes_only_to_the_given_source(project: ProjectFolder) -> None:
    ended = project.stori("workload", "app", "--operations", "10", "--rate", "200")
    assert ended.code == 0, ended.err
    lines = [line for line in ended.out.splitlines() if line.startswith("│")]
    assert lines
    assert all(line.startswith("│ app ") for line in lines)
    assert "no application is called 'shop'; choose from bank, exchange, app, totesys" in in_one_line(project.stori("workload", "shop"))


# ---- what goes wrong, in one line


@pytest.mark.parametrize("command", ["sync", "verify", "detect-deletes"])
def test_an_unknown_table_is_refused_with_the_list_of_tables(project: ProjectFolder, command: str) -> None:
    line = in_one_line(project.stori(command, "bank.transaction"))
    assert "the project has no source table 'bank.transaction'; it has " in line
    assert all(table.full_name in line for table in shipped.TABLES)
    assert line.endswith("Did you mean bank.transactions?")


def test_a_table_without_its_source_is_told_with_it(project: ProjectFolder) -> None:
    assert in_one_line(project.stori("sync", "trades")).endswith("Did you mean exchange.trades?")
    assert "Did you mean" not in in_one_line(project.stori("sync", "nothing"))


@pytest.mark.parametrize("command", ["verify", "detect-deletes"])
def test_a_missing_setting_is_named_in_one_line(project: ProjectFolder, command: str) -> None:
    line = in_one_line(project.stori(command, "bank.transactions", env={"STORI_WAREHOUSE": ""}))
    assert "STORI_WAREHOUSE is empty: it should hold the address of the warehouse" in line


@pytest.mark.parametrize("command", [("seed", "--rows", "10"), ("workload", "--operations", "1")])
def test_sample_commands_that_reach_no_source_say_so_in_one_line(project: ProjectFolder, command: tuple[str, ...]) -> None:
    away = "postgresql://app:hunter2@127.0.0.1:1/bank"
    line = in_one_line(project.stori(*command, env={"STORI_ADMIN_BANK": away}))
    assert "127.0.0.1" in line
    assert "hunter2" not in line


def test_a_rate_of_zero_is_refused_in_one_line(project: ProjectFolder) -> None:
    assert "it must be greater than 0" in in_one_line(project.stori("workload", "--rate", "0"))


@pytest.mark.usefixtures("first_sync")
def test_verify_of_an_unavailable_source_says_so_in_one_line(project: ProjectFolder) -> None:
    away = "postgresql://reader:hunter2@127.0.0.1:1/bank"
    line = in_one_line(project.stori("verify", "bank.transactions", env={"STORI_SOURCE_BANK": away}))
    assert "127.0.0.1:1/bank cannot be reached" in line
    assert "hunter2" not in line


def test_verify_of_a_table_that_was_never_loaded_says_so_in_one_line(project: ProjectFolder) -> None:
    project.warehouse("DROP TABLE IF EXISTS exchange.trades CASCADE")
    try:
        line = in_one_line(project.stori("verify", "exchange.trades"))
        assert line == "Error: exchange.trades is not loaded yet; run `stori sync exchange.trades`"
    finally:
        assert project.stori("sync", "exchange.trades").code == 0
