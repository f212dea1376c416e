"""The one job, and the ways to ask for it.

Belongs here: the job `sync` and what a run of it is told. Does not belong here: when it is asked for (`automation`).

**One process, one step after another.** A run of `sync` uses Dagster's in-process executor: the multiprocess one starts a Python
process for each step, seconds of imports for milliseconds of work, and Dagster has no executor with threads (its building blocks for one
are private). What is slow is concurrent within its step instead: an extract decodes, encodes and uploads in threads of its own, Redshift
copies its parts in parallel.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from dagster import AssetCheckKey, AssetSelection, RunRequest, define_asset_job, in_process_executor

from stori_pipeline.defs.assets import today
from stori_pipeline.defs.metadata import landing_key, mirror_key
from stori_pipeline.spec import Table

TABLES_TAG = "stori/tables"
"""The tag of a run that names its tables."""

sync = define_asset_job(
    "sync",
    selection=AssetSelection.all(),
    description="Land what changed in the sources and load it into the mirrors: of all tables, or of those selected.",
    executor_def=in_process_executor,
)


def sync_config(tables: Iterable[Table], *, full: bool = False, reconcile: bool = False) -> dict[str, Any]:
    """The run configuration that reads these tables whole, or looks for deleted rows first; empty for an ordinary run."""
    said = {name: True for name, wanted in (("full", full), ("reconcile", reconcile)) if wanted}
    return {"ops": {landing_key(table).to_python_identifier(): {"config": said} for table in tables}} if said else {}


def sync_request(
    tables: Sequence[Table], *, checks: Sequence[AssetCheckKey], run_key: str | None = None, full: bool = False, reconcile: bool = False
) -> RunRequest:
    """Ask for one run that lands today's partition of these tables, loads their mirrors and runs those checks."""
    return RunRequest(
        run_key=run_key,
        partition_key=today(),
        asset_selection=[key for table in tables for key in (landing_key(table), mirror_key(table))],
        asset_check_keys=list(checks),
        run_config=sync_config(tables, full=full, reconcile=reconcile),
        tags={TABLES_TAG: " ".join(table.full_name for table in tables)},
    )
