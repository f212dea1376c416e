"""Atomic writes of files, and locks."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from redshift_local.embedded.files import LockTimeout, exclusively, write_atomically


def test_a_file_is_replaced_with_its_mode_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    write_atomically(path, b"old")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [found.name for found in tmp_path.iterdir()] == ["secret"]


def test_the_temporary_file_of_a_killed_writer_is_removed(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait(30)
    (tmp_path / f"secret.1.{ended.pid}.new").write_bytes(b"half")
    write_atomically(tmp_path / "secret", b"content")
    assert [found.name for found in tmp_path.iterdir()] == ["secret"]


def test_a_lock_that_another_process_holds_is_an_error_after_the_patience(tmp_path: Path) -> None:
    with exclusively(tmp_path / "lock", 0.0), pytest.raises(LockTimeout, match="has held"), exclusively(tmp_path / "lock", 0.1):
        raise AssertionError("the lock was given twice")


def test_a_lock_is_released_and_the_next_waiter_gets_it(tmp_path: Path) -> None:
    entered: list[str] = []

    def enter() -> None:
        with exclusively(tmp_path / "lock", 30.0):
            entered.append("waiter")

    waiter = threading.Thread(target=enter)
    with exclusively(tmp_path / "lock", 0.0):
        waiter.start()
        entered.append("holder")
    waiter.join(30)
    assert entered == ["holder", "waiter"]
