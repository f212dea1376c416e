"""What the checks say at present.

Belongs here: reading the newest evaluation of each from Dagster's instance. Does not belong here: checking.
"""

from __future__ import annotations

from dataclasses import dataclass

from dagster import AssetCheckSeverity, DagsterEventType, DagsterInstance, EventRecordsFilter

_EVALUATIONS = 5_000


@dataclass(frozen=True)
class Verdict:
    """One check's newest evaluation."""

    asset: str
    check: str
    passed: bool
    warns: bool
    """Whether it only warns where it does not pass."""
    said: str


def verdicts(instance: DagsterInstance | None = None) -> list[Verdict]:
    """The newest evaluation of each check among the last few thousand, by asset and name; by default in the instance of `DAGSTER_HOME`."""
    if instance is None:
        with DagsterInstance.get() as found_there:
            return verdicts(found_there)
    records = instance.get_event_records(EventRecordsFilter(DagsterEventType.ASSET_CHECK_EVALUATION), limit=_EVALUATIONS, ascending=False)
    newest: dict[tuple[str, str], Verdict] = {}
    for record in records:
        event = record.event_log_entry.dagster_event
        if event is None:
            continue
        found = event.asset_check_evaluation_data
        asset = found.asset_key.to_user_string()
        newest.setdefault(
            (asset, found.check_name),
            Verdict(asset, found.check_name, found.passed, found.severity == AssetCheckSeverity.WARN, found.description or ""),
        )
    return [newest[key] for key in sorted(newest)]
