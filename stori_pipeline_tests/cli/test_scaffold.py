"""`stori scaffold --all` and `--write`: what they print, and what they write into a project's catalog."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner, Result

from stori_pipeline.cli import main, scaffold
from stori_pipeline.local.stack import Stack
from stori_pipeline_tests.conftest import SourceDatabase, source_database
from stori_pipeline_tests.databases import execute


@pytest.fixture(scope="module")
def crm(sources: Stack) -> Iterator[SourceDatabase]:
    with source_database(sources) as database:
        execute(
            database.admin_url,
            "CREATE TABLE people (id int PRIMARY KEY, name text)",
            'CREATE TABLE "Order Details" (a int, b numeric)',
            "CREATE TABLE secrets (id int)",
            "REVOKE SELECT ON secrets FROM reader",
        )
        yield database


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a project's catalog, which is empty."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(scaffold, "catalog_folder", lambda: tmp_path)
    return tmp_path


def stori(crm: SourceDatabase, *words: str, answer: str = "") -> Result:
    return CliRunner().invoke(main, ["scaffold", *words], env={"STORI_SOURCE_CRM": crm.reader_url}, input=answer)


def loaded(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("crm", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_all_prints_a_module_and_says_elsewhere_what_is_left_out(crm: SourceDatabase, catalog: Path) -> None:
    done = stori(crm, "crm", "--all")
    assert done.exit_code == 0, done.output
    (catalog / "printed.py").write_text(done.stdout)
    module = loaded(catalog / "printed.py")
    assert (module.SOURCE.name, module.SOURCE.kind) == ("crm", "postgres")
    assert [table.full_name for table in module.TABLES] == ["crm.order_details", "crm.people"]
    assert "looking at crm.people" in done.stderr
    assert "Left out: crm.secrets: the role 'reader' may not read it" in done.stderr
    assert "crm.secrets" in done.stdout, "as a comment"


def test_write_makes_the_module_and_later_adds_to_it_if_one_agrees(crm: SourceDatabase, catalog: Path) -> None:
    file = catalog / "crm.py"
    first = stori(crm, "crm.people", "--write")
    assert first.exit_code == 0, first.output
    assert f"{file}: wrote people" in first.stderr
    assert [table.name for table in loaded(file).TABLES] == ["people"]
    before = file.read_text()
    refused = stori(crm, "crm.Order Details", "--write", answer="n\n")
    assert refused.exit_code == 1
    assert f"{file} exists. Add 1 definition" in refused.stderr
    assert file.read_text() == before
    agreed = stori(crm, "crm.Order Details", "--write", answer="y\n")
    assert agreed.exit_code == 0, agreed.output
    assert f"{file}: added order_details" in agreed.stderr
    assert [table.name for table in loaded(file).TABLES] == ["people", "order_details"]


def test_a_table_that_the_module_defines_is_not_written_twice(crm: SourceDatabase, catalog: Path) -> None:
    assert stori(crm, "crm", "--all", "--write").exit_code == 0
    text = (catalog / "crm.py").read_text()
    again = stori(crm, "crm", "--all", "--write", "--yes")
    assert again.exit_code == 0, again.output
    assert "nothing to write" in again.stderr
    one = stori(crm, "crm.people", "--write", "--yes")
    assert one.exit_code == 1
    assert "defines crm.people already" in one.stderr
    assert (catalog / "crm.py").read_text() == text


@pytest.mark.parametrize("words", [("crm",), ("crm.people", "--all")])
def test_neither_a_table_nor_all_or_both_is_refused(crm: SourceDatabase, words: tuple[str, ...]) -> None:
    done = stori(crm, *words)
    assert done.exit_code == 2
    assert "is neither SOURCE.TABLE, such as bank.transactions, nor SOURCE with --all" in done.stderr
