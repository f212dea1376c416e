"""The continuous sync in this process, for a terminal: one run of its job, which lasts until it is interrupted.

Belongs here: executing the run, and a line for each table that it brought. Does not belong here: the job (`defs.continuous`), or the
command's options (`data`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from dagster import RunRequest

from stori_pipeline import logs
from stori_pipeline.cli.sync import QUIET
from stori_pipeline.defs.build import build_defs
from stori_pipeline.defs.continuous import ON_HAPPENED, STEP
from stori_pipeline.discovery import current
from stori_pipeline.pipeline.continuous import Left
from stori_pipeline.runtime.failures import failure_message
from stori_pipeline.runtime.in_process import execute_job
from stori_pipeline.runtime.instance import open_instance
from stori_pipeline.runtime.logging import TO_CONSOLE
from stori_pipeline.runtime.names import CONTINUOUS

if TYPE_CHECKING:
    from stori_pipeline.pipeline.bring import Brought


_SECONDS = 600.0
"""How long one run lasts. A run in this process keeps its events in memory, so that a new one begins now and then."""


def line_of(happened: Brought | Left) -> str:
    """What happened to one table, for a person."""
    if isinstance(happened, Left):
        return f"{happened.table.full_name}: left to `stori sync`: {happened.reason}"
    landed, loaded = happened.landed.manifest or happened.rows.columns, happened.loaded
    parts = [f"batch {landed.batch} landed with {landed.rows} rows"] if landed else []
    parts += [f"{landed.rejected} rows went to quarantine"] if landed and landed.rejected else []
    parts += [f"{loaded.rows_inserted} rows inserted, {loaded.rows_deleted} deleted"] if loaded else []
    return f"{happened.table.full_name}: {', '.join(parts)}"


def run_continuously(show: Callable[[str], None]) -> str:
    """Brings what changes until the process is interrupted, or another run of the continuous sync takes over. Returns what went wrong; ""
    if nothing did.

    Args:
        show: called with a line for each table that was brought, or left to a run of its own.
    """
    defs = build_defs(current().project)
    config = {"loggers": dict(TO_CONSOLE if logs.json_enabled() else QUIET), "ops": {STEP: {"config": {"seconds": _SECONDS}}}}
    with ExitStack() as stack:
        stack.callback(ON_HAPPENED.reset, ON_HAPPENED.set(lambda happened: show(line_of(happened))))
        instance = stack.enter_context(open_instance())
        while True:
            began = time.monotonic()
            result = execute_job(defs, CONTINUOUS, RunRequest(run_config=config), instance=instance)
            if failed := [failure_message(event, result.all_events) for event in result.all_events if event.is_step_failure]:
                return failed[0]
            if time.monotonic() - began < _SECONDS:
                return ""
