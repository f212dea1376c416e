"""What must hold of a landing and of a mirror, as asset checks.

Belongs here: deriving checks from records and from `sql/checks`, and judging their results. Does not belong here: how source
and mirror are compared (`compare`).

Three kinds. `contract` stands between landing and loading and blocks. Row checks are statements that return the rows that fail: those
that the record implies, and every file `sql/checks/<source>/<table>/<name>.sql`; a new file is a new check. `source_equals_mirror` is
the proof and `record_complete` looks for columns that a record does not name; these go back to the source, so they run with the schedule
rather than after every change.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckKey,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSeverity,
    AssetCheckSpec,
    MetadataValue,
    asset_check,
    multi_asset_check,
)

from stori_pipeline import sync
from stori_pipeline.compare import verify
from stori_pipeline.defs.metadata import landing_key, mirror_key, preview
from stori_pipeline.defs.resources import LakeResource, SourcesResource, WarehouseResource
from stori_pipeline.defs.retries import RETRY, only_transient
from stori_pipeline.lake.manifest import Manifest
from stori_pipeline.redshift import Warehouse, WarehouseError, WarehouseUnavailable
from stori_pipeline.redshift.statements import quoted, relation
from stori_pipeline.spec import SpecError, Table

SHOWN = 20
"""How many failing rows a check shows at most."""

SMALL_BATCH = 1_000
"""A smaller batch is judged as if it had so many rows: of three changed rows, one that is rejected is not yet a broken source."""

SQL_CHECKS = Path(__file__).parents[2] / "sql" / "checks"

_ROWS_LOADED = "landed_rows_loaded"
_PROOF = "source_equals_mirror"
_DRIFT = "record_complete"


@dataclass(frozen=True)
class RowCheck:
    """A statement that returns the rows which fail, and how bad that is."""

    name: str
    description: str
    statement: str
    severity: AssetCheckSeverity = AssetCheckSeverity.ERROR


def row_checks(table: Table, folder: Path = SQL_CHECKS) -> list[RowCheck]:
    """What the record implies and Redshift does not enforce, then the table's files."""
    key = ", ".join(map(quoted, table.key))
    needed = [c.name for c in table.columns if not c.nullable]
    nulls = " OR ".join(f"{quoted(name)} IS NULL" for name in needed)
    implied = [
        RowCheck(
            "key_unique",
            f"No two rows have the same ({', '.join(table.key)}).",
            f"SELECT {key}, COUNT(*) AS occurrences FROM {relation(table)} GROUP BY {key} HAVING COUNT(*) > 1",
        ),
        RowCheck("not_null", f"No row lacks {', '.join(needed)}.", f"SELECT {key} FROM {relation(table)} WHERE {nulls}"),
    ]
    return implied + [parse(file) for file in sorted((folder / table.prefix).glob("*.sql"))]


def parse(file: Path) -> RowCheck:
    """A check from its file: leading comment lines hold `severity: warn` or `severity: error`, and the description."""
    text = file.read_text(encoding="utf-8")
    heading = re.match(r"(?:--[^\n]*\n)*", text)
    lines = [line.lstrip("-").strip() for line in (heading.group() if heading else "").splitlines()]
    severities = [line.split(":", 1)[1].strip() for line in lines if line.startswith("severity:")]
    if len(severities) != 1 or severities[0] not in ("warn", "error"):
        raise SpecError(f"{file.name}: its first comment lines must hold `-- severity: warn` or `-- severity: error`, once")
    description = " ".join(line for line in lines if not line.startswith("severity:")).strip()
    if not description:
        raise SpecError(f"{file.name}: its first comment lines must say what holds when it returns no row")
    severity = AssetCheckSeverity.WARN if severities[0] == "warn" else AssetCheckSeverity.ERROR
    return RowCheck(file.stem, description, text[heading.end() if heading else 0 :].strip().rstrip("; \n"), severity)


def refuse_strays(tables: Iterable[Table], folder: Path = SQL_CHECKS) -> None:
    """A file that belongs to no table would be a check that never runs."""
    known = {table.prefix for table in tables}
    for file in sorted(folder.rglob("*.sql")):
        where = file.parent.relative_to(folder).as_posix()
        if where not in known:
            raise SpecError(f"sql/checks/{where}/{file.name}: there is no table {where.replace('/', '.')!r} in the catalog")


def contract_check(table: Table) -> AssetChecksDefinition:
    @asset_check(
        asset=landing_key(table),
        name="contract",
        description=f"At most {table.max_rejected:.2%} of a batch's rows break the record; otherwise nothing is loaded.",
        blocking=True,
        retry_policy=RETRY,
    )
    def contract(lake: LakeResource, warehouse: WarehouseResource) -> AssetCheckResult:
        with only_transient():
            # All that the load would bring is judged, not this run's batch alone: a batch that was blocked stays blocked.
            batches = _since_last_snapshot(lake.open().manifests(table, after=warehouse.open().ledger(table)))
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
    def record_complete(sources: SourcesResource) -> AssetCheckResult:
        with only_transient():
            unnamed = sources.reader(table.source).drift(table)
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


def mirror_checks(table: Table, folder: Path = SQL_CHECKS) -> AssetChecksDefinition:
    """All checks that only look at the mirror and its ledger, in one step."""
    checks = {check.name: check for check in row_checks(table, folder)}
    specs = [AssetCheckSpec(check.name, asset=mirror_key(table), description=check.description) for check in checks.values()]
    specs.append(AssetCheckSpec(_ROWS_LOADED, asset=mirror_key(table), description="The newest load brought every row that had landed."))

    @multi_asset_check(name=f"checks__{mirror_key(table).to_python_identifier()}", specs=specs, can_subset=True, retry_policy=RETRY)
    def holds(context: AssetCheckExecutionContext, lake: LakeResource, warehouse: WarehouseResource) -> Iterator[AssetCheckResult]:
        store = warehouse.open()
        for selected in sorted(key.name for key in context.selected_asset_check_keys):
            with only_transient():
                result = _rows_loaded(table, lake, store) if selected == _ROWS_LOADED else _failing_rows(table, checks[selected], store)
            yield result

    return holds


def _failing_rows(table: Table, check: RowCheck, warehouse: Warehouse) -> AssetCheckResult:
    statement = f"SELECT failing.*, COUNT(*) OVER () AS failing_rows FROM (\n{check.statement}\n) AS failing LIMIT {SHOWN}"
    try:
        with warehouse.session(f"check {check.name} of {table.full_name}") as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            names = [column.name for column in cursor.description or ()][:-1]
            rows = cursor.fetchall()
    except WarehouseUnavailable:
        raise
    except WarehouseError as error:
        # A statement that the warehouse refuses is this check's failure and must not silence the others.
        return AssetCheckResult(check_name=check.name, asset_key=mirror_key(table), passed=False, description=str(error))
    said: dict[str, Any] = {"failing_rows": int(rows[0][-1]) if rows else 0}
    if rows:
        said["examples"] = MetadataValue.md(preview(names, (row[:-1] for row in rows)))
    return AssetCheckResult(
        check_name=check.name,
        asset_key=mirror_key(table),
        passed=not rows,
        severity=check.severity,
        metadata=said,
        description=f"{said['failing_rows']} rows of {table.full_name} fail; examples are in the metadata" if rows else None,
    )


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

            compared = verify(table, reader, mirror, settle=settle)
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


def checks_for(tables: Sequence[Table], folder: Path = SQL_CHECKS) -> list[AssetChecksDefinition]:
    refuse_strays(tables, folder)
    return [
        made for table in tables for made in (contract_check(table), drift_check(table), mirror_checks(table, folder), proof_check(table))
    ]


def quick_checks(table: Table) -> list[AssetCheckKey]:
    """The checks that a run after a change makes: those that do not go back to the source."""
    names = [check.name for check in row_checks(table)]
    return [AssetCheckKey(landing_key(table), "contract"), *(AssetCheckKey(mirror_key(table), name) for name in (*names, _ROWS_LOADED))]


def all_checks(table: Table) -> list[AssetCheckKey]:
    return [*quick_checks(table), AssetCheckKey(landing_key(table), _DRIFT), AssetCheckKey(mirror_key(table), _PROOF)]
