"""What a change of a table's columns reaches: columns of star tables and reports, charts and checks.

Belongs here: following the lineage of columns downwards. Does not belong here: parsing SQL (`sql_lineage`), or which tables depend on which
(`project`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from stori_pipeline.model.project import Project
from stori_pipeline.model.table import Table


@dataclass(frozen=True)
class Reach:
    """What comes from some columns: of star tables and reports, by full name, the columns; and full names of charts."""

    columns: dict[str, tuple[str, ...]]
    charts: tuple[str, ...]


def reach(project: Project, table: Table, names: Iterable[str]) -> Reach:
    """Everything that is computed from these columns of a source table, directly or not."""
    found = {(table.full_name, name) for name in names}
    columns: dict[str, tuple[str, ...]] = {}
    lineages = [(star.table.full_name, star.lineage()) for star in project.stars]
    lineages += [(report.full_name, report.lineage) for report in project.reports]
    for full_name, lineage in lineages:
        if reached := tuple(name for name, origins in lineage.items() if found & set(origins)):
            columns[full_name] = reached
            found |= {(full_name, name) for name in reached}
    return Reach(columns, tuple(chart.full_name for chart in project.charts if chart.relation in columns))
