"""What a command imports that finds nothing new: the time of such a command is mostly that of its imports."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from stori_pipeline_tests.commands import PATIENCE, inherited_environ
from stori_pipeline_tests.platforms import BANK, EXCHANGE, NAMES, Platform

SLOW = {"alembic", "boto3", "dagster", "dagster_aws", "httpx", "matplotlib", "numpy", "polars", "pyarrow", "pydantic", "rich", "sqlalchemy"}

LANDING = """
import os
from stori_pipeline.catalog.{source} import TABLES
from stori_pipeline.lake import Lake, connect
from stori_pipeline.pipeline import sync
from stori_pipeline.readers import reader_for

(table,) = TABLES
reader = reader_for(table.source.kind, os.environ["STORI_SOURCE_{variable}"])
assert sync.land(table, reader, Lake(connect(), os.environ["STORI_LANDING_BUCKET"]), run_id="test").manifest is None
"""


def _imported(platform: Platform, *arguments: str) -> set[str]:
    """The packages that an interpreter with these arguments imports, and the processes that it forks."""
    command = [sys.executable, "-X", "importtime", *arguments]
    environ = {**inherited_environ(), **platform.environ}
    ended = subprocess.run(command, cwd=platform.folder, env=environ, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert ended.returncode == 0, ended.stderr[-3_000:]
    return {found[1] for line in ended.stderr.splitlines() if (found := re.match(r"import time:.*\| +(\w+)", line))}


@pytest.fixture
def synced(platform: Platform) -> Platform:
    platform.move(5)
    platform.trade(0, 5)
    for table in (BANK, EXCHANGE):
        platform.sync(table)
    return platform


@pytest.mark.parametrize("source", [BANK.source.name, EXCHANGE.source.name])
def test_a_landing_of_nothing_imports_nothing_slow(synced: Platform, source: str) -> None:
    found = _imported(synced, "-c", LANDING.format(source=source, variable=source.upper()))
    assert "stori_pipeline" in found
    assert found & SLOW == set()


def test_a_sync_with_nothing_new_imports_nothing_slow(synced: Platform) -> None:
    words = ("-m", "stori_pipeline", "sync", "--json", *NAMES)
    assert "dagster" in _imported(synced, *words)
    found = _imported(synced, *words)
    assert {"pymongo", "psycopg2", "obstore"} <= found
    assert found & SLOW == set()
