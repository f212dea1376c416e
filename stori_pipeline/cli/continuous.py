"""The continuous sync in this process, for a terminal: runs of its job, one after another, until it is interrupted.

Belongs here: executing the runs, ordinary ones of the tables that they leave, and a line for each table that was brought. Does not belong
here: the job (`defs.continuous`), or the command's options (`data`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from dagster import RunRequest

from stori_pipeline import logs
from stori_pipeline.cli.sync import QUIET, run_sync
from stori_pipeline.defs.build import build_defs
from stori_pipeline.defs.continuous import INTERRUPTED, STEP, TERMINAL
from stori_pipeline.defs.follower import signs
from stori_pipeline.discovery import current
from stori_pipeline.model.project import Project
from stori_pipeline.pipeline.continuous import Left
from stori_pipeline.runtime.failures import failure_message
from stori_pipeline.runtime.in_process import execute_job
from stori_pipeline.runtime.instance import open_instance
from stori_pipeline.runtime.logging import TO_CONSOLE
from stori_pipeline.runtime.names import CONTINUOUS

if TYPE_CHECKING:
    from stori_pipeline.model.table import Table
    from stori_pipeline.pipeline.bring import Brought


_SECONDS = 600.0
"""How long one run lasts. A run in this process keeps its events in memory, so that a new one begins now and then."""


def line_of(happened: Brought | Left) -> str:
    """What happened to one table, for a person."""
    if isinstance(happened, Left):
        return f"{happened.table.full_name}: needs a run of its own: {happened.reason}"
    landed, loaded = happened.landed.manifest or happened.rows.columns, happened.loaded
    parts = [f"batch {landed.batch} landed with {landed.rows} rows"] if landed else []
    parts += [f"{landed.rejected} rows went to quarantine"] if landed and landed.rejected else []
    parts += [f"{loaded.rows_inserted} rows inserted, {loaded.rows_deleted} deleted"] if loaded else []
    return f"{happened.table.full_name}: {', '.join(parts)}"


class _Terminal:
    """Shows what happens, and notes why a run ended. Ends a run where tables wait for an ordinary one, once for each reason."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._tried: dict[str, str] = {}
        self._waiting: dict[str, str] = {}
        self.left: list[Left] = []
        """The tables that wait for an ordinary run."""
        self.why: str | None = None
        """Why the last run ended, as it said itself; None if it said nothing."""

    def begins(self) -> None:
        self.why = None

    def happened(self, what: Brought | Left) -> None:
        self._show(line_of(what))

    def ends(self, left: Sequence[Left]) -> str:
        waiting = {name: sign for name, sign in signs(left).items() if self._tried.get(name) != sign}
        is_settled, self._waiting = waiting == self._waiting, waiting  # tables of one source are left one after another
        self.left = [each for each in left if each.table.full_name in waiting] if is_settled else []
        return "tables wait for a run of their own" if self.left else ""

    def ended(self, why: str) -> None:
        self.why = why

    def try_left(self, project: Project) -> None:
        """An ordinary run of the tables that wait for one."""
        self._tried |= signs(self.left)
        tables = {table.full_name: table for each in self.left for table in _sources_of(each.table, project)}
        for result in run_sync(list(tables.values()), project=project):
            if result.error or result.rows_landed or result.rows_loaded or result.rows_deleted:
                done = f"{result.rows_landed} rows landed, {result.rows_loaded} inserted, {result.rows_deleted} deleted"
                self._show(f"{result.table}: {result.error or done}")
        self.left, self._waiting = [], {}


def _sources_of(table: Table, project: Project) -> list[Table]:
    """The table itself, or the source tables that a star table is made from."""
    star = next((each for each in project.stars if each.table is table), None)
    return [source for name in star.inputs.values() for source in _sources_of(project.mirrors[name], project)] if star else [table]


def run_continuously(show: Callable[[str], None]) -> str:
    """Brings what changes until the process is interrupted, or another run of the continuous sync takes over. Returns what went wrong; ""
    if nothing did.

    Args:
        show: called with a line for each table that was brought, or that needs a run of its own.
    """
    project, terminal = current().project, _Terminal(show)
    defs = build_defs(project)
    config = {"loggers": dict(TO_CONSOLE if logs.json_enabled() else QUIET), "ops": {STEP: {"config": {"seconds": _SECONDS}}}}
    with ExitStack() as stack:
        stack.callback(TERMINAL.reset, TERMINAL.set(terminal))
        instance = stack.enter_context(open_instance())
        while True:
            terminal.begins()
            result = execute_job(defs, CONTINUOUS, RunRequest(run_config=config), instance=instance)
            if failed := [failure_message(event, result.all_events) for event in result.all_events if event.is_step_failure]:
                return failed[0]
            if terminal.why == INTERRUPTED:
                return ""
            if terminal.why is None:
                return f"the run {result.run_id} of the continuous sync did not say why it ended; the UI shows it"
            if terminal.left:
                terminal.try_left(project)
            elif terminal.why:
                return f"the continuous sync ends here, because {terminal.why}"
