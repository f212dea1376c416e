"""Definitions in the folder `defs` are loaded, also those that `dg scaffold` writes there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stori_pipeline_tests.readme import example

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project, in which a test may write."""
    for name in ("stori_pipeline", "sql"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def _run(project: Path, *command: str) -> str:
    done = subprocess.run(
        command,
        cwd=project,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(project), "HOME": str(project), "DAGSTER_DISABLE_TELEMETRY": "yes"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_what_dg_scaffold_writes_is_found(project: Path) -> None:
    scripts = Path(sys.executable).parent
    _run(project, str(scripts / "dg"), "scaffold", "defs", "dagster.asset", "own/greeting.py")
    (written,) = project.rglob("greeting.py")
    assert written.is_relative_to(project / "stori_pipeline" / "defs")
    code = (
        "from stori_pipeline.definitions import defs\n"
        "keys = {key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()}\n"
        "print('greeting' in keys, 'warehouse/bank/transactions' in keys)"
    )
    assert _run(project, sys.executable, "-c", code).split() == ["True", "True"]


def test_files_that_use_the_projects_io_managers_load_together(project: Path) -> None:
    """Each has its assets and nothing else: two that gave resources of the same name would not load."""
    lab = project / "stori_pipeline" / "defs" / "lab"
    lab.mkdir()
    (lab / "readings.py").write_text(example("io-managers"))
    (lab / "coldest.py").write_text(
        "import polars as pl\nfrom dagster import asset\n\n\n"
        '@asset(key_prefix="lab", io_manager_key="warehouse_io")\n'
        "def coldest(daily: pl.LazyFrame) -> pl.LazyFrame:\n    return daily.head(1)\n"
    )
    code = (
        "from dagster import Definitions\n"
        "from stori_pipeline.definitions import defs\n"
        "Definitions.validate_loadable(defs)\n"
        "keys = {key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()}\n"
        "print({'lab/readings', 'lab/daily', 'lab/coldest', 'warehouse/bank/transactions'} <= keys)"
    )
    assert _run(project, sys.executable, "-c", code).split() == ["True"]
