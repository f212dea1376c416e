"""What `stori init` and `stori add source` write."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.projects.new_project import create_project
from stori_pipeline.projects.new_source import add_source
from stori_pipeline.readers import READERS, SourceError, source_kind

ROOT = Path(__file__).parents[2]


def test_a_new_project_has_what_the_readme_says(tmp_path: Path) -> None:
    written = {str(path) for path in create_project(tmp_path / "my-shop")}
    assert written >= {"pyproject.toml", "workspace.yaml", "dagster.yaml", ".env.example", ".gitignore", "README.md"}
    assert written >= {f"my_shop/{name}" for name in ("project.py", "definitions.py", "catalog/__init__.py", "star/__init__.py")}
    assert (tmp_path / "my-shop" / "dagster.yaml").read_text() == (ROOT / "dagster.yaml").read_text()
    assert not [path for path in written if "$" in (tmp_path / "my-shop" / path).read_text() and path != "dagster.yaml"]


def test_a_new_project_passes_its_own_test_and_the_linter(tmp_path: Path) -> None:
    create_project(tmp_path / "shop")
    add_source(tmp_path / "shop" / "shop" / "catalog", tmp_path / "shop", "crm", "postgres", 'Customers, "ours" \\ theirs.')
    pytest_run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"]
    for command in (pytest_run, [sys.executable, "-m", "ruff", "check"], [sys.executable, "-m", "ruff", "format", "--check"]):
        done = subprocess.run(command, cwd=tmp_path / "shop", capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["Shop", "1shop", "my shop", "class", "json", "dagster", "stori-pipeline", "a--b", "größe", "tests"])
def test_a_name_that_python_cannot_import_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DefinitionError, match=r"choose another name|such as shop"):
        create_project(tmp_path / name)
    assert not (tmp_path / name).exists()


def test_a_folder_with_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "precious.txt").write_text("mine")
    with pytest.raises(DefinitionError, match="is not empty"):
        create_project(tmp_path / "shop")
    assert [path.name for path in (tmp_path / "shop").iterdir()] == ["precious.txt"]


def test_a_source_is_added_once(tmp_path: Path) -> None:
    create_project(tmp_path / "shop")
    catalog = tmp_path / "shop" / "shop" / "catalog"
    assert add_source(catalog, tmp_path / "shop", "crm", "postgres", "x") == [catalog / "crm.py", tmp_path / "shop" / ".env.example"]
    (catalog / "crm.py").write_text("# mine")
    assert add_source(catalog, tmp_path / "shop", "crm", "postgres", "x") == []
    assert (catalog / "crm.py").read_text() == "# mine"
    assert (tmp_path / "shop" / ".env.example").read_text().count("STORI_SOURCE_CRM=postgresql://reader:") == 1


@pytest.mark.parametrize("name", ["star", "Crm", "checks", "class", "my-crm"])
def test_a_source_that_could_not_be_used_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DefinitionError):
        add_source(tmp_path, tmp_path, name, "postgres", "x")
    assert not list(tmp_path.iterdir())


def test_an_unknown_kind_is_refused_with_the_kinds_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no kind of source 'oracle'; there are postgres, mongodb"):
        add_source(tmp_path, tmp_path, "crm", "oracle", "x")


@pytest.mark.parametrize("kind", READERS)
def test_every_kind_says_its_address_and_what_its_role_needs(kind: str) -> None:
    setup = source_kind(kind)
    assert setup.EXAMPLE_URL.startswith(setup.URL_PREFIXES) or kind == "http_api"
    assert len(setup.GRANTS) > 40
