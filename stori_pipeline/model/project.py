"""What a project is: tables, star tables, reports, checks and charts, and which of them depend on which.

Belongs here: the definition of a project, and what is downstream of a source table. Does not belong here: loading one
(`stori_pipeline.project`), or Dagster (`defs`).
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.table import Table

if TYPE_CHECKING:
    from stori_pipeline.model.chart import Chart
    from stori_pipeline.model.check import PythonCheck
    from stori_pipeline.model.report import Report
    from stori_pipeline.model.star import Star


@dataclass(frozen=True, eq=False)
class Project:
    """Everything that a project defines. Refuses, with a DefinitionError, what refers to something that the project does not have.

    Args:
        tables: the source tables.
        stars, reports: the star tables and the reports, each after what it reads.
        checks: the folder of checks in SQL, `<schema>/<name>/*.sql` in it; None where there is none.
        charts: the charts of the reports.
        python_checks: the checks in Python.
    """

    tables: tuple[Table, ...]
    stars: tuple[Star, ...] = ()
    reports: tuple[Report, ...] = ()
    checks: Path | None = None
    charts: tuple[Chart, ...] = ()
    python_checks: tuple[PythonCheck, ...] = ()

    def __post_init__(self) -> None:
        self._refuse_bad_stars()
        reports = {report.name for report in self.reports}
        for chart in self.charts:
            if chart.report not in reports:
                raise DefinitionError(
                    f"chart {chart.name}: there is no report {chart.report!r}; correct its name, or add sql/reports/{chart.report}.sql"
                )
        for check in self.python_checks:
            check.input_tables(self.mirrors)

    def _refuse_bad_stars(self) -> None:
        known = {table.full_name for table in self.tables}
        for star in self.stars:
            name = star.table.full_name
            if name in known:
                raise DefinitionError(f"table {name}: two functions have that name; rename one")
            for parameter, source in star.inputs.items():
                if source not in known:
                    raise DefinitionError(
                        f"table {name}, input {parameter!r}: {source} is no source table of the project and no star table before this one; "
                        "add it, or put its module first"
                    )
            known.add(name)

    @functools.cached_property
    def mirrors(self) -> dict[str, Table]:
        """Every table that has a mirror in the warehouse, source tables and star tables, by full name."""
        return {table.full_name: table for table in (*self.tables, *(star.table for star in self.stars))}

    @functools.cached_property
    def names(self) -> frozenset[str]:
        """Everything that a statement can read, by full name."""
        return frozenset(self.mirrors) | {report.full_name for report in self.reports}

    def mirrors_below(self, report: Report) -> list[str]:
        """The tables that a report reads, directly or through other reports."""
        below: dict[str, frozenset[str]] = {name: frozenset([name]) for name in self.mirrors}
        for each in self.reports:
            below[each.full_name] = frozenset().union(*(below.get(name, frozenset()) for name in each.reads))
        return sorted(below[report.full_name])


@dataclass(frozen=True)
class Affected:
    """Source tables, and everything of a project that depends on them, directly or not, in order."""

    tables: tuple[Table, ...]
    stars: tuple[Star, ...]
    reports: tuple[Report, ...]
    charts: tuple[Chart, ...] = ()

    @property
    def mirrored(self) -> tuple[Table, ...]:
        """The tables whose mirrors are concerned."""
        return (*self.tables, *(star.table for star in self.stars))

    @property
    def names(self) -> frozenset[str]:
        """Full names of the tables and reports."""
        return frozenset(table.full_name for table in self.mirrored) | {report.full_name for report in self.reports}


def downstream(project: Project, tables: Iterable[Table]) -> Affected:
    """These source tables, and every star table, report and chart that a change in them can reach.

    Definitions, for what shows results in their order; of asset keys, Dagster's `AssetSelection.downstream` says the same, and a test
    compares the two.
    """
    moved = tuple(tables)
    names = {table.full_name for table in moved}
    stars = []
    for star in project.stars:
        if names & set(star.inputs.values()):
            stars.append(star)
            names.add(star.table.full_name)
    reports = []
    for report in project.reports:
        if names & set(report.reads):
            reports.append(report)
            names.add(report.full_name)
    return Affected(moved, tuple(stars), tuple(reports), tuple(chart for chart in project.charts if chart.relation in names))


def refuse_stray_checks(names: Iterable[str], folder: Path) -> None:
    """A file that belongs to no table and no report would be a check that never runs. `names` are full names."""
    known = {name.replace(".", "/") for name in names}
    for file in sorted(folder.rglob("*.sql")):
        where = file.parent.relative_to(folder).as_posix()
        if where not in known:
            raise DefinitionError(f"sql/checks/{where}/{file.name}: there is no table or report {where.replace('/', '.')!r}")
