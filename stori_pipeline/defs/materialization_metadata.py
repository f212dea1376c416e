"""The metadata of a materialization: rows, batches, versions, previews.

Belongs here: Dagster's metadata values for the result of a landing, of a load or of a frame. Does not belong here: metadata that follows
from a definition alone (`metadata`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dagster import AssetKey, DagsterInstance, DataVersion, MetadataValue, TableColumn, TableSchema

from stori_pipeline.defs import metadata
from stori_pipeline.model.changes import History
from stori_pipeline.model.table import Table
from stori_pipeline.warehouse.dialect import relation
from stori_pipeline.warehouse.proofs import verified_of

if TYPE_CHECKING:
    import pyarrow as pa

    from stori_pipeline.defs.resources import LakeResource
    from stori_pipeline.lake import Manifest
    from stori_pipeline.pipeline.sync import Landed, NewBatches, RowStream
    from stori_pipeline.warehouse import Warehouse
    from stori_pipeline.warehouse.load import Loaded

NOTHING_NEW = "nothing new"

DELETES_REFUSED = "deletes_refused"
"""Why rows that the source deleted were not looked for, though the run was to do it."""


def version_of(order: tuple[int, int] | None) -> DataVersion:
    """The data version of a (generation, batch). It stays the same if a run lands nothing."""
    generation, batch = order or (0, 0)
    return DataVersion(f"{generation}-{batch}")


def head_version(head: str) -> str:
    """The data version of a source table whose reader says this head."""
    return hashlib.sha256(head.encode()).hexdigest()[:16]


def of_landing(rows: RowStream, landed: Landed, lake: LakeResource, seconds: float, *, brief: bool = False) -> dict[str, Any]:
    """The metadata of a landing, by a step or by the continuous sync: its batch, the versions in it, and the rows in quarantine."""
    from stori_pipeline.lake.quarantine import rows_in_quarantine

    values = of_batch(rows, landed, lake.uri(rows.table), seconds, brief=brief) | of_versions(rows.table, lake, landed.manifest)
    return values | {"quarantined": rows_in_quarantine(lake.open(), rows.table, landed.newest)}


def of_batch(rows: RowStream, landed: Landed, uri: str, seconds: float, *, brief: bool = False) -> dict[str, Any]:
    """The metadata of a batch, of a source table or of a star table. `brief` leaves out what the definition says."""
    manifest, first = landed.manifest or rows.columns, rows.first
    values: dict[str, Any] = {
        "dagster/uri": uri,
        "outcome": f"{manifest.kind} landed as batch {manifest.batch}" if manifest else NOTHING_NEW,
        "rows_landed": manifest.rows if manifest else 0,
        "rows_rejected": manifest.rejected if manifest else 0,
        "seconds": round(seconds, 3),
    }
    if landed.newest:
        values |= {"batch": landed.newest.batch, "generation": landed.newest.generation}
    if rows.columns:
        new = ", ".join(rows.columns.brings) or "none"
        counts = f"{rows.columns.rows} rows with values, {rows.columns.rejected} rejected"
        values["columns"] = f"batch {rows.columns.batch} follows the changed definition; new columns: {new}; {counts}"
    if landed.full_refresh_reason:
        values["full_refresh_reason"] = landed.full_refresh_reason
    if landed.joined:
        values["joined"] = f"every row of {landed.joined} was read, because it joined the table since the last batch"
    if landed.notes:
        values["notes"] = "\n".join(landed.notes)
    if manifest:
        values |= {"kind": manifest.kind, "source_snapshot": MetadataValue.timestamp(manifest.taken_at)}
        values |= {"bytes": sum(part.bytes for part in manifest.parts), "parts": len(manifest.parts)}
        if manifest.quarantine:
            values["quarantine"] = MetadataValue.path(manifest.quarantine)
        if first and first.rows.num_rows:
            sample = [tuple(row.values()) for row in first.rows.slice(0, metadata.PREVIEW_ROWS).to_pylist()]
            values["preview"] = MetadataValue.md(metadata.preview(rows.table.read_schema.names, sample))
    if not brief:
        values["dagster/column_schema"] = metadata.landing_schema(rows.table)
    if not rows.table.is_derived and not brief:
        values["dagster/column_lineage"] = metadata.landing_lineage(rows.table)
    return values


def of_versions(table: Table, processed: LakeResource, manifest: Manifest | None) -> dict[str, Any]:
    """The metadata of a history's batch: how many versions it added, and how many of them mark a row as removed. Reads the batch."""
    if manifest is None or not manifest.parts or not isinstance(table.changes, History):
        return {}
    import polars as pl

    removed = processed.open().rows(table, manifest).select(pl.col("_removed").sum()).collect().item()
    return {"versions_made": manifest.rows, "versions_removed": int(removed)}


def of_mirror(new: NewBatches, loaded: Loaded | None, uri: str, seconds: float, *, brief: bool = False) -> dict[str, Any]:
    """The metadata of a mirror, even if nothing was loaded. `brief` leaves out what the definition says."""
    schemas = {"dagster/column_schema": metadata.mirror_schema, "dagster/column_lineage": metadata.mirror_lineage}
    values: dict[str, Any] = {
        **({} if brief else {name: of(new.table) for name, of in schemas.items()}),
        "dagster/uri": uri,
        "dagster/table_name": new.table.full_name,
        "outcome": f"loaded up to batch {loaded.batch}" if loaded else NOTHING_NEW,
        "rows_copied": loaded.rows_copied if loaded else 0,
        "rows_inserted": loaded.rows_inserted if loaded else 0,
        "rows_deleted": loaded.rows_deleted if loaded else 0,
        "seconds": round(seconds, 3),
    }
    order = (loaded.generation, loaded.batch) if loaded else new.after
    return values | ({"generation": order[0], "batch": order[1]} if order else {})


def carried_on(instance: DagsterInstance, loaded: Loaded, key: AssetKey) -> dict[str, Any]:
    """What the mirror's last materialization knew, brought up to this load without a query to the warehouse: the number of all its rows,
    and up to which moment it was proved equal. Empty if that materialization is not of the batch that this load followed."""
    last = last_metadata(instance, key, version_of(loaded.after)) if loaded.after else None
    if last is None:
        return {}
    values = {name: last[name] for name in ("verified_through",) if name in last}
    if loaded.rows_more is not None and "dagster/row_count" in last:
        values["dagster/row_count"] = int(last["dagster/row_count"].value) + loaded.rows_more
    return values


def rows_of_mirror(table: Table, warehouse: Warehouse) -> dict[str, Any]:
    """The number of a mirror's rows, and a few of them. Queries the warehouse."""
    ((rows,),) = warehouse.query(f"SELECT COUNT(*) FROM {relation(table)}", what=f"row count of {table.full_name}")
    statement = f"SELECT * FROM {relation(table)} LIMIT {metadata.PREVIEW_ROWS}"
    sample = warehouse.query(statement, what=f"preview of {table.full_name}")
    names = [column.name for column in metadata.mirror_schema(table).columns]
    return {"dagster/row_count": rows} | ({"preview": MetadataValue.md(metadata.preview(names, sample))} if sample else {})


def proof_of_mirror(table: Table, warehouse: Warehouse) -> dict[str, Any]:
    """Up to which moment of its source the mirror was proved equal, if it was."""
    through = None if table.is_derived else verified_of(warehouse, table.full_name)
    return {} if through is None else {"verified_through": MetadataValue.timestamp(through)}


def of_frame(schema: pa.Schema, rows: int, uri: str, first: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """The metadata of an asset that is a frame, in S3 or in the warehouse."""
    values: dict[str, Any] = {
        "dagster/column_schema": TableSchema([TableColumn(field.name, str(field.type)) for field in schema]),
        "dagster/row_count": rows,
        "dagster/uri": uri,
    }
    return values | ({"preview": MetadataValue.md(metadata.preview(schema.names, first))} if first else {})


def last_tags(instance: DagsterInstance, keys: Iterable[AssetKey]) -> dict[AssetKey, Mapping[str, str]]:
    """The tags of the last materialization of each asset that has one, in one query: its data version, its code version and others."""
    entries = [record.asset_entry for record in instance.get_asset_records(list(keys))]
    events = {entry.asset_key: entry.last_materialization for entry in entries}
    return {key: event.asset_materialization.tags or {} for key, event in events.items() if event and event.asset_materialization}


def last_metadata(instance: DagsterInstance, key: AssetKey, version: DataVersion) -> Mapping[str, Any] | None:
    """The metadata of an asset's last materialization if it has this data version, so that it need not be queried again; else None."""
    event = instance.get_latest_materialization_event(key)
    if event is None or event.asset_materialization is None:
        return None
    last = event.asset_materialization
    return last.metadata if (last.tags or {}).get("dagster/data_version") == version.value else None
