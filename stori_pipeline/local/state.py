"""The state of the local stack between two commands: ports, processes and passwords of its servers, in one file with a lock.

Belongs here: the content of the file, and the lock. Does not belong here: the servers.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from redshift_local.embedded.files import LockTimeout, exclusively, write_atomically


class StackError(RuntimeError):
    """The local stack cannot do what was requested. The message says which server, why, where its log is, and what to do."""


@dataclass(frozen=True)
class Run:
    """The last start of a server. `command` is stored before the process starts, and `pid` after."""

    port: int
    command: tuple[str, ...] = ()
    pid: int | None = None


@dataclass
class State:
    """The content of the file. It holds passwords: they are not in the repr, and the file has mode 0600."""

    path: Path
    runs: dict[str, Run] = field(default_factory=dict, repr=False)
    passwords: dict[str, str] = field(default_factory=dict, repr=False)
    _guard: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def read(cls, path: Path) -> State:
        """The state at `path`; an empty one if there is no file.

        Raises:
            StackError: the file is not readable.
        """
        try:
            content = json.loads(path.read_bytes())
        except FileNotFoundError:
            return cls(path)
        except ValueError as error:
            raise StackError(f"{path} cannot be read as the stack's state ({error}); move its folder away to start a new stack") from error
        runs = {name: Run(run["port"], tuple(run["command"]), run["pid"]) for name, run in content["runs"].items()}
        return cls(path, runs, dict(content["passwords"]))

    def set_run(self, name: str, run: Run) -> None:
        """Store how the server `name` runs, durably. Safe from several threads."""
        with self._guard:
            self.runs[name] = run
            self._write()

    def remove_run(self, name: str) -> None:
        """Delete the entry of the server `name`, durably. Safe from several threads."""
        with self._guard:
            self.runs.pop(name, None)
            self._write()

    def password(self, role: str) -> str:
        """The password of `role`. The first call generates and stores it."""
        with self._guard:
            if role not in self.passwords:
                self.passwords[role] = secrets.token_urlsafe(24)
                self._write()
            return self.passwords[role]

    def refuse_orphan(self, data: Path, role: str) -> None:
        """Refuse a server's data without their password in this file: a new password would not open them.

        Raises:
            StackError: the data exist, and the password of `role` does not.
        """
        if data.exists() and role not in self.passwords:
            raise StackError(f"{data} holds data, but {self.path} lacks their passwords; restore that file, or move the folder away")

    def _write(self) -> None:
        content = {"runs": {name: asdict(run) for name, run in self.runs.items()}, "passwords": self.passwords}
        write_atomically(self.path, json.dumps(content, indent=2).encode())


@contextmanager
def stack_lock(home: Path, patience: float) -> Iterator[None]:
    """Hold the lock of the stack in `home` during the block.

    Raises:
        StackError: another command still holds it after `patience` seconds.
    """
    try:
        with exclusively(home / "lock", patience):
            yield
    except LockTimeout as error:
        raise StackError(
            f"another `stori up` or `stori down` has been changing {home} for {patience:.0f} s; wait for it, or end it"
        ) from error
