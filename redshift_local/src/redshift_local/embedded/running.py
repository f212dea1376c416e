"""Runs the server of a cluster during a block.

Belongs here: starting the server on a free port, stopping it, and stopping a server whose parent was killed. Does not belong here: the
cluster (`cluster`), and servers that run longer than the process that starts them.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from redshift_local.embedded import process
from redshift_local.embedded.cluster import Cluster
from redshift_local.embedded.errors import ClusterError
from redshift_local.embedded.files import write_atomically
from redshift_local.embedded.ports import free_port

_ATTEMPTS = 20
_START_PATIENCE = 60.0
_STOP_PATIENCE = 30.0
_QUIT = signal.SIGINT  # PostgreSQL's fast shutdown: it ends sessions, then writes a checkpoint


class Interrupted(Exception):
    """The caller interrupted the start."""


@dataclass(frozen=True)
class RunningServer:
    """A server that has been started and was ready."""

    port: int
    pid: int
    command: tuple[str, ...]
    log: Path

    @property
    def is_alive(self) -> bool:
        return process.alive(self.pid, self.command)


@contextmanager
def running(cluster: Cluster, *, log: Path, note: Path, interrupted: Callable[[], bool] = lambda: False) -> Iterator[RunningServer]:
    """Create the cluster if it does not exist, and run its server during the block.

    Args:
        log: the file to which the server writes its log.
        note: the file that stores the server's command. If this process is killed, a later call reads the file and stops the server.
        interrupted: called repeatedly while the server starts; when it returns true, `Interrupted` is raised.

    Raises:
        ClusterError: the server did not start; the message contains the end of its log.
    """
    stop_leftover(note)
    cluster.create()
    log.touch(mode=0o600)  # the log contains statements with their values
    server = _start(cluster, log, note, interrupted)
    try:
        yield server
    finally:
        _stop(server.pid, server.command)
        note.unlink()


def _start(cluster: Cluster, log: Path, note: Path, interrupted: Callable[[], bool]) -> RunningServer:
    def ready(port: int, pid: int) -> bool:
        if interrupted():
            raise Interrupted
        return cluster.listens(port, pid) and cluster.ready(port)

    for _ in range(_ATTEMPTS):
        port = free_port()
        command = tuple(cluster.command(port))
        start_of_log = log.stat().st_size if log.exists() else 0
        write_atomically(note, json.dumps(command).encode())
        pid = process.launch(command, log=log, env=_environment(), cwd=note.parent, through=cluster.through())
        try:
            if process.wait_until(partial(ready, port, pid), pid, command, _START_PATIENCE):
                return RunningServer(port, pid, command, log)
        except BaseException as error:
            _stop(pid, command)
            note.unlink()
            if isinstance(error, TimeoutError):
                raise ClusterError(f"PostgreSQL was not ready in time; its log {log} ends with\n{process.tail(log)}") from error
            raise
        output = process.tail(log, since=start_of_log)
        if not cluster.ended_by_transient_error(output):
            break
        time.sleep(0.25)
    raise ClusterError(f"PostgreSQL did not start; its log {log} ends with\n{output}")


def stop_leftover(note: Path) -> None:
    """Stop the server whose command is in the file `note`, if it runs, and remove the file."""
    try:
        command = json.loads(note.read_bytes())
    except FileNotFoundError:
        return
    if (pid := process.find(command)) is not None:
        _stop(pid, command)
    note.unlink()


def _stop(pid: int, command: Sequence[str]) -> None:
    try:
        process.stop(pid, command, _QUIT, _STOP_PATIENCE)
    except TimeoutError as error:
        raise ClusterError(f"PostgreSQL did not stop: {error}") from error


def _environment() -> dict[str, str]:
    """The current environment without the variables that change PostgreSQL's settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}
