"""The scopes of a project: what one job, one sensor and one schedule bring, so that each can be paused and watched by itself.

Belongs here: which source table, star table, report and chart is in which scope. Does not belong here: the jobs, sensors and schedules
(modules of those names).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from dagster import AssetKey

from stori_pipeline.defs.keys import chart_key, landing_key, mirror_key, relation_key, report_key
from stori_pipeline.model.project import Affected, Project

ACROSS_SOURCES = "across_sources"
"""The scope of what is made of the tables of several sources. Its sensor requests each of those once, whichever inputs have changed."""


@dataclass(frozen=True, eq=False)
class Scope:
    """The source tables of one source and everything that is made of them alone; or what is made of several sources.

    Every source table, star table, report and chart of a project is in exactly one scope, so no two sensors request the same asset.
    """

    name: str
    content: Affected

    @property
    def job(self) -> str:
        """The name of the scope's job."""
        return f"sync_{self.name}"

    @property
    def inputs(self) -> tuple[str, ...]:
        """Full names of what the scope reads and does not make, sorted: tables and reports of other scopes. Empty for a source."""
        stars, reports, charts = self.content.stars, self.content.reports, self.content.charts
        read = {name for star in stars for name in star.inputs.values()} | {name for report in reports for name in report.reads}
        return tuple(sorted((read | {chart.relation for chart in charts}) - self.content.names))

    @functools.cached_property
    def owners(self) -> dict[AssetKey, str]:
        """The full name of the table, report or chart that each asset of the scope belongs to."""
        owners = {key(table): table.full_name for table in self.content.mirrored for key in (landing_key, mirror_key)}
        owners |= {report_key(report.name): report.full_name for report in self.content.reports}
        return owners | {chart_key(chart.name): chart.full_name for chart in self.content.charts}


def input_key(full_name: str, project: Project) -> AssetKey:
    """The asset whose newest version says whether an input of a scope has changed: the mirror of a table, or a report."""
    table = project.mirrors.get(full_name)
    return mirror_key(table) if table else relation_key(full_name)


@functools.lru_cache(maxsize=8)
def scopes(project: Project) -> tuple[Scope, ...]:
    """A scope for each source, in the order of the definitions; then `across_sources`, if anything is made of several sources."""
    sources = {table.full_name: frozenset([table.source.name]) for table in project.tables}
    for star in project.stars:
        sources[star.table.full_name] = frozenset[str]().union(*(sources[name] for name in star.inputs.values()))
    for report in project.reports:
        sources[report.full_name] = frozenset[str]().union(*(sources.get(name, frozenset()) for name in report.reads))
    for chart in project.charts:
        sources[chart.full_name] = sources.get(chart.relation, frozenset())
    scope_of = {name: next(iter(found)) if len(found) == 1 else ACROSS_SOURCES for name, found in sources.items()}
    names = [*dict.fromkeys(table.source.name for table in project.tables), ACROSS_SOURCES]
    parts = [Scope(name, project.everything.part({each for each, scope in scope_of.items() if scope == name})) for name in names]
    return tuple(scope for scope in parts if scope.owners)
