"""A project folder with the local stack and small sample data, and the command run in it as a person would run it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from stori_pipeline.local.dotenv import write_env
from stori_pipeline.local.samples.seed import seed
from stori_pipeline.local.stack import Stack
from stori_pipeline_tests.commands import PATIENCE, Ended, inherited_environ, started
from stori_pipeline_tests.conftest import empty_samples
from stori_pipeline_tests.databases import execute
from stori_pipeline_tests.stores import empty_bucket, empty_warehouse, s3_client

ROOT = Path(__file__).parents[2]
STORI = Path(sys.executable).parent / "stori"
TABLES = ("bank.transactions", "exchange.trades")


@dataclass(frozen=True)
class ProjectFolder:
    """A folder in which `stori` runs. Its settings come from its `.env` alone."""

    folder: Path
    environ: dict[str, str]

    def stori(self, *words: str, env: dict[str, str] | None = None) -> Ended:
        """Run the command; `.env` of the folder is what counts, but for what `env` says."""
        with started(words, env or {}, self.folder) as running:
            return running.end()

    def installed(self, *words: str) -> Ended:
        """As `stori`, but as a person does: the script that the installation has put beside the interpreter."""
        done = subprocess.run(
            [STORI, *words], cwd=self.folder, env=inherited_environ(), capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        return Ended(done.returncode, done.stdout, done.stderr, words)

    def bank(self, statement: str) -> None:
        """One committed transaction of the bank's application."""
        execute(self.environ["STORI_ADMIN_BANK"], statement)

    def warehouse(self, statement: str) -> list[tuple[Any, ...]]:
        return execute(self.environ["STORI_WAREHOUSE"], statement)


def in_one_line(ended: Ended) -> str:
    """The error of a command that failed as it should: one line, no traceback, nothing on stdout."""
    assert ended.code != 0
    assert ended.out == ""
    assert "Traceback" not in ended.err
    *before, line = ended.err.strip().splitlines()
    assert line.startswith("Error: ")
    assert not any("rror" in other for other in before)
    return line


@pytest.fixture(scope="package")
def project(stack: Stack, environ: dict[str, str]) -> Iterator[ProjectFolder]:
    """A folder whose `.stori` is the session's stack, with few rows in the four databases and nothing synced."""
    folder = stack.home.parent
    write_env(folder / ".env", environ)
    shutil.copy(ROOT / "dagster.yaml", folder)
    project_folder = ProjectFolder(folder, environ)
    _forget(project_folder)
    seed(environ, folder / "data", rows=400, trades=60, users=20, totesys_until=date(2022, 11, 4))
    yield project_folder
    _forget(project_folder)
    (folder / ".env").unlink()


@pytest.fixture(scope="package")
def first_sync(project: ProjectFolder) -> Ended:
    """The output of the first `stori sync --json` of two tables. The other tables take the same path, so two are enough."""
    return project.installed("sync", "--json", *TABLES)


def _forget(project: ProjectFolder) -> None:
    """The sources, mirrors and landed batches have one name each and are shared with tests that need them empty."""
    empty_warehouse(project.environ["STORI_WAREHOUSE"])
    empty_samples(project.environ)
    project.bank("DROP TABLE IF EXISTS transactions, imports")
    url = project.environ["STORI_ADMIN_EXCHANGE"]
    with MongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=20_000) as client:
        client.get_default_database().drop_collection("trades")
    with s3_client(project.environ) as s3:
        empty_bucket(s3, project.environ["STORI_LANDING_BUCKET"])
