"""Dagster's processes of a project's folder, which keep their runs in the local stack.

Belongs here: finding them, and waiting for those that are ending. Does not belong here: starting or stopping them: they are the user's.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import psutil

_PARTS = ("dagster._daemon", "dagster_webserver")
_POLL = 0.2


def dagster_processes(folder: Path) -> list[psutil.Process]:
    """Dagster's processes that work in this folder: `dagster dev`, and what it starts."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if _is_dagster(process.cmdline()) and Path(process.cwd()) == folder and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def wait_for_ending(folder: Path, *, within: float) -> list[psutil.Process]:
    """Waits for Dagster's processes that end because their `dagster dev` was interrupted, and returns those that still run.

    A code server that loses its storage at that moment may stay for ever. While `dagster dev` itself runs, nothing is about to end, and
    nobody waits.
    """
    until = time.monotonic() + within
    while running := dagster_processes(folder):
        if time.monotonic() > until or any(_is_dev(each) for each in running):
            return running
        time.sleep(_POLL)
    return []


def _is_dagster(command: list[str]) -> bool:
    return any(part in _PARTS or Path(part).name == "dagster" for part in command[:4])


def _is_dev(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        return "dev" in process.cmdline()
    return False
