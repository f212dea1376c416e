"""The resources with which steps reach the sources, the lake and the warehouse.

Belongs here: opening each of them when a step uses it. A field without a value defaults to a setting (see `settings`), which is read on
use, so that definitions load without settings. Pass a secret as `EnvVar`. Does not belong here: what steps do with them.
"""

from __future__ import annotations

import functools
import logging
import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from dagster import ConfigurableResource, InitResourceContext
from dagster_aws.redshift import RedshiftClientResource
from dagster_aws.s3 import S3Resource
from pydantic import Field

from stori_pipeline.readers import Reader, reader_for
from stori_pipeline.runtime.liveness import has_liveness_lock, liveness_lock
from stori_pipeline.runtime.names import FOLLOW_UP
from stori_pipeline.settings import SettingError, Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from stori_pipeline.lake import Lake
    from stori_pipeline.lake.bucket import Bucket
    from stori_pipeline.lake.connection import Connection
    from stori_pipeline.model.source import Source
    from stori_pipeline.model.table import Table
    from stori_pipeline.warehouse import Warehouse
    from stori_pipeline.warehouse.session import LedgerEntry

_log = logging.getLogger(__name__)
_BEHIND = 10  # how much lower the priority is of the process of a run that follows behind


class SourcesResource(ConfigurableResource):  # type: ignore[type-arg]  # it yields itself
    """Every source's reader."""

    addresses: dict[str, str] = Field(default={}, description="Addresses of sources by name, instead of the settings STORI_SOURCE_<NAME>.")

    @contextmanager
    def yield_for_execution(self, context: InitResourceContext) -> Iterator[SourcesResource]:
        # The process of a run that the daemon launched is the run's own.
        if context.run is not None and context.run.job_name == FOLLOW_UP and multiprocessing.parent_process() is not None:
            os.nice(_BEHIND)
        # Every landing uses this resource, so a run of the daemon takes its lock here. Otherwise nobody would notice that the run died if
        # all of Dagster was killed with it. `execute_request` takes the lock of runs in its own process.
        if context.run is None or context.instance is None or has_liveness_lock(context.instance, context.run.run_id):
            yield self
        else:
            with liveness_lock(context.instance, context.run.run_id):
                yield self

    def reader(self, source: Source) -> Reader:
        return reader_for(source.kind, self.addresses.get(source.name) or Settings.load().source_url(source.name))


class BoundedS3Resource(S3Resource):
    """dagster-aws's S3 resource, with timeouts for requests and one client per process."""

    def get_client(self) -> Any:
        # The endpoint in the environment is part of the cache's key, because boto3 reads unset fields from the environment.
        return self.connection().client

    def connection(self) -> Connection:
        """The connection of that client, which makes the client only if it is needed: boto3 is slow to import."""
        return _connection(self.model_dump_json(), os.environ.get("AWS_ENDPOINT_URL", ""))


@functools.lru_cache(maxsize=4)
def _connection(fields: str, endpoint: str) -> Connection:  # noqa: ARG001  (the endpoint is part of the cache's key)
    import json

    from stori_pipeline.lake import connect

    values = json.loads(fields)
    names = ("region_name", "endpoint_url", "use_ssl", "verify", "aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    given = {name: values[name] for name in names if values[name] is not None and (name, values[name]) != ("use_ssl", True)}
    return connect(values["profile_name"], **given)


class LakeResource(ConfigurableResource):  # type: ignore[type-arg]
    """A bucket with batches of tables, or with frames; by default the landing bucket."""

    bucket: str = Field(default="", description="The bucket's name; the setting STORI_LANDING_BUCKET without it.")
    s3: S3Resource | None = Field(
        default=None, description="dagster-aws's S3 resource; without it, the AWS_* environment says where S3 is."
    )

    @property
    def bucket_name(self) -> str:
        return self.bucket or Settings.load().landing_bucket

    def open(self) -> Lake:
        from stori_pipeline.lake import Lake

        return Lake(self._connection(), self.bucket_name)

    def open_bucket(self) -> Bucket:
        """The same bucket, for objects that are not batches of a table."""
        from stori_pipeline.lake.bucket import Bucket

        return Bucket(self._connection(), self.bucket_name)

    def _connection(self) -> Connection | S3Client:
        if self.s3 is None or isinstance(self.s3, BoundedS3Resource):
            return (self.s3 or BoundedS3Resource()).connection()
        client: S3Client = self.s3.get_client()
        return client

    def uri(self, table: Table) -> str:
        return f"s3://{self.bucket_name}/{table.prefix}/"


class ProcessedResource(LakeResource):
    """The bucket of star tables and charts."""

    bucket: str = Field(default="", description="The bucket's name; the setting STORI_PROCESSED_BUCKET without it.")

    @property
    def bucket_name(self) -> str:
        return self.bucket or Settings.load().processed_bucket


def lake_of(table: Table, lake: LakeResource, processed: ProcessedResource) -> LakeResource:
    """The resource of the bucket that holds a table's batches."""
    return processed if table.is_derived else lake


class WarehouseResource(ConfigurableResource):  # type: ignore[type-arg]
    """The warehouse of mirrors, reports and frames."""

    url: str = Field(default="", description="Address with role and password; the setting STORI_WAREHOUSE without it.")
    copy_role: str = Field(default="", description="ARN of the role that COPY reads S3 with; the setting STORI_COPY_ROLE without it.")
    cluster: RedshiftClientResource | None = Field(default=None, description="dagster-aws's resource of the cluster, instead of `url`.")

    @property
    def address(self) -> str:
        """The warehouse's address, with credentials."""
        if self.cluster:
            cluster = self.cluster
            login = ":".join(quote(each, safe="") for each in (cluster.user, cluster.password) if each)
            # The resource's default, `require`, does not verify the server. `warehouse.connect` does, unless another mode is set.
            options = "" if cluster.sslmode == "require" else f"?sslmode={cluster.sslmode}"
            return f"postgresql://{login}@{cluster.host}:{cluster.port}/{quote(cluster.database or 'dev', safe='')}{options}"
        return self.url or Settings.load().warehouse_url

    def open(self) -> Warehouse:
        from stori_pipeline.warehouse import Warehouse

        return Warehouse(self.address, self.copy_role or Settings.load().copy_role)

    def loaded(self, table: Table) -> LedgerEntry | None:
        """The ledger's entry for a mirror; None if nothing is loaded, and if the warehouse does not answer.

        A landing asks it, to notice a lake that was set back. It does not wait for the warehouse: the load notices as well.
        """
        from stori_pipeline.warehouse import WarehouseUnavailable

        try:
            return self.open().ledger_entry(table)
        except (WarehouseUnavailable, SettingError) as error:
            _log.warning("%s: whether the lake was set back is not known: %s", table.full_name, error)
            return None

    def uri(self, full_name: str) -> str:
        """The URI of a mirror or a report, without credentials."""
        url = urlsplit(self.address)
        return f"redshift://{url.hostname}:{url.port or 5439}{url.path}/{full_name.replace('.', '/')}"
