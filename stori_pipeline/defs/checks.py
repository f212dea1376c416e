"""What must hold of a landing and of a mirror, as asset checks.

Belongs here: deriving checks from records and from `sql/checks`, and judging their results. Does not belong here: how source
and mirror are compared (`compare`).

Three kinds. `contract` stands between landing and loading and blocks. Row checks are statements that return the rows that fail
(`row_checks`): those that the record implies, and every file of `sql/checks`; a new file is a new check. `source_equals_mirror` is
the proof and `record_complete` looks for columns that a record does not name; these go back to the source, so they run with the schedule
rather than after every change.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckKey,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSeverity,
    MetadataValue,
    asset_check,
)

from stori_pipeline import sync
from stori_pipeline.compare import drift, side, verify
from stori_pipeline.defs.arrivals import ARRIVALS, arrivals_checks, arrivals_keys
from stori_pipeline.defs.lineage import Affected, Graph
from stori_pipeline.defs.metadata import landing_key, mirror_key, preview, relation_key
from stori_pipeline.defs.resources import LakeResource, ProcessedResource, SourcesResource, WarehouseResource, store_of
from stori_pipeline.defs.retries import RETRY, only_transient
from stori_pipeline.defs.row_checks import SHOWN, OwnCheck, checks_reading, graph_checks, steps
from stori_pipeline.lake.manifest import Manifest
from stori_pipeline.redshift import Warehouse
from stori_pipeline.spec import Table

SMALL_BATCH = 1_000
"""A smaller batch is judged as if it had so many rows: of three changed rows, one that is rejected is not yet a broken source."""

_ROWS_LOADED = "landed_rows_loaded"
_PROOF = "source_equals_mirror"
_DRIFT = "record_complete"
CONTRACT = "contract"
APART = (CONTRACT, _DRIFT, _PROOF, ARRIVALS)
"""The checks that are a step of their own, which Dagster names after the asset and the check."""


def contract_check(table: Table) -> AssetChecksDefinition:
    @asset_check(
        asset=landing_key(table),
        name=CONTRACT,
        description=f"At most {table.max_rejected:.2%} of a batch's rows break the record; otherwise nothing is loaded.",
        blocking=True,
        retry_policy=RETRY,
    )
    def contract(lake: LakeResource, processed: ProcessedResource, warehouse: WarehouseResource) -> AssetCheckResult:
        with only_transient():
            store = store_of(table, lake, processed).open()
            # All that the load would bring is judged, not this run's batch alone: a batch that was blocked stays blocked.
            batches = _since_last_snapshot(store.manifests(table, after=warehouse.open().ledger(table)))
        broken = [each for each in batches if each.rejected > table.max_rejected * max(each.rows + each.rejected, SMALL_BATCH)]
        said: dict[str, Any] = {"batches": len(batches), "rejected": sum(each.rejected for each in batches)}
        if broken:
            said["quarantine"] = MetadataValue.md("\n".join(f"- batch {each.batch}: `{each.quarantine}`" for each in broken[:SHOWN]))
        return AssetCheckResult(passed=not broken, metadata=said, description=_blocked(table, broken) if broken else None)

    return contract


def drift_check(table: Table) -> AssetChecksDefinition:
    @asset_check(
        asset=landing_key(table),
        name=_DRIFT,
        description="The record names every column that the source has.",
        retry_policy=RETRY,
    )
    def record_complete(sources: SourcesResource, lake: LakeResource) -> AssetCheckResult:
        with only_transient():
            unnamed = drift(table, sources.reader(table.source), lake.open())
        return AssetCheckResult(
            passed=not unnamed,
            severity=AssetCheckSeverity.WARN,
            metadata={"unnamed": MetadataValue.md("\n".join(f"- {line}" for line in unnamed))} if unnamed else {},
            description=f"{table.full_name}: {unnamed[0]}" + (f", and {len(unnamed) - 1} more" if unnamed[1:] else "") if unnamed else None,
        )

    return record_complete


def _blocked(table: Table, broken: Sequence[Manifest]) -> str:
    worst = max(broken, key=lambda each: each.rejected / (each.rows + each.rejected))
    return (
        f"{table.full_name}: {worst.rejected} of the {worst.rows + worst.rejected} rows of batch {worst.batch} break the record, "
        f"more than max_rejected={table.max_rejected} allows, so nothing is loaded. Its quarantine says why. Mend the source or the "
        f"record, then land a new snapshot with `stori sync --full {table.full_name}`"
    )


def _since_last_snapshot(batches: list[Manifest]) -> list[Manifest]:
    snapshots = [number for number, each in enumerate(batches) if each.kind == "snapshot"]
    return batches[snapshots[-1] :] if snapshots else batches


def _rows_loaded(table: Table, lake: LakeResource | ProcessedResource, warehouse: Warehouse) -> AssetCheckResult:
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
    return sum(each.rows for each in _since_last_snapshot([each for each in batches if each.order <= until]))


def proof_check(table: Table) -> AssetChecksDefinition:
    @asset_check(
        asset=mirror_key(table),
        name=_PROOF,
        description="Every row of the source is in the mirror with the same values, and no other: compared by checksums, in each engine.",
        retry_policy=RETRY,
        pool=table.full_name,
    )
    def source_equals_mirror(
        context: AssetCheckExecutionContext, sources: SourcesResource, lake: LakeResource, warehouse: WarehouseResource
    ) -> AssetCheckResult:
        with only_transient():
            reader, store, mirror = sources.reader(table.source), lake.open(), warehouse.open()

            def settle() -> None:
                # A source that is written to is ahead of its mirror by what has not landed yet: that is no difference.
                sync.land(table, reader, store, run_id=context.run.run_id)
                sync.load(table, store, mirror, run_id=context.run.run_id)

            compared = verify(table, side(table, reader, store), mirror, settle=settle)
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


def checks_for(graph: Graph) -> list[AssetChecksDefinition]:
    statements = graph_checks(graph)
    made = []
    for table in graph.tables:
        made += [contract_check(table), drift_check(table), *steps(graph, table.full_name, statements[table.full_name], table, [_LOADED])]
        made += [proof_check(table), *arrivals_checks(table)]
    for star in graph.stars:
        name = star.table.full_name
        made += [contract_check(star.table), *steps(graph, name, statements[name], star.table, [_LOADED])]
    for report in graph.reports:
        made += steps(graph, report.full_name, statements[report.full_name])
    return made


def quick_checks(graph: Graph, affected: Affected) -> list[AssetCheckKey]:
    """The checks that a run after a change makes: all those that the change can turn, but for those that go back to the source."""
    statements = graph_checks(graph)
    keys = [AssetCheckKey(relation_key(name), check.name) for name in affected.names for check in statements[name]]
    for table in affected.mirrored:
        keys += [AssetCheckKey(landing_key(table), CONTRACT), AssetCheckKey(mirror_key(table), _ROWS_LOADED)]
    return sorted(keys + checks_reading(graph, affected.names), key=str)


def scheduled_checks(tables: Iterable[Table]) -> list[AssetCheckKey]:
    """The checks that a change does not start: those that go back to the source, and those that time alone can turn."""
    return [
        key
        for table in tables
        for key in (AssetCheckKey(landing_key(table), _DRIFT), AssetCheckKey(mirror_key(table), _PROOF), *arrivals_keys(table))
    ]
