"""The newest result of each asset check.

Belongs here: reading them from Dagster's instance. Does not belong here: running checks (`defs`).
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
    """Whether its failure is a warning."""
    message: str


def check_results(instance: DagsterInstance | None = None) -> list[CheckResult]:
    """The newest result of each check among the last five thousand evaluations, sorted by asset and name.

    Without `instance`, reads the instance of `DAGSTER_HOME`.
    """
    if instance is None:
        with DagsterInstance.get() as opened:
            return check_results(opened)
    records = instance.get_event_records(EventRecordsFilter(DagsterEventType.ASSET_CHECK_EVALUATION), limit=_EVALUATIONS, ascending=False)
    newest: dict[tuple[str, str], CheckResult] = {}
    for record in records:
        event = record.event_log_entry.dagster_event
        if event is None:
            continue
        data = event.asset_check_evaluation_data
        asset = "/".join(data.asset_key.path)
        newest.setdefault(
            (asset, data.check_name),
            CheckResult(asset, data.check_name, data.passed, data.severity == AssetCheckSeverity.WARN, data.description or ""),
        )
    return [newest[key] for key in sorted(newest)]
