"""The graph: compared with a golden file, and quick to load."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from dagster import AssetKey, Definitions

from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.project import refuse_stray_checks
from stori_pipeline.model.sql_check import parse_check, table_checks
from stori_pipeline.project import load_project
from stori_pipeline_tests.shipped import TABLES

GOLDEN = Path(__file__).parent / "graph.json"


@pytest.fixture(scope="module")
def defs() -> Definitions:
    from stori_pipeline.definitions import defs

    return defs


def _asset(defs: Definitions, key: AssetKey) -> dict[str, Any]:
    graph = defs.resolve_asset_graph()
    node = graph.get(key)
    summary: dict[str, Any] = {
        "deps": sorted(parent.to_user_string() for parent in node.parent_keys),
        "group": node.group_name,
        "kinds": sorted(node.kinds),
        "owners": sorted(node.owners),
        "description": node.description,
        "columns": [column.name for column in node.metadata["dagster/column_schema"].columns] if node.group_name != "charts" else [],
        "checks": {check.name: graph.get(check).description for check in sorted(node.check_keys, key=str)},
        "executable": node.is_executable,
    }
    if node.is_executable:
        op = node.assets_def.op
        summary |= {
            "partitions": str(node.partitions_def) if node.partitions_def else None,
            "pool": op.pool,
            "retries": op.retry_policy.max_retries if op.retry_policy else 0,
            "freshness": str(node.freshness_policy) if node.freshness_policy else None,
        }
    return summary


def _graph(defs: Definitions) -> dict[str, Any]:
    graph = defs.resolve_asset_graph()
    repository = defs.get_repository_def()
    return {
        "assets": {key.to_user_string(): _asset(defs, key) for key in sorted(graph.get_all_asset_keys())},
        "blocking checks": sorted(key.to_user_string() for key in graph.asset_check_keys if graph.get(key).blocking),
        "jobs": {
            job.name: {"executor": job.executor_def.name, "steps": sorted(node.name for node in job.nodes)}
            for job in repository.get_all_jobs()
            if not job.name.startswith("__")
        },
        "schedules": {s.name: [s.cron_schedule, s.job_name, s.default_status.value] for s in repository.schedule_defs},
        "sensors": {
            s.name: [s.minimum_interval_seconds, *(each.job_name for each in s.targets), s.default_status.value]
            for s in repository.sensor_defs
        },
    }


def test_golden_graph(defs: Definitions) -> None:
    text = json.dumps(_graph(defs), indent=2, ensure_ascii=False) + "\n"
    if os.environ.get("GOLDEN") == "rewrite":
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8"), "the graph has changed; if that is meant, run `make golden` and read the diff"


def test_every_table_star_table_and_report_has_its_assets_under_one_name(defs: Definitions) -> None:
    keys = {key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()}
    graph = load_project()
    expected = {f"{layer}{table.prefix}" for table in graph.tables for layer in ("", "landing/", "warehouse/")}
    expected |= {f"{layer}star/{star.name}" for star in graph.stars for layer in ("", "warehouse/")}
    expected |= {f"charts/{chart.name}" for chart in graph.charts} | {f"quarantine/{table.source.name}" for table in graph.tables}
    assert keys == expected | {f"reports/{report.name}" for report in graph.reports}


# Not polars: the functions that make star tables are written in it, and a process that runs them needs it anyway.
# Nor boto3 and psycopg2: the resources are dagster-aws's, which imports both; every run uses both anyway.
HEAVY = {"matplotlib", "pymongo", "pandas", "tenacity", "httpx", "stori_pipeline.readers.postgres.reader"}


def test_loading_the_definitions_imports_no_driver_and_needs_no_setting(tmp_path: Path) -> None:
    """Every run's process loads them, and a misplaced import costs it half a second each time."""
    code = "import stori_pipeline.definitions, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    imported = set(done.stdout.split())
    assert HEAVY & imported == set()
    # Of a kind of source only its package, not the modules in it.
    assert {name for name in imported if name.startswith("stori_pipeline.readers.") and name.count(".") > 2} == set()


def test_no_resource_shows_a_secret(defs: Definitions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORI_WAREHOUSE", "postgresql://loader:hunter2@127.0.0.1:5439/dev")
    resources = defs.resources or {}
    assert "hunter2" not in repr(resources)
    assert resources["warehouse"].uri(TABLES[0].full_name) == f"redshift://127.0.0.1:5439/dev/{TABLES[0].prefix}"


# ---- sql/checks


def test_a_check_file_has_a_severity_and_a_description(tmp_path: Path) -> None:
    file = tmp_path / "no_zero.sql"
    file.write_text("-- severity: warn\n-- No amount\n-- is zero.\nSELECT 1 FROM t -- severity: error\n;\n")
    check = parse_check(file)
    assert (check.name, check.severity, check.description) == ("no_zero", "warn", "No amount is zero.")
    assert check.statement == "SELECT 1 FROM t -- severity: error"


@pytest.mark.parametrize(
    ("text", "missing"),
    [("SELECT 1", "severity"), ("-- severity: fatal\n-- x\nSELECT 1", "severity"), ("-- severity: warn\nSELECT 1", "what is true")],
)
def test_a_check_file_without_its_heading_is_refused(tmp_path: Path, text: str, missing: str) -> None:
    file = tmp_path / "bad.sql"
    file.write_text(text)
    with pytest.raises(DefinitionError, match=missing):
        parse_check(file)


def test_a_new_check_file_is_a_new_check(tmp_path: Path) -> None:
    table = TABLES[0]
    folder = tmp_path / table.prefix
    folder.mkdir(parents=True)
    (folder / "mine.sql").write_text("-- severity: error\n-- Mine.\nSELECT 1")
    assert [check.name for check in table_checks(table, tmp_path)] == ["key_unique", "not_null", "mine"]


def test_a_check_file_of_a_missing_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bank" / "nowhere").mkdir(parents=True)
    (tmp_path / "bank" / "nowhere" / "lost.sql").write_text("-- severity: error\n-- Lost.\nSELECT 1")
    with pytest.raises(DefinitionError, match=r"no table or report 'bank\.nowhere'"):
        refuse_stray_checks([TABLES[0].full_name], tmp_path)
