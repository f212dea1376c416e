"""Detached processes: starting one, identifying it later, waiting for it, and stopping it.

Belongs here: functions for any process. Does not belong here: a particular server.
A process is identified by its pid and its command line, which contains a folder of its owner. So another program that got the pid of a
server that has ended is not mistaken for it, and is never signalled.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import psutil

T = TypeVar("T")

_LOG_LIMIT = 10_000_000
_KILL_PATIENCE = 10.0

_AFTER_A_LINE = 'read -r line && exec "$@" </dev/null'
"""A shell script: execute the command after one line of input; end if the input ends without a line."""

# The processes that this one started. They are stored so that they can be reaped, and so that no Popen is deleted while its process runs.
_children: dict[int, subprocess.Popen[bytes]] = {}


def launch(
    command: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str],
    cwd: Path,
    through: Sequence[str] = (),
    note: Callable[[int], None] = lambda _: None,
) -> int:
    """Start `command` in its own session, append its output to `log`, and return its pid.

    The program starts after `note` has returned. If this process is killed before that, the program never starts. So no server runs whose
    pid is not stored.

    Args:
        through: the prefix of the command: a program that changes the account and then executes the command.
        note: called with the pid, to store it.
    """
    if log.exists() and log.stat().st_size > _LOG_LIMIT:
        log.replace(log.with_suffix(".log.1"))
    waiting, go = os.pipe()
    try:
        try:
            with log.open("ab") as output:
                child = subprocess.Popen(
                    ["/bin/sh", "-c", _AFTER_A_LINE, "sh", *through, *command],
                    stdin=waiting,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=dict(env),
                    cwd=cwd,
                    start_new_session=True,
                )
        finally:
            os.close(waiting)
        _children[child.pid] = child
        note(child.pid)
        with contextlib.suppress(BrokenPipeError):  # the process has ended, and the caller's wait will show it
            os.write(go, b"\n")
    finally:
        os.close(go)
    return child.pid


def alive(pid: int | None, command: Sequence[str]) -> bool:
    """Whether `pid` is a running process with that command."""
    if pid is None:
        return False
    if (child := _children.get(pid)) is not None:
        # The pid of a child is not reused until the child is reaped here. The child may not have executed the command yet.
        if child.poll() is None:
            return True
        del _children[pid]
        return False
    return _same(_inspect(lambda: psutil.Process(pid).cmdline(), []), command)


def find(command: Sequence[str]) -> int | None:
    """The pid of a process with that command; None if there is none. Used when the pid was not stored."""
    return next((running.pid for running in psutil.process_iter() if _same(_inspect(running.cmdline, []), command)), None)


def having(*arguments: str) -> dict[int, list[str]]:
    """The command lines, by pid, of the processes that have these consecutive arguments."""
    commands: dict[int, list[str]] = {}
    for running in psutil.process_iter():
        command: list[str] = _inspect(running.cmdline, list[str]())
        if any(tuple(command[start : start + len(arguments)]) == arguments for start in range(len(command))):
            commands[running.pid] = command
    return commands


def listens(pid: int, port: int) -> bool:
    """Whether that process listens on that port. A reply from the port does not show that, because another program may use the port."""

    def ports() -> list[int]:
        connections = psutil.Process(pid).net_connections(kind="tcp")
        return [each.laddr.port for each in connections if each.status == psutil.CONN_LISTEN]

    return port in _inspect(ports, list[int]())


def exists(pid: int) -> bool:
    """Whether any process has that pid."""
    return psutil.pid_exists(pid)


def works_in(folder: Path) -> bool:
    """Whether any process has `folder` as its working directory. Every process of a PostgreSQL cluster has the data folder."""
    return any(_inspect(running.cwd, "") == str(folder) for running in psutil.process_iter())


def _inspect(read: Callable[[], T], default: T) -> T:
    """What `read` returns about a process; `default` if the process has ended or may not be inspected."""
    try:
        return read()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return default


def _same(running: Sequence[str], command: Sequence[str]) -> bool:
    # Only the arguments are compared, because the program may have another path (a symlinked interpreter). They are compared with the end
    # of the line, because a program that changes the account has the command at its end. The command line of a zombie is empty.
    arguments = list(command[1:])
    return len(running) > len(arguments) > 0 and list(running[-len(arguments) :]) == arguments


def wait_until(ready: Callable[[], bool], pid: int, command: Sequence[str], patience: float) -> bool:
    """Wait until `ready` returns true; returns False if the process ended before that.

    Raises:
        TimeoutError: after `patience` seconds the process still runs and is not ready.
    """
    deadline = time.monotonic() + patience
    while alive(pid, command):
        if ready():
            return True
        if time.monotonic() > deadline:
            raise TimeoutError(f"process {pid} was not ready within {patience:.0f} s")
        time.sleep(0.03)
    return False


def stop(pid: int, command: Sequence[str], quit_signal: signal.Signals, patience: float) -> None:
    """Send the process the signal `quit_signal`; if it still runs after `patience` seconds, kill its session.

    Raises:
        TimeoutError: the process still exists after SIGKILL.
    """
    if _has_ended(pid, command, quit_signal, patience, group=False) or _has_ended(pid, command, signal.SIGKILL, _KILL_PATIENCE, group=True):
        return
    raise TimeoutError(f"process {pid} did not end within {_KILL_PATIENCE:.0f} s of SIGKILL")


def _has_ended(pid: int, command: Sequence[str], number: signal.Signals, patience: float, *, group: bool) -> bool:
    if not alive(pid, command):
        return True
    try:
        if group:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
    except ProcessLookupError:
        return True
    deadline = time.monotonic() + patience
    while alive(pid, command):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def tail(log: Path, *, since: int = 0, lines: int = 12) -> str:
    """The last lines of a log, for an error message, from the byte `since` on."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            # A log that is shorter than `since` is a new file, because the old one was renamed.
            file.seek(max(since if since <= size else 0, size - 8_192))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])
