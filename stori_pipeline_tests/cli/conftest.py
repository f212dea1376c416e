"""A project folder with the local stack and small sample data, and the command run in it as a person would."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import boto3
import psycopg2
import pytest
from pymongo import MongoClient

from stori_pipeline.catalog import SOURCES
from stori_pipeline.local.dotenv import write_env
from stori_pipeline.local.samples.seed import seed
from stori_pipeline.local.stack import Stack
from stori_pipeline_tests.conftest import empty_samples

ROOT = Path(__file__).parents[2]
STORI = Path(sys.executable).parent / "stori"
TABLES = ("bank.transactions", "exchange.trades")


@dataclass(frozen=True)
class Said:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Project:
    """A folder in which `stori` is called. The surroundings are in its `.env` alone."""

    folder: Path
    environ: dict[str, str]

    def stori(self, *words: str, env: dict[str, str] | None = None) -> Said:
        # Nothing of the developer's own settings may leak in; `.env` of the folder is what counts.
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("STORI_", "AWS_", "DAGSTER_"))}
        done = subprocess.run(
            [STORI, *words], cwd=self.folder, env=kept | (env or {}), capture_output=True, text=True, timeout=120, check=False
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def bank(self, statement: str) -> None:
        """One committed transaction of the bank's application."""
        self._run(self.environ["STORI_ADMIN_BANK"], statement)

    def warehouse(self, statement: str) -> list[tuple[Any, ...]]:
        return self._run(self.environ["STORI_WAREHOUSE"], statement)

    @staticmethod
    def _run(url: str, statement: str) -> list[tuple[Any, ...]]:
        with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="package")
def project(stack: Stack, environ: dict[str, str]) -> Iterator[Project]:
    """A folder whose `.stori` is the session's stack, with few rows in the four databases and nothing synced."""
    folder = stack.home.parent
    write_env(folder / ".env", environ)
    shutil.copy(ROOT / "dagster.yaml", folder)
    made = Project(folder, environ)
    _forget(made)
    seed(environ, folder / "data", rows=400, trades=60, users=20, totesys_until=date(2022, 11, 4))
    yield made
    _forget(made)
    (folder / ".env").unlink()


@pytest.fixture(scope="package")
def first_sync(project: Project) -> Said:
    """What `stori sync --json` of two tables said the first time. Those stand for all: the others take the same way, and their time."""
    return project.stori("sync", "--json", *TABLES)


def _forget(project: Project) -> None:
    """The sources, mirrors and landed batches have one name each and are shared with tests that need them empty."""
    for schema in (*(source.name for source in SOURCES), "star", "reports"):
        project.warehouse(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
    empty_samples(project.environ)
    project.bank("DROP TABLE IF EXISTS transactions, imports")
    url = project.environ["STORI_ADMIN_EXCHANGE"]
    with MongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=20_000) as client:
        client.get_default_database().drop_collection("trades")
    told = project.environ
    with closing(
        boto3.client(
            "s3",
            endpoint_url=told["AWS_ENDPOINT_URL"],
            aws_access_key_id=told["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=told["AWS_SECRET_ACCESS_KEY"],
            region_name=told["AWS_DEFAULT_REGION"],
        )
    ) as s3:
        bucket = project.environ["STORI_LANDING_BUCKET"]
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for found in page.get("Contents", []):
                s3.delete_object(Bucket=bucket, Key=found["Key"])
