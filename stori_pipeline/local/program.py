"""The interface that each server of the stack implements.

Belongs here: the interface. Does not belong here: a single server, which has a module of its own.
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
    """One server of the stack: how it is set up, started, checked and stopped. Its data are in `home / name`."""

    name: str
    preferred_port: int
    needs: tuple[str, ...] = ()
    """The servers that must be ready before this one is started."""

    quit_signal: ClassVar[signal.Signals] = signal.SIGTERM
    """The signal for a clean shutdown."""

    patience: ClassVar[float] = 60.0
    """The maximum time of a start in seconds, with recovery after a crash."""

    def __init__(self, home: Path) -> None:
        self.home = home

    @property
    def data(self) -> Path:
        return self.home / self.name

    @abstractmethod
    def address(self, port: int) -> str:
        """The server's address, without credentials."""

    @abstractmethod
    def prepare(self) -> None:
        """Create what must exist on disk before the start. Does nothing if it exists."""

    def clear_away(self) -> None:  # noqa: B027 -- most servers leave nothing
        """End processes, other than the server, that an interrupted start may have left."""

    @abstractmethod
    def command(self, port: int) -> list[str]:
        """The program and its arguments, without secrets. They contain the stack's folder, which identifies the process later."""

    def through(self) -> list[str]:
        """A command that starts the program as another user, if it must not run as the current one."""
        return []

    def env(self) -> dict[str, str]:
        """The environment of the process: the current one, without variables that lead to other servers."""
        return without(os.environ, "PG", "AWS_", "MOTO_", "STORI_") | {"PYTHONUNBUFFERED": "1"}

    @abstractmethod
    def answers(self, port: int) -> bool:
        """Whether the server answers, by a cheap request."""

    def listens(self, port: int, pid: int) -> bool:
        """Whether the process `pid` listens at the port."""
        return process.listens(pid, port)

    def ready(self, port: int) -> bool:
        """Whether the server is ready for its users. Called during the start."""
        return self.answers(port)

    def worth_another_try(self, log: str) -> bool:
        """Whether the last lines of the log, written before the process ended, show a transient error."""
        return "address already in use" in log.lower()

    def settle(self, port: int) -> None:  # noqa: B027 -- most servers have nothing to make
        """Create what the users of a ready server need. Does nothing if it exists."""


class SourceProgram(Program):
    """A server that is a source, under the source's name."""

    @abstractmethod
    def source_url(self, port: int) -> str:
        """The address of the source, with credentials if it needs some: the value of `STORI_SOURCE_<NAME>`."""


def without(environ: Mapping[str, str], *prefixes: str) -> dict[str, str]:
    """The environment without the variables whose names start with one of the prefixes."""
    return {name: value for name, value in environ.items() if not name.startswith(prefixes)}
