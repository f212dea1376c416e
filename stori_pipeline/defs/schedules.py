"""The schedules: a run of each scope every twenty minutes, even if its sensor saw no change, the nightly proof, and the nightly sweep.

Belongs here: certainty. Does not belong here: promptness (`sensors`), or what the jobs do (`jobs`).
"""

from dagster import (
    DefaultScheduleStatus,
    JobDefinition,
    RunRequest,
    RunsFilter,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    SkipReason,
    schedule,
)

from stori_pipeline.defs.checks import quick_checks, scheduled_checks
from stori_pipeline.defs.follower import UNFINISHED
from stori_pipeline.defs.jobs import prove_job, scope_job, sync_request
from stori_pipeline.defs.scopes import Scope, scopes
from stori_pipeline.model.project import Project
from stori_pipeline.runtime.liveness import end_killed_runs

_EVERY = 20  # minutes
_SCHEDULE_TAG = "dagster/schedule_name"  # Dagster gives it to the runs of a schedule


def scope_schedules(project: Project) -> list[ScheduleDefinition]:
    """A schedule for each scope. They begin a minute apart, so that their runs do not all start at once."""
    return [_schedule(project, scope, minute % _EVERY) for minute, scope in enumerate(scopes(project))]


def _schedule(project: Project, scope: Scope, minute: int) -> ScheduleDefinition:
    content = scope.content
    what = "Every table of the source" if content.tables else "Everything that is made of the tables of several sources"
    how = ": lands, loads, detects deletes, and compares source and mirror" if content.tables else ""

    @schedule(
        name=f"{scope.name}_every_{_EVERY}_minutes",
        job=scope_job(project, scope),
        cron_schedule=",".join(str(each) for each in range(minute, 60, _EVERY)) + " * * * *",
        execution_timezone="UTC",
        description=f"{what}, even if the sensor saw no change{how}.",
        default_status=DefaultScheduleStatus.RUNNING,
    )
    def everything(context: ScheduleEvaluationContext) -> RunRequest | SkipReason:
        end_killed_runs(context.instance)
        own = RunsFilter(statuses=UNFINISHED, tags={_SCHEDULE_TAG: everything.name})
        if context.instance.get_run_records(own, limit=1):
            return SkipReason("the previous run has not ended yet")
        checks = [*quick_checks(project, content), *scheduled_checks(content.tables)]
        return sync_request(content, checks=checks, detect_deletes=True, pages=True)

    return everything


def sweep_schedule(sweep: JobDefinition) -> ScheduleDefinition:
    return ScheduleDefinition(
        name="sweep_every_night",
        job=sweep,
        cron_schedule="40 3 * * *",
        execution_timezone="UTC",
        description="Once a day, at night.",
        default_status=DefaultScheduleStatus.RUNNING,
    )


def prove_schedule(project: Project) -> ScheduleDefinition:
    return ScheduleDefinition(
        name="prove_every_night",
        job=prove_job(project),
        cron_schedule="10 2 * * *",
        execution_timezone="UTC",
        description="Once a day, at night: brings what changed, and compares every row. By day, a share of each large table is compared.",
        default_status=DefaultScheduleStatus.RUNNING,
    )
