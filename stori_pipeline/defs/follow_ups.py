"""What follows behind the continuous sync: checks, reports and charts of what it brought, in a run of their own.

Belongs here: the job, and the sensor that requests its runs. Does not belong here: bringing tables (`continuous`), or the checks
themselves. No fact waits for any of this.
"""

import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dagster import (
    AssetSelection,
    DagsterInstance,
    DefaultSensorStatus,
    RunRequest,
    RunsFilter,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    define_asset_job,
    in_process_executor,
    sensor,
)

from stori_pipeline.defs.checks import quick_checks
from stori_pipeline.defs.continuous_events import CONTINUOUS_TAG
from stori_pipeline.defs.follower import BROUGHT_TAG, UNFINISHED
from stori_pipeline.defs.keys import chart_key, mirror_key, report_key
from stori_pipeline.defs.materialization_metadata import last_tags
from stori_pipeline.model.project import Affected, Project
from stori_pipeline.runtime.logging import TO_CONSOLE
from stori_pipeline.runtime.names import CONTINUOUS, FOLLOW_UP, TABLES_TAG

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

_REST = 4.0
"""How many times as long as the last run took nothing follows: while tables change all the time, a fifth of a processor at most."""

_LOOK_SECONDS = 60.0  # between two looks at all mirrors while the continuous sync says of no load: it may have been killed before it could
_LEAST, _MOST = 10.0, 300.0  # seconds between the end of a run and the next


def follow_up_job(project: Project) -> "UnresolvedAssetJobDefinition":
    """The job of all checks that a change may affect, and of all reports and charts. A run executes the part that was requested."""
    assets = [*(report_key(report.name) for report in project.reports), *(chart_key(chart.name) for chart in project.charts)]
    return define_asset_job(
        FOLLOW_UP,
        selection=AssetSelection.assets(*assets).without_checks() | AssetSelection.checks(*quick_checks(project, project.everything)),
        description="Runs the checks of what the continuous sync brought, and updates the reports and charts below it.",
        executor_def=in_process_executor,
    )


def follow_up_sensor(project: Project, job: "UnresolvedAssetJobDefinition") -> SensorDefinition:
    """Requests one run for all that the continuous sync brought since the last."""

    @sensor(
        name=FOLLOW_UP,
        job=job,
        description="Requests the checks, reports and charts that follow what the continuous sync brought, all in one run.",
        minimum_interval_seconds=5,
        default_status=DefaultSensorStatus.RUNNING,
    )
    def follow_up(context: SensorEvaluationContext) -> SensorResult:
        if reason := _not_yet(context):
            return SensorResult(skip_reason=SkipReason(reason), cursor=context.cursor)
        before, now = _Cursor.parsed(context.cursor), time.time()
        sign = _sign(context.instance)
        if sign == before.sign and now < before.looked_at + _LOOK_SECONDS:
            return SensorResult(skip_reason=SkipReason("nothing has been brought"), cursor=context.cursor)
        keys = {mirror_key(table): name for name, table in project.mirrors.items()}
        brought = {
            keys[key]: tags["dagster/data_version"] for key, tags in last_tags(context.instance, keys).items() if CONTINUOUS_TAG in tags
        }
        new = {name: version for name, version in brought.items() if version != before.followed.get(name)}
        cursor = _Cursor({**before.followed, **new}, sign, now).text()
        if not new:
            return SensorResult(skip_reason=SkipReason("nothing has been brought"), cursor=cursor)
        return SensorResult(run_requests=[_request(project, new)], cursor=cursor)

    return follow_up


def _not_yet(context: SensorEvaluationContext) -> str:
    """Why no run is requested now, whatever was brought; "" if there is no reason."""
    last = context.instance.get_run_records(RunsFilter(job_name=FOLLOW_UP), limit=1)
    if not last:
        return ""
    record = last[0]
    if record.dagster_run.status in UNFINISHED or record.start_time is None or record.end_time is None:
        return "the last run has not ended yet" if record.dagster_run.status in UNFINISHED else ""
    rest = min(max(_REST * (record.end_time - record.start_time), _LEAST), _MOST)
    return f"the next run begins {rest:.0f} seconds after the last" if time.time() < record.end_time + rest else ""


def _sign(instance: DagsterInstance) -> str:
    """What changes if the continuous sync loads something. Asking a thousand mirrors for their versions takes half a second."""
    records = instance.get_run_records(RunsFilter(job_name=CONTINUOUS), limit=1)
    return f"{records[0].dagster_run.run_id} {records[0].dagster_run.tags.get(BROUGHT_TAG, '')}" if records else ""


@dataclass(frozen=True)
class _Cursor:
    """What the sensor remembers.

    Attributes:
        followed: the versions of mirrors that a run was requested for.
        sign: the continuous sync's sign when all mirrors were last looked at.
        looked_at: when that was, in seconds since 1970.
    """

    followed: Mapping[str, str] = field(default_factory=dict)
    sign: str = ""
    looked_at: float = 0.0

    def text(self) -> str:
        return json.dumps({"followed": self.followed, "sign": self.sign, "looked_at": self.looked_at}, sort_keys=True)

    @classmethod
    def parsed(cls, cursor: str | None) -> "_Cursor":
        """A text that no sensor wrote counts as a lost cursor. An earlier version wrote only what was followed."""
        try:
            found = json.loads(cursor or "")
            if "followed" not in found:
                return cls({str(name): str(version) for name, version in found.items()})
            followed = {str(name): str(version) for name, version in found["followed"].items()}
            return cls(followed, str(found["sign"]), float(found["looked_at"]))
        except (ValueError, AttributeError, KeyError, TypeError):
            return cls()


def _request(project: Project, new: Mapping[str, str]) -> RunRequest:
    affected = _affected(project, new)
    assets = [*(report_key(report.name) for report in affected.reports), *(chart_key(chart.name) for chart in affected.charts)]
    identity = "\n".join(f"{name} {version}" for name, version in sorted(new.items()))
    return RunRequest(
        run_key=hashlib.sha256(identity.encode()).hexdigest()[:32],
        asset_selection=assets,
        asset_check_keys=quick_checks(project, affected),
        run_config={"loggers": dict(TO_CONSOLE)},
        tags={TABLES_TAG: " ".join(sorted(new))},
    )


def _affected(project: Project, names: Iterable[str]) -> Affected:
    """These tables, and the reports and charts below them."""
    names = set(names)
    below = project.everything.downstream(names)
    return project.everything.part(names | {report.full_name for report in below.reports} | {chart.full_name for chart in below.charts})
