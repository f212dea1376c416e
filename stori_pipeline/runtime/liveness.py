"""Runs whose process was killed: told apart from those that go on, and ended.

Belongs here: how a run shows that its process lives, and ending one that does not show it. Does not belong here: runs of other
machines; on AWS Dagster's launcher there watches its tasks.

A process that is killed can neither end its run nor give back its table's slot in the pool, so that every later run of the table
would wait for it for ever. Dagster by itself watches no process that it did not start, and none once its own code server was killed with
them, as when the machine goes down. A lock on a file is what the system
always takes back from a dead process, at once, and it cannot be mistaken for another process that came to the same number.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dagster import DagsterInstance

_BEING_MADE = ".new"


def _folder(instance: DagsterInstance) -> Path:
    folder = Path(instance.storage_directory()) / "alive"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def shown_alive(instance: DagsterInstance, run_id: str) -> Iterator[None]:
    """Within, `end_killed_runs` of any process on this machine leaves that run alone."""
    place = _folder(instance) / run_id
    made = place.with_name(run_id + _BEING_MADE)
    with made.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        made.rename(place)  # it has its name only once it is locked
        yield
        # Not after an exception: whether its run has ended by then is for `end_killed_runs` to see.
        place.unlink(missing_ok=True)


def is_shown_alive(instance: DagsterInstance, run_id: str) -> bool:
    return (_folder(instance) / run_id).exists()


def end_killed_runs(instance: DagsterInstance) -> list[str]:
    """End the runs of this machine whose process was killed, and free their slots; returns their ids."""
    ended = []
    for place in _folder(instance).iterdir():
        if place.name.endswith(_BEING_MADE):
            continue  # of a process that was killed before it had a run, or has yet to
        try:
            with place.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _end(instance, place.name):
                    ended.append(place.name)
                place.unlink(missing_ok=True)
        except (BlockingIOError, FileNotFoundError):
            continue  # it lives, or has just ended by itself
    return ended


def _end(instance: DagsterInstance, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id)
    if run is None:
        return False
    if unfinished := not run.is_finished:
        instance.report_run_failed(run, "The process that this run was in has died. The next run of its tables goes on from what it left.")
    # Last: whoever is killed in between leaves the file, and the next one comes here again.
    instance.event_log_storage.free_concurrency_slots_for_run(run_id)
    return unfinished
