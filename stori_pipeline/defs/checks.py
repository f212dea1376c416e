"""What must hold of a landing and of a mirror, as asset checks. A check reads and never writes.

Belongs here: which checks there are, and those that a project's definitions imply. Does not belong here: rules (`sql_checks`,
`python_checks`), comparing (`verify`), or the gate itself (`pipeline.gate`): the check `contract` shows its verdict.

`source_equals_mirror` and `definition_complete` go back to the source, so they run with the schedule and not after every change.
"""

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from dagster import (
    AssetCheckKey,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSeverity,
    MetadataValue,
    asset_check,
)

from stori_pipeline.defs.arrivals import arrivals_checks, arrivals_keys
from stori_pipeline.defs.check_steps import SHOWN, CheckResources, RelationCheck, check_steps
from stori_pipeline.defs.keys import landing_key, mirror_key, relation_key
from stori_pipeline.defs.metadata import preview
from stori_pipeline.defs.python_checks import python_checks
from stori_pipeline.defs.resources import LakeResource, ProcessedResource, SourcesResource, WarehouseResource, lake_of
from stori_pipeline.defs.sql_checks import file_checks, table_checks
from stori_pipeline.lake.manifest import Manifest
from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.project import Affected, Project
from stori_pipeline.model.table import SMALL_BATCH, Table
from stori_pipeline.pipeline.drift import drift
from stori_pipeline.pipeline.gate import block_message, blocked_batches
from stori_pipeline.pipeline.sync import new_batches, since_last_snapshot
from stori_pipeline.runtime.names import CONTRACT, DRIFT, PROOF
from stori_pipeline.runtime.retries import RETRY, only_transient
from stori_pipeline.verify.comparables import source_side
from stori_pipeline.verify.compare import verify
from stori_pipeline.verify.in_flight import keys_in_flight

_ROWS_LOADED = "landed_rows_loaded"


def contract_check(table: Table) -> AssetChecksDefinition:
    @asset_check(
        asset=landing_key(table),
        name=CONTRACT,
        description=(
            f"At most {table.max_rejected:.2%} of a batch's rows break the table's definition, or so many of {SMALL_BATCH:,} rows in a "
            "smaller batch; otherwise nothing is loaded."
        ),
        blocking=True,
        retry_policy=RETRY,
    )
    def contract(lake: LakeResource, processed: ProcessedResource, warehouse: WarehouseResource) -> AssetCheckResult:
        with only_transient():
            # All that a load would bring is shown, not this run's batch alone: a batch that was blocked stays blocked.
            batches = new_batches(table, lake_of(table, lake, processed).open(), warehouse.open().ledger(table)).batches
        blocked = blocked_batches(table, batches)
        values: dict[str, Any] = {"batches": len(batches), "rejected": sum(each.rejected for each in batches)}
        if blocked:
            values["quarantine"] = MetadataValue.md("\n".join(f"- batch {each.batch}: `{each.quarantine}`" for each in blocked[:SHOWN]))
        return AssetCheckResult(passed=not blocked, metadata=values, description=block_message(table, blocked) if blocked else None)

    return contract


def drift_check(table: Table) -> AssetChecksDefinition:
    @asset_check(
        asset=landing_key(table),
        name=DRIFT,
        description="The table's definition names every column that the source has.",
        retry_policy=RETRY,
    )
    def definition_complete(sources: SourcesResource, lake: LakeResource) -> AssetCheckResult:
        with only_transient():
            unnamed = drift(table, sources.reader(table.source), lake.open())
        return AssetCheckResult(
            passed=not unnamed,
            severity=AssetCheckSeverity.WARN,
            metadata={"unnamed": MetadataValue.md("\n".join(f"- {line}" for line in unnamed))} if unnamed else {},
            description=f"{table.full_name}: {unnamed[0]}" + (f", and {len(unnamed) - 1} more" if unnamed[1:] else "") if unnamed else None,
        )

    return definition_complete


@dataclass(frozen=True)
class RowsLoaded:
    """The ledger's newest load against the manifests: no batch waits, and it copied the rows that they hold."""

    table: Table
    name: ClassVar[str] = _ROWS_LOADED
    description: ClassVar[str] = "The newest load brought every row that had landed."

    def reads(self, project: Project) -> frozenset[str]:  # noqa: ARG002  (it reads nothing but its own table)
        return frozenset()

    def result(self, full_name: str, resources: CheckResources) -> AssetCheckResult:
        table, lake = self.table, resources.lake(self.table)
        loads = resources.warehouse.query(
            "SELECT generation, batch, rows_copied FROM pipeline.loads WHERE target = %s ORDER BY finished_at DESC, batch DESC LIMIT 2",
            (full_name,),
            what=f"check {_ROWS_LOADED} of {full_name}",
        )
        (generation, batch, copied), *before = loads
        loaded = (int(generation), int(batch))
        since = (int(before[0][0]), int(before[0][1])) if before else None
        landed = _rows_landed(lake.manifests(table, after=since), loaded)
        if landed != copied:
            landed_again = _rows_landed(lake.manifests(table), loaded)  # a mirror that was lost is loaded from the snapshot on
            landed = landed_again if landed_again == copied else landed
        waiting = lake.manifests(table, after=loaded)
        passed = landed == copied and not waiting
        return AssetCheckResult(
            check_name=_ROWS_LOADED,
            asset_key=mirror_key(table),
            passed=passed,
            metadata={"batch": loaded[1], "rows_landed": landed, "rows_loaded": int(copied), "batches_waiting": len(waiting)},
            description=None if passed else f"{full_name}: {copied} rows loaded of {landed} landed, {len(waiting)} batches not loaded",
        )


def _rows_landed(batches: list[Manifest], until: tuple[int, int]) -> int:
    return sum(each.rows for each in since_last_snapshot([each for each in batches if each.order <= until]))


def proof_check(table: Table) -> AssetChecksDefinition:
    @asset_check(
        asset=mirror_key(table),
        name=PROOF,
        description="Every row of the source is in the mirror with the same values, and no other: compared by checksums, in each engine.",
        retry_policy=RETRY,
        pool=table.full_name,
    )
    def source_equals_mirror(sources: SourcesResource, lake: LakeResource, warehouse: WarehouseResource) -> AssetCheckResult:
        with only_transient():
            reader, store, mirror = sources.reader(table.source), lake.open(), warehouse.open()
            mirrored = mirror.ledger(table)
            compared = verify(table, source_side(reader, store), mirror, in_flight=lambda: keys_in_flight(table, reader, store, mirrored))
        values: dict[str, Any] = {
            "source_rows": compared.source_rows,
            "warehouse_rows": compared.warehouse_rows,
            "differing_rows": len(compared.differing),
        }
        if compared.differing:
            shown = ((*each.key, each.verdict) for each in compared.differing[:SHOWN])
            values["differing"] = MetadataValue.md(preview((*table.key, "how"), shown))
        return AssetCheckResult(
            passed=compared.equal,
            metadata=values,
            description=None
            if compared.equal
            else f"{table.full_name}: source and mirror differ; `stori verify {table.full_name}` lists the rows",
        )

    return source_equals_mirror


def checks_for(project: Project) -> list[AssetChecksDefinition]:
    """Every check of a project, as the steps that run them."""
    found = []
    for table in project.tables:
        found += [contract_check(table), drift_check(table), *check_steps(project, table.full_name, _with_load(project, table))]
        found += [proof_check(table), *arrivals_checks(table)]
    for star in project.stars:
        found += [contract_check(star.table), *check_steps(project, star.table.full_name, _with_load(project, star.table))]
    for report in project.reports:
        found += check_steps(project, report.full_name, rules(project)[report.full_name])
    return found


def _with_load(project: Project, table: Table) -> list[RelationCheck]:
    return [*rules(project)[table.full_name], RowsLoaded(table)]


@functools.lru_cache(maxsize=8)
def rules(project: Project) -> dict[str, list[RelationCheck]]:
    """The checks about rows, in SQL and in Python, of every table and report, by its full name. Files are read once in a process.

    Raises:
        DefinitionError: two of them have one name.
    """
    found: dict[str, list[RelationCheck]] = {
        name: [*table_checks(table, project.checks), *python_checks(project, name)] for name, table in project.mirrors.items()
    }
    found |= {report.full_name: [*file_checks(report.full_name, project.checks)] for report in project.reports}
    for full_name, checks in found.items():
        names = [check.name for check in checks]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise DefinitionError(f"{full_name}: it has two checks that are called {twice[0]!r}; rename one")
    return found


def quick_checks(project: Project, affected: Affected) -> list[AssetCheckKey]:
    """The checks of a run after a change: those whose verdict the change can turn, except those that go back to the source."""
    keys = [AssetCheckKey(relation_key(name), check.name) for name in affected.names for check in rules(project)[name]]
    for table in affected.mirrored:
        keys += [AssetCheckKey(landing_key(table), CONTRACT), AssetCheckKey(mirror_key(table), _ROWS_LOADED)]
    return sorted(keys + _rules_reading(project, affected.names), key=str)


def _rules_reading(project: Project, names: frozenset[str]) -> list[AssetCheckKey]:
    """The rules about other tables and reports that read something of these: a gap closes when the missing row arrives."""
    return [
        AssetCheckKey(relation_key(name), check.name)
        for name in sorted(project.names - names)
        for check in rules(project)[name]
        if check.reads(project) & names
    ]


def scheduled_checks(tables: Iterable[Table]) -> list[AssetCheckKey]:
    """The checks that a change does not start: those that go back to the source, and those that time alone can turn."""
    return [
        key
        for table in tables
        for key in (AssetCheckKey(landing_key(table), DRIFT), AssetCheckKey(mirror_key(table), PROOF), *arrivals_keys(table))
    ]
