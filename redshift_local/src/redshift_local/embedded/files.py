"""Atomic writes and locks of files that several processes use.

Belongs here: functions for any such file. Does not belong here: the content of a file.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redshift_local.embedded import process


def write_atomically(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write `content` to `path`. A reader gets either the old content or the complete new one, also after a crash."""
    for leftover in path.parent.glob(f"{path.name}.*.new"):
        if not process.exists(int(leftover.name.split(".")[-2])):
            leftover.unlink(missing_ok=True)  # its process was killed during a write
    temporary = path.with_name(f"{path.name}.{threading.get_ident()}.{os.getpid()}.new")
    try:
        with temporary.open("wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


class LockTimeout(TimeoutError):
    """Another process held a lock for longer than the given time."""


@contextmanager
def exclusively(lock: Path, patience: float) -> Iterator[None]:
    """Hold a lock on the file `lock` during the block. The operating system releases it when the process ends, even by a crash.

    Raises:
        LockTimeout: another process still holds it after `patience` seconds.
    """
    deadline = time.monotonic() + patience
    with lock.open("ab") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise LockTimeout(f"another process has held {lock} for {patience:.0f} s") from None
                time.sleep(0.05)
        yield
