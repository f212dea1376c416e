"""Dropping a table: what it left in the warehouse and in the lake, what depends on it, and the order in which it goes.

Belongs here: whether a table may go, and the order. Does not belong here: asking a person (`cli.drop`), or Dagster's record of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from stori_pipeline.lake import leftovers as lake
from stori_pipeline.lake.bucket import Bucket
from stori_pipeline.lake.leftovers import LakeLeftovers
from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.names import NAME
from stori_pipeline.model.project import Project
from stori_pipeline.model.sql_check import file_checks
from stori_pipeline.warehouse import Warehouse
from stori_pipeline.warehouse import leftovers as warehouse_leftovers
from stori_pipeline.warehouse.leftovers import WarehouseLeftovers

_NEVER = ("pipeline", "reports", "charts", "information_schema", "pg_catalog", "public")


class DropRefused(RuntimeError):
    """The table may not be dropped. The message says why, and what to do; nothing was removed."""


@dataclass(frozen=True)
class Leftovers:
    """What a table left.

    Attributes:
        defined: whether the project still defines it; then the next sync reads it again, whole.
    """

    source: str
    name: str
    defined: bool
    warehouse: WarehouseLeftovers
    buckets: tuple[LakeLeftovers, ...]

    @property
    def views(self) -> tuple[str, ...]:
        """The views over it, its own and those of others; they go with it."""
        return self.warehouse.views

    @property
    def is_empty(self) -> bool:
        records = self.warehouse.rows is not None or self.warehouse.records
        return not records and not any(each.objects for each in self.buckets)


def find_leftovers(project: Project, full_name: str, warehouse: Warehouse, buckets: tuple[Bucket, ...]) -> Leftovers:
    """What the table `source.table` left, in the order in which `drop` removes it. Reads only.

    Raises:
        DefinitionError: the name is not that of a table.
        DropRefused: something that the project defines depends on the table.
        WarehouseError, LakeError: a store does not answer, or refuses.
    """
    source, _, name = full_name.partition(".")
    if not NAME.fullmatch(source) or not NAME.fullmatch(name) or source in _NEVER:
        raise DefinitionError(f"{full_name!r} is not the name of a table, such as bank.transactions; reports and charts have no leftovers")
    if needing := dependents(project, full_name):
        raise DropRefused(f"{full_name}: {', '.join(needing)} of the project depend on it; remove them from the project first")
    found = warehouse_leftovers.find_leftovers(warehouse, source, name)
    table = project.mirrors.get(full_name)
    ours = project.relations - frozenset(table.views if table else ())
    if kept := sorted(ours & set(found.views)):
        raise DropRefused(f"{full_name}: the views {', '.join(kept)} of the project read it; remove them from the project first")
    return Leftovers(source, name, table is not None, found, tuple(lake.find_leftovers(bucket, source, name) for bucket in buckets))


def dependents(project: Project, full_name: str) -> list[str]:
    """The star tables, reports and checks of the project that read a table, directly, in order."""
    table = project.mirrors.get(full_name)
    names = {full_name, *(table.views if table else ())}
    stars = [star.table.full_name for star in project.stars if names & set(star.inputs.values())]
    reports = [report.full_name for report in project.reports if names & set(report.reads)]
    others = [check for name in sorted(project.names - {full_name}) for check in file_checks(name, project.checks)]
    files = [check.file for check in others if names & check.relations(project)]
    checks = [
        str(check)
        for check in project.python_checks
        if check.table != full_name and names & {each.full_name for each in check.input_tables(project.mirrors).values()}
    ]
    return [*stars, *reports, *files, *checks]


def drop(found: Leftovers, warehouse: Warehouse, buckets: tuple[Bucket, ...]) -> None:
    """Remove what was found: the mirror, its views and its ledger in one transaction; then the manifests; then the files.

    So readers of the warehouse lose it at once and whole, and what an interruption leaves is invisible. A repetition removes the rest.

    Raises:
        WarehouseError, LakeError: a store does not answer, or refuses.
    """
    warehouse_leftovers.remove_leftovers(warehouse, found.source, found.name)
    for bucket in buckets:
        lake.remove_leftovers(bucket, found.source, found.name)
