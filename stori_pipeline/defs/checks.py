"""What must hold of a landing and of a mirror, as asset checks. A check reads and never writes.

Belongs here: deriving checks from definitions, and judging their results. Does not belong here: checks in SQL (`sql_checks`), comparing
(`verify`), or the gate itself (`pipeline.gate`): the check `contract` shows its verdict.

`source_equals_mirror` and `definition_complete` go back to the source, so they run with the schedule and not after every change.
"""

from collections.abc import Iterable
from typing import Any

from dagster import (
    AssetCheckKey,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSeverity,
    MetadataValue,
    asset_check,
)

from stori_pipeline.defs.arrivals import arrivals_checks, arrivals_keys
from stori_pipeline.defs.keys import landing_key, mirror_key, relation_key
from stori_pipeline.defs.metadata import preview
from stori_pipeline.defs.resources import LakeResource, ProcessedResource, SourcesResource, WarehouseResource, lake_of
from stori_pipeline.defs.sql_checks import SHOWN, OwnCheck, checks_reading, graph_checks, steps
from stori_pipeline.lake.manifest import Manifest
from stori_pipeline.model.project import Affected, Project
from stori_pipeline.model.table import Table
from stori_pipeline.pipeline.drift import drift
from stori_pipeline.pipeline.gate import block_message, blocked_batches
from stori_pipeline.pipeline.sync import batches_after, since_last_snapshot
from stori_pipeline.runtime.names import CONTRACT, DRIFT, PROOF
from stori_pipeline.runtime.retries import RETRY, only_transient
from stori_pipeline.verify.comparables import source_side
from stori_pipeline.verify.compare import verify
from stori_pipeline.verify.in_flight import keys_in_flight
from stori_pipeline.warehouse import Warehouse

_ROWS_LOADED = "landed_rows_loaded"


def contract_check(table: Table) -> AssetChecksDefinition:
    @asset_check(
        asset=landing_key(table),
        name=CONTRACT,
        description=f"At most {table.max_rejected:.2%} of a batch's rows break the table's definition; otherwise nothing is loaded.",
        blocking=True,
        retry_policy=RETRY,
    )
    def contract(lake: LakeResource, processed: ProcessedResource, warehouse: WarehouseResource) -> AssetCheckResult:
        with only_transient():
            # All that a load would bring is shown, not this run's batch alone: a batch that was blocked stays blocked.
            batches = batches_after(table, lake_of(table, lake, processed).open(), warehouse.open().ledger(table))
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


def _rows_loaded(table: Table, lake: LakeResource, warehouse: Warehouse) -> AssetCheckResult:
    """The ledger's newest load against the manifests: nothing is left pending, and it copied the rows that they hold."""
    loads = warehouse.query(
        "SELECT generation, batch, rows_copied FROM pipeline.loads WHERE target = %s ORDER BY finished_at DESC, batch DESC LIMIT 2",
        (table.full_name,),
        what=f"check {_ROWS_LOADED} of {table.full_name}",
    )
    (generation, batch, copied), *before = loads
    store = lake.open()
    known = (int(generation), int(batch))
    since = (int(before[0][0]), int(before[0][1])) if before else None
    landed = _rows_landed(store.manifests(table, after=since), known)
    if landed != copied:
        landed_again = _rows_landed(store.manifests(table), known)  # a mirror that was lost is loaded from the snapshot on
        landed = landed_again if landed_again == copied else landed
    waiting = store.manifests(table, after=known)
    passed = landed == copied and not waiting
    return AssetCheckResult(
        check_name=_ROWS_LOADED,
        asset_key=mirror_key(table),
        passed=passed,
        metadata={"batch": known[1], "rows_landed": landed, "rows_loaded": int(copied), "batches_waiting": len(waiting)},
        description=None if passed else f"{table.full_name}: {copied} rows loaded of {landed} landed, {len(waiting)} batches not loaded",
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
        said: dict[str, Any] = {
            "source_rows": compared.source_rows,
            "warehouse_rows": compared.warehouse_rows,
            "differing_rows": len(compared.differing),
        }
        if compared.differing:
            shown = ((*each.key, each.verdict) for each in compared.differing[:SHOWN])
            said["differing"] = MetadataValue.md(preview((*table.key, "how"), shown))
        return AssetCheckResult(
            passed=compared.equal,
            metadata=said,
            description=None
            if compared.equal
            else f"{table.full_name}: source and mirror differ; `stori verify {table.full_name}` lists the rows",
        )

    return source_equals_mirror


_LOADED = OwnCheck(_ROWS_LOADED, "The newest load brought every row that had landed.", _rows_loaded)


def checks_for(project: Project) -> list[AssetChecksDefinition]:
    statements = graph_checks(project)
    made = []
    for table in project.tables:
        made += [contract_check(table), drift_check(table), *steps(project, table.full_name, statements[table.full_name], table, [_LOADED])]
        made += [proof_check(table), *arrivals_checks(table)]
    for star in project.stars:
        name = star.table.full_name
        made += [contract_check(star.table), *steps(project, name, statements[name], star.table, [_LOADED])]
    for report in project.reports:
        made += steps(project, report.full_name, statements[report.full_name])
    return made


def quick_checks(project: Project, affected: Affected) -> list[AssetCheckKey]:
    """The checks that a run after a change makes: all those that the change can turn, but for those that go back to the source."""
    statements = graph_checks(project)
    keys = [AssetCheckKey(relation_key(name), check.name) for name in affected.names for check in statements[name]]
    for table in affected.mirrored:
        keys += [AssetCheckKey(landing_key(table), CONTRACT), AssetCheckKey(mirror_key(table), _ROWS_LOADED)]
    return sorted(keys + checks_reading(project, affected.names), key=str)


def scheduled_checks(tables: Iterable[Table]) -> list[AssetCheckKey]:
    """The checks that a change does not start: those that go back to the source, and those that time alone can turn."""
    return [
        key
        for table in tables
        for key in (AssetCheckKey(landing_key(table), DRIFT), AssetCheckKey(mirror_key(table), PROOF), *arrivals_keys(table))
    ]
