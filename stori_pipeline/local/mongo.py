"""The local stack's MongoDB: secantusdb, a server of MongoDB's wire protocol.

Belongs here: starting it, and its users. Does not belong here: its data. The program is under the GPL: it runs as a process of its own,
and is never imported.
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
# The role of each user in a source's database. The admin may do everything.
_ROLE = {"app": "readWrite", "reader": "read"}

_OPLOG_SECONDS = 7 * 24 * 3600
_OPLOG_ENTRIES = 5_000_000
_PATIENCE = 30.0


class Mongo(Program):
    """A replica set of one member, as change streams require, with the users `admin`, `app` and `reader`.

    Args:
        home: the stack's folder.
        state: holds the passwords.
        databases: `app` may write them, and `reader` may read them.
    """

    name = "mongo"
    preferred_port = 27117

    def __init__(self, home: Path, state: State, databases: tuple[str, ...]) -> None:
        super().__init__(home)
        self._state = state
        self._databases = databases

    @property
    def _setup_name(self) -> str:
        """The name of the folder during set-up, and of the process that sets it up."""
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
        """Create the data folder and the users in a temporary folder, which is renamed at the end.

        Users can only be created while the server requires no login. So the server first runs without login, on a port that nobody knows.
        """
        # The file is empty, because all options are arguments; without it the program would search other folders for one.
        self._configuration.touch(mode=0o600)
        self._state.refuse_orphan(self.data, f"{self.name}.{ADMIN}")
        if not self.data.exists():
            self._set_up()

    def _set_up(self) -> None:
        self.clear_away()
        folder = self.home / self._setup_name
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(mode=0o700)
        port = free_port()
        command = tuple(self._command(port, folder))
        log = self.home / "log" / f"{self.name}.log"
        self._state.set_run(self._setup_name, Run(port, command))
        pid = process.launch(command, log=log, env=self.env(), cwd=self.home)
        try:
            if not self._starts(port, pid, command):
                raise StackError(f"mongo could not be set up; its log {log} ends with\n{process.tail(log)}")
            with _client(f"{self.address(port)}/?directConnection=true") as client:
                client.admin.command("createUser", ADMIN, pwd=self._password(ADMIN), roles=["root"])
                for user in _ROLE:
                    client.admin.command("createUser", user, pwd=self._password(user), roles=[])
        finally:
            # Killed, because every acknowledged write is on disk, and a clean shutdown takes two seconds.
            process.stop(pid, command, signal.SIGKILL, _PATIENCE)
        folder.rename(self.data)
        self._state.remove_run(self._setup_name)

    def _starts(self, port: int, pid: int, command: tuple[str, ...]) -> bool:
        """Whether the server answers in time."""
        try:
            return process.wait_until(lambda: process.listens(pid, port) and self.answers(port), pid, command, _PATIENCE)
        except TimeoutError:
            return False

    def clear_away(self) -> None:
        for pid, command in process.having("--storage-path", str(self.home / self._setup_name)).items():
            process.stop(pid, command, signal.SIGKILL, _PATIENCE)

    def command(self, port: int) -> list[str]:
        return [*self._command(port, self.data), "--auth"]

    def _command(self, port: int, data: Path) -> list[str]:
        script = Path(sys.executable).with_name("secantusd-py")
        program = str(script) if script.exists() else shutil.which("secantusd-py")
        if program is None:
            raise StackError("mongo: the program secantusd-py is not installed; install the extra `local` of this package")
        arguments = ["--config", str(self._configuration), "--host", "127.0.0.1", "--port", str(port)]
        arguments += ["--storage-path", str(data), "--cache-size", "256M"]
        # Without it a kill loses acknowledged writes, some of which a change stream may already have returned.
        arguments += ["--sync-on-commit"]
        # The heartbeat keeps quiet streams resumable; the retention lets a laptop resume after a weekend.
        arguments += ["--noop-heartbeat-seconds", "10"]
        arguments += ["--oplog-retention-seconds", str(_OPLOG_SECONDS), "--oplog-max-entries", str(_OPLOG_ENTRIES)]
        return [sys.executable, program, *arguments]

    def answers(self, port: int) -> bool:
        return probe.mongo(port)

    def settle(self, port: int) -> None:
        for database in self._databases:
            self.create_database(port, database)

    def create_database(self, port: int, database: str) -> None:
        """Give `app` and `reader` access to one more database. Open connections do not get it."""
        with _client(self.url(port, ADMIN, "admin")) as client:
            for user, role in _ROLE.items():
                client.admin.command("grantRolesToUser", user, roles=[{"role": role, "db": database}])

    def drop_database(self, port: int, database: str) -> None:
        """Drop a database, and the rights on it."""
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
