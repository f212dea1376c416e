"""`stori drop-table`: what it removes, what it refuses, and that it can be killed and repeated."""

from __future__ import annotations

from dataclasses import replace

import pytest
from dagster import DagsterInstance

from stori_pipeline.pipeline.drop import dependents
from stori_pipeline.project import PROJECT
from stori_pipeline_tests.gate import Gate, Hold
from stori_pipeline_tests.platforms import Platform

BANK = "bank.transactions"


@pytest.fixture
def loaded(platform: Platform) -> Platform:
    """A bank whose table was synced twice, with a rejected row, and with a view of somebody's own over its mirror."""
    platform.move(5)
    platform.write("ALTER TABLE transactions ALTER transaction_details TYPE text")
    platform.write("UPDATE transactions SET transaction_details = repeat('x', 70000) WHERE transaction_no = 5")
    platform.stori("sync", BANK).expect(0)
    return platform


def without_bank(platform: Platform) -> Platform:
    """The same platform, where the project no longer defines any table of the bank."""
    folder = platform.folder / "shop"
    (folder / "catalog").mkdir(parents=True)
    for module in (folder / "__init__.py", folder / "catalog" / "__init__.py"):
        module.touch()
    (folder / "project.py").write_text('from stori_pipeline.discovery import ProjectPackage\n\nPROJECT = ProjectPackage("shop")\n')
    (platform.folder / "pyproject.toml").write_text('[tool.stori]\nproject = "shop.project"\n')
    return replace(platform, environ=dict(platform.environ) | {"STORI_PROJECT": ""})


def left(platform: Platform) -> list[object]:
    """All that is there of the bank's table."""
    found = platform.query("SELECT COUNT(*) FROM pipeline.loads WHERE target = 'bank.transactions'")
    relations = platform.query("SELECT table_name FROM information_schema.tables WHERE table_schema IN ('bank', 'own') ORDER BY table_name")
    objects = [key for bucket in (platform.lake.bucket, platform.processed.bucket) for key in bucket.objects("bank/transactions/")]
    with DagsterInstance.from_config(str(platform.folder)) as instance:
        assets = [key for key in instance.get_asset_keys() if key.path[-2:] == ["bank", "transactions"]]
    return [*(found if found != [(0,)] else []), *relations, *objects, *assets]


def test_drop_table_removes_everything_of_a_table_that_is_not_defined(loaded: Platform) -> None:
    loaded.execute("CREATE SCHEMA own", "CREATE VIEW own.newest AS SELECT * FROM bank.transactions")
    platform = without_bank(loaded)
    try:
        shown = platform.stori("drop-table", BANK, "--dry-run", "--json").expect(0).json
        assert (shown["defined"], shown["rows"], shown["views"], shown["records"]) == (False, 4, ["own.newest"], {"loads": 1})
        lake = shown["buckets"][0]
        assert (lake["manifests"], lake["quarantine_files"]) == (1, 1)
        assert lake["objects"] == len(list(platform.lake.bucket.objects("bank/transactions/"))) >= 3
        assert lake["bytes"] == sum(stored.bytes for stored in platform.lake.bucket.objects("bank/transactions/"))
        assert {"landing/bank/transactions", "warehouse/bank/transactions"} <= set(shown["assets"])
        before = left(platform)
        refused = platform.stori("drop-table", BANK)
        assert refused.code == 2
        assert "--yes" in refused.err
        assert left(platform) == before

        platform.stori("drop-table", BANK, "--yes").expect(0)
        assert left(platform) == []
        again = platform.stori("drop-table", BANK, "--yes").expect(0)
        assert f"{BANK} left nothing" in again.err
    finally:
        loaded.execute("DROP SCHEMA own CASCADE")


def test_a_check_in_sql_of_another_table_depends_on_what_it_reads() -> None:
    """Also where the project no longer defines the table. Regression: only checks in Python counted."""
    check = "sql/checks/app/transactions/user_exists.sql"
    tables = tuple(table for table in PROJECT.tables if table.full_name != "app.users")
    without = replace(PROJECT.project, tables=tables, reports=(), charts=())
    assert check in dependents(PROJECT.project, "app.users")
    assert dependents(without, "app.users") == [check]


def test_a_table_on_which_the_project_depends_is_not_dropped(loaded: Platform) -> None:
    ended = loaded.stori("drop-table", BANK, "--yes", "--force")
    assert ended.code == 1
    assert "reports.account_balances_by_day" in ended.err
    assert "depend" in ended.err
    assert loaded.query("SELECT COUNT(*) FROM bank.transactions") == [(4,)]


def test_a_table_that_is_still_defined_is_dropped_only_by_force(loaded: Platform) -> None:
    platform = without_bank(loaded)
    (platform.folder / "shop" / "catalog" / "bank.py").write_text("from stori_pipeline.catalog.bank import SOURCE, TABLES\n")
    before = left(platform)
    refused = platform.stori("drop-table", BANK, "--yes")
    assert refused.code == 1
    assert "still defines it, so the next sync would read it again, whole" in refused.err
    assert left(platform) == before
    assert "reads it again, whole" in platform.stori("drop-table", BANK, "--yes", "--force").expect(0).err
    assert left(platform) == []
    (again,) = platform.stori("sync", "--json", BANK).expect(0).json
    assert (again["kind"], again["batch"], again["rows_loaded"]) == ("snapshot", 1, 4)


@pytest.mark.parametrize("name", ["bank", "pipeline.loads", "bank.", "Bank.transactions", "bank.transactions/../x", "reports.x"])
def test_what_is_not_the_name_of_a_table_is_refused(platform: Platform, name: str) -> None:
    ended = platform.stori("drop-table", name, "--yes")
    assert ended.code == 1
    assert "is not the name of a table" in ended.err


@pytest.mark.parametrize(
    ("server", "hold"),
    [
        ("warehouse", Hold(b"DROP TABLE", "before")),
        ("warehouse", Hold(b"COMMIT", "before", behind=b"DROP TABLE")),
        ("warehouse", Hold(b"COMMIT", "after", behind=b"DROP TABLE")),
        ("s3", Hold(b"?delete", "before")),
        ("s3", Hold(b"?delete", "after")),
        ("s3", Hold(b"?delete", "before", nth=2)),
        ("s3", Hold(b"?delete", "after", nth=2)),
    ],
    ids=["before the drop", "before the commit", "after the commit", "no manifest", "no manifests", "before the files", "after the files"],
)
def test_a_killed_drop_leaves_all_or_nothing_visible_and_is_repeated(loaded: Platform, server: str, hold: Hold) -> None:
    platform = without_bank(loaded)
    with Gate(platform.address(server), hold) as gate, platform.start("drop-table", BANK, "--yes", **{server: gate.port}) as running:
        running.kill_at(gate.reached)
    visible = platform.query("SELECT table_name FROM information_schema.tables WHERE table_schema = 'bank'")
    if server == "s3":
        assert visible == []
    if visible:
        assert platform.query("SELECT COUNT(*) FROM bank.transactions") == [(4,)]
        assert platform.query("SELECT COUNT(*) FROM pipeline.loads WHERE target = 'bank.transactions'") == [(1,)]
    assert left(platform) != []  # at least Dagster's record, which goes last
    platform.stori("drop-table", BANK, "--yes").expect(0)
    assert left(platform) == []
