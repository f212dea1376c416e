"""What a project is: tables, star tables, reports, checks and charts, and which of them depend on which.

Belongs here: the definition of a project, and what is downstream of a source table. Does not belong here: loading one
(`stori_pipeline.project`), or Dagster (`defs`).
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.names import refuse_bad_source_name
from stori_pipeline.model.table import Table

if TYPE_CHECKING:
    from stori_pipeline.model.chart import Chart
    from stori_pipeline.model.check import PythonCheck
    from stori_pipeline.model.report import Report
    from stori_pipeline.model.star import Star


@dataclass(frozen=True, eq=False)
class Project:
    """Everything that a project defines.

    Args:
        tables: the source tables.
        stars: the star tables, each after its inputs.
        reports: the reports, each after its inputs.
        checks: the folder of checks in SQL, with files `<schema>/<name>/*.sql`; None if the project has none.
        charts: the charts of the reports.
        python_checks: the checks in Python.

    Raises:
        DefinitionError: a definition refers to something that the project does not have.
    """

    tables: tuple[Table, ...]
    stars: tuple[Star, ...] = ()
    reports: tuple[Report, ...] = ()
    checks: Path | None = None
    charts: tuple[Chart, ...] = ()
    python_checks: tuple[PythonCheck, ...] = ()

    def __post_init__(self) -> None:
        self._refuse_bad_tables()
        self._refuse_bad_stars()
        reports = {report.name for report in self.reports}
        for chart in self.charts:
            if chart.report not in reports:
                raise DefinitionError(
                    f"chart {chart.name}: there is no report {chart.report!r}; correct its name, or add sql/reports/{chart.report}.sql"
                )
        for check in self.python_checks:
            check.input_tables(self.mirrors)

    def _refuse_bad_tables(self) -> None:
        for name in sorted({table.source.name for table in self.tables}):
            refuse_bad_source_name(name)
        if repeated := [name for name, count in Counter(table.full_name for table in self.tables).items() if count > 1]:
            raise DefinitionError(f"table {repeated[0]}: two definitions have that name; rename one, and give its `source_name`")

    def _refuse_bad_stars(self) -> None:
        defined = {table.full_name for table in self.tables}
        for star in self.stars:
            name = star.table.full_name
            if name in defined:
                raise DefinitionError(f"table {name}: two functions have that name; rename one")
            for parameter, source in star.inputs.items():
                if source not in defined:
                    raise DefinitionError(
                        f"table {name}, input {parameter!r}: {source} is no source table of the project and no star table before this one; "
                        "add it, or put its module first"
                    )
            defined.add(name)

    @functools.cached_property
    def mirrors(self) -> dict[str, Table]:
        """Every table that has a mirror in the warehouse (source tables, then star tables) by full name."""
        return {table.full_name: table for table in (*self.tables, *(star.table for star in self.stars))}

    @functools.cached_property
    def names(self) -> frozenset[str]:
        """Full names of everything that a statement can read: mirrors and reports."""
        return frozenset(self.mirrors) | {report.full_name for report in self.reports}

    @functools.cached_property
    def relations(self) -> frozenset[str]:
        """Full names of every table and view that the project has in the warehouse, but for those of the schema `pipeline`."""
        return self.names | {view for table in self.mirrors.values() for view in table.views}

    @functools.cached_property
    def everything(self) -> Affected:
        """All tables, star tables, reports and charts."""
        return Affected(self.tables, self.stars, self.reports, self.charts)

    def target_lag(self, table: Table, default: timedelta) -> timedelta:
        """How late a mirror may be. `default` holds for source tables that do not say so, and whose sources do not."""
        for own in (table.target_lag, table.source.target_lag):
            if own is not None:
                return own
        star = next((each for each in self.stars if each.table == table), None)
        return max((self.target_lag(self.mirrors[name], default) for name in star.inputs.values()), default=default) if star else default

    def mirrors_below(self, report: Report) -> list[str]:
        """The tables that a report reads, directly or through other reports."""
        below: dict[str, frozenset[str]] = {name: frozenset([name]) for name in self.mirrors}
        for each in self.reports:
            below[each.full_name] = frozenset().union(*(below.get(name, frozenset()) for name in each.reads))
        return sorted(below[report.full_name])


@dataclass(frozen=True)
class Affected:
    """Source tables, and the star tables, reports and charts that depend on them, directly or not, in order."""

    tables: tuple[Table, ...]
    stars: tuple[Star, ...]
    reports: tuple[Report, ...]
    charts: tuple[Chart, ...] = ()

    @property
    def mirrored(self) -> tuple[Table, ...]:
        """The source tables and the star tables."""
        return (*self.tables, *(star.table for star in self.stars))

    @property
    def names(self) -> frozenset[str]:
        """Full names of the tables and reports."""
        return frozenset(table.full_name for table in self.mirrored) | {report.full_name for report in self.reports}

    @property
    def all_names(self) -> frozenset[str]:
        """Full names of the tables, reports and charts."""
        return self.names | {chart.full_name for chart in self.charts}

    def downstream(self, moved: Iterable[str]) -> Affected:
        """The part that depends on the tables and reports of these full names, directly or not, and these tables and reports themselves."""
        names = set(moved)
        tables = tuple(table for table in self.tables if table.full_name in names)
        stars = []
        for star in self.stars:
            if star.table.full_name in names or names & set(star.inputs.values()):
                stars.append(star)
                names.add(star.table.full_name)
        reports = []
        for report in self.reports:
            if report.full_name in names or names & set(report.reads):
                reports.append(report)
                names.add(report.full_name)
        charts = tuple(chart for chart in self.charts if chart.full_name in names or chart.relation in names)
        return Affected(tables, tuple(stars), tuple(reports), charts)

    def part(self, names: Collection[str]) -> Affected:
        """The tables, reports and charts of these full names, without anything that depends on them."""
        return Affected(
            tuple(table for table in self.tables if table.full_name in names),
            tuple(star for star in self.stars if star.table.full_name in names),
            tuple(report for report in self.reports if report.full_name in names),
            tuple(chart for chart in self.charts if chart.full_name in names),
        )


def downstream(project: Project, tables: Iterable[Table]) -> Affected:
    """The given source tables, and every star table, report and chart that depends on them.

    Dagster's `AssetSelection.downstream` gives the same as asset keys, and a test compares the two. Definitions are needed as well: the
    checks of a run depend on what each statement reads, and commands show results in the order of the definitions.
    """
    moved = tuple(tables)
    everything = Affected(moved, project.stars, project.reports, project.charts)
    return everything.downstream({table.full_name for table in moved})


def refuse_stray_checks(names: Iterable[str], folder: Path) -> None:
    """Refuses a file of a check whose table or report does not exist: it would never run. `names` are full names.

    Raises:
        DefinitionError: `folder` has such a file.
    """
    paths = {name.replace(".", "/") for name in names}
    for file in sorted(folder.rglob("*.sql")):
        where = file.parent.relative_to(folder).as_posix()
        if where not in paths:
            raise DefinitionError(f"sql/checks/{where}/{file.name}: there is no table or report {where.replace('/', '.')!r}")
