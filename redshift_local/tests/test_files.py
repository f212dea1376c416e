"""Files that are written in one step, and locks."""

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


def test_what_a_killed_writer_left_behind_is_removed(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait(30)
    (tmp_path / f"secret.1.{ended.pid}.new").write_bytes(b"half")
    write_atomically(tmp_path / "secret", b"whole")
    assert [found.name for found in tmp_path.iterdir()] == ["secret"]


def test_a_lock_that_another_holds_is_an_error_within_the_bound(tmp_path: Path) -> None:
    with exclusively(tmp_path / "lock", 0.0), pytest.raises(LockTimeout, match="has held"), exclusively(tmp_path / "lock", 0.1):
        raise AssertionError("two hold it")


def test_a_lock_is_given_back_and_the_next_in_line_gets_it(tmp_path: Path) -> None:
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
