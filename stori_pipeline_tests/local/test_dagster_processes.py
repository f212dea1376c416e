"""Whom `stori down` waits for, and whom it names."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stori_pipeline.local.dagster_processes import dagster_processes, wait_for_ending

_SLEEP = "import time; time.sleep(60)"


@contextmanager
def running(folder: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process in that folder whose command line has these words."""
    process = subprocess.Popen([sys.executable, "-c", _SLEEP, *words], cwd=folder)
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


def test_only_dagsters_processes_of_the_folder_are_found(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with running(tmp_path, "dagster") as own, running(other, "dagster"), running(tmp_path, "something"):
        assert [each.pid for each in dagster_processes(tmp_path)] == [own.pid]


def test_what_is_ending_is_waited_for(tmp_path: Path) -> None:
    with running(tmp_path, "dagster", "api", "grpc") as server:
        threading.Timer(1.0, server.kill).start()
        threading.Thread(target=server.wait, daemon=True).start()
        assert wait_for_ending(tmp_path, within=30) == []


def test_nobody_waits_for_dagster_dev_and_both_are_named(tmp_path: Path) -> None:
    with running(tmp_path, "dagster", "dev") as dev, running(tmp_path, "dagster", "api", "grpc") as server:
        began = time.monotonic()
        assert {each.pid for each in wait_for_ending(tmp_path, within=60)} == {dev.pid, server.pid}
        assert time.monotonic() - began < 30


def test_what_does_not_end_is_named_after_the_time(tmp_path: Path) -> None:
    with running(tmp_path, "dagster", "api", "grpc") as server:
        assert [each.pid for each in wait_for_ending(tmp_path, within=0.5)] == [server.pid]
