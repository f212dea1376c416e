"""The asset checks of landings, mirrors and reports. A check reads and never writes.

Belongs here: which checks there are, and when they run: `source_equals_mirror` and `definition_complete` read the source, so only the
schedule runs them. Does not belong here: checks of rows (`sql_checks`, `python_checks`), the proof (`proofs`), or the gate
(`pipeline.gate`), whose verdict the check `contract` shows.
"""

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckKey,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSeverity,
    AssetCheckSpec,
    MetadataValue,
)

from stori_pipeline.defs.arrivals import arrivals_checks, arrivals_keys
from stori_pipeline.defs.check_steps import SHOWN, CheckResources, RelationCheck, check_steps
from stori_pipeline.defs.keys import landing_key, mirror_key, relation_key
from stori_pipeline.defs.proofs import proof_check
from stori_pipeline.defs.python_checks import python_checks
from stori_pipeline.defs.resources import lake_of
from stori_pipeline.defs.sql_checks import sql_checks
from stori_pipeline.defs.stale_rows import NEWEST_VERSIONS, NewestVersions
from stori_pipeline.defs.step_functions import check_step
from stori_pipeline.lake.quarantine import blocking
from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.project import Affected, Project
from stori_pipeline.model.table import Table
from stori_pipeline.pipeline.drift import drift
from stori_pipeline.pipeline.gate import block_message, nothing_good, nothing_good_message
from stori_pipeline.pipeline.last_load import last_load
from stori_pipeline.pipeline.sync import new_batches
from stori_pipeline.runtime.names import CONTRACT, DRIFT, PROOF
from stori_pipeline.runtime.retries import only_transient

_ROWS_LOADED = "landed_rows_loaded"


def contract_check(table: Table) -> AssetChecksDefinition:
    def contract(context: AssetCheckExecutionContext) -> Iterator[AssetCheckResult]:
        lake = lake_of(table, context.resources.lake, context.resources.processed)
        with only_transient():
            # All batches that a load would bring, not only this run's: a blocked batch stays blocked.
            batches = new_batches(table, lake.open(), context.resources.warehouse.open().ledger_entry(table)).batches
        blocked, hollow = blocking(table, batches), nothing_good(batches)
        values: dict[str, Any] = {"batches": len(batches), "rejected": sum(each.rejected for each in batches)}
        if blocked:
            files = [f"- batch {each.manifest.batch}: `{each.manifest.quarantine}`" for each in blocked[:SHOWN]]
            values["quarantine"] = MetadataValue.md("\n".join(files))
        message = block_message(table, blocked) if blocked else nothing_good_message(table, hollow) if hollow else None
        yield AssetCheckResult(
            passed=not (blocked or hollow),
            # Only an error keeps the mirror from being loaded.
            severity=AssetCheckSeverity.ERROR if blocked else AssetCheckSeverity.WARN,
            metadata=values,
            description=message,
        )

    spec = AssetCheckSpec(
        CONTRACT,
        asset=landing_key(table),
        description=(
            f"At most {table.max_rejected:.2%} of a batch's rows, or {table.max_rejected_rows} of them, break the table's definition; "
            "otherwise nothing is loaded until somebody decides. Warns if every row of a batch was rejected."
        ),
        blocking=True,
    )
    return check_step([spec], contract, resources=frozenset({"lake", "processed", "warehouse"}))


def drift_check(table: Table) -> AssetChecksDefinition:
    def definition_complete(context: AssetCheckExecutionContext) -> Iterator[AssetCheckResult]:
        with only_transient():
            found = drift(table, context.resources.sources.reader(table.source), context.resources.lake.open())
        advice = f"`stori schema plan {table.full_name}` shows the change of the definition and what follows from it"
        yield AssetCheckResult(
            passed=not found,
            severity=AssetCheckSeverity.ERROR if any(each.is_error for each in found) else AssetCheckSeverity.WARN,
            metadata={"drift": MetadataValue.md("\n".join(f"- {each}" for each in found))} if found else {},
            description="; ".join([*(each.text.rstrip(",") for each in found[:SHOWN]), advice]) if found else None,
        )

    spec = AssetCheckSpec(
        DRIFT,
        asset=landing_key(table),
        description="The definition fits the source: each column that it has, their widths and nullability, and its key.",
    )
    return check_step([spec], definition_complete, resources=frozenset({"sources", "lake"}))


@dataclass(frozen=True)
class RowsLoaded:
    """Compares the ledger's newest load with the manifests: no batch waits, and the load copied all their rows."""

    table: Table
    name: ClassVar[str] = _ROWS_LOADED
    description: ClassVar[str] = "The newest load loaded every row that had landed."

    def reads(self, project: Project) -> frozenset[str]:  # noqa: ARG002  (it reads nothing but its own table)
        return frozenset()

    def result(self, full_name: str, resources: CheckResources) -> AssetCheckResult:
        loaded = last_load(self.table, resources.lake(self.table), resources.warehouse)
        gap = f"{loaded.rows_loaded} rows loaded of {loaded.rows_landed} landed, {loaded.batches_waiting} batches not loaded"
        return AssetCheckResult(
            check_name=_ROWS_LOADED,
            asset_key=mirror_key(self.table),
            passed=loaded.complete,
            metadata=asdict(loaded),
            description=None if loaded.complete else f"{full_name}: {gap}",
        )


def checks_for(project: Project) -> list[AssetChecksDefinition]:
    """The steps of all checks of a project."""
    steps = []
    for table in project.tables:
        steps += [contract_check(table), drift_check(table), *check_steps(project, table.full_name, _with_load(project, table))]
        steps += [proof_check(table), *arrivals_checks(table)]
    for star in project.stars:
        steps += [contract_check(star.table), *check_steps(project, star.table.full_name, _with_load(project, star.table))]
    for report in project.reports:
        steps += check_steps(project, report.full_name, rules(project)[report.full_name])
    return steps


def _with_load(project: Project, table: Table) -> list[RelationCheck]:
    own = [RowsLoaded(table)] if table.is_derived else [RowsLoaded(table), NewestVersions(table)]
    return [*rules(project)[table.full_name], *own]


@functools.lru_cache(maxsize=8)
def rules(project: Project) -> dict[str, list[RelationCheck]]:
    """The checks of rows, in SQL and in Python, of every table and report, by full name. Each process reads their files once.

    Raises:
        DefinitionError: two checks of a table or report have the same name.
    """
    checks_by_name: dict[str, list[RelationCheck]] = {
        name: [*sql_checks(project, name), *python_checks(project, name)] for name in project.mirrors
    }
    checks_by_name |= {report.full_name: [*sql_checks(project, report.full_name)] for report in project.reports}
    for full_name, checks in checks_by_name.items():
        names = [check.name for check in checks]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise DefinitionError(f"{full_name}: it has two checks that are called {repeated[0]!r}; rename one")
    return checks_by_name


def quick_checks(project: Project, affected: Affected) -> list[AssetCheckKey]:
    """The checks of a run after a change: the checks whose result the change may affect, except those that read the source."""
    keys = [AssetCheckKey(relation_key(name), check.name) for name in affected.names for check in rules(project)[name]]
    for table in affected.mirrored:
        keys += [AssetCheckKey(landing_key(table), CONTRACT), AssetCheckKey(mirror_key(table), _ROWS_LOADED)]
    return sorted(keys + _rules_reading(project, affected.names), key=str)


def _rules_reading(project: Project, names: frozenset[str]) -> list[AssetCheckKey]:
    """The checks of other tables and reports that read one of these: a missing reference is resolved when the row arrives."""
    return [
        AssetCheckKey(relation_key(name), check.name)
        for name in sorted(project.names - names)
        for check in rules(project)[name]
        if check.reads(project) & names
    ]


def drift_checks(tables: Iterable[Table]) -> list[AssetCheckKey]:
    """The checks that hold definitions against their sources."""
    return [AssetCheckKey(landing_key(table), DRIFT) for table in tables]


def scheduled_checks(tables: Sequence[Table]) -> list[AssetCheckKey]:
    """The checks that only the schedule runs: those that read the source or quarantine, and those whose result changes with time."""
    own = [AssetCheckKey(mirror_key(table), name) for table in tables for name in (PROOF, NEWEST_VERSIONS)]
    others = [*own, *(key for table in tables for key in arrivals_keys(table))]
    return [*drift_checks(tables), *others]
