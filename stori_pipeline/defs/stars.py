"""One asset for each star table: its batches in the processed bucket, derived from landed tables and other star tables.

Belongs here: assets from the definitions of star tables. Does not belong here: computing rows (`pipeline.derive`), or the mirrors of star
tables (`assets`).
"""

from dagster import AssetExecutionContext, AssetsDefinition, Config, MaterializeResult, asset
from pydantic import Field

from stori_pipeline.defs import metadata
from stori_pipeline.defs.keys import IN_LAKE, group_of, landing_key
from stori_pipeline.defs.materialization_metadata import version_of
from stori_pipeline.defs.resources import LakeResource, ProcessedResource, WarehouseResource, lake_of
from stori_pipeline.model.changes import History
from stori_pipeline.model.project import Project
from stori_pipeline.model.star import Star
from stori_pipeline.runtime.retries import RETRY, only_transient


class StarConfig(Config):
    full: bool = Field(
        False, description="Derive the table from all batches of its inputs instead of the new ones; the result is the same."
    )


def star_asset(star: Star, project: Project) -> AssetsDefinition:
    """The asset of a star table. Its output is optional: nothing is derived if an input has not landed yet or has a blocked batch."""
    table = star.table
    inputs = [project.mirrors[name] for name in star.inputs.values()]
    content = "every version of each row" if isinstance(table.changes, History) else "the present"

    @asset(
        key=landing_key(table),
        deps=[landing_key(each) for each in inputs],
        group_name=group_of(table, IN_LAKE),
        description=f"{table.description}\n\nHolds {content}, in batches of Parquet, each sealed by a manifest.",
        kinds={"polars", "s3", "parquet"},
        owners=list(table.source.owners),
        code_version=f"{table.fingerprint}-{star.code_hash}",
        metadata={
            "dagster/column_schema": metadata.landing_schema(table),
            "dagster/column_lineage": metadata.star_lineage(star, project.mirrors),
        },
        io_manager_key="processed_io",
        retry_policy=RETRY,
        pool=table.full_name,
        output_required=False,
    )
    def derived(  # type: ignore[no-untyped-def]  # Dagster would take the generator's annotation for the output's
        context: AssetExecutionContext, config: StarConfig, lake: LakeResource, processed: ProcessedResource, warehouse: WarehouseResource
    ):
        from stori_pipeline.pipeline.derive import derived_rows
        from stori_pipeline.pipeline.gate import LoadBlocked

        with only_transient():
            missing = [each.full_name for each in inputs if lake_of(each, lake, processed).open().newest(each) is None]
            if missing:
                context.log.warning(f"{table.full_name} is not derived yet: nothing has landed of {', '.join(missing)}")
                return
            try:
                rows = derived_rows(
                    star, lake.open(), processed.open(), tables=project.mirrors, full=config.full, loaded=warehouse.loaded(table)
                )
            except LoadBlocked as error:
                context.log.warning(f"{table.full_name} is not derived again: {error}")
                return
            if rows.full_refresh_reason:
                context.log.info(f"{table.full_name}: all batches of its inputs are read, because {rows.full_refresh_reason}")
            yield MaterializeResult(value=rows, data_version=version_of(rows.newest_order))

    return derived
