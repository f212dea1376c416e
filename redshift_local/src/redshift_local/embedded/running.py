"""A cluster's server that runs for as long as a block does.

Belongs here: starting the server at a free port, ending it for certain, and ending one that a killed process left behind. Does not
belong here: the cluster (`cluster`), and servers that outlive the process that starts them.
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
_QUIT = signal.SIGINT  # PostgreSQL's fast shutdown: ends sessions, then writes a checkpoint


class Interrupted(Exception):
    """The caller asked to stop before the server was ready."""


@dataclass(frozen=True)
class RunningServer:
    """A server that was ready when it was made."""

    port: int
    pid: int
    command: tuple[str, ...]
    log: Path

    @property
    def is_alive(self) -> bool:
        return process.alive(self.pid, self.command)


@contextmanager
def running(cluster: Cluster, *, log: Path, note: Path, interrupted: Callable[[], bool] = lambda: False) -> Iterator[RunningServer]:
    """Make the cluster unless it exists, and run its server for the block.

    Args:
        log: the file to which the server writes.
        note: the file that keeps the server's command. With it a later call ends a server that outlived its process.
        interrupted: asked again and again while this waits; true ends the wait with `Interrupted`.

    Raises:
        ClusterError: the server did not start; the message ends with the end of its log.
    """
    stop_leftover(note)
    cluster.create()
    log.touch(mode=0o600)  # a server logs statements with their values
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
        if not cluster.ended_for_a_moment(output):
            break
        time.sleep(0.25)
    raise ClusterError(f"PostgreSQL did not start; its log {log} ends with\n{output}")


def stop_leftover(note: Path) -> None:
    """End the server whose command is in the file `note`, if it runs, and remove the file."""
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
    """The present environment without what would lead the server to other settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}
