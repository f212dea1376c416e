"""Runs in this process, for the command and for tests.

Belongs here: executing a run request against Dagster's instance. Does not belong here: the request (`defs.jobs`), or its output (`cli`).
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from uuid import uuid4

from dagster import DagsterInstance, Definitions, ExecuteInProcessResult, JobDefinition, RunRequest

from stori_pipeline.runtime.liveness import end_killed_runs, liveness_lock


def execute_request(definitions: Definitions, job: str, request: RunRequest, *, instance: DagsterInstance) -> ExecuteInProcessResult:
    """Executes a run request of a job. A failed step is in the result and raises no error."""
    # Dagster's public API selects assets or checks, not both. See docs/adr/0007.
    part = definitions.resolve_job_def(job).get_subset(
        asset_selection=set(request.asset_selection or ()), asset_check_selection=set(request.asset_check_keys or ())
    )
    return _executed(part, request, instance)


def execute_job(definitions: Definitions, job: str, request: RunRequest, *, instance: DagsterInstance) -> ExecuteInProcessResult:
    """Executes a run of a whole job. A failed step is in the result and raises no error."""
    return _executed(definitions.resolve_job_def(job), request, instance)


def _executed(job: JobDefinition, request: RunRequest, instance: DagsterInstance) -> ExecuteInProcessResult:
    # Otherwise this run would wait for ever for the pool slots of a killed run.
    end_killed_runs(instance)
    run_id = str(uuid4())
    with liveness_lock(instance, run_id), _helpers_without_interrupts(instance):
        return job.execute_in_process(
            run_config=request.run_config,
            instance=instance,
            partition_key=request.partition_key,
            tags=request.tags,
            raise_on_error=False,
            run_id=run_id,
        )


@contextmanager
def _helpers_without_interrupts(instance: DagsterInstance) -> Iterator[None]:
    """In this context, Ctrl-C does not reach the processes with which Dagster copies a run's output to the terminal.

    They would print tracebacks. Dagster ends them with the run, and they end themselves if this process was killed. See docs/adr/0007.
    """
    manager: Any = instance.compute_log_manager
    capture_logs = manager.capture_logs

    @contextmanager
    def capture(*arguments: Any, **options: Any) -> Iterator[Any]:
        with ExitStack() as stack:
            # A process inherits the signals that the thread blocks which starts it.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                captured = stack.enter_context(capture_logs(*arguments, **options))
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
            yield captured

    manager.capture_logs = capture
    try:
        yield
    finally:
        manager.capture_logs = capture_logs
