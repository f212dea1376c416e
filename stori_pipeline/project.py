"""The shipped project: what its package is called, and what it adds to the command, the API and the local stack.

Belongs here: the same lines that any project has in its `project.py`. Does not belong here: loading a project (`discovery`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stori_pipeline.discovery import LocalSources, ProjectPackage

if TYPE_CHECKING:
    from stori_pipeline.model.project import Project
    from stori_pipeline.model.table import Table

PROJECT = ProjectPackage(
    "stori_pipeline",
    api="stori_pipeline.shipped.payments:extension",
    commands="stori_pipeline.shipped.demo:COMMANDS",
    local=LocalSources(
        postgres=("bank", "app", "totesys"),
        mongodb=("exchange",),
        queues={"events": "app-events"},
        buckets={"drops": "stori-drops"},
        programs=("stori_pipeline.local.rates:Rates",),
    ),
)

CHECKS_FOLDER = PROJECT.sql / "checks"
REPORTS_FOLDER = PROJECT.sql / "reports"


def load_project() -> Project:
    """All that the project defines."""
    return PROJECT.project


def source_tables() -> tuple[Table, ...]:
    """The project's source tables, without reading its SQL files."""
    return PROJECT.tables


def find_table(full_name: str) -> Table:
    """See `ProjectPackage.find_table`."""
    return PROJECT.find_table(full_name)
