"""`stori schema plan` and `stori schema apply`: what they print, and a project whose source changes."""

from __future__ import annotations

from pathlib import Path

from stori_pipeline_tests.commands import Ended, started
from stori_pipeline_tests.databases import execute
from stori_pipeline_tests.discovery.projects import write_project
from stori_pipeline_tests.platforms import BANK, Platform

MODULE = '''\
"""The source crm."""

from stori_pipeline.model import Column, Source, Table, integer, varchar
from stori_pipeline.readers.postgres import Xmin

SOURCE = Source("schema_crm", "postgres", "Customers.")
TABLES = (
    Table(
        source=SOURCE,
        name="people",
        columns=(
            Column("id", integer, nullable=False),
            Column("name", varchar(40), nullable=False, description="Their name."),
            Column("shoe", integer),
        ),
        key=("id",),
        changes=Xmin(),
    ),
)
'''
CHANGES = (
    "ALTER TABLE people ADD born date, ALTER name TYPE varchar(80), ALTER name DROP NOT NULL, DROP shoe",
    "INSERT INTO people VALUES (2, repeat('x', 80), '1999-12-31'), (3, NULL, NULL)",
)


def _stori(platform: Platform, folder: Path, *words: str) -> Ended:
    environ = {**platform.environ, "STORI_PROJECT": "", "STORI_SOURCE_SCHEMA_CRM": platform.bank.reader_url}
    with started(words, environ, folder) as running:
        return running.end()


def test_apply_writes_the_definition_and_the_mirror_equals_the_source(platform: Platform, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    write_project(folder, "people_shop", {"catalog/schema_crm.py": MODULE})
    (folder / "dagster.yaml").write_text((tmp_path / "dagster.yaml").read_text())
    file = folder / "people_shop" / "catalog" / "schema_crm.py"
    columns = "id int PRIMARY KEY, name varchar(10) NOT NULL, shoe int"
    platform.write(f"CREATE TABLE people ({columns})")
    platform.write("INSERT INTO people VALUES (1, 'Ann', 38)")
    platform.write("GRANT SELECT ON people TO reader")
    platform.execute("DROP SCHEMA IF EXISTS schema_crm CASCADE")
    _stori(platform, folder, "schema", "apply", "--yes").expect(0)
    _stori(platform, folder, "sync").expect(0)
    for statement in CHANGES:
        platform.write(statement)

    (planned,) = _stori(platform, folder, "schema", "plan", "--json").expect(0).json
    found = {(each["change"], each["column"]) for each in planned["drift"]}
    assert found == {("dropped", "shoe"), ("nullable", "name"), ("wider", "name"), ("added", "born")}
    assert planned["definition"]["by_hand"] == []
    assert planned["keeps_generation"] is True
    assert planned["reads"] == "id, born of 1 rows"
    assert any("CREATE TABLE" in each for each in planned["ddl"]), "NOT NULL cannot be removed in place"
    _stori(platform, folder, "schema", "apply", "--dry-run").expect(0)
    assert file.read_text() == MODULE
    assert "repeat the command with --yes" in _stori(platform, folder, "schema", "apply").expect(1).err
    assert file.read_text() == MODULE

    applied = _stori(platform, folder, "schema", "apply", "--yes").expect(0)
    assert "changed schema_crm.people" in applied.err, str(applied)
    changed = file.read_text()
    for line in (
        'Column("name", varchar(320), nullable=True, description="Their name."),',
        'Column("shoe", integer, dropped=True),',
        'Column("born", date),',
    ):
        assert line in changed, changed
    query = "SELECT id, LEN(name), shoe, born::VARCHAR FROM schema_crm.people ORDER BY id"
    assert platform.query(query) == [(1, 3, None, None), (2, 80, None, "1999-12-31"), (3, None, None, None)]
    _stori(platform, folder, "verify").expect(0)
    again = _stori(platform, folder, "schema", "apply", "--yes").expect(0)
    assert "Nothing differs" in again.err, str(again)
    assert file.read_text() == changed
    kinds = platform.query("SELECT COUNT(DISTINCT generation), COUNT(*) FROM pipeline.loads WHERE target = 'schema_crm.people'")
    assert kinds == [(1, 2)], "one generation"
    platform.write("ALTER TABLE people DROP CONSTRAINT people_pkey")
    refused = _stori(platform, folder, "schema", "apply", "--yes").expect(1)
    assert "schema_crm.people: not applied, because " in refused.err, str(refused)
    assert file.read_text() == changed
    platform.execute("DROP SCHEMA schema_crm CASCADE", "DELETE FROM pipeline.loads WHERE target = 'schema_crm.people'")


def test_a_plan_names_what_a_change_reaches_and_changes_nothing(platform: Platform) -> None:
    platform.move(3)
    platform.sync(BANK)
    platform.write("ALTER TABLE transactions ADD branch varchar(20), DROP deposit_amt")
    (planned,) = platform.stori("schema", "plan", "--json", BANK.full_name).expect(0).json
    assert "deposits" in planned["reaches"]["columns"]["reports.account_balances_by_day"]
    assert planned["reaches"]["checks"]
    assert planned["reads"] == "transaction_no, branch of 3 rows"
    assert planned["ddl"] == [
        'ALTER TABLE "bank"."transactions" ADD COLUMN "branch" VARCHAR(80)',
        'UPDATE "bank"."transactions" SET "deposit_amt" = NULL WHERE "deposit_amt" IS NOT NULL',
    ]
    diff = planned["definition"]["diff"]
    assert any(line.startswith("+") and 'Column("branch", varchar(80))' in line for line in diff), diff
    shown = platform.stori("schema", "plan", BANK.full_name).expect(0)
    assert "reports.account_balances_by_day: " in shown.out
    assert platform.lake.newest(BANK) == platform.lake.find(BANK, 1)


def test_a_definition_that_cannot_be_edited_safely_is_left_with_the_lines_to_write(platform: Platform, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    elsewhere = MODULE.replace('            Column("shoe", integer),\n', "            _SHOE,\n").replace(
        "TABLES = (", '_SHOE = Column("shoe", integer)\nTABLES = ('
    )
    write_project(folder, "shoe_shop", {"catalog/schema_crm.py": elsewhere})
    execute(platform.bank.admin_url, "CREATE TABLE people (id int PRIMARY KEY, name varchar(10) NOT NULL, shoe bigint)")
    platform.write("GRANT SELECT ON people TO reader")
    refused = _stori(platform, folder, "schema", "apply", "--yes").expect(1)
    assert "the column 'shoe' is not written as Column(…) in its Table(…)" in refused.err
    assert "write these lines, then repeat the command: shoe: write bigint instead of integer" in " ".join(refused.err.split())
    assert (folder / "shoe_shop/catalog/schema_crm.py").read_text() == elsewhere
