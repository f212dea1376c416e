"""Files that several processes use at once: written so that no crash leaves half of one, and locks that a crash gives back.

Belongs here: what is true of any such file. Does not belong here: what is in one.
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
    """Put `content` at `path`. A reader finds the old file or the whole new one, also after a crash."""
    for leftover in path.parent.glob(f"{path.name}.*.new"):
        if not process.exists(int(leftover.name.split(".")[-2])):
            leftover.unlink(missing_ok=True)  # of a process that was killed here
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
    """Another process holds a lock for longer than this one would wait."""


@contextmanager
def exclusively(lock: Path, patience: float) -> Iterator[None]:
    """Hold the file `lock` for the block. The operating system gives it back when the process ends, however it ends.

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
