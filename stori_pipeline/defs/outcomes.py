"""What a materialization says came of it: rows, batches, previews.

Belongs here: from what a landing or a load did to Dagster's metadata values. Does not belong here: landing and loading, or what follows
from a record alone (`metadata`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dagster import AssetKey, DagsterInstance, MetadataValue, TableColumnLineage

from stori_pipeline.defs import metadata
from stori_pipeline.lake.manifest import Manifest
from stori_pipeline.redshift import Loaded
from stori_pipeline.spec import History, Table
from stori_pipeline.sync import Landed

if TYPE_CHECKING:
    from stori_pipeline.lake import Lake

NOTHING_NEW = "nothing new"


def of_batch(table: Table, landed: Landed, lineage: TableColumnLineage, uri: str, seconds: float) -> dict[str, Any]:
    """Of a source table that landed, or a star table that was made."""
    manifest = landed.manifest
    said: dict[str, Any] = {
        "dagster/column_schema": metadata.landing_schema(table),
        "dagster/column_lineage": lineage,
        "dagster/uri": uri,
        "outcome": f"{manifest.kind} landed as batch {manifest.batch}" if manifest else NOTHING_NEW,
        "rows_landed": manifest.rows if manifest else 0,
        "rows_rejected": manifest.rejected if manifest else 0,
        "seconds": round(seconds, 3),
    }
    if landed.newest:
        said |= {"batch": landed.newest.batch, "generation": landed.newest.generation}
    if landed.whole_because:
        said["new_generation_because"] = landed.whole_because
    if manifest:
        said |= {"kind": manifest.kind, "source_snapshot": MetadataValue.timestamp(manifest.taken_at)}
        said |= {"bytes": sum(part.bytes for part in manifest.parts), "parts": len(manifest.parts)}
        if manifest.quarantine:
            said["quarantine"] = MetadataValue.path(manifest.quarantine)
    return said


def of_star(table: Table, processed: Lake, manifest: Manifest | None) -> dict[str, Any]:
    """What a batch of a star table holds, besides: a preview, and of a history how many rows are gone. Reads the batch."""
    if manifest is None or not manifest.parts:
        return {}
    import polars as pl

    rows = processed.rows(table, manifest)
    first = rows.select(c.name for c in table.columns).head(metadata.PREVIEW_ROWS).collect()
    said: dict[str, Any] = {"preview": MetadataValue.md(metadata.preview(first.columns, first.rows()))}
    if isinstance(table.changes, History):
        removed = rows.select(pl.col("_removed").sum()).collect().item()
        said |= {"versions_made": manifest.rows, "versions_removed": int(removed)}
    return said


def of_mirror(
    table: Table,
    loaded: Loaded | None,
    order: tuple[int, int] | None,
    uri: str,
    seconds: float,
) -> dict[str, Any]:
    said: dict[str, Any] = {
        "dagster/column_schema": metadata.mirror_schema(table),
        "dagster/column_lineage": metadata.mirror_lineage(table),
        "dagster/uri": uri,
        "dagster/table_name": table.full_name,
        "outcome": f"loaded up to batch {loaded.batch}" if loaded else NOTHING_NEW,
        "rows_copied": loaded.rows_copied if loaded else 0,
        "rows_inserted": loaded.rows_inserted if loaded else 0,
        "rows_deleted": loaded.rows_deleted if loaded else 0,
        "seconds": round(seconds, 3),
    }
    return said | ({"generation": order[0], "batch": order[1]} if order else {})


def rows_of_mirror(table: Table, rows: int, sample: Sequence[tuple[Any, ...]]) -> dict[str, Any]:
    said: dict[str, Any] = {"dagster/row_count": rows}
    if sample:
        said["preview"] = MetadataValue.md(metadata.preview([c.name for c in metadata.mirror_schema(table).columns], sample))
    return said


def last_said(instance: DagsterInstance, key: AssetKey, version: str) -> Mapping[str, Any] | None:
    """The metadata of an asset's last materialization, where that has this data version: what need not be found out again."""
    event = instance.get_latest_materialization_event(key)
    if event is None or event.asset_materialization is None:
        return None
    last = event.asset_materialization
    return last.metadata if (last.tags or {}).get("dagster/data_version") == version else None
