"""Where values go when a step hands them over: the lake, and the warehouse.

Belongs here: calling `sync` and saying what came of it. Does not belong here: how rows land or load; keep every rule about
those on the floors below.

Values are descriptions, never rows: a landing hands over *what to read* and the rows stream from the source into S3 while it is
stored; a mirror hands over *which batches are pending* and Redshift copies them from S3 by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from dagster import ConfigurableIOManager, DataVersion, InputContext, MetadataValue, OutputContext

from stori_pipeline import catalog
from stori_pipeline.defs import metadata
from stori_pipeline.defs.resources import LakeResource, WarehouseResource
from stori_pipeline.defs.retries import only_transient
from stori_pipeline.lake.manifest import Manifest
from stori_pipeline.readers import Chunk, Kind, Position, Reader, Reading
from stori_pipeline.redshift import Ask, Loaded
from stori_pipeline.redshift.statements import relation
from stori_pipeline.spec import Table
from stori_pipeline.sync import Landed

if TYPE_CHECKING:
    import polars as pl

_SAY_EVERY = 10  # seconds between progress lines in the log


@dataclass(frozen=True)
class Unread:
    """What a landing shall read: everything since the newest batch; the whole table (`full`); or one past day again."""

    table: Table
    reader: Reader
    full: bool = False
    day: date | None = None
    note: str = ""
    """What the reader of the materialization should know besides, such as what a reconciliation did."""


@dataclass(frozen=True)
class Batches:
    """What a mirror shall load: all that landed after the batch its ledger names."""

    table: Table
    pending: Ask


class LakeIOManager(ConfigurableIOManager):
    """Lands what is unread; hands landed tables on as pending batches or as a frame of their current rows."""

    lake: LakeResource

    def handle_output(self, context: OutputContext, obj: Unread) -> None:
        from stori_pipeline import sync

        began = time.monotonic()
        reader = _SamplingReader(obj.reader)
        with only_transient():
            landed = sync.land(
                obj.table,
                reader,
                self.lake.open(),
                run_id=context.run_id,
                full=obj.full,
                day=obj.day,
                progress=_progress(context, obj.table),
            )
        if landed.whole_because:
            context.log.warning(f"{obj.table.full_name}: a new generation was read, because {landed.whole_because}")
        # The step observed the source itself, after Dagster had looked up what was known of it; without this the landing would be
        # recorded as made from the version before, and be shown as out of date for ever.
        context.step_context.wipe_input_asset_version_info(metadata.source_key(obj.table))
        _version(context, landed.newest.order if landed.newest else None)
        context.add_output_metadata(_landing_metadata(obj, landed, self.lake.uri(obj.table), reader.sample, time.monotonic() - began))

    def load_input(self, context: InputContext) -> Batches | pl.LazyFrame:
        """`Batches` where the input is annotated so; a `polars.LazyFrame` of the live rows where it is annotated as one.

        The ledger and the manifests say what is new, so a run's partition does not matter here.
        """
        wanted = context.dagster_type.typing_type
        table = _table(context)
        if wanted is Batches:
            from stori_pipeline.sync import pending

            run_id = context.step_context.run_id
            return Batches(table, pending(table, self.lake.open(), run_id))
        import polars as pl  # heavy; a mirror does without

        if wanted is pl.LazyFrame:
            with only_transient():
                return self.lake.open().current(table)
        raise TypeError(f"{context.asset_key.to_user_string()} can be handed on as Batches or as polars.LazyFrame, not as {wanted}")


class RedshiftIOManager(ConfigurableIOManager):
    """Loads pending batches into their mirror, in one transaction."""

    warehouse: WarehouseResource

    def handle_output(self, context: OutputContext, obj: Batches) -> None:
        began = time.monotonic()
        table = obj.table
        with only_transient():
            warehouse = self.warehouse.open()
            loaded = warehouse.load(table, obj.pending, run_id=context.run_id)
            order = (loaded.generation, loaded.batch) if loaded else warehouse.ledger(table)
            rows = sample = None
            if order:
                ((rows,),) = warehouse.query(f"SELECT COUNT(*) FROM {relation(table)}", what=f"row count of {table.full_name}")
                first = f"SELECT * FROM {relation(table)} LIMIT {metadata.PREVIEW_ROWS}"
                sample = warehouse.query(first, what=f"preview of {table.full_name}")
        _version(context, order)
        context.add_output_metadata(
            _mirror_metadata(table, loaded, order, rows, sample, self.warehouse.uri(table), time.monotonic() - began)
        )

    def load_input(self, context: InputContext) -> Any:
        raise TypeError(f"{context.asset_key.to_user_string()} is not read into a process: name it in `deps`, and query the warehouse")


def _table(context: InputContext) -> Table:
    return catalog.find(".".join(context.asset_key.path[1:]))


def _version(context: OutputContext, order: tuple[int, int] | None) -> None:
    """The newest batch is the data version: a run that brought nothing leaves it as it was."""
    generation, batch = order or (0, 0)
    context.step_context.set_data_version(context.asset_key, DataVersion(f"{generation}-{batch}"))


def _landing_metadata(obj: Unread, landed: Landed, uri: str, sample: list[tuple[Any, ...]], seconds: float) -> dict[str, Any]:
    table, manifest = obj.table, landed.manifest
    said: dict[str, Any] = {
        "dagster/column_schema": metadata.landing_schema(table),
        "dagster/column_lineage": metadata.landing_lineage(table),
        "dagster/uri": uri,
        "dagster/partition_row_count": manifest.rows if manifest else 0,
        "outcome": _outcome(manifest),
        "rows_landed": manifest.rows if manifest else 0,
        "rows_rejected": manifest.rejected if manifest else 0,
        "seconds": round(seconds, 3),
    }
    if landed.newest:
        said |= {"batch": landed.newest.batch, "generation": landed.newest.generation}
    if landed.whole_because:
        said["new_generation_because"] = landed.whole_because
    if obj.note:
        said["reconciliation"] = obj.note
    if manifest:
        said |= {
            "kind": manifest.kind,
            "bytes": sum(part.bytes for part in manifest.parts),
            "parts": len(manifest.parts),
            "source_snapshot": MetadataValue.timestamp(manifest.taken_at),
        }
        if manifest.quarantine:
            said["quarantine"] = MetadataValue.path(manifest.quarantine)
        if sample:
            said["preview"] = MetadataValue.md(metadata.preview(table.read_schema.names, sample))
    return said


def _outcome(manifest: Manifest | None) -> str:
    if manifest is None:
        return "nothing new"
    return f"{manifest.kind} landed as batch {manifest.batch}"


def _mirror_metadata(
    table: Table,
    loaded: Loaded | None,
    order: tuple[int, int] | None,
    rows: int | None,
    sample: list[tuple[Any, ...]] | None,
    uri: str,
    seconds: float,
) -> dict[str, Any]:
    said: dict[str, Any] = {
        "dagster/column_schema": metadata.mirror_schema(table),
        "dagster/column_lineage": metadata.mirror_lineage(table),
        "dagster/uri": uri,
        "dagster/table_name": table.full_name,
        "outcome": f"loaded up to batch {loaded.batch}" if loaded else "nothing new",
        "rows_copied": loaded.rows_copied if loaded else 0,
        "rows_inserted": loaded.rows_inserted if loaded else 0,
        "rows_deleted": loaded.rows_deleted if loaded else 0,
        "seconds": round(seconds, 3),
    }
    if order:
        said |= {"generation": order[0], "batch": order[1]}
    if rows is not None:
        said["dagster/row_count"] = rows
    if sample:
        said["preview"] = MetadataValue.md(metadata.preview([c.name for c in metadata.mirror_schema(table).columns], sample))
    return said


ON_ROWS: ContextVar[Callable[[str, int], None] | None] = ContextVar("ON_ROWS", default=None)
"""For a run in this very process: told a table's name and how many of its rows have been read so far."""


def _progress(context: OutputContext, table: Table) -> Callable[[int], None]:
    """Counts rows as they pass, and says so in the log now and then."""
    rows, due, watcher = 0, time.monotonic() + _SAY_EVERY, ON_ROWS.get()

    def count(more: int) -> None:
        nonlocal rows, due
        rows += more
        if watcher:
            watcher(table.full_name, rows)
        if time.monotonic() >= due:
            due = time.monotonic() + _SAY_EVERY
            context.log.info(f"{table.full_name}: {rows:,} rows read so far")

    return count


class _SamplingReader:
    """A reader that keeps the first few rows which pass through it: a preview that costs no second look at S3."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.sample: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)

    @contextmanager
    def read(self, table: Table, since: Position | None, *, day: date | None = None) -> Iterator[Reading]:
        self.sample.clear()
        with self._reader.read(table, since, day=day) as reading:
            yield _SampledReading(reading, self.sample)


class _SampledReading:
    def __init__(self, reading: Reading, sample: list[tuple[Any, ...]]) -> None:
        self._reading, self._sample = reading, sample
        self.kind: Kind = reading.kind
        self.taken_at = reading.taken_at

    @property
    def until(self) -> Position:
        return self._reading.until

    @property
    def must_land(self) -> bool:
        return self._reading.must_land

    def ack(self) -> None:
        self._reading.ack()

    def __iter__(self) -> Iterator[Chunk]:
        for chunk in self._reading:
            if missing := metadata.PREVIEW_ROWS - len(self._sample):
                self._sample.extend(tuple(row.values()) for row in chunk.rows.slice(0, missing).to_pylist())
            yield chunk
