"""A Postgres server of a test's own, which can be killed, copied, set back, and followed by a standby.

Belongs here: starting, ending and copying one. Does not belong here: what a reader makes of it (`test_postgres_servers`).
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from redshift_local.embedded import ports
from redshift_local.embedded.cluster import Cluster, binary
from stori_pipeline_tests.databases import execute

_PATIENCE = 60.0
_SETTINGS = {"wal_level": "logical", "max_wal_senders": "5", "max_connections": "30", "hot_standby": "on", "shared_buffers": "16MB"}


def _cluster(data: Path) -> Cluster:
    return Cluster(data, password=lambda role: f"of-{role}", settings=_SETTINGS, durable=False)


@dataclass
class Server:
    """`data` is its folder; `port` is the same as long as the object lives."""

    data: Path
    port: int = field(default_factory=ports.free_port)
    _process: subprocess.Popen[bytes] | None = None

    @classmethod
    def created(cls, data: Path) -> Server:
        _cluster(data).create()
        server = cls(data)
        server.start()
        _cluster(data).ensure_roles(server.port, ["reader"])
        return server

    @property
    def url(self) -> str:
        return _cluster(self.data).url(self.port, "postgres", "postgres")

    @property
    def reader_url(self) -> str:
        return _cluster(self.data).url(self.port, "reader", "postgres")

    def run(self, *statements: str) -> None:
        execute(self.url, *statements, autocommit=True)

    def start(self) -> None:
        cluster = _cluster(self.data)
        with (self.data.parent / f"{self.data.name}.log").open("ab") as log:
            command = [*cluster.through(), *cluster.command(self.port)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + _PATIENCE
        while not cluster.ready(self.port):
            assert self._process.poll() is None, Path(log.name).read_text()
            assert time.monotonic() < deadline, f"no server after {_PATIENCE} s"
            time.sleep(0.05)

    def shut_down(self) -> None:
        self._end(signal.SIGINT)

    def crash(self) -> None:
        self._end(signal.SIGQUIT)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        with suppress(ProcessLookupError, FileNotFoundError):
            # The account is another one, so the process is that of its pid file and not the one that was started.
            pid = int((self.data / "postmaster.pid").read_text().split()[0])
            subprocess.run(["kill", f"-{how.value}", str(pid)], check=True)
        self._process.wait(_PATIENCE)
        self._process = None

    def copied(self, to: Path) -> Server:
        """Another server with a copy of the data; it is not started."""
        subprocess.run(["cp", "-a", str(self.data), str(to)], check=True)
        return Server(to)

    def dumped_into(self, other: Server) -> None:
        """Restores a dump of the tables in another server."""
        command = [str(binary("pg_dump")), "--no-owner", "--dbname", self.url]
        dump = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        subprocess.run([str(binary("psql")), "--quiet", "--dbname", other.url], input=dump, check=True, capture_output=True, text=True)

    def upgraded(self, to: Path) -> Server:
        """Another server, to which `pg_upgrade` brought the data; it runs. This one must be shut down."""
        cluster = _cluster(to)
        cluster.create()
        bin_folder = str(binary("pg_upgrade").parent)
        command = [
            str(binary("pg_upgrade")),
            "-b",
            bin_folder,
            "-B",
            bin_folder,
            "-d",
            str(self.data),
            "-D",
            str(to),
            "-U",
            "postgres",
            "-N",
        ]
        subprocess.run([*cluster.through(), *command], cwd=to, env={"PGPASSWORD": "of-postgres"}, check=True, capture_output=True)
        server = Server(to)
        server.start()
        return server

    def set_back(self, copy: Path) -> None:
        """Puts a copy of the data in the place of the data, and starts on it."""
        shutil.rmtree(self.data)
        subprocess.run(["cp", "-a", str(copy), str(self.data)], check=True)
        self.start()

    def follow(self, primary: Server) -> None:
        """Starts on a copy of a primary's data as its standby."""
        (self.data / "standby.signal").touch()
        with (self.data / "postgresql.auto.conf").open("a") as settings:
            settings.write(f"primary_conninfo = '{primary.url}'\n")
        self.start()

    def await_log_of(self, primary: Server) -> None:
        """Waits until everything that the primary wrote is replayed here."""
        ((lsn,),) = execute(primary.url, "SELECT pg_current_wal_lsn()::text")
        deadline = time.monotonic() + _PATIENCE
        while not execute(self.url, f"SELECT pg_last_wal_replay_lsn() >= '{lsn}'")[0][0]:
            assert time.monotonic() < deadline, f"the standby did not follow within {_PATIENCE} s"
            time.sleep(0.05)
