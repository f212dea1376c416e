"""Where values go when a step hands them over: the lake's two buckets, and the warehouse.

Belongs here: calling `sync` and `derive`. Does not belong here: how rows land or load (every rule about that is on the floors below), and
what is said of it (`outcomes`).

Values are descriptions, never rows: a landing hands over *what to read* and the rows stream from the source into S3 while it is
stored; a star table hands over *what to make*; a mirror hands over *which batches are pending* and Redshift copies them from S3 by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from dagster import DataVersion, InputContext, IOManager, MetadataValue, OutputContext

from stori_pipeline.defs import metadata, outcomes
from stori_pipeline.defs.lineage import Graph
from stori_pipeline.defs.resources import LakeResource, ProcessedResource, WarehouseResource
from stori_pipeline.defs.retries import only_transient
from stori_pipeline.readers import Chunk, Kind, Position, Reader, Reading
from stori_pipeline.redshift import Ask
from stori_pipeline.redshift.statements import relation
from stori_pipeline.spec import Table

if TYPE_CHECKING:
    import polars as pl

    from stori_pipeline.star.record import Star

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
    """What a mirror shall load: all that landed after the batch its ledger names. `views` are the statements of those that belong to it."""

    table: Table
    pending: Ask
    views: tuple[str, ...] = ()


@dataclass(frozen=True)
class Underived:
    """What a star table shall be made of: what its inputs have brought since, or all that they hold (`full`)."""

    star: Star
    full: bool = False


class LakeIOManager(IOManager):
    """Lands what is unread; hands landed tables on as pending batches or as a frame of their current rows."""

    def __init__(self, lake: LakeResource, graph: Graph) -> None:
        self.lake, self.graph = lake, graph

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
        lineage, uri = metadata.landing_lineage(obj.table), self.lake.uri(obj.table)
        said = outcomes.of_batch(obj.table, landed, lineage, uri, time.monotonic() - began)
        said["dagster/partition_row_count"] = said["rows_landed"]
        if landed.manifest and reader.sample:
            said["preview"] = MetadataValue.md(metadata.preview(obj.table.read_schema.names, reader.sample))
        if obj.note:
            said["reconciliation"] = obj.note
        context.add_output_metadata(said)

    def load_input(self, context: InputContext) -> Batches | pl.LazyFrame:
        """See `_handed_on`."""
        return _handed_on(context, self.graph, self.lake)


class ProcessedIOManager(IOManager):
    """Makes star tables; hands them on as landed tables are handed on."""

    def __init__(self, lake: LakeResource, processed: ProcessedResource, graph: Graph) -> None:
        self.lake, self.processed, self.graph = lake, processed, graph

    def handle_output(self, context: OutputContext, obj: Underived) -> None:
        from stori_pipeline.derive import derive  # polars, as every function that makes a star table

        began = time.monotonic()
        table = obj.star.table
        with only_transient():
            store = self.processed.open()
            landed = derive(obj.star, self.lake.open(), store, tables=self.graph.records, run_id=context.run_id, full=obj.full)
            seen = outcomes.of_star(table, store, landed.manifest)
        if landed.whole_because:
            context.log.info(f"{table.full_name}: made from everything, because {landed.whole_because}")
        _version(context, landed.newest.order if landed.newest else None)
        lineage, uri = metadata.star_lineage(obj.star, self.graph.records), self.processed.uri(table)
        context.add_output_metadata(outcomes.of_batch(table, landed, lineage, uri, time.monotonic() - began) | seen)

    def load_input(self, context: InputContext) -> Batches | pl.LazyFrame:
        """See `_handed_on`."""
        return _handed_on(context, self.graph, self.processed)


def _handed_on(context: InputContext, graph: Graph, store: LakeResource | ProcessedResource) -> Batches | pl.LazyFrame:
    """`Batches` where the input is annotated so; a `polars.LazyFrame` of the live rows where it is annotated as one.

    The ledger and the manifests say what is new, so a run's partition does not matter here.
    """
    wanted = context.dagster_type.typing_type
    table = graph.records[".".join(context.asset_key.path[-2:])]
    if wanted is Batches:
        from stori_pipeline.sync import pending

        return Batches(table, pending(table, store.open(), context.step_context.run_id), graph.views(table))
    import polars as pl  # heavy; a mirror does without

    if wanted is pl.LazyFrame:
        with only_transient():
            return store.open().current(table)
    raise TypeError(f"{context.asset_key.to_user_string()} can be handed on as Batches or as polars.LazyFrame, not as {wanted}")


class RedshiftIOManager(IOManager):
    """Loads pending batches into their mirror, in one transaction."""

    def __init__(self, warehouse: WarehouseResource) -> None:
        self.warehouse = warehouse

    def handle_output(self, context: OutputContext, obj: Batches) -> None:
        began = time.monotonic()
        table = obj.table
        with only_transient():
            warehouse = self.warehouse.open()
            loaded = warehouse.load(table, obj.pending, run_id=context.run_id, views=obj.views)
            order = (loaded.generation, loaded.batch) if loaded else warehouse.ledger(table)
            version = _version(context, order)
            last = None if loaded else outcomes.last_said(context.step_context.instance, context.asset_key, version)
            if last and "dagster/row_count" in last:
                seen = {name: last[name] for name in ("dagster/row_count", "preview") if name in last}
            else:
                ((rows,),) = warehouse.query(f"SELECT COUNT(*) FROM {relation(table)}", what=f"row count of {table.full_name}")
                first = f"SELECT * FROM {relation(table)} LIMIT {metadata.PREVIEW_ROWS}"
                seen = outcomes.rows_of_mirror(table, rows, warehouse.query(first, what=f"preview of {table.full_name}"))
        uri = self.warehouse.uri(table.full_name)
        context.add_output_metadata(outcomes.of_mirror(table, loaded, order, uri, time.monotonic() - began) | seen)

    def load_input(self, context: InputContext) -> Any:
        raise TypeError(f"{context.asset_key.to_user_string()} is not read into a process: name it in `deps`, and query the warehouse")


def _version(context: OutputContext, order: tuple[int, int] | None) -> str:
    """The newest batch is the data version: a run that brought nothing leaves it as it was."""
    generation, batch = order or (0, 0)
    version = f"{generation}-{batch}"
    context.step_context.set_data_version(context.asset_key, DataVersion(version))
    return version


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
