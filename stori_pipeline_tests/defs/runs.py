"""Runs of `sync` in tests: executing one, and what it reported."""

from __future__ import annotations

import functools
from typing import Any

from dagster import (
    AssetCheckEvaluation,
    AssetKey,
    DagsterEventType,
    ExecuteInProcessResult,
)

from stori_pipeline.cli.sync import execute_sync as execute_sync_of
from stori_pipeline.cli.sync import run_sync as run_sync_of
from stori_pipeline_tests.defs.graphs import PLAIN

TABLES = PLAIN.tables
execute_sync = functools.partial(execute_sync_of, project=PLAIN)
run_sync = functools.partial(run_sync_of, project=PLAIN)


def metadata_of(result: ExecuteInProcessResult, key: AssetKey) -> dict[str, Any]:
    (event,) = [e for e in result.get_asset_materialization_events() if e.asset_key == key]
    return {name: value.value for name, value in event.materialization.metadata.items()}


def version(result: ExecuteInProcessResult, key: AssetKey) -> str:
    (event,) = [e for e in result.get_asset_materialization_events() if e.asset_key == key]
    return (event.materialization.tags or {})["dagster/data_version"]


def checks(result: ExecuteInProcessResult) -> dict[str, AssetCheckEvaluation]:
    return {f"{e.asset_key.to_user_string()} {e.check_name}": e for e in result.get_asset_check_evaluations()}


def why(result: ExecuteInProcessResult) -> list[str]:
    """The errors of a run, to show if it should have succeeded."""
    return [str(e.step_failure_data.error) if e.is_step_failure else str(e.message) for e in result.all_events if e.is_failure]


def steps(result: ExecuteInProcessResult, kind: DagsterEventType) -> list[str]:
    return [e.step_key or "" for e in result.all_events if e.event_type == kind]
