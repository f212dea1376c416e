"""`stori scaffold --all` and `--write`: what they print, and what they write into a project's catalog."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stori_pipeline.local.stack import Stack
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Table
from stori_pipeline_tests.commands import Ended, started
from stori_pipeline_tests.conftest import SourceDatabase, source_database
from stori_pipeline_tests.databases import execute
from stori_pipeline_tests.discovery.projects import write_project


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


class Scaffolding:
    """A project without a source, and `stori scaffold` in it."""

    def __init__(self, folder: Path, url: str) -> None:
        write_project(folder, "shop")
        self._folder, self._url = folder, url
        self.file = folder / "shop" / "catalog" / "crm.py"

    def __call__(self, *words: str) -> Ended:
        with started(("scaffold", *words), {"STORI_PROJECT": ""}, self._folder) as running:
            return running.end()

    @property
    def address(self) -> tuple[str, str]:
        return "--url", self._url

    def tables(self, text: str = "") -> list[Table]:
        """The tables of a module, without importing it: of the text, or of the project's module of the source."""
        known: dict[str, object] = {}
        exec(compile(text or self.file.read_text(), "crm", "exec"), known)  # noqa: S102  (running what is written is the test)
        assert isinstance(known["SOURCE"], Source)
        assert known["SOURCE"].kind == "postgres"
        tables = known["TABLES"]
        assert isinstance(tables, tuple)
        return list(tables)


@pytest.fixture
def scaffolding(crm: SourceDatabase, tmp_path: Path) -> Scaffolding:
    return Scaffolding(tmp_path, crm.reader_url)


def test_all_prints_a_module_and_says_elsewhere_what_is_left_out(scaffolding: Scaffolding) -> None:
    done = scaffolding("crm", "--all", *scaffolding.address).expect(0)
    assert [table.full_name for table in scaffolding.tables(done.out)] == ["crm.order_details", "crm.people"]
    assert "looking at crm.people" in done.err
    assert "Left out: crm.secrets: the role 'reader' may not read it" in done.err
    assert "crm.secrets" in done.out, "as a comment"
    assert not scaffolding.file.exists()


def test_write_makes_the_module_and_adds_to_it_only_if_one_agrees(scaffolding: Scaffolding) -> None:
    first = scaffolding("crm.people", "--write", *scaffolding.address).expect(0)
    assert f"{scaffolding.file}: wrote people" in first.err
    assert [table.name for table in scaffolding.tables()] == ["people"]
    before = scaffolding.file.read_text()
    unanswered = scaffolding("crm.Order Details", "--write", *scaffolding.address).expect(1)
    assert f"{scaffolding.file} has definitions already; repeat the command with --yes" in unanswered.err
    assert scaffolding.file.read_text() == before
    agreed = scaffolding("crm.Order Details", "--write", "--yes", *scaffolding.address).expect(0)
    assert f"{scaffolding.file}: added order_details" in agreed.err
    assert [table.name for table in scaffolding.tables()] == ["people", "order_details"]


def test_a_module_that_is_written_by_hand_is_added_to_only_if_one_agrees(scaffolding: Scaffolding) -> None:
    by_hand = 'from stori_pipeline.model import Source\n\n# ours\nSOURCE = Source("crm", "postgres", "Customers.")\nTABLES = ()\n'
    scaffolding.file.write_text(by_hand)
    scaffolding("crm", "--all", "--write", *scaffolding.address).expect(1)
    assert scaffolding.file.read_text() == by_hand
    scaffolding("crm", "--all", "--write", "--yes", *scaffolding.address).expect(0)
    assert [table.name for table in scaffolding.tables()] == ["order_details", "people"]
    assert "# ours" in scaffolding.file.read_text()


def test_a_table_that_the_project_has_is_not_written_twice(scaffolding: Scaffolding) -> None:
    scaffolding("crm", "--all", "--write", *scaffolding.address).expect(0)
    text = scaffolding.file.read_text()
    assert "nothing to write" in scaffolding("crm", "--all", "--write", "--yes", *scaffolding.address).expect(0).err
    assert "the project defines crm.people already" in scaffolding("crm.people", "--write", "--yes", *scaffolding.address).expect(1).err
    assert scaffolding.file.read_text() == text


@pytest.mark.parametrize("words", [("crm",), ("crm.people", "--all")], ids=["neither", "both"])
def test_neither_a_table_nor_all_or_both_is_refused(scaffolding: Scaffolding, words: tuple[str, ...]) -> None:
    assert "is neither SOURCE.TABLE, such as bank.transactions, nor SOURCE with --all" in scaffolding(*words).expect(2).err
