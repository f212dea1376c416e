"""The local stack: its servers, and starting, stopping and checking them.

Belongs here: order, ports and processes of the servers. Does not belong here: which servers there are (`servers`), and data. Nothing
needs cleaning by hand: each step checks what exists. A killed server is started again, a running server of an earlier command is kept, and
an incomplete set-up is repeated.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from redshift_local.embedded import process
from redshift_local.embedded.cluster import REFUSED_CHARACTERS
from redshift_local.embedded.ports import free_port, is_free
from stori_pipeline.discovery import LocalSources
from stori_pipeline.local.program import Program
from stori_pipeline.local.servers import Servers
from stori_pipeline.local.state import Run, StackError, State, stack_lock

_REFUSED = REFUSED_CHARACTERS | {"%"}
"""Dagster writes the path of its migrations into a file in which % starts a variable."""

_LOCK_PATIENCE = 180.0
_STOP_PATIENCE = 30.0
_ATTEMPTS = 20


@dataclass(frozen=True)
class Server:
    """One server. `address` has no credentials; `up` means that the server answers."""

    name: str
    address: str
    up: bool
    pid: int | None


def _silent(line: str) -> None:
    """Print nothing."""


class Stack:
    """The servers whose data are under `home`.

    Args:
        home: the stack's folder, which `up` creates. Its parent is the project's folder.
        local: the sources that the stack serves. Without it only what every project needs: S3, the warehouse and Dagster's storage.
        durable: whether acknowledged writes survive a crash of the machine, and not only of a process.
    """

    def __init__(self, home: Path, local: LocalSources | None = None, *, durable: bool = True) -> None:
        self.home = home.absolute()
        self._state = State.read(self.home / "state.json")
        self._servers = Servers(self.home, self._state, local or LocalSources(), self._port, durable=durable)
        self._programs = self._servers.by_name

    @property
    def servers(self) -> tuple[str, ...]:
        """Names of the servers that `up` starts, in a fixed order."""
        return self._servers.names

    # ---- commands

    def up(
        self,
        *,
        ports: Mapping[str, int] | None = None,
        only: Iterable[str] | None = None,
        say: Callable[[str], None] = _silent,
    ) -> list[Server]:
        """Start every server that is not running, and return when all are ready.

        Args:
            ports: ports by server name; 0 means any free port. Any other server gets its last port, or its usual port, or a free one.
            only: start only these servers and those they need; by default all.
            say: called with one line per server.

        Raises:
            StackError: a server did not start, or a requested port is taken. The other servers run.
        """
        wanted = self._with_needs(self.servers if only is None else only)
        for folder in (self.home, Path(sys.prefix)):
            if refused := _REFUSED & set(str(folder)):
                raise StackError(
                    f"the path {str(folder)!r} contains {', '.join(map(repr, sorted(refused)))}, which Postgres's initdb or Dagster's "
                    "storage cannot use; move the project to a path without it, and install it again there"
                )
        requested = dict(ports or {})
        if unknown := [name for name in requested if name not in self._programs]:
            raise StackError(f"there is no server {unknown[0]!r}; the stack has {', '.join(self.servers)}")
        self.home.mkdir(parents=True, exist_ok=True)
        self.home.chmod(0o711)  # Postgres's account can enter the folder, and cannot list it
        (self.home / "log").mkdir(mode=0o700, exist_ok=True)
        with stack_lock(self.home, _LOCK_PATIENCE):
            self._reread()
            first = [name for name in wanted if not self._programs[name].needs]
            problems = self._each(first, lambda name: self._start(name, requested.get(name)), say)
            if not problems:
                second = [name for name in wanted if self._programs[name].needs]
                problems = self._each(second, lambda name: self._start(name, requested.get(name)), say)
        if problems:
            raise StackError("\n".join(problems))
        return self.status()

    def down(self, say: Callable[[str], None] = _silent) -> list[Server]:
        """Stop every server; one that has not ended after 30 seconds is killed.

        Raises:
            StackError: a process still exists after it was killed.
        """
        if not self.home.exists():
            return self.status()
        with stack_lock(self.home, _LOCK_PATIENCE):
            self._reread()
            running = [name for name in self._programs if name in self._state.runs]
            problems = self._each([name for name in running if self._programs[name].needs], self._stop, say)
            problems += self._each([name for name in running if not self._programs[name].needs], self._stop, say)
            for program in self._programs.values():
                program.clear_away()
        if problems:
            raise StackError("\n".join(problems))
        return self.status()

    def status(self) -> list[Server]:
        """Each server, running or not, in a fixed order. Takes two seconds at most, because all are checked at once."""
        self._reread()
        with ThreadPoolExecutor(len(self.servers)) as threads:
            return list(threads.map(self._status, self.servers))

    def environ(self) -> dict[str, str]:
        """The pipeline's settings, for `.env`: addresses, names and credentials."""
        self._reread()
        return self._servers.environ()

    def warehouse_url(self) -> str:
        """The address of the local Redshift for the role that loads it."""
        self._reread()
        return self._servers.warehouse_url()

    def client_environ(self) -> dict[str, str]:
        """The part of `environ` that clients of the local AWS need. Only that server must have been started."""
        self._reread()
        return self._servers.s3()

    def mongo_url(self, user: str, database: str) -> str:
        """The address of a MongoDB database for the user `admin`, `app` or `reader`."""
        self._reread()
        return self._servers.mongo.url(self._port("mongo"), user, database)

    def create_mongo_database(self, name: str) -> None:
        """Create a MongoDB database that `app` may write and `reader` may read."""
        self._servers.mongo.create_database(self._port("mongo"), name)

    def drop_mongo_database(self, name: str) -> None:
        """Drop a MongoDB database."""
        self._servers.mongo.drop_database(self._port("mongo"), name)

    def postgres_url(self, cluster: str, role: str, database: str) -> str:
        """The address of a database in the Postgres cluster `sources` or `platform`, for one of its roles or the superuser `postgres`."""
        self._reread()
        return self._servers.cluster(cluster).url(self._port(cluster), role, database)

    def create_source_database(self, name: str) -> None:
        """Create a database in the cluster `sources`, with the roles and rights of the others."""
        self._servers.sources.create_database(self._port("sources"), name, "app")

    def drop_source_database(self, name: str) -> None:
        """Drop a database of the cluster `sources`, and end its sessions."""
        self._servers.sources.drop_database(self._port("sources"), name)

    # ---- one server

    def _start(self, name: str, requested: int | None) -> str:
        """Start a server unless it runs; returns a line about it."""
        program, began = self._programs[name], time.monotonic()
        run = self._state.runs.get(name)
        if run and (pid := self._pid(run)):
            if requested and requested != run.port:
                raise StackError(f"{name} already runs at port {run.port}; run `stori down` first, then start it at {requested}")
            if list(run.command[1:]) != program.command(run.port)[1:]:
                self._stop(name)  # it was started with other arguments, such as an old port of a server that it needs
            elif self._wait(program, run.port, pid, run.command, started=False):
                self._state.set_run(name, Run(run.port, run.command, pid))
                program.settle(run.port)
                return f"{name:<9} {program.address(run.port)} was already running"
        program.prepare()
        for _ in range(_ATTEMPTS):
            port = self._choose_port(program, requested)
            command = tuple(program.command(port))
            log = self.home / "log" / f"{name}.log"
            begin = log.stat().st_size if log.exists() else 0
            pid = process.launch(
                command, log=log, env=program.env(), cwd=self.home, through=program.through(), note=partial(self._note, name, port, command)
            )
            if self._wait(program, port, pid, command, started=True):
                program.settle(port)
                return f"{name:<9} {program.address(port)} started in {time.monotonic() - began:.1f} s"
            output = process.tail(log, since=begin)
            if not program.worth_another_try(output):
                raise StackError(f"{name} did not start; its log {log} ends with\n{output}")
            time.sleep(0.25)
        raise StackError(f"{name} did not start in {_ATTEMPTS} attempts; its log {log} ends with\n{output}")

    def _note(self, name: str, port: int, command: tuple[str, ...], pid: int) -> None:
        self._state.set_run(name, Run(port, command, pid))

    def _wait(self, program: Program, port: int, pid: int, command: tuple[str, ...], *, started: bool) -> bool:
        """Wait until the server is ready; returns False if its process has ended.

        Raises:
            StackError: neither happened in time. The process is stopped if this command started it.
        """
        try:
            return process.wait_until(lambda: program.listens(port, pid) and program.ready(port), pid, command, program.patience)
        except TimeoutError as error:
            if started:
                process.stop(pid, command, program.quit_signal, _STOP_PATIENCE)
            log = self.home / "log" / f"{program.name}.log"
            raise StackError(
                f"{program.name} did not answer within {program.patience:.0f} s; its log {log} ends with\n{process.tail(log)}"
            ) from error

    def _choose_port(self, program: Program, requested: int | None) -> int:
        if requested:
            if not is_free(requested):
                raise StackError(f"{program.name}: another program uses port {requested}; end that program, or choose another port")
            return requested
        before = self._state.runs[program.name].port if program.name in self._state.runs else 0
        candidates = [before] if requested == 0 else [before, program.preferred_port]
        mine = {run.port for name, run in self._state.runs.items() if name != program.name}
        for port in candidates:
            if port and port not in mine and is_free(port):
                return port
        return free_port()

    def _stop(self, name: str) -> str:
        program, run = self._programs[name], self._state.runs[name]
        pid = self._pid(run)
        if pid is not None:
            try:
                process.stop(pid, run.command, program.quit_signal, _STOP_PATIENCE)
            except TimeoutError as error:
                raise StackError(f"{name}: {error}") from error
        self._state.set_run(name, Run(run.port))
        return f"{name:<9} {'stopped' if pid is not None else 'was not running'}"

    def _pid(self, run: Run) -> int | None:
        """The pid of that run, if its process lives; also if the state lacks the pid, as a restored older file may."""
        if process.alive(run.pid, run.command):
            return run.pid
        return process.find(run.command) if run.command and run.pid is None else None

    def _status(self, name: str) -> Server:
        program, run = self._programs[name], self._state.runs.get(name)
        if run is None:
            return Server(name, "", up=False, pid=None)
        pid = self._pid(run)
        return Server(name, program.address(run.port), up=pid is not None and program.answers(run.port), pid=pid)

    # ---- all servers

    def _each(self, names: list[str], step: Callable[[str], str], say: Callable[[str], None]) -> list[str]:
        """Run the step for all these servers at once; returns the messages of the errors."""
        problems: list[str] = []
        with ThreadPoolExecutor(max(1, len(names))) as threads:
            for done in as_completed([threads.submit(step, name) for name in names]):
                if isinstance(error := done.exception(), StackError):
                    problems.append(str(error))
                else:
                    say(done.result())
        return problems

    def _with_needs(self, only: Iterable[str]) -> list[str]:
        wanted = set(only)
        if unknown := sorted(wanted - set(self._programs)):
            raise StackError(f"there is no server {unknown[0]!r}; the stack has {', '.join(self.servers)}")
        wanted |= {need for name in wanted for need in self._programs[name].needs}
        return [name for name in self._programs if name in wanted]

    def _reread(self) -> None:
        """Load what other commands have stored since."""
        fresh = State.read(self._state.path)
        self._state.runs.clear()
        self._state.runs.update(fresh.runs)
        self._state.passwords.update(fresh.passwords)

    def _port(self, name: str) -> int:
        try:
            return self._state.runs[name].port
        except KeyError:
            raise StackError(f"{name} was never started; run `stori up`") from None
