"""The schedules: a run of every table every twenty minutes, even if the sensor saw no change, and the nightly sweep.

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

from stori_pipeline.clock import utc_day
from stori_pipeline.defs.checks import quick_checks, scheduled_checks
from stori_pipeline.defs.jobs import sync_job, sync_request
from stori_pipeline.defs.sensors import UNFINISHED
from stori_pipeline.model.project import Affected, Project
from stori_pipeline.runtime.liveness import end_killed_runs
from stori_pipeline.runtime.names import TABLES_TAG


def everything_schedule(project: Project) -> ScheduleDefinition:
    @schedule(
        name="everything",
        job=sync_job(),
        cron_schedule="*/20 * * * *",
        execution_timezone="UTC",
        description="Every table, even if the sensor saw no change: lands, loads, detects deletes, and compares source and mirror.",
        default_status=DefaultScheduleStatus.RUNNING,
    )
    def everything(context: ScheduleEvaluationContext) -> RunRequest | SkipReason:
        end_killed_runs(context.instance)
        everything_tag = {TABLES_TAG: " ".join(t.full_name for t in project.tables)}
        if context.instance.get_run_records(RunsFilter(statuses=UNFINISHED, tags=everything_tag), limit=1):
            return SkipReason("the previous run has not ended yet")
        affected = Affected(project.tables, project.stars, project.reports, project.charts)
        checks = [*quick_checks(project, affected), *scheduled_checks(project.tables)]
        # The scheduled time, not the present time, so that a late tick still requests its own day.
        return sync_request(affected, day=utc_day(context.scheduled_execution_time), checks=checks, detect_deletes=True)

    return everything


def sweep_schedule(sweep: JobDefinition) -> ScheduleDefinition:
    return ScheduleDefinition(
        name="sweeping",
        job=sweep,
        cron_schedule="40 3 * * *",
        execution_timezone="UTC",
        description="Once a day, at night.",
        default_status=DefaultScheduleStatus.RUNNING,
    )
