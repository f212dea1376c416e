"""Three assets for each source table: the table in its source, its landing in S3 and its mirror in the warehouse.

Belongs here: deriving assets from records. Does not belong here: landing and loading themselves (`io_managers` hands those to
the floors below), and what must hold of the result (`checks`).

**How a table is told apart from the next.** Each table has steps of its own, so that one that fails stops nothing but itself and
is tried again by itself, and one pool of its own, so that no two runs land or load it at once.

**Partitions.** A landing is partitioned by the day on which it lands: a run for today lands what changed since the newest batch; a
run for a day that was past when the run was requested reads the rows of that day again, by the record's `cursor` column. The mirror
is not partitioned: the ledger says what it holds and the manifests say what there is, so its dependence on the landing is on the
latest partition only and never asks that every past day has been landed.
"""

from collections.abc import Sequence
from datetime import date, timedelta

from dagster import (
    AssetExecutionContext,
    AssetIn,
    AssetObservation,
    AssetsDefinition,
    AssetSpec,
    Config,
    DailyPartitionsDefinition,
    Failure,
    FreshnessPolicy,
    LastPartitionMapping,
    asset,
)
from pydantic import Field

from stori_pipeline.clock import utc_day, utc_now
from stori_pipeline.compare import NO_DELETIONS, CompareError, Side, reconcile
from stori_pipeline.defs import metadata
from stori_pipeline.defs.io_managers import Batches, Unread
from stori_pipeline.defs.metadata import is_star, landing_key, mirror_key, source_key
from stori_pipeline.defs.resources import LakeResource, SourcesResource, WarehouseResource
from stori_pipeline.defs.retries import RETRY, only_transient
from stori_pipeline.readers import Reader
from stori_pipeline.redshift import WarehouseError
from stori_pipeline.spec import ChangeStream, Table

# The end offset makes today a partition from its first moment; without it a day would exist only once it is over.
DAYS = DailyPartitionsDefinition(start_date="2026-01-01", timezone="UTC", end_offset=1)

FRESH = FreshnessPolicy.time_window(fail_window=timedelta(minutes=30), warn_window=timedelta(minutes=20))
"""A mirror counts as fresh by its last materialization; a quiet source's is renewed by the schedule."""

REQUESTED_ON_TAG = "stori/requested_on"
"""The tag of a run that says on which day it was requested. A run without it was requested when Dagster made its record."""

_KINDS = {"mongo": "mongodb"}  # where Dagster's icon has another name than our reader


class LandingConfig(Config):
    full: bool = Field(False, description="Read the whole table and start a new generation.")
    reconcile: bool = Field(False, description="First look for rows that the source has deleted, where its reader sees no deletes.")


def source_asset(table: Table) -> AssetSpec:
    """The table in its source: not ours to materialize, observed whenever it is read."""
    return AssetSpec(
        key=source_key(table),
        group_name=table.source.name,
        description=f"{table.description}\n\n{table.source.description}",
        kinds={_KINDS.get(table.source.kind, table.source.kind)},
        owners=list(table.source.owners),
        metadata={"dagster/column_schema": metadata.source_schema(table), "changes": type(table.changes).__name__},
    )


def landing_asset(table: Table) -> AssetsDefinition:
    @asset(
        key=landing_key(table),
        deps=[source_key(table)],
        group_name=table.source.name,
        description=f"Every version of every row of `{table.full_name}`, in batches of Parquet, each sealed by a manifest.",
        kinds={"s3", "parquet"},
        owners=list(table.source.owners),
        code_version=table.fingerprint,
        metadata={"dagster/column_schema": metadata.landing_schema(table), "dagster/column_lineage": metadata.landing_lineage(table)},
        partitions_def=DAYS,
        io_manager_key="lake_io",
        retry_policy=RETRY,
        pool=table.full_name,
    )
    def landing(
        context: AssetExecutionContext, config: LandingConfig, sources: SourcesResource, lake: LakeResource, warehouse: WarehouseResource
    ) -> Unread:
        with only_transient():
            day = _past_day(context, table)
            reader = sources.reader(table.source)
            _observe(context, table, reader, lake)
            note = _reconciled(context, table, reader, lake, warehouse) if config.reconcile and day is None else ""
        return Unread(table, reader, full=config.full, day=day, note=note)

    return landing


def mirror_asset(table: Table) -> AssetsDefinition:
    """Of a source table or of a star table; they load alike."""

    @asset(
        key=mirror_key(table),
        ins={"batches": AssetIn(landing_key(table), partition_mapping=None if is_star(table) else LastPartitionMapping())},
        group_name=table.source.name,
        description=f"{_what_it_mirrors(table)}\n\n{table.description}",
        kinds={"redshift", "table"},
        owners=list(table.source.owners),
        code_version=table.fingerprint,
        metadata={
            "dagster/column_schema": metadata.mirror_schema(table),
            "dagster/column_lineage": metadata.mirror_lineage(table),
            "dagster/table_name": table.full_name,
        },
        freshness_policy=FRESH,
        io_manager_key="warehouse_io",
        retry_policy=RETRY,
        pool=table.full_name,
    )
    def mirror(batches: Batches) -> Batches:
        return batches

    return mirror


def _what_it_mirrors(table: Table) -> str:
    rows = f"one row for each ({', '.join(table.key)})"
    return f"`{table.full_name}` in the warehouse: {rows}." if is_star(table) else f"`{table.full_name}` as its source has it: {rows}."


def assets_for(tables: Sequence[Table]) -> list[AssetSpec | AssetsDefinition]:
    made: list[AssetSpec | AssetsDefinition] = []
    for table in tables:
        made += [source_asset(table), landing_asset(table), mirror_asset(table)]
    return made


def _past_day(context: AssetExecutionContext, table: Table) -> date | None:
    """The day to read again, or None to read what changed.

    Measured against the day on which the run was requested, so that a run which is made or waits past midnight is still the one asked for.
    """
    day = date.fromisoformat(context.partition_key)
    if day >= _requested_on(context):
        return None
    if not table.cursor:
        raise Failure(
            f"{table.full_name}: {day} cannot be read again, because its record names no cursor column. Materialize today's partition "
            "to land what changed, or set `full` in its config to land everything",
            allow_retries=False,
        )
    return day


def _requested_on(context: AssetExecutionContext) -> date:
    if tag := context.run.tags.get(REQUESTED_ON_TAG):
        return date.fromisoformat(tag)
    record = context.instance.get_run_record_by_id(context.run.run_id)
    return utc_day(record.create_timestamp if record else utc_now())


def _observe(context: AssetExecutionContext, table: Table, reader: Reader, lake: LakeResource) -> None:
    """Report the source table as seen just before it is read."""
    newest = lake.open().newest(table)
    head = reader.head(table, newest.until if newest and newest.fingerprint == table.fingerprint else None)
    context.log_event(AssetObservation(source_key(table), metadata={"head": head}, tags={"dagster/data_version": _short(head)}))


def _short(head: str) -> str:
    import hashlib

    return hashlib.sha256(head.encode()).hexdigest()[:16]


def _reconciled(context: AssetExecutionContext, table: Table, reader: Reader, lake: LakeResource, warehouse: WarehouseResource) -> str:
    """Land tombstones before the changes are read, so that one load brings both. Says what came of it.

    A reconciliation that cannot be done now must not keep changes from landing: it is said here, and rows that it should have
    removed show in the check that compares source and mirror.
    """
    if isinstance(table.changes, ChangeStream):
        return ""  # its reader sees deletes
    if not isinstance(reader, Side):
        return NO_DELETIONS
    try:
        manifest = reconcile(table, reader, lake.open(), warehouse.open(), run_id=context.run.run_id)
    except (CompareError, WarehouseError) as error:
        context.log.warning(str(error))
        return f"not done: {error}"
    return f"{manifest.rows} rows deleted in the source, landed as batch {manifest.batch}" if manifest else "no row deleted in the source"
