"""A run in this process, for the command and for tests: what a sensor or a schedule would have requested, made here.

Belongs here: running it against Dagster's instance. Does not belong here: what is requested (`defs.jobs`), or what is shown of it (`cli`).
"""

from __future__ import annotations

from uuid import uuid4

from dagster import DagsterInstance, Definitions, ExecuteInProcessResult, RunRequest

from stori_pipeline.runtime.liveness import end_killed_runs, shown_alive


def execute_request(definitions: Definitions, job: str, request: RunRequest, *, instance: DagsterInstance) -> ExecuteInProcessResult:
    """Make that run of a job. A step that fails is in the result; nothing is raised for it."""
    # The public ways select assets or checks, not both. See docs/adr/0007.
    part = definitions.resolve_job_def(job).get_subset(
        asset_selection=set(request.asset_selection or ()), asset_check_selection=set(request.asset_check_keys or ())
    )
    # Otherwise this run would wait for ever for the slots of one that was killed.
    end_killed_runs(instance)
    run_id = str(uuid4())
    with shown_alive(instance, run_id):
        return part.execute_in_process(
            run_config=request.run_config,
            instance=instance,
            partition_key=request.partition_key,
            tags=request.tags,
            raise_on_error=False,
            run_id=run_id,
        )
