"""The stack's two Postgres clusters, as servers of the stack.

Belongs here: their databases, roles and rights. Does not belong here: creating and running a cluster (`redshift_local.embedded`), data, and
the order in which servers start (`stack`).
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from redshift_local.embedded import ports
from redshift_local.embedded.cluster import SUPERUSER, Cluster
from redshift_local.embedded.errors import ClusterError
from stori_pipeline.local.program import Program
from stori_pipeline.local.state import StackError, State


class PostgresCluster(Program):
    """A cluster with its own data folder, port and superuser.

    Args:
        home: the stack's folder.
        state: holds the passwords.
        durable: whether commits survive a crash of the machine, and not only of the process.
    """

    quit_signal: ClassVar[signal.Signals] = signal.SIGINT  # Postgres's fast shutdown: ends sessions, then writes a checkpoint

    databases: Mapping[str, str]
    """Database to the role that owns it."""

    locale: tuple[str, ...]
    settings: Mapping[str, str]

    def __init__(self, home: Path, state: State, *, durable: bool) -> None:
        super().__init__(home)
        self._state = state
        self._cluster = Cluster(self.data, password=self._password, locale=self.locale, settings=self.settings, durable=durable)

    def address(self, port: int) -> str:
        return f"postgresql://127.0.0.1:{port}"

    def url(self, port: int, role: str, database: str) -> str:
        """The address of `database` for `role`, with its password."""
        return self._cluster.url(port, role, database)

    def prepare(self) -> None:
        self._state.refuse_orphan(self.data, f"{self.name}.{SUPERUSER}")
        with self._as_stack_error():
            self._cluster.create()

    def command(self, port: int) -> list[str]:
        with self._as_stack_error():
            return self._cluster.command(port)

    def through(self) -> list[str]:
        with self._as_stack_error():
            return self._cluster.through()

    def answers(self, port: int) -> bool:
        return ports.speaks_postgres(port)

    def listens(self, port: int, pid: int) -> bool:
        return self._cluster.listens(port, pid)

    def ready(self, port: int) -> bool:
        with self._as_stack_error():
            return self._cluster.ready(port)

    def worth_another_try(self, log: str) -> bool:
        return self._cluster.ended_by_transient_error(log)

    def settle(self, port: int) -> None:
        """Create the roles with their passwords, the databases with their owners, and the rights of each role."""
        self._cluster.ensure_roles(port, self.roles)
        self._cluster.ensure_databases(port, self.databases)
        for database in self.databases:
            self._grant(port, database)

    def create_database(self, port: int, database: str, owner: str) -> None:
        """Create a database, with the rights of its owner's other databases."""
        self._cluster.ensure_databases(port, {database: owner})
        self._grant(port, database)

    def drop_database(self, port: int, database: str) -> None:
        """Drop a database, and end its sessions."""
        self._cluster.drop_database(port, database)

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles, without the superuser."""
        return tuple(dict.fromkeys(self.databases.values()))

    def grants(self, database: str) -> list[str]:  # noqa: ARG002 -- the base case of a method that needs it
        """Repeatable statements that give the roles rights in a database, other than ownership."""
        return []

    def _grant(self, port: int, database: str) -> None:
        with self._cluster.as_superuser(port, database) as cursor:
            for statement in self.grants(database):
                cursor.execute(statement)

    def _password(self, role: str) -> str:
        return self._state.password(f"{self.name}.{role}")

    @contextmanager
    def _as_stack_error(self) -> Iterator[None]:
        try:
            yield
        except ClusterError as error:
            raise StackError(f"{self.name}: {error}") from error


class Sources(PostgresCluster):
    """The databases of the sources. The role `app` writes, and `reader` reads.

    Args:
        databases: their names.
    """

    name = "sources"
    preferred_port = 54321
    # Text sorts the same on every machine. It is not the locale C, because a real source has a collation.
    locale = ("--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8")
    settings: Mapping[str, str] = {"wal_level": "logical", "max_wal_senders": "20", "max_replication_slots": "20"}

    def __init__(self, home: Path, state: State, databases: tuple[str, ...], *, durable: bool) -> None:
        self.databases = dict.fromkeys(databases, "app")
        super().__init__(home, state, durable=durable)

    @property
    def roles(self) -> tuple[str, ...]:
        return ("app", "reader")

    def grants(self, database: str) -> list[str]:
        """`reader` may SELECT from every present and future table of `public`, and nothing more."""
        return [
            "ALTER SCHEMA public OWNER TO app",
            f'GRANT CONNECT ON DATABASE "{database}" TO reader',
            "GRANT USAGE ON SCHEMA public TO reader",
            "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader",
            *(f"ALTER DEFAULT PRIVILEGES FOR ROLE {r} IN SCHEMA public GRANT SELECT ON TABLES TO reader" for r in ("app", SUPERUSER)),
            "ALTER ROLE reader SET default_transaction_read_only = on",
        ]


class Platform(PostgresCluster):
    """Dagster's storage (`dagster`), and the database behind the local Redshift (`dev`), which `reader` may only read."""

    name = "platform"
    preferred_port = 54322
    databases: Mapping[str, str] = {"dagster": "dagster", "dev": "loader"}
    locale = ("--locale", "C")  # Redshift compares and sorts text by its bytes
    # Nothing is replicated from here, so the write-ahead log serves only crash recovery.
    settings: Mapping[str, str] = {"wal_level": "minimal", "max_wal_senders": "0", "max_wal_size": "2GB", "shared_buffers": "256MB"}

    @property
    def roles(self) -> tuple[str, ...]:
        return (*super().roles, "reader")

    def grants(self, database: str) -> list[str]:
        if database != "dev":
            return []
        return [
            'GRANT CONNECT ON DATABASE "dev" TO reader',
            "GRANT pg_read_all_data TO reader",
            "ALTER ROLE reader SET default_transaction_read_only = on",
        ]
