"""The one job, and the ways to ask for it.

Belongs here: the job `sync` and what a run of it is told. Does not belong here: when it is asked for (`automation`).

**One process, one step after another.** A run of `sync` uses Dagster's in-process executor. The multiprocess one starts a Python process
for each step, seconds of imports for milliseconds of work. Dagster has no executor with threads, and what one could be made of is
private. It would gain little: a quiet table costs some 0.35 s of processor time in all its four steps, nearly all of it Dagster's own
bookkeeping, which threads of one interpreter cannot share out. What takes long is concurrent within its step instead: an extract decodes,
encodes and uploads in threads of its own, and Redshift copies parts in parallel. Runs themselves are concurrent, each in its own process:
while one run loads a large table, the sensor starts another for those that have changed meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from dagster import AssetCheckKey, AssetKey, AssetSelection, RunRequest, define_asset_job, in_process_executor

from stori_pipeline.defs.assets import REQUESTED_ON_TAG
from stori_pipeline.defs.lineage import Affected
from stori_pipeline.defs.logs import TO_CONSOLE
from stori_pipeline.defs.metadata import chart_key, landing_key, mirror_key, report_key
from stori_pipeline.spec import Table

TABLES_TAG = "stori/tables"
"""The tag of a run that names its source tables."""

sync = define_asset_job(
    "sync",
    selection=AssetSelection.all(),
    description="Land what changed in the sources, load it, and make the star tables, reports and charts anew that it reaches.",
    executor_def=in_process_executor,
)


def sync_config(tables: Iterable[Table], *, full: bool = False, reconcile: bool = False) -> dict[str, Any]:
    """The run configuration that reads these tables whole, or looks for deleted rows first; empty for an ordinary run."""
    said = {name: True for name, wanted in (("full", full), ("reconcile", reconcile)) if wanted}
    return {"ops": {landing_key(table).to_python_identifier(): {"config": said} for table in tables}} if said else {}


def selected(affected: Affected) -> list[AssetKey]:
    """What a run after a change materializes: the landings of the source tables, and everything downstream of them."""
    keys = [key for table in affected.mirrored for key in (landing_key(table), mirror_key(table))]
    keys += [report_key(report.name) for report in affected.reports]
    return keys + [chart_key(chart.name) for chart in affected.charts]


def sync_tags(tables: Iterable[Table], requested_on: date) -> dict[str, str]:
    """The tags of a run that was requested on that day for what has changed in these tables."""
    return {TABLES_TAG: " ".join(table.full_name for table in tables), REQUESTED_ON_TAG: requested_on.isoformat()}


def sync_request(
    affected: Affected,
    *,
    day: date,
    checks: Sequence[AssetCheckKey],
    run_key: str | None = None,
    full: bool = False,
    reconcile: bool = False,
) -> RunRequest:
    """Ask for one run that lands what has changed in these tables, brings all that is made of them up to date and runs those checks.

    Args:
        day: the day, in UTC, on which this is asked for, hence the partition that the run lands into.
    """
    return RunRequest(
        run_key=run_key,
        partition_key=day.isoformat(),
        asset_selection=selected(affected),
        asset_check_keys=list(checks),
        run_config={**sync_config(affected.tables, full=full, reconcile=reconcile), "loggers": dict(TO_CONSOLE)},
        tags=sync_tags(affected.tables, day),
    )
