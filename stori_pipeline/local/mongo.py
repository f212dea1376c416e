"""The local stack's MongoDB: a server of its wire protocol, run as a program of its own.

Belongs here: how that program is started, and its users. Does not belong here: what is in its databases.

The program is under the GPL; it is executed and never imported.
"""

from __future__ import annotations

import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redshift_local.embedded import process
from redshift_local.embedded.ports import free_port
from stori_pipeline.local import probe
from stori_pipeline.local.program import Program
from stori_pipeline.local.state import Run, StackError, State

if TYPE_CHECKING:
    from pymongo import MongoClient

ADMIN = "admin"
# What each user may do in a database that stands for a source. The admin may do everything everywhere.
_ROLE = {"app": "readWrite", "reader": "read"}

_OPLOG_SECONDS = 7 * 24 * 3600
_OPLOG_ENTRIES = 5_000_000
_PATIENCE = 30.0
_TRIES = 3


class Mongo(Program):
    """A replica set of one, which change streams need, with a user for each way to use it.

    Args:
        home: the stack's folder.
        state: where its passwords are kept.
        databases: those that `app` writes and `reader` reads.
    """

    name = "mongo"
    preferred_port = 27117

    def __init__(self, home: Path, state: State, databases: tuple[str, ...]) -> None:
        super().__init__(home)
        self._state = state
        self._databases = databases

    @property
    def _making(self) -> str:
        """The folder that becomes the server's, and the name of the run that makes it."""
        return f"{self.name}.new"

    @property
    def _configuration(self) -> Path:
        return self.home / "mongo.toml"

    def address(self, port: int) -> str:
        return f"mongodb://127.0.0.1:{port}"

    def url(self, port: int, user: str, database: str) -> str:
        """The address of `database` for `user`, the password included."""
        return f"mongodb://{user}:{self._password(user)}@127.0.0.1:{port}/{database}?authSource=admin&directConnection=true"

    def prepare(self) -> None:
        """Make its data folder with its users, in a folder beside that takes its name once it is whole.

        Users can only be made while the server asks for none, so it runs once without, on a port that nobody knows.
        """
        # Everything is said by arguments; without a file the program would look for one in the folders around.
        self._configuration.touch(mode=0o600)
        self._state.refuse_orphan(self.data, f"{self.name}.{ADMIN}")
        for attempt in range(_TRIES):
            if self.data.exists():
                return
            try:
                self._make()
            except StackError:
                # A killed `up` may have launched a server a moment before, which could not be found until it had become one.
                if attempt == _TRIES - 1:
                    raise

    def _make(self) -> None:
        self.clear_away()
        growing = self.home / self._making
        if growing.exists():
            shutil.rmtree(growing)
        growing.mkdir(mode=0o700)
        port = free_port()
        command = tuple(self._command(port, growing))
        log = self.home / "log" / f"{self.name}.log"
        self._state.note(self._making, Run(port, command))
        pid = process.launch(command, log=log, env=self.env(), cwd=self.home)
        try:
            if not self._starts(port, pid, command):
                raise StackError(f"mongo could not be set up; its log {log} ends with\n{process.tail(log)}")
            with _client(f"{self.address(port)}/?directConnection=true") as client:
                client.admin.command("createUser", ADMIN, pwd=self._password(ADMIN), roles=["root"])
                for user, role in _ROLE.items():
                    roles = [{"role": role, "db": database} for database in self._databases]
                    client.admin.command("createUser", user, pwd=self._password(user), roles=roles)
        finally:
            # At once: every write was synced when it was acknowledged, and its orderly end takes two seconds.
            process.stop(pid, command, signal.SIGKILL, _PATIENCE)
        growing.rename(self.data)
        self._state.forget(self._making)

    def _starts(self, port: int, pid: int, command: tuple[str, ...]) -> bool:
        """Whether it answers within the time that it may take."""
        try:
            return process.wait_until(lambda: process.listens(pid, port) and self.answers(port), pid, command, _PATIENCE)
        except TimeoutError:
            return False

    def clear_away(self) -> None:
        for pid, command in process.having("--storage-path", str(self.home / self._making)).items():
            process.stop(pid, command, signal.SIGKILL, _PATIENCE)

    def command(self, port: int) -> list[str]:
        return [*self._command(port, self.data), "--auth"]

    def _command(self, port: int, data: Path) -> list[str]:
        script = Path(sys.executable).with_name("secantusd-py")
        found = str(script) if script.exists() else shutil.which("secantusd-py")
        if found is None:
            raise StackError("mongo: the program secantusd-py is not installed; install the extra `local` of this package")
        arguments = ["--config", str(self._configuration), "--host", "127.0.0.1", "--port", str(port)]
        arguments += ["--storage-path", str(data), "--cache-size", "256M"]
        # Else a kill takes acknowledged writes with it, some of which a change stream may already have shown.
        arguments += ["--sync-on-commit"]
        # Quiet streams stay resumable by the heartbeat; a laptop that slept over the weekend still resumes by the retention.
        arguments += ["--noop-heartbeat-seconds", "10"]
        arguments += ["--oplog-retention-seconds", str(_OPLOG_SECONDS), "--oplog-max-entries", str(_OPLOG_ENTRIES)]
        return [sys.executable, found, *arguments]

    def answers(self, port: int) -> bool:
        return probe.mongo(port)

    def create_database(self, port: int, database: str) -> None:
        """Let `app` and `reader` into one more database. Connections that they already have do not see it."""
        with _client(self.url(port, ADMIN, "admin")) as client:
            for user, role in _ROLE.items():
                client.admin.command("grantRolesToUser", user, roles=[{"role": role, "db": database}])

    def drop_database(self, port: int, database: str) -> None:
        """Drop it, and what was granted on it."""
        with _client(self.url(port, ADMIN, "admin")) as client:
            client.drop_database(database)
            for user, role in _ROLE.items():
                client.admin.command("revokeRolesFromUser", user, roles=[{"role": role, "db": database}])

    def _password(self, user: str) -> str:
        return self._state.password(f"{self.name}.{user}")


@contextmanager
def _client(url: str) -> Iterator[MongoClient[dict[str, Any]]]:
    from pymongo import MongoClient

    client: MongoClient[dict[str, Any]] = MongoClient(url, serverSelectionTimeoutMS=20_000)
    try:
        yield client
    finally:
        client.close()
