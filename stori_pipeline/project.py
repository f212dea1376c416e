"""Which project this is: the one place that imports the shipped tables, star tables and checks.

Belongs here: putting the shipped project together, and where its SQL is. Does not belong here: what a project is (`model.project`).
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stori_pipeline.model.project import Project
    from stori_pipeline.model.table import Table

_SQL = Path(__file__).parents[1] / "sql"
CHECKS_FOLDER = _SQL / "checks"
REPORTS_FOLDER = _SQL / "reports"


@functools.cache
def load_project() -> Project:
    """The project's tables, star tables, reports, checks and charts. Its files are read once in a process.

    Raises:
        DefinitionError: a definition or a file makes no sense.
    """
    from stori_pipeline.catalog import TABLES, checks
    from stori_pipeline.catalog.charts import CHARTS
    from stori_pipeline.model.check import checks_in
    from stori_pipeline.model.project import Project, refuse_stray_checks
    from stori_pipeline.model.report import load_reports
    from stori_pipeline.star import STARS

    reports = tuple(load_reports(REPORTS_FOLDER, TABLES, STARS))
    project = Project(TABLES, tuple(STARS.values()), reports, CHECKS_FOLDER, CHARTS, checks_in(checks))
    refuse_stray_checks(project.names, CHECKS_FOLDER)
    return project


def source_tables() -> tuple[Table, ...]:
    """The project's source tables. Reads no file."""
    from stori_pipeline.catalog import TABLES

    return TABLES


def find_table(full_name: str) -> Table:
    """The definition of the source table `source.table`. Reads no file.

    Raises:
        DefinitionError: there is none; the message lists those that exist.
    """
    from stori_pipeline.model.errors import DefinitionError

    for table in source_tables():
        if table.full_name == full_name:
            return table
    known = ", ".join(sorted(table.full_name for table in source_tables()))
    raise DefinitionError(f"the project has no table {full_name!r}; it has {known}")
