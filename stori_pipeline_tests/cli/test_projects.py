"""`stori init` and `stori add`, and the command outside a project."""

from __future__ import annotations

from pathlib import Path

import pytest

from stori_pipeline_tests.commands import Ended, started
from stori_pipeline_tests.conftest import SourceDatabase

COMMANDS = [
    ("sync",), ("verify",), ("up",), ("down",), ("status",), ("scaffold", "crm.people"), ("detect-deletes",), ("api",),
    ("add", "source", "crm"),
]  # fmt: skip


def stori(folder: Path, *words: str) -> Ended:
    """Run the command in a folder, for the project that the folder is in."""
    with started(words, {"STORI_PROJECT": "", "DAGSTER_HOME": "/of/another/project"}, folder) as running:
        return running.end()


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    stori(tmp_path, "init", "shop").expect(0)
    return tmp_path / "shop"


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_outside_a_project_a_command_says_one_clear_line(tmp_path: Path, words: tuple[str, ...]) -> None:
    ended = stori(tmp_path, *words).expect(1)
    assert ended.err == (
        f"Error: {tmp_path} is in no project of stori; change into a project's folder, or make one with `stori init NAME`\n"
    )
    assert not [path for path in tmp_path.iterdir() if not path.name.startswith("command-")]


@pytest.mark.parametrize("words", [(), *COMMANDS], ids=" ".join)
def test_outside_a_project_help_is_given(tmp_path: Path, words: tuple[str, ...]) -> None:
    assert "Usage: " in stori(tmp_path, *words[:2], "--help").expect(0).out


def test_a_project_has_no_command_of_the_shipped_one(shop: Path) -> None:
    assert "seed" not in stori(shop, "--help").expect(0).out
    assert "No such command 'seed'" in stori(shop, "seed").expect(2).err


def test_init_says_what_it_wrote_and_leaves_a_project_alone(shop: Path) -> None:
    before = {path: path.read_bytes() for path in shop.rglob("*") if path.is_file()}
    assert "is not empty" in stori(shop.parent, "init", "shop").expect(1).err
    assert {path: path.read_bytes() for path in shop.rglob("*") if path.is_file()} == before


def test_a_source_is_added_and_its_connection_tried(shop: Path, source_db: SourceDatabase) -> None:
    ended = stori(shop, "add", "source", "crm", "--url", source_db.reader_url).expect(0)
    assert "wrote shop/catalog/crm.py" in ended.err
    assert "GRANT SELECT ON ALL TABLES" in ended.err
    assert "The connection works: PostgreSQL" in ended.err
    assert (shop / ".env").stat().st_mode & 0o077 == 0
    again = stori(shop, "add", "source", "crm").expect(0)  # the address is in .env now
    assert "wrote" not in again.err
    assert "The connection works" in again.err


def test_without_an_address_a_source_says_what_to_set(shop: Path) -> None:
    ended = stori(shop, "add", "source", "crm", "--kind", "mongodb").expect(0)
    assert "Setting: STORI_SOURCE_CRM, such as mongodb://reader:PASSWORD@HOST:27017/DATABASE" in ended.err
    assert "The connection was not tried. Set STORI_SOURCE_CRM in .env, and repeat `stori add source crm`." in ended.err


def test_a_connection_that_fails_is_one_line_without_the_password(shop: Path) -> None:
    ended = stori(shop, "add", "source", "crm", "--url", "postgresql://reader:s3cret@127.0.0.1:1/x").expect(1)
    assert ended.err.splitlines()[-1].startswith("Error: Postgres 127.0.0.1:1/x cannot be reached")
    assert "s3cret" not in ended.output


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://reader:a@b/c@db/shop",
        "postgresql://reader:100%@db/shop",
        "postgresql://reader:a@db:port/shop",
        "mongodb://reader:a/b@db/shop",
        "mongodb://reader:100%@db/shop",
    ],
)
def test_an_address_that_is_malformed_is_written_nowhere(shop: Path, url: str) -> None:
    """Regression: it was in .env before the error, and each later command read it there."""
    before = written(shop)
    ended = stori(shop, "add", "source", "crm", "--url", url).expect(1)
    assert "%25 (%)" in ended.err
    assert "wrote" not in ended.err
    assert written(shop) == before


def written(folder: Path) -> dict[Path, bytes]:
    """The files of a project, without those that the interpreter, the pipeline or a command of the tests keeps there."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("command-")]
    return {path: path.read_bytes() for path in files if not {".stori", "__pycache__"} & set(path.parts)}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("crm",), "the kind of the source 'crm' is not known; give it with --kind: postgres, mongodb"),
        (("crm", "--kind", "oracle"), "there is no kind of source 'oracle'"),
        (("star", "--kind", "postgres"), "'star' is a name of the platform"),
        (("My-Crm", "--kind", "postgres"), "is not a name of lower-case letters"),
    ],
)
def test_a_source_that_cannot_be_is_refused(shop: Path, words: tuple[str, ...], message: str) -> None:
    assert message in stori(shop, "add", "source", *words).expect(1).err
    assert [path.name for path in (shop / "shop" / "catalog").iterdir() if path.suffix == ".py"] == ["__init__.py"]
