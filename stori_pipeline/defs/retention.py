"""The job `tidy`, which removes old runs from Dagster's storage, and its schedule.

Belongs here: when, and how far back. Does not belong here: which runs may go (`runtime.retention`), or files in the buckets (the job
`sweep`).
"""

from datetime import timedelta

from dagster import DefaultScheduleStatus, OpExecutionContext, ScheduleDefinition, in_process_executor, job, op

from stori_pipeline.clock import utc_now
from stori_pipeline.runtime.retention import forget_runs
from stori_pipeline.runtime.retries import RETRY
from stori_pipeline.settings import Settings


@op(retry_policy=RETRY)
def forget_old_runs(context: OpExecutionContext) -> None:
    days = Settings.load().keep_runs_days
    forgotten = forget_runs(context.instance, utc_now() - timedelta(days=days))
    rest = "" if forgotten.is_complete else "; the next night continues"
    stay = f"{forgotten.kept} older ones stay, because they have the newest word on an asset or a check"
    context.log.info(f"{forgotten.removed} runs removed that ended more than {days} days ago; {stay}{rest}")
    context.add_output_metadata({"removed": forgotten.removed, "kept": forgotten.kept, "complete": forgotten.is_complete})


@job(
    name="tidy",
    executor_def=in_process_executor,
    description="Removes runs with their events from Dagster's storage that ended more than STORI_KEEP_RUNS_DAYS ago. A run stays that has"
    " the newest materialization of an asset, or the newest result of a check.",
)
def tidy() -> None:
    forget_old_runs()


def tidy_schedule() -> ScheduleDefinition:
    return ScheduleDefinition(
        name="tidy_every_night",
        job=tidy,
        cron_schedule="50 4 * * *",
        execution_timezone="UTC",
        description="Once a day, at night.",
        default_status=DefaultScheduleStatus.RUNNING,
    )
