"""The steps that run the checks of one mirror or report.

Belongs here: what such checks have in common, and which of them share a step. Does not belong here: a kind of check (`sql_checks`,
`python_checks`), or which checks there are (`checks`).
"""

# A check may read other assets than its own: the references of a fact read the dimensions. Such a check runs after all that it reads is
# loaded in the same run. Checks that read only their own asset have a step of their own, so that the failure of another table does not
# skip them.

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSeverity,
    AssetCheckSpec,
    MetadataValue,
)

from stori_pipeline.defs.keys import relation_key, step_name
from stori_pipeline.defs.metadata import preview
from stori_pipeline.defs.resources import LakeResource, ProcessedResource, SourcesResource, lake_of
from stori_pipeline.defs.step_functions import check_step
from stori_pipeline.lake import Lake
from stori_pipeline.model.project import Project
from stori_pipeline.model.table import Table
from stori_pipeline.runtime.retries import only_transient
from stori_pipeline.warehouse import Warehouse

_RESOURCES = frozenset({"lake", "processed", "warehouse", "sources"})

SHOWN = 20
"""The largest number of failing rows that a check shows."""


@dataclass(frozen=True)
class CheckResources:
    """The resources that a check may read."""

    landing: LakeResource
    processed: ProcessedResource
    warehouse: Warehouse
    sources: SourcesResource

    def lake(self, table: Table) -> Lake:
        return lake_of(table, self.landing, self.processed).open()


class RelationCheck(Protocol):
    """A check of one mirror or report."""

    @property
    def name(self) -> str: ...

    @property
    def description(self) -> str: ...

    def reads(self, project: Project) -> frozenset[str]:
        """Full names of the tables and reports that it reads; its own may be missing."""

    def result(self, full_name: str, resources: CheckResources) -> AssetCheckResult:
        """The result for the mirror or report of that name."""


def severity_of(text: Literal["warn", "error"]) -> AssetCheckSeverity:
    return AssetCheckSeverity.WARN if text == "warn" else AssetCheckSeverity.ERROR


def failing_rows_result(
    full_name: str, name: str, severity: AssetCheckSeverity, count: int, columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> AssetCheckResult:
    """The result of a check that looks for failing rows: their number, and some of them (`rows`)."""
    values: dict[str, Any] = {"failing_rows": count}
    if rows:
        values["examples"] = MetadataValue.md(preview(columns, rows))
    return AssetCheckResult(
        check_name=name,
        asset_key=relation_key(full_name),
        passed=not count,
        severity=severity,
        metadata=values,
        description=f"{full_name}: {count} rows fail this check; examples are in the metadata" if count else None,
    )


def broken_check_result(full_name: str, name: str, error: Exception, traceback: str = "") -> AssetCheckResult:
    """The result of a check that raised an error. It fails; the other checks of its step run."""
    return AssetCheckResult(
        check_name=name,
        asset_key=relation_key(full_name),
        passed=False,
        metadata={"traceback": MetadataValue.md(f"```\n{traceback}\n```")} if traceback else {},
        description=str(error) or type(error).__name__,
    )


def check_steps(project: Project, full_name: str, checks: Sequence[RelationCheck]) -> list[AssetChecksDefinition]:
    """The checks of one mirror or report as one step, or as two if some of them read other assets."""
    own = [check for check in checks if check.reads(project) <= {full_name}]
    across = [check for check in checks if check not in own]
    return [_step(project, full_name, some, ending) for some, ending in ((own, ""), (across, "__across")) if some]


def _step(project: Project, full_name: str, checks: Sequence[RelationCheck], ending: str) -> AssetChecksDefinition:
    key = relation_key(full_name)
    by_name = {check.name: check for check in checks}
    specs = [
        AssetCheckSpec(
            check.name,
            asset=key,
            description=check.description,
            additional_deps=[relation_key(name) for name in sorted(check.reads(project) - {full_name})],
        )
        for check in checks
    ]

    def relation_checks(context: AssetCheckExecutionContext) -> Iterator[AssetCheckResult]:
        given = context.resources
        resources = CheckResources(given.lake, given.processed, given.warehouse.open(), given.sources)
        for name in sorted(check.name for check in context.selected_asset_check_keys):
            with only_transient():
                result = by_name[name].result(full_name, resources)
            yield result

    return check_step(specs, relation_checks, name=f"checks__{step_name(key)}{ending}", resources=_RESOURCES)
