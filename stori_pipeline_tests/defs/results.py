"""What a run says of its assets and checks."""

from __future__ import annotations

from typing import Any

from dagster import AssetCheckEvaluation, AssetKey, ExecuteInProcessResult


def metadata_of(result: ExecuteInProcessResult, key: AssetKey) -> dict[str, Any]:
    (event,) = [e for e in result.get_asset_materialization_events() if e.asset_key == key]
    return {name: value.value for name, value in event.materialization.metadata.items()}


def checks(result: ExecuteInProcessResult) -> dict[str, AssetCheckEvaluation]:
    return {f"{e.asset_key.to_user_string()} {e.check_name}": e for e in result.get_asset_check_evaluations()}
