"""The newest result of each asset check.

Belongs here: reading them from Dagster's instance. Does not belong here: checking.
"""

from __future__ import annotations

from dataclasses import dataclass

from dagster import AssetCheckSeverity, DagsterEventType, DagsterInstance, EventRecordsFilter

_EVALUATIONS = 5_000


@dataclass(frozen=True)
class CheckResult:
    """The newest evaluation of one check."""

    asset: str
    check: str
    passed: bool
    warns: bool
    """Whether it only warns where it does not pass."""
    message: str


def check_results(instance: DagsterInstance | None = None) -> list[CheckResult]:
    """The newest result of each check among the last few thousand, by asset and name. By default of the instance of `DAGSTER_HOME`."""
    if instance is None:
        with DagsterInstance.get() as opened:
            return check_results(opened)
    records = instance.get_event_records(EventRecordsFilter(DagsterEventType.ASSET_CHECK_EVALUATION), limit=_EVALUATIONS, ascending=False)
    newest: dict[tuple[str, str], CheckResult] = {}
    for record in records:
        event = record.event_log_entry.dagster_event
        if event is None:
            continue
        found = event.asset_check_evaluation_data
        asset = "/".join(found.asset_key.path)
        newest.setdefault(
            (asset, found.check_name),
            CheckResult(asset, found.check_name, found.passed, found.severity == AssetCheckSeverity.WARN, found.description or ""),
        )
    return [newest[key] for key in sorted(newest)]
