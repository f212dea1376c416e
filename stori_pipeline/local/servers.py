"""The servers of a project's stack, and the settings that lead to them.

Belongs here: which servers there are, their names of buckets, queues and databases, and `.env`'s values. Does not belong here: starting
and stopping (`stack`), and each server's own start (`postgres`, `mongo`, `aws`, `warehouse`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

from stori_pipeline.discovery import LocalSources, named_object
from stori_pipeline.local.aws import Aws
from stori_pipeline.local.mongo import Mongo
from stori_pipeline.local.postgres import Platform, PostgresCluster, Sources
from stori_pipeline.local.program import Program, SourceProgram
from stori_pipeline.local.state import State
from stori_pipeline.local.warehouse import Redshift
from stori_pipeline.settings.declared import source_setting

LANDING_BUCKET = "stori-landing"
PROCESSED_BUCKET = "stori-processed"
ALERTS_TOPIC = "stori-alerts"
ALERTS_QUEUE = "alerts"
"""The queue that receives every message of the topic."""
COPY_ROLE = "arn:aws:iam::123456789012:role/stori-copy"

Port = Callable[[str], int]
"""The port of a server, by its name."""


class Servers:
    """Every server that a stack may have, by name, and those that the project needs.

    Args:
        home: the stack's folder.
        local: the sources that the stack serves.
        port: gives a server's port.
        durable: whether acknowledged writes survive a crash of the machine.
    """

    def __init__(self, home: Path, state: State, local: LocalSources, port: Port, *, durable: bool) -> None:
        self._home, self._local, self._port = home, local, port
        self.sources = Sources(home, state, local.postgres, durable=durable)
        self.mongo = Mongo(home, state, local.mongodb)
        buckets = (LANDING_BUCKET, PROCESSED_BUCKET, *local.buckets.values())
        self.aws = Aws(home, buckets, tuple(local.queues.values()), {ALERTS_TOPIC: ALERTS_QUEUE}, durable=durable)
        self.platform = Platform(home, state, durable=durable)
        self._own = [cast(type[SourceProgram], named_object(name))(home) for name in local.programs]
        redshift = Redshift(home, backend=self.backend, s3=self.s3)
        programs: tuple[Program, ...] = (self.sources, self.mongo, self.aws, *self._own, self.platform, redshift)
        self.by_name = {program.name: program for program in programs}

    @property
    def names(self) -> tuple[str, ...]:
        """The servers that the project needs, in the order in which they are shown."""
        unneeded = {self.sources.name} if not self._local.postgres else set()
        unneeded |= {self.mongo.name} if not self._local.mongodb else set()
        return tuple(name for name in self.by_name if name not in unneeded)

    def cluster(self, name: str) -> PostgresCluster:
        """The Postgres cluster `sources` or `platform`."""
        clusters: dict[str, PostgresCluster] = {"sources": self.sources, "platform": self.platform}
        return clusters[name]

    def environ(self) -> dict[str, str]:
        """The pipeline's settings, for `.env`: addresses, names and credentials."""
        return {
            **self._source_settings(),
            "STORI_WAREHOUSE": self.warehouse_url(),
            "STORI_WAREHOUSE_READER": self.platform.url(self._port("redshift"), "reader", "dev"),
            "STORI_COPY_ROLE": COPY_ROLE,
            "STORI_LANDING_BUCKET": LANDING_BUCKET,
            "STORI_PROCESSED_BUCKET": PROCESSED_BUCKET,
            "STORI_ALERT_TOPIC": self.aws.topic_arn(ALERTS_TOPIC),
            "STORI_TARGET_LAG": "5s",  # a load costs nothing here
            "STORI_METRICS": "1",
            # The URL names the driver: only SQLAlchemy reads it, and SQLAlchemy prefers a driver that Dagster does not install.
            "STORI_DAGSTER_STORAGE": self.platform.url(self._port("platform"), "dagster", "dagster").replace("://", "+psycopg2://", 1),
            "DAGSTER_HOME": str(self._home.parent),
            **self.s3(),
        }

    def _source_settings(self) -> dict[str, str]:
        """The addresses of the sources, for the role that reads (`STORI_SOURCE_…`) and for their applications (`STORI_ADMIN_…`)."""
        local, settings = self._local, {}
        for name in local.postgres:
            for setting, role in (("SOURCE", "reader"), ("ADMIN", "app")):
                settings[f"STORI_{setting}_{name.upper()}"] = self.sources.url(self._port("sources"), role, name)
        for name in local.mongodb:
            for setting, role in (("SOURCE", "reader"), ("ADMIN", "app")):
                settings[f"STORI_{setting}_{name.upper()}"] = self.mongo.url(self._port("mongo"), role, name)
        for name, queue in local.queues.items():
            settings[source_setting(name).name] = self.aws.queue_url(self._port("aws"), queue)
        for name, bucket in local.buckets.items():
            settings[source_setting(name).name] = f"s3://{bucket}"
        for program in self._own:
            settings[source_setting(program.name).name] = program.source_url(self._port(program.name))
        return settings

    def warehouse_url(self) -> str:
        """The address of the local Redshift for the role that loads it."""
        return self.platform.url(self._port("redshift"), "loader", "dev")

    def backend(self) -> str:
        """The address of the database behind the local Redshift, for the superuser that sets it up."""
        return self.platform.url(self._port("platform"), "postgres", "dev")

    def s3(self) -> dict[str, str]:
        """The environment variables of clients of the local AWS."""
        return self.aws.client_environ(self._port("aws"))
