"""When runs happen whatever the sensor saw: every table every twenty minutes, and the sweep once a night.

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
        description="Every table, whatever the sensor saw: lands and loads, looks for deleted rows, and proves source and mirror equal.",
        default_status=DefaultScheduleStatus.RUNNING,
    )
    def everything(context: ScheduleEvaluationContext) -> RunRequest | SkipReason:
        end_killed_runs(context.instance)
        everything_tag = {TABLES_TAG: " ".join(t.full_name for t in project.tables)}
        if context.instance.get_run_records(RunsFilter(statuses=UNFINISHED, tags=everything_tag), limit=1):
            return SkipReason("the run before has not ended yet")
        affected = Affected(project.tables, project.stars, project.reports, project.charts)
        checks = [*quick_checks(project, affected), *scheduled_checks(project.tables)]
        # Of the scheduled time, not of the wall: a tick that is late, or made up for, still asks for its own day.
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
