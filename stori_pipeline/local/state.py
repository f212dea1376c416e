"""What the local stack remembers between two commands: its servers' ports, processes and passwords, and the lock over them.

Belongs here: reading and writing that one file so that no crash can leave half of it, and keeping two commands from changing the
stack at once. Does not belong here: what the servers are or how they are started.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from stori_pipeline.local import process


class StackError(RuntimeError):
    """The local stack could not do what was asked. The message says which server, why, where its log is, and what to do."""


def write_atomically(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Put `content` at `path` so that a reader, also after a crash, finds either the old file or the whole new one."""
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


@dataclass(frozen=True)
class Run:
    """A server as it was last started. `command` is noted before the process exists, its `pid` after."""

    port: int
    command: tuple[str, ...] = ()
    pid: int | None = None


@dataclass
class State:
    """The file's content. It holds passwords, hence no repr and mode 0600."""

    path: Path
    runs: dict[str, Run] = field(default_factory=dict, repr=False)
    passwords: dict[str, str] = field(default_factory=dict, repr=False)
    _guard: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def read(cls, path: Path) -> State:
        """The state at `path`; an empty one where no stack was ever started."""
        try:
            content = json.loads(path.read_bytes())
        except FileNotFoundError:
            return cls(path)
        except ValueError as error:
            raise StackError(f"{path} is not the stack's state ({error}); move it and its folder away to start afresh") from error
        runs = {name: Run(run["port"], tuple(run["command"]), run["pid"]) for name, run in content["runs"].items()}
        return cls(path, runs, dict(content["passwords"]))

    def note(self, name: str, run: Run) -> None:
        """Remember how the server `name` runs. Durable when this returns; safe from several threads."""
        with self._guard:
            self.runs[name] = run
            self._write()

    def forget(self, name: str) -> None:
        """Remember nothing of that one any more."""
        with self._guard:
            self.runs.pop(name, None)
            self._write()

    def password(self, role: str) -> str:
        """The password of `role`, made at random the first time it is asked for and kept from then on."""
        with self._guard:
            if role not in self.passwords:
                self.passwords[role] = secrets.token_urlsafe(24)
                self._write()
            return self.passwords[role]

    def refuse_orphan(self, data: Path, role: str) -> None:
        """Refuse a server's data that exist while the password to them was never noted: a new one would not open them.

        Raises:
            StackError: they do.
        """
        if data.exists() and role not in self.passwords:
            raise StackError(f"{data} holds data, but {self.path} not the passwords to them; bring that file back, or move the folder away")

    def _write(self) -> None:
        content = {"runs": {name: asdict(run) for name, run in self.runs.items()}, "passwords": self.passwords}
        write_atomically(self.path, json.dumps(content, indent=2).encode())


@contextmanager
def exclusively(lock: Path, patience: float) -> Iterator[None]:
    """Hold `lock` for the block. The operating system gives it back when the process ends, however it ends.

    Raises:
        StackError: another process still holds it after `patience` seconds.
    """
    deadline = time.monotonic() + patience
    with lock.open("ab") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise StackError(
                        f"another `stori up` or `stori down` has been at work on {lock.parent} for {patience:.0f} s; wait for it or end it"
                    ) from None
                time.sleep(0.05)
        yield
