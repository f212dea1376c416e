"""The README: its examples run, and its tables list every option, fixture and part."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

import redshift_local
from redshift_local import pytest_plugin
from redshift_local.instance import URL_FILE, LocalRedshift
from tests.sessions import PATIENCE, ask

PACKAGE = Path(redshift_local.__file__).parent
README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")


def example(name: str) -> str:
    """The code block that follows the comment of that name."""
    (found,) = re.findall(rf"<!-- example: {name} -->\n```\w+\n(.*?)```", README, re.DOTALL)
    return str(found)


def first_column(heading: str) -> list[str]:
    """The code in the first column of the tables under a heading."""
    section = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)


def test_the_example_of_connecting_runs(redshift: LocalRedshift, tmp_path: Path) -> None:
    (tmp_path / ".redshift-local").mkdir()
    (tmp_path / ".redshift-local" / URL_FILE).write_text(redshift.url + "\n")
    words = [sys.executable, "-c", example("connect")]
    result = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (result.stdout, result.stderr) == ("[('AMZN', Decimal('187.50'), 'none')]\n", "")
    with closing(psycopg2.connect(redshift.url)) as connection, connection:
        ask(connection, "DROP TABLE trades")


def test_the_example_of_a_test_passes(tmp_path: Path) -> None:
    (tmp_path / "test_trades.py").write_text(example("pytest"))
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)]
    result = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert result.returncode == 0, result.stdout
    assert "1 passed" in result.stdout


def test_the_example_of_starting_uses_options_that_exist_and_the_table_names_all() -> None:
    words = [sys.executable, "-m", "redshift_local", "--help"]
    text = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=True, env=os.environ | {"COLUMNS": "200"}).stdout
    options = set(re.findall(r"^  (--[a-z0-9-]+)", text, re.MULTILINE))
    assert {"--port", "--data", "--s3-endpoint"} <= options
    assert set(first_column("Start it")) == options
    assert set(re.findall(r"--[a-z0-9-]+", example("install"))) <= options


def test_the_table_of_fixtures_names_every_one() -> None:
    source = Path(pytest_plugin.__file__).read_text("utf-8")
    fixtures = re.findall(r"^@pytest\.fixture.*\ndef (\w+)\(", source, re.MULTILINE)
    assert len(fixtures) == 4
    assert sorted(first_column("Test with it")) == sorted(fixtures)


def test_the_table_of_parts_names_every_one() -> None:
    parts = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert set(first_column("Change it")) == parts - {"__init__", "__main__"}


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#\s]+)\)", README))
def test_every_link_leads_to_a_file(target: str) -> None:
    assert (Path(__file__).parents[1] / target).exists()
