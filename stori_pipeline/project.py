"""The shipped project: the only module that imports its tables, star tables and checks.

Belongs here: loading the project, and the folders of its SQL. Does not belong here: what a project is (`model.project`).
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
    """The project with its tables, star tables, reports, checks and charts. Each process reads its files once.

    Raises:
        DefinitionError: a definition or a file is invalid. The message names it.
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
    """The project's source tables, without reading its SQL files."""
    from stori_pipeline.catalog import TABLES

    return TABLES


def find_table(full_name: str) -> Table:
    """The definition of the source table `source.table`, without reading SQL files.

    Raises:
        DefinitionError: the project does not have the table. The message lists its tables.
    """
    from stori_pipeline.model.errors import DefinitionError

    for table in source_tables():
        if table.full_name == full_name:
            return table
    names = ", ".join(sorted(table.full_name for table in source_tables()))
    raise DefinitionError(f"the project has no source table {full_name!r}; it has {names}")
