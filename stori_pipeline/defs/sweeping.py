"""The job that removes from the lakes what nothing refers to any more.

Belongs here: which tables are swept and when. Does not belong here: what may be removed (`Lake.sweep`).
"""

from datetime import timedelta

from dagster import (
    DefaultScheduleStatus,
    JobDefinition,
    OpExecutionContext,
    ScheduleDefinition,
    in_process_executor,
    job,
    op,
)

from stori_pipeline.defs.lineage import Graph
from stori_pipeline.defs.resources import LakeResource, ProcessedResource, store_of
from stori_pipeline.defs.retries import RETRY, only_transient

_BACK = timedelta(days=8)
"""What was left earlier, earlier nights have removed; a week without Dagster is made good."""


def sweep_job(graph: Graph) -> JobDefinition:
    @op(name="sweep_lakes", retry_policy=RETRY)
    def sweep_lakes(context: OpExecutionContext, lake: LakeResource, processed: ProcessedResource) -> None:
        swept = {}
        with only_transient():
            for name, table in graph.records.items():
                if count := store_of(table, lake, processed).open().sweep(table, back=_BACK):
                    swept[name] = count
        context.log.info(f"{sum(swept.values())} objects removed: {swept}" if swept else "there was nothing to remove")
        context.add_output_metadata(swept)

    @job(
        name="sweep",
        executor_def=in_process_executor,
        description="Remove from both buckets what broken-off landings left, and what newer files have replaced, once it is a day old.",
    )
    def sweep() -> None:
        sweep_lakes()

    return sweep


def sweep_schedule(sweep: JobDefinition) -> ScheduleDefinition:
    return ScheduleDefinition(
        name="sweeping",
        job=sweep,
        cron_schedule="40 3 * * *",
        execution_timezone="UTC",
        description="Once a day, at night.",
        default_status=DefaultScheduleStatus.RUNNING,
    )
