"""A run that is killed outside `stori sync` must not keep its tables busy for ever."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable

import psycopg2
from dagster import DagsterInstance, DagsterRunStatus

from stori_pipeline.cli.sync import run_sync
from stori_pipeline.defs.keys import landing_key
from stori_pipeline.defs.sensors import busy_assets
from stori_pipeline.runtime.liveness import end_killed_runs
from stori_pipeline_tests.defs.graphs import PLAIN
from stori_pipeline_tests.platforms import BANK, Platform

TABLES = PLAIN.tables

# As Dagster's daemon runs it: without anything of ours around the run.
RUN = """
from dagster import DagsterInstance
from stori_pipeline.defs.build import build_defs
from stori_pipeline_tests.defs.graphs import PLAIN
with DagsterInstance.get() as instance:
    build_defs(PLAIN).resolve_job_def("sync").execute_in_process(instance=instance, raise_on_error=False)
"""


def test_a_killed_run_of_the_daemon_frees_its_tables(platform: Platform, instance: DagsterInstance) -> None:
    """Regression: the run stayed started and kept its pool slots if all of Dagster was killed with it."""
    platform.move(3)
    lock = psycopg2.connect(platform.bank.admin_url)
    try:
        with lock.cursor() as cursor:
            cursor.execute("LOCK TABLE transactions IN ACCESS EXCLUSIVE MODE")  # a landing stands still before it
        with subprocess.Popen([sys.executable, "-c", RUN], env=dict(os.environ)) as killed:
            try:
                _until(lambda: bool(instance.event_log_storage.get_concurrency_info(BANK.full_name).active_slot_count))
                assert end_killed_runs(instance) == []  # it lives
            finally:
                killed.send_signal(signal.SIGKILL)
    finally:
        lock.close()
    assert {landing_key(table) for table in TABLES} <= busy_assets(instance, PLAIN)

    (run,) = instance.get_runs()
    assert end_killed_runs(instance) == [run.run_id]
    ended = instance.get_run_by_id(run.run_id)
    assert ended is not None
    assert ended.status == DagsterRunStatus.FAILURE
    assert busy_assets(instance, PLAIN) == set()
    (result,) = run_sync([BANK], instance=instance, project=PLAIN)
    assert (result.error, result.rows_loaded) == ("", 3)


def _until(condition: Callable[[], bool], seconds: float = 60) -> None:
    stop = threading.Event()
    for _ in range(int(seconds / 0.1)):
        if condition():
            return
        stop.wait(0.1)
    raise AssertionError(f"it did not come about within {seconds} s")
