"""Three assets for each source table: the table in its source, its batches in S3, and its mirror in the warehouse.

Belongs here: deriving assets from definitions. Does not belong here: the rules of landing and loading (`pipeline.sync`), storing the value
of an asset (`io_managers`), or checks (`checks`).
"""

# Each table has steps and a pool of its own. So a failing table stops and retries only itself, and no table is landed twice at the same
# time. Landings have no partitions (docs/adr/0009): a run lands what changed or, if its config names a day, reads that day's rows again.

import warnings
from collections.abc import Callable, Iterator, Sequence
from datetime import date

from dagster import (
    AssetExecutionContext,
    AssetObservation,
    AssetsDefinition,
    AssetSpec,
    BetaWarning,
    Config,
    DataVersion,
    Failure,
    FreshnessPolicy,
    MaterializeResult,
    ObserveResult,
    asset,
    multi_observable_source_asset,
)
from pydantic import Field

from stori_pipeline.clock import utc_day, utc_now
from stori_pipeline.defs import metadata
from stori_pipeline.defs.keys import IN_LAKE, IN_SOURCE, IN_WAREHOUSE, group_of, landing_key, mirror_key, source_key
from stori_pipeline.defs.materialization_metadata import DELETES_REFUSED, head_version, last_metadata, version_of
from stori_pipeline.defs.resources import LakeResource, ProcessedResource, SourcesResource, WarehouseResource, lake_of
from stori_pipeline.defs.step_functions import schema_of, signed
from stori_pipeline.lake import Lake, LakeError
from stori_pipeline.model.comparable import ListsKeys
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import STALE_AFTER, WARN_AFTER, Table
from stori_pipeline.readers import Reader, SourceError
from stori_pipeline.runtime.retries import RETRY, only_transient
from stori_pipeline.warehouse import Warehouse, WarehouseError


class LandingConfig(Config):
    full: bool = Field(False, description="Read all rows of the table and start a new generation.")
    detect_deletes: bool = Field(False, description="First look for rows that the source has deleted, if its reader sees no deletes.")
    force: bool = Field(False, description="With detect_deletes: accept a source that lists no rows, or under half of the mirror's.")
    day: str = Field("", description="Read this day's rows again, such as 2024-03-01, and no others. Needs a cursor column.")


def source_assets(source: Source, tables: Sequence[Table]) -> AssetsDefinition:
    """The tables in their source: each is observed whenever it is read, and when somebody asks in the UI.

    An asset that can be observed shows as observed. One that is only described would show as never materialized, for ever.
    """
    by_key = {source_key(table): table for table in tables}
    specs = [
        AssetSpec(
            key=key,
            group_name=group_of(table, IN_SOURCE),
            description=f"{table.description}\n\n{source.description}",
            kinds={source.kind},
            owners=list(source.owners),
            metadata={"dagster/column_schema": metadata.source_schema(table), "changes": type(table.changes).__name__},
        )
        for key, table in by_key.items()
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BetaWarning)  # the decorator is public and beta

        decorate: Callable[[Callable[..., object]], AssetsDefinition] = multi_observable_source_asset(
            specs=specs, name=f"observe__{source.name}", can_subset=True
        )

    @signed
    def observed(context: AssetExecutionContext, sources: SourcesResource, lake: LakeResource):  # type: ignore[no-untyped-def]  # Dagster would take the generator's annotation for the output's
        failed: SourceError | LakeError | None = None
        with only_transient():
            for key in sorted(context.selected_asset_keys):
                table = by_key[key]
                try:
                    head = _head(table, sources.reader(source), lake.open())
                except (SourceError, LakeError) as error:
                    failed = failed or error  # the other tables are observed first
                    context.log.warning(f"{table.full_name}: {error}")
                else:
                    yield ObserveResult(key, metadata={"head": head}, data_version=DataVersion(head_version(head)))
            if failed:
                raise failed

    return decorate(observed)


def landing_asset(table: Table) -> AssetsDefinition:
    @asset(
        key=landing_key(table),
        deps=[source_key(table)],
        group_name=group_of(table, IN_LAKE),
        description=f"Every version of every row of `{table.full_name}`, in batches of Parquet, each sealed by a manifest.",
        kinds={"s3", "parquet"},
        owners=list(table.source.owners),
        code_version=table.fingerprint,
        metadata={"dagster/column_schema": metadata.landing_schema(table), "dagster/column_lineage": metadata.landing_lineage(table)},
        io_manager_key="lake_io",
        retry_policy=RETRY,
        pool=table.full_name,
        config_schema=schema_of(LandingConfig),
    )
    @signed
    def landing(  # type: ignore[no-untyped-def]  # Dagster would take the generator's annotation for the output's
        context: AssetExecutionContext, sources: SourcesResource, lake: LakeResource, warehouse: WarehouseResource
    ):
        from stori_pipeline.pipeline.sync import changed_rows

        config = LandingConfig(**context.op_execution_context.op_config)
        with only_transient():
            day = _day_to_read_again(config, table)
            reader, store = sources.reader(table.source), lake.open()
            _observe(context, table, reader, store)
            if config.detect_deletes and day is None:
                _detect_deletes(context, table, reader, store, warehouse.open(), force=config.force)
            emptied, loaded = config.detect_deletes and config.force, warehouse.loaded(table)
            with changed_rows(
                table, reader, store, full=config.full, accepts_emptied=emptied, day=day, loaded=loaded, run_id=context.run.run_id
            ) as rows:
                if rows.full_refresh_reason:
                    context.log.warning(f"{table.full_name}: all rows are read, because {rows.full_refresh_reason}")
                yield MaterializeResult(value=rows, data_version=version_of(rows.newest_order))

    return landing


def mirror_asset(table: Table) -> AssetsDefinition:
    """The mirror of a source table or of a star table."""

    @asset(
        key=mirror_key(table),
        deps=[landing_key(table)],
        group_name=group_of(table, IN_WAREHOUSE),
        description=f"{_what_it_mirrors(table)}\n\n{table.description}",
        kinds={"redshift", "table"},
        owners=list(table.source.owners),
        code_version=table.fingerprint,
        metadata={
            "dagster/column_schema": metadata.mirror_schema(table),
            "dagster/column_lineage": metadata.mirror_lineage(table),
            "dagster/table_name": table.full_name,
        },
        freshness_policy=FreshnessPolicy.time_window(fail_window=STALE_AFTER, warn_window=WARN_AFTER),
        io_manager_key="warehouse_io",
        retry_policy=RETRY,
        pool=table.full_name,
    )
    @signed
    def mirror(  # type: ignore[no-untyped-def]  # as above
        context: AssetExecutionContext, lake: LakeResource, processed: ProcessedResource, warehouse: WarehouseResource
    ):
        from stori_pipeline.pipeline.sync import new_batches

        with only_transient():
            loaded = warehouse.open().ledger_entry(table)
            new = new_batches(table, lake_of(table, lake, processed).open(), loaded)
            version = version_of(new.order)
            last = {} if new.batches else last_metadata(context.instance, mirror_key(table), version) or {}
            unchanged = {name: last[name] for name in ("dagster/row_count", "preview") if name in last}
            yield MaterializeResult(value=new, metadata=unchanged, data_version=version)

    return mirror


def _what_it_mirrors(table: Table) -> str:
    rows = f"one row for each ({', '.join(table.key)})"
    return f"`{table.full_name}` in the warehouse: {rows}." if table.is_derived else f"`{table.full_name}` as its source has it: {rows}."


def assets_of(tables: Sequence[Table]) -> Iterator[AssetsDefinition]:
    by_source: dict[str, list[Table]] = {}
    for table in tables:
        by_source.setdefault(table.source.name, []).append(table)
    for some in by_source.values():
        yield source_assets(some[0].source, some)
    for table in tables:
        yield from (landing_asset(table), mirror_asset(table))


def _day_to_read_again(config: LandingConfig, table: Table) -> date | None:
    """The day that the config names; None to land what changed."""
    if not config.day:
        return None
    where = f"{table.full_name}: {config.day} cannot be read again"
    try:
        day = date.fromisoformat(config.day)
    except ValueError:
        raise Failure(f"{where}, because it is no day; write it like 2024-03-01", allow_retries=False) from None
    if not table.cursor:
        raise Failure(
            f"{where}, because the definition names no cursor column. Leave `day` empty to land what changed, or set `full` to land "
            "everything",
            allow_retries=False,
        )
    if day > utc_day(utc_now()):
        raise Failure(f"{where}, because it has not come yet", allow_retries=False)
    return day


def _head(table: Table, reader: Reader, lake: Lake) -> str:
    newest = lake.newest(table)
    return reader.head(table, newest.until if newest and newest.fingerprint == table.fingerprint else None)


def _observe(context: AssetExecutionContext, table: Table, reader: Reader, lake: Lake) -> None:
    """Reports an observation of the source table just before it is read."""
    head = _head(table, reader, lake)
    observation = AssetObservation(source_key(table), metadata={"head": head}, tags={"dagster/data_version": head_version(head)})
    context.log_event(observation)
    # Dagster looked up the source's version before this observation. Without this call it would record the landing as derived from the
    # previous version, and always show it as out of date. See docs/adr/0007.
    context.get_step_execution_context().wipe_input_asset_version_info(source_key(table))


def _detect_deletes(context: AssetExecutionContext, table: Table, reader: Reader, lake: Lake, warehouse: Warehouse, *, force: bool) -> None:
    """Lands tombstones before the changes are read, so that one load brings both.

    A detection that is not possible now must not keep changes from landing. It is logged here, `stori sync` prints it, and the check that
    compares source and mirror shows the rows that remain.
    """
    from stori_pipeline.pipeline.detect_deletes import CANNOT_DETECT, DetectionRefused, detect_deletes

    if table.changes.sees_deletes:
        return
    if not isinstance(reader, ListsKeys):
        outcome = CANNOT_DETECT
    else:
        try:
            manifest = detect_deletes(table, reader, lake, warehouse, run_id=context.run.run_id, force=force)
            deleted = f"{manifest.rows} rows deleted in the source, landed as batch {manifest.batch}" if manifest else ""
            outcome = deleted or "no row deleted in the source"
        except (DetectionRefused, WarehouseError) as error:
            context.log.warning(str(error))
            outcome = f"not done: {error}"
            context.add_output_metadata({DELETES_REFUSED: str(error)})
    context.add_output_metadata({"deletes": outcome})
