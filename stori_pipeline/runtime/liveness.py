"""Liveness of runs: ends runs whose process was killed, so that later runs of their tables do not wait for ever.

Belongs here: the lock that shows that a run's process is alive, and ending a run without it. Does not belong here: runs on other machines
(on AWS, Dagster's launcher watches its tasks).
"""

# A killed process neither ends its run nor frees its slot in a pool. Dagster does not notice if it is killed together with its runs, for
# example when the machine goes down. The sign of life is a lock on a file: the system releases it when the process dies, and a later
# process with the same id does not hold it.

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
def liveness_lock(instance: DagsterInstance, run_id: str) -> Iterator[None]:
    """Holds the lock that shows that the process of the run is alive; `end_killed_runs` leaves such a run alone."""
    path = _folder(instance) / run_id
    unlocked = path.with_name(run_id + _UNLOCKED)
    with unlocked.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        unlocked.rename(path)  # it gets its name only after it is locked
        yield
        # Not after an exception: the run may not have ended, and `end_killed_runs` ends it then.
        path.unlink(missing_ok=True)


def has_liveness_lock(instance: DagsterInstance, run_id: str) -> bool:
    return (_folder(instance) / run_id).exists()


def end_killed_runs(instance: DagsterInstance) -> list[str]:
    """Ends the runs of this machine whose process was killed, and frees their slots. Returns the ids of the runs."""
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
    # Last: if this process is killed before, the file remains, and the next call tries again.
    instance.event_log_storage.free_concurrency_slots_for_run(run_id)
    return unfinished
