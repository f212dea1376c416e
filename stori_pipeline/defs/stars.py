"""One asset for each star table: its batches in the processed bucket, made from landed tables and other star tables.

Belongs here: deriving assets from the records of star tables. Does not belong here: making rows (`derive`, which the IO manager calls), or
the mirrors, which are those of any table (`assets`).
"""

from dagster import AssetDep, AssetExecutionContext, AssetsDefinition, Config, LastPartitionMapping, Output, asset
from pydantic import Field

from stori_pipeline.defs import metadata
from stori_pipeline.defs.io_managers import Underived
from stori_pipeline.defs.lineage import Graph
from stori_pipeline.defs.metadata import is_star, landing_key
from stori_pipeline.defs.resources import LakeResource, ProcessedResource, store_of
from stori_pipeline.defs.retries import RETRY, only_transient
from stori_pipeline.spec import History
from stori_pipeline.star.record import Star


class StarConfig(Config):
    full: bool = Field(
        False, description="Make the table from all batches of its inputs instead of from the new ones; it comes out the same."
    )


def star_asset(star: Star, graph: Graph) -> AssetsDefinition:
    """Its output is optional: nothing is made before every input has landed once, and that is no failure."""
    table = star.table
    inputs = [graph.records[name] for name in star.inputs.values()]
    kept = "every version of each row" if isinstance(table.changes, History) else "the present"

    @asset(
        key=landing_key(table),
        deps=[AssetDep(landing_key(each), partition_mapping=None if is_star(each) else LastPartitionMapping()) for each in inputs],
        group_name=table.source.name,
        description=f"{table.description}\n\nHolds {kept}, in batches of Parquet, each sealed by a manifest.",
        kinds={"polars", "s3", "parquet"},
        owners=list(table.source.owners),
        code_version=f"{table.fingerprint}-{star.made_by}",
        metadata={
            "dagster/column_schema": metadata.landing_schema(table),
            "dagster/column_lineage": metadata.star_lineage(star, graph.records),
        },
        io_manager_key="processed_io",
        retry_policy=RETRY,
        pool=table.full_name,
        output_required=False,
    )
    def derived(context: AssetExecutionContext, config: StarConfig, lake: LakeResource, processed: ProcessedResource):  # type: ignore[no-untyped-def]  # Dagster would take the generator's annotation for the output's
        with only_transient():
            missing = [each.full_name for each in inputs if store_of(each, lake, processed).open().newest(each) is None]
        if missing:
            context.log.warning(f"{table.full_name} is not made yet: nothing has landed of {', '.join(missing)}")
            return
        yield Output(Underived(star, full=config.full))

    return derived
