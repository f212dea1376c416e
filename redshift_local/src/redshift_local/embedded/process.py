"""Detached processes: starting one, knowing it again by its command, waiting for it, and ending it.

Belongs here: what is true of any process. Does not belong here: which servers there are.
A process is known by its pid and its command line, which names a folder of its owner's. So a pid that the system has since given to
another program is never taken for a server, and never signalled.
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
"""For a shell: become the command after one line of input, and end without one."""

# The processes that this one started. Kept so that they can be reaped, and so that none is dropped while it runs.
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
    """Start `command` in a session of its own, its output appended to `log`, and return its pid.

    The program starts once `note` has returned. If this process is killed before, it never starts: no server runs that nobody knows of.

    Args:
        through: put before the command: a program that changes the user and then becomes the command.
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
        with contextlib.suppress(BrokenPipeError):  # it has ended, as whoever waits for it will see
            os.write(go, b"\n")
    finally:
        os.close(go)
    return child.pid


def alive(pid: int | None, command: Sequence[str]) -> bool:
    """Whether `pid` is a running process with that command."""
    if pid is None:
        return False
    if (child := _children.get(pid)) is not None:
        # Our own child cannot be anything else until it is reaped here, even while it still becomes the command.
        if child.poll() is None:
            return True
        del _children[pid]
        return False
    return _same(_asked(lambda: psutil.Process(pid).cmdline(), []), command)


def find(command: Sequence[str]) -> int | None:
    """The pid of a process with that command, if one runs. For a start that was killed before it noted the pid."""
    return next((running.pid for running in psutil.process_iter() if _same(_asked(running.cmdline, []), command)), None)


def having(*arguments: str) -> dict[int, list[str]]:
    """The command lines, by pid, of the processes that have these arguments one after another."""
    found: dict[int, list[str]] = {}
    for running in psutil.process_iter():
        command: list[str] = _asked(running.cmdline, list[str]())
        if any(tuple(command[start : start + len(arguments)]) == arguments for start in range(len(command))):
            found[running.pid] = command
    return found


def listens(pid: int, port: int) -> bool:
    """Whether that process listens on that port. An answer from the port is no proof: another program may have taken the port first."""

    def ports() -> list[int]:
        found = psutil.Process(pid).net_connections(kind="tcp")
        return [each.laddr.port for each in found if each.status == psutil.CONN_LISTEN]

    return port in _asked(ports, list[int]())


def exists(pid: int) -> bool:
    """Whether a process with that pid exists, whatever it is."""
    return psutil.pid_exists(pid)


def works_in(folder: Path) -> bool:
    """Whether any process has `folder` as its working directory, as every process of a Postgres cluster has its data folder."""
    return any(_asked(running.cwd, "") == str(folder) for running in psutil.process_iter())


def _asked(question: Callable[[], T], otherwise: T) -> T:
    """The answer of a process about itself; `otherwise` if it is gone or not ours to ask."""
    try:
        return question()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return otherwise


def _same(running: Sequence[str], command: Sequence[str]) -> bool:
    # The program itself may go by another path (a symlinked interpreter), its arguments do not. A zombie's line is empty. What becomes the
    # command, such as a program that changes the user, has the command at its end.
    arguments = list(command[1:])
    return len(running) > len(arguments) > 0 and list(running[-len(arguments) :]) == arguments


def wait_until(ready: Callable[[], bool], pid: int, command: Sequence[str], patience: float) -> bool:
    """Wait until `ready` is true; False if the process ended before.

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


def stop(pid: int, command: Sequence[str], politely: signal.Signals, patience: float) -> None:
    """Ask the process to end with the signal `politely`; after `patience` seconds kill its whole session.

    Raises:
        TimeoutError: it exists even after SIGKILL.
    """
    if _has_ended(pid, command, politely, patience, group=False) or _has_ended(pid, command, signal.SIGKILL, _KILL_PATIENCE, group=True):
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
    """The last lines of a log, for an error message: at most those from its byte `since` on."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            # A log that is shorter than it was has been set aside and begun anew.
            file.seek(max(since if since <= size else 0, size - 8_192))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])
