"""What a project is: tables, star tables, reports and charts, and which of them depend on which.

Belongs here: the definition of a project, and what is downstream of a source table. Does not belong here: which project there is
(`stori_pipeline.project` loads it), or Dagster (`defs`).
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
    from stori_pipeline.model.report import Report
    from stori_pipeline.model.star import Star


@dataclass(frozen=True, eq=False)
class Project:
    """Everything that a project defines.

    Args:
        tables: the source tables.
        stars, reports: the star tables and the reports, each after what it is made of.
        checks: the folder of SQL checks, `<schema>/<name>/*.sql` in it; None where there is none.
        charts: the charts of the reports.
    """

    tables: tuple[Table, ...]
    stars: tuple[Star, ...] = ()
    reports: tuple[Report, ...] = ()
    checks: Path | None = None
    charts: tuple[Chart, ...] = ()

    def __post_init__(self) -> None:
        reports = {report.name for report in self.reports}
        for chart in self.charts:
            if chart.report not in reports:
                raise DefinitionError(
                    f"chart {chart.name}: there is no report {chart.report!r}; correct its name, or add sql/reports/{chart.report}.sql"
                )

    @functools.cached_property
    def mirrors(self) -> dict[str, Table]:
        """Every table that has a mirror in the warehouse, source tables and star tables, by full name."""
        return {table.full_name: table for table in (*self.tables, *(star.table for star in self.stars))}

    @functools.cached_property
    def names(self) -> frozenset[str]:
        """Everything that a statement can read, by full name."""
        return frozenset(self.mirrors) | {report.full_name for report in self.reports}

    def aliases(self, table: Table) -> tuple[str, ...]:
        """Other names that the warehouse has for a star table, as views."""
        return next((star.also for star in self.stars if star.table is table), ())

    def mirrors_below(self, report: Report) -> list[str]:
        """The tables that a report rests on, be it through other reports."""
        below: dict[str, frozenset[str]] = {name: frozenset([name]) for name in self.mirrors}
        for each in self.reports:
            below[each.full_name] = frozenset().union(*(below.get(name, frozenset()) for name in each.reads))
        return sorted(below[report.full_name])


@dataclass(frozen=True)
class Affected:
    """Source tables, and what of a project is made of them, directly or not, in order."""

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
        return frozenset(table.full_name for table in self.mirrored) | {report.full_name for report in self.reports}


def downstream(project: Project, tables: Iterable[Table]) -> Affected:
    """These source tables, and every star table, report and chart that a change in them can reach."""
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
