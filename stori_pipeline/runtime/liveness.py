"""Liveness of runs: whether a run's process still lives, and ending runs whose process was killed.

Belongs here: the sign that a process lives, and ending a run without it. Does not belong here: runs of other machines: on AWS, Dagster's
launcher watches its tasks.

A killed process neither ends its run nor frees its slot in a pool, so every later run of the table would wait for ever. Dagster does not
notice when it is killed together with its runs, as when the machine goes down. The sign is a lock on a file: the system releases it as soon
as the process dies, and no later process with the same number can hold it by mistake.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dagster import DagsterInstance

_UNLOCKED = ".new"


def _folder(instance: DagsterInstance) -> Path:
    folder = Path(instance.storage_directory()) / "alive"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def shown_alive(instance: DagsterInstance, run_id: str) -> Iterator[None]:
    """Show, within the block, that the run's process lives: `end_killed_runs` leaves the run alone."""
    path = _folder(instance) / run_id
    unlocked = path.with_name(run_id + _UNLOCKED)
    with unlocked.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        unlocked.rename(path)  # it gets its name only once it is locked
        yield
        # Not after an exception: the run may not have ended, and `end_killed_runs` finds that out.
        path.unlink(missing_ok=True)


def is_shown_alive(instance: DagsterInstance, run_id: str) -> bool:
    return (_folder(instance) / run_id).exists()


def end_killed_runs(instance: DagsterInstance) -> list[str]:
    """End the runs of this machine whose process was killed, and free their slots. Returns their ids."""
    ended = []
    for path in _folder(instance).iterdir():
        if path.name.endswith(_UNLOCKED):
            continue  # its process has no run yet, or was killed before it had one
        try:
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _end(instance, path.name):
                    ended.append(path.name)
                path.unlink(missing_ok=True)
        except (BlockingIOError, FileNotFoundError):
            continue  # the process lives, or has just ended
    return ended


def _end(instance: DagsterInstance, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id)
    if run is None:
        return False
    if unfinished := not run.is_finished:
        instance.report_run_failed(run, "The process of this run was killed. The next run of its tables continues from what it left.")
    # Last: if this process is killed before, the file is still there, and the next call gets here again.
    instance.event_log_storage.free_concurrency_slots_for_run(run_id)
    return unfinished
