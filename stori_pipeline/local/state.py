"""What the local stack remembers between two commands: its servers' ports, processes and passwords, and the lock over them.

Belongs here: what is in that one file, and keeping two commands from changing the stack at once. Does not belong here: what the
servers are or how they are started.
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
    """The local stack could not do what was asked. The message says which server, why, where its log is, and what to do."""


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
def alone(home: Path, patience: float) -> Iterator[None]:
    """Keep other commands off the stack in `home` for the block.

    Raises:
        StackError: another one is still at work after `patience` seconds.
    """
    try:
        with exclusively(home / "lock", patience):
            yield
    except LockTimeout as error:
        raise StackError(
            f"another `stori up` or `stori down` has been at work on {home} for {patience:.0f} s; wait for it or end it"
        ) from error
