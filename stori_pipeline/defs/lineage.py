"""What the graph is made of, and what of it stands downstream of given source tables.

Belongs here: pure functions of records and reports. Does not belong here: Dagster, or reading anything but the project's own files.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stori_pipeline import catalog
from stori_pipeline.redshift.statements import create_views
from stori_pipeline.spec import SpecError, Table
from stori_pipeline.star import STARS

if TYPE_CHECKING:
    from stori_pipeline.charts import Chart
    from stori_pipeline.reports import Report
    from stori_pipeline.star.record import Star

SQL_CHECKS = Path(__file__).parents[2] / "sql" / "checks"


@dataclass(frozen=True, eq=False)
class Graph:
    """Source tables, star tables and reports, each in an order in which it comes after what it is made of; charts of the reports; and
    where the checks are."""

    tables: tuple[Table, ...]
    stars: tuple[Star, ...] = ()
    reports: tuple[Report, ...] = ()
    checks: Path = SQL_CHECKS
    charts: tuple[Chart, ...] = ()

    def __post_init__(self) -> None:
        reports = {report.name for report in self.reports}
        for chart in self.charts:
            if chart.report not in reports:
                raise SpecError(
                    f"chart {chart.name}: there is no report {chart.report!r}; correct its name, or add sql/reports/{chart.report}.sql"
                )

    @functools.cached_property
    def records(self) -> dict[str, Table]:
        """Of all tables that the warehouse mirrors, those of the sources and the stars, by full name."""
        return {table.full_name: table for table in (*self.tables, *(star.table for star in self.stars))}

    @functools.cached_property
    def names(self) -> frozenset[str]:
        """Everything that a statement can read, by full name."""
        return frozenset(self.records) | {report.full_name for report in self.reports}

    def views(self, table: Table) -> tuple[str, ...]:
        """The statements of the views that belong to a table's mirror."""
        also = next((star.also for star in self.stars if star.table is table), ())
        return tuple(create_views(table, also))

    def mirrors_below(self, report: Report) -> list[str]:
        """The tables that a report rests on, be it through other reports."""
        below: dict[str, frozenset[str]] = {name: frozenset([name]) for name in self.records}
        for each in self.reports:
            below[each.full_name] = frozenset().union(*(below.get(name, frozenset()) for name in each.reads))
        return sorted(below[report.full_name])


@dataclass(frozen=True)
class Affected:
    """Source tables, and what of a graph is made of them, directly or not, in order."""

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


def downstream(graph: Graph, tables: Iterable[Table]) -> Affected:
    """These source tables with every star table, every report and every chart that a change in them can reach; nothing else."""
    moved = tuple(tables)
    names = {table.full_name for table in moved}
    stars = []
    for star in graph.stars:
        if names & set(star.inputs.values()):
            stars.append(star)
            names.add(star.table.full_name)
    reports = []
    for report in graph.reports:
        if names & set(report.reads):
            reports.append(report)
            names.add(report.full_name)
    return Affected(moved, tuple(stars), tuple(reports), tuple(chart for chart in graph.charts if chart.relation in names))


def refuse_strays(names: Iterable[str], folder: Path = SQL_CHECKS) -> None:
    """A file that belongs to no table and no report would be a check that never runs. `names` are full names."""
    known = {name.replace(".", "/") for name in names}
    for file in sorted(folder.rglob("*.sql")):
        where = file.parent.relative_to(folder).as_posix()
        if where not in known:
            raise SpecError(f"sql/checks/{where}/{file.name}: there is no table or report {where.replace('/', '.')!r}")


@functools.cache
def whole() -> Graph:
    """The catalog's tables, all star tables, the reports of `sql/reports` and all charts. Parsed once in a process."""
    from stori_pipeline.charts import CHARTS
    from stori_pipeline.reports import REPORTS_FOLDER, load_reports

    graph = Graph(catalog.TABLES, tuple(STARS.values()), tuple(load_reports(REPORTS_FOLDER, catalog.TABLES, STARS)), charts=CHARTS)
    refuse_strays(graph.names)
    return graph
