"""The IO managers, which store the values of assets as Parquet in S3 and as tables in Redshift.

Belongs here: how each kind of value is stored, and its metadata. Both work for any asset: tables of the project pass a stream of rows or
new batches, other assets pass frames. Does not belong here: the rules of landing and loading (`pipeline`), or writing frames
(`lake.frames`, `warehouse.frames`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from dagster import AssetKey, ConfigurableIOManager, InputContext, OutputContext

from stori_pipeline.defs import materialization_metadata as metadata
from stori_pipeline.defs.resources import LakeResource, WarehouseResource
from stori_pipeline.runtime.retries import only_transient

if TYPE_CHECKING:
    from stori_pipeline.model.table import Table
    from stori_pipeline.pipeline.sync import NewBatches, RowStream

ON_ROWS: ContextVar[Callable[[str, int], None] | None] = ContextVar("ON_ROWS", default=None)
"""For a run in this process: called with a table's name and the number of its rows read so far."""

_SECONDS_BETWEEN_LINES = 10


class S3ParquetIOManager(ConfigurableIOManager):
    """Stores an asset's value as Parquet in S3.

    Accepts a `RowStream` of a table, which becomes a batch sealed by a manifest; or a frame: a polars DataFrame or LazyFrame, a pyarrow
    Table, or an iterable of pyarrow record batches. A frame becomes one object, `<asset key>/<partition>.parquet` (`all.parquet` without
    partitions), and replaces the previous one.

    Loads the type that the input's annotation names: `polars.LazyFrame` (the default), `polars.DataFrame` or `pyarrow.Table`. Of a table it
    loads the live rows; the step fails with `LoadBlocked` if the contract blocks one of their batches.
    """

    lake: LakeResource

    def table_of(self, key: AssetKey) -> Table | None:  # noqa: ARG002  (see the project's own, in `build`)
        """The definition of the table whose batches an asset is; None for an asset that is a frame."""
        return None

    def handle_output(self, context: OutputContext, obj: Any) -> None:
        from stori_pipeline.pipeline.sync import RowStream

        with only_transient():
            if isinstance(obj, RowStream):
                context.add_output_metadata(self._land(context, obj))
            else:
                from stori_pipeline.lake.frames import write_frame

                stored = write_frame(self.lake.open_bucket(), _object_key(context.asset_key, _partition(context)), obj)
                context.add_output_metadata(metadata.of_frame(stored.schema, stored.rows, stored.url, stored.first))

    def _land(self, context: OutputContext, rows: RowStream) -> dict[str, Any]:
        began = time.monotonic()
        landed = rows.land(run_id=context.run_id, progress=_progress(context, rows.table))
        return metadata.of_landing(rows, landed, self.lake, time.monotonic() - began)

    def load_input(self, context: InputContext) -> Any:
        from stori_pipeline.lake.frames import as_annotated, scan_objects
        from stori_pipeline.pipeline.loaded_rows import loadable_rows

        with only_transient():
            if table := self.table_of(context.asset_key):
                frame = loadable_rows(table, self.lake.open())
            else:
                partitions = context.asset_partition_keys if context.has_asset_partitions else ["all"]
                frame = scan_objects(self.lake.open_bucket(), [_object_key(context.asset_key, each) for each in partitions])
            return as_annotated(frame, context.dagster_type.typing_type)


class RedshiftIOManager(ConfigurableIOManager):
    """Stores an asset's value as a table in Redshift, `<schema>.<name>`: the last two parts of the asset's key.

    Accepts the `NewBatches` of a table, or a frame like `S3ParquetIOManager`. COPY loads it from S3 into a stage, and from there it goes
    into the table, in one transaction: readers see all of it or nothing. A frame replaces the rows of the table; of a partitioned asset it
    replaces the rows of the partition, whose column the asset's metadata names: `{"partition_expr": "day"}`. A frame never replaces a table
    that its asset did not write.

    Loads all rows of the table, as the type that the input's annotation names (see `S3ParquetIOManager`).
    """

    warehouse: WarehouseResource
    lake: LakeResource
    """The bucket from which frames are loaded."""

    def is_of_project(self, full_name: str) -> bool:  # noqa: ARG002  (the project's own, in `build`, knows)
        """Whether `schema.name` is a relation of the project, which no frame may be."""
        return False

    def handle_output(self, context: OutputContext, obj: Any) -> None:
        from stori_pipeline.pipeline.sync import NewBatches

        with only_transient():
            if isinstance(obj, NewBatches):
                context.add_output_metadata(self._load(context, obj))
            else:
                context.add_output_metadata(self._replace(context, obj))

    def _load(self, context: OutputContext, new: NewBatches) -> dict[str, Any]:
        from stori_pipeline.pipeline.sync import load_new

        began = time.monotonic()
        warehouse = self.warehouse.open()
        loaded = load_new(new, warehouse, run_id=context.run_id)
        rows = {} if loaded is None else metadata.rows_of_mirror(new.table, warehouse)
        rows |= metadata.proof_of_mirror(new.table, warehouse)
        return metadata.of_mirror(new, loaded, self.warehouse.uri(new.table.full_name), time.monotonic() - began) | rows

    def _replace(self, context: OutputContext, frame: Any) -> dict[str, Any]:
        from stori_pipeline.lake.frames import staged
        from stori_pipeline.warehouse.frames import Target, replace_rows

        column = (context.definition_metadata or {}).get("partition_expr", "")
        partitions = context.asset_partition_keys if context.has_asset_partitions else []
        name = "/".join(context.asset_key.path)
        target = Target(*_relation(context.asset_key), name, partition_column=str(column), partitions=tuple(partitions))
        if self.is_of_project(target.full_name):
            raise ValueError(
                f"asset {name}: its frame would replace {target.full_name}, a mirror, star table, report or view of the project; change "
                "the asset's key, whose last two parts are schema and table"
            )
        with staged(self.lake.open_bucket(), f"_staged/{target.schema}/{target.name}/{context.run_id}/", frame) as stage:
            replace_rows(self.warehouse.open(), target, stage.types, stage.manifest, stage.rows)
        return metadata.of_frame(stage.schema, stage.rows, self.warehouse.uri(target.full_name), stage.first)

    def load_input(self, context: InputContext) -> Any:
        from stori_pipeline.lake.frames import as_annotated
        from stori_pipeline.warehouse.frames import read_table

        with only_transient():
            return as_annotated(read_table(self.warehouse.open(), *_relation(context.asset_key)).lazy(), context.dagster_type.typing_type)


def _relation(key: AssetKey) -> tuple[str, str]:
    if len(key.path) < 2:
        raise ValueError(f"asset {'/'.join(key.path)}: Redshift needs a schema and a name; give the asset a key_prefix, such as 'lab'")
    return key.path[-2], key.path[-1]


def _object_key(key: AssetKey, partition: str) -> str:
    from urllib.parse import quote

    return f"{'/'.join(key.path)}/{quote(partition, safe='-_.')}.parquet"


def _partition(context: OutputContext) -> str:
    return context.asset_partition_key if context.has_asset_partitions else "all"


def _progress(context: OutputContext, table: Table) -> Callable[[int], None]:
    """A function that counts rows, and logs the count every ten seconds."""
    rows, due, watcher = 0, time.monotonic() + _SECONDS_BETWEEN_LINES, ON_ROWS.get()

    def count(more: int) -> None:
        nonlocal rows, due
        rows += more
        if watcher:
            watcher(table.full_name, rows)
        if time.monotonic() >= due:
            due = time.monotonic() + _SECONDS_BETWEEN_LINES
            context.log.info(f"{table.full_name}: {rows:,} rows read so far")

    return count
