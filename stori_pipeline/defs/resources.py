"""How a step reaches the sources, the lake and the warehouse.

Belongs here: opening each from the settings, at the moment of use. Does not belong here: what is done with them, or any
address. A resource has no fields: its configuration is the environment, so no secret can show in a launchpad or a log.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from dagster import ConfigurableResource, InitResourceContext

from stori_pipeline.defs.killed import is_shown_alive, shown_alive
from stori_pipeline.defs.metadata import is_star
from stori_pipeline.readers import Reader, reader_for
from stori_pipeline.settings import Settings
from stori_pipeline.spec import Source, Table

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from stori_pipeline.lake import Lake
    from stori_pipeline.lake.bucket import Bucket
    from stori_pipeline.redshift import Warehouse


class SourcesResource(ConfigurableResource):  # type: ignore[type-arg]  # it yields itself
    """Every source's reader."""

    @contextmanager
    def yield_for_execution(self, context: InitResourceContext) -> Iterator[SourcesResource]:
        # The first thing that a run does, since every landing uses this resource. `execute_sync` shows its own runs; this shows those
        # of the daemon, of which nobody else would notice that they died when all of Dagster was killed with them.
        if context.run is None or context.instance is None or is_shown_alive(context.instance, context.run.run_id):
            yield self
        else:
            with shown_alive(context.instance, context.run.run_id):
                yield self

    def reader(self, source: Source) -> Reader:
        return reader_for(source.kind, Settings.load().source_url(source.name))


@functools.lru_cache(maxsize=2)
def _s3(endpoint: str) -> S3Client:  # noqa: ARG001  (the endpoint is the cache's key: another one needs another client)
    # One client per process: making one costs a tenth of a second, and a sensor asks every few seconds.
    from stori_pipeline.lake import connect

    return connect()


class LakeResource(ConfigurableResource):  # type: ignore[type-arg]
    """The lake in the landing bucket."""

    def open(self) -> Lake:
        from stori_pipeline.lake import Lake

        return Lake(_s3(os.environ.get("AWS_ENDPOINT_URL", "")), Settings.load().landing_bucket)

    def uri(self, table: Table) -> str:
        return f"s3://{Settings.load().landing_bucket}/{table.prefix}/"


class ProcessedResource(ConfigurableResource):  # type: ignore[type-arg]
    """The lake in the processed bucket, where star tables are, and the charts."""

    def open(self) -> Lake:
        from stori_pipeline.lake import Lake

        return Lake(_s3(os.environ.get("AWS_ENDPOINT_URL", "")), Settings.load().processed_bucket)

    def uri(self, table: Table) -> str:
        return f"s3://{Settings.load().processed_bucket}/{table.prefix}/"

    def bucket(self) -> Bucket:
        """The same bucket, for what is no table."""
        from stori_pipeline.lake.bucket import Bucket

        return Bucket(_s3(os.environ.get("AWS_ENDPOINT_URL", "")), Settings.load().processed_bucket)


def store_of(table: Table, lake: LakeResource, processed: ProcessedResource) -> LakeResource | ProcessedResource:
    """Where a table's batches are."""
    return processed if is_star(table) else lake


class WarehouseResource(ConfigurableResource):  # type: ignore[type-arg]
    """The warehouse that the mirrors and the reports are in."""

    def open(self) -> Warehouse:
        from stori_pipeline.redshift import Warehouse

        settings = Settings.load()
        return Warehouse(settings.warehouse_url, settings.copy_role)

    def uri(self, full_name: str) -> str:
        """Where a mirror or a report is, without the credentials that the warehouse's address holds."""
        url = urlsplit(Settings.load().warehouse_url)
        return f"redshift://{url.hostname}:{url.port or 5439}{url.path}/{full_name.replace('.', '/')}"
