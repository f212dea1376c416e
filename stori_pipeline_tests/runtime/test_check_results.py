"""The newest result of each check, from a Dagster instance."""

from __future__ import annotations

import pytest
from dagster import AssetCheckResult, AssetCheckSeverity, DagsterInstance, asset, asset_check, materialize

from stori_pipeline.runtime.check_results import CheckResult, check_results

_ANSWERS: dict[str, AssetCheckResult] = {}


@asset
def rows() -> None: ...


@asset_check(asset=rows)
def never_empty() -> AssetCheckResult:
    return _ANSWERS["never_empty"]


@asset_check(asset=rows)
def in_order() -> AssetCheckResult:
    return _ANSWERS["in_order"]


@pytest.mark.filterwarnings("ignore:Function `EventMethods.get_event_records` is deprecated:DeprecationWarning")  # ADR 7 says why
def test_the_newest_result_of_each_check_counts_by_asset_and_name() -> None:
    warning = AssetCheckResult(passed=False, severity=AssetCheckSeverity.WARN, description="two rows are late")
    with DagsterInstance.ephemeral() as instance:
        assert check_results(instance) == []
        for never_empty_now in (AssetCheckResult(passed=False, description="no rows"), AssetCheckResult(passed=True)):
            _ANSWERS.update(never_empty=never_empty_now, in_order=warning)
            assert materialize([rows, never_empty, in_order], instance=instance).success
        assert check_results(instance) == [
            CheckResult("rows", "in_order", passed=False, warns=True, message="two rows are late"),
            CheckResult("rows", "never_empty", passed=True, warns=False, message=""),
        ]
