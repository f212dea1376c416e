"""What the stack needs to know of each server program, whichever it is.

Belongs here: that contract. Does not belong here: any server's particulars, which are in the module named after it.
"""

from __future__ import annotations

import os
import signal
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from redshift_local.embedded import process


class Program(ABC):
    """One server of the stack: how it is made, started, asked and stopped. Its data are in `home / name`."""

    name: str
    preferred_port: int
    needs: tuple[str, ...] = ()
    """The servers that must answer before this one is started."""

    quit_signal: ClassVar[signal.Signals] = signal.SIGTERM
    """What ends it in good order."""

    patience: ClassVar[float] = 60.0
    """How many seconds it may take to start, recovery after a crash included."""

    def __init__(self, home: Path) -> None:
        self.home = home

    @property
    def data(self) -> Path:
        return self.home / self.name

    @abstractmethod
    def address(self, port: int) -> str:
        """Where it is, without credentials."""

    @abstractmethod
    def prepare(self) -> None:
        """Make what must exist on disk before it is started. Does nothing where that exists."""

    def clear_away(self) -> None:  # noqa: B027 -- most servers leave nothing
        """End what a start that was cut off may have left running besides the server itself."""

    @abstractmethod
    def command(self, port: int) -> list[str]:
        """The program and its arguments. Names this stack's folder, by which the process is known again; holds no secret."""

    def through(self) -> list[str]:
        """A command to start it through, where it may not run as the present user."""
        return []

    def env(self) -> dict[str, str]:
        """Its environment: the present one without what would lead it to other servers."""
        return without(os.environ, "PG", "AWS_", "MOTO_", "STORI_") | {"PYTHONUNBUFFERED": "1"}

    @abstractmethod
    def answers(self, port: int) -> bool:
        """Whether it answers, cheaply."""

    def listens(self, port: int, pid: int) -> bool:
        """Whether it is this server, as the process `pid`, that has the port."""
        return process.listens(pid, port)

    def ready(self, port: int) -> bool:
        """Whether its users can be let in: asked while it starts."""
        return self.answers(port)

    def worth_another_try(self, log: str) -> bool:
        """Whether what it last said before it ended is something that passes by itself."""
        return "address already in use" in log.lower()

    def settle(self, port: int) -> None:  # noqa: B027 -- most servers have nothing to make
        """Once it is ready: make what its users expect to find. Does nothing where that exists."""


def without(environ: Mapping[str, str], *prefixes: str) -> dict[str, str]:
    """That environment, without the variables whose names start with one of the prefixes."""
    return {name: value for name, value in environ.items() if not name.startswith(prefixes)}
