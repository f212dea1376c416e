"""The real `stori` command in processes of its own, which tests kill, block, or run at the same time.

Belongs here: starting it, waiting for it with a timeout, and its output. Does not belong here: the platform on which it runs (`platforms`).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE = 120.0
"""Seconds within which any command here must have ended; a hang is a failure, and shows what was said until then, and where it hung."""

_STORI = "from stori_pipeline.cli import main; main()"


@dataclass(frozen=True)
class Ended:
    """A command that has ended, and its output. `code` is negative for a signal."""

    code: int
    out: str
    err: str
    arguments: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"stori {' '.join(self.arguments)} ended with {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"

    def expect(self, code: int) -> Ended:
        assert self.code == code, str(self)
        return self

    @property
    def json(self) -> Any:
        try:
            return json.loads(self.out)
        except ValueError as error:
            raise AssertionError(f"no JSON on stdout\n{self}") from error

    @property
    def output(self) -> str:
        return self.out + self.err


class Running:
    """A command that was started. It is killed at the end of its context if it still runs."""

    def __init__(self, arguments: tuple[str, ...], environ: Mapping[str, str], folder: Path) -> None:
        self._arguments = arguments
        number = len(list(folder.glob("command-*.out")))
        self._out, self._err = folder / f"command-{number}.out", folder / f"command-{number}.err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(
                [sys.executable, "-X", "faulthandler", "-c", _STORI, *arguments],
                env=environ,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    def kill(self) -> Ended:
        """`kill -9`: no handler, no clean-up, nothing flushed."""
        self._process.kill()
        return self.end()

    def end(self, patience: float = PATIENCE) -> Ended:
        """Wait until it has ended by itself."""
        try:
            code = self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGABRT)  # on which it writes the stacks of its threads to stderr
            self._process.wait(10)
            raise AssertionError(f"it had not ended after {patience:.0f} s\n{self._ended(0)}") from None
        return self._ended(code)

    def kill_at(self, reached: threading.Event, patience: float = PATIENCE) -> Ended:
        """Kills the process when it has reached a gate.

        Raises:
            AssertionError: it never reached the gate, so the test would test nothing.
        """
        if not reached.wait(patience):
            raise AssertionError(f"it did not come to the gate within {patience:.0f} s\n{self.kill()}")
        assert self._process.poll() is None, str(self.end())
        return self.kill().expect(-9)

    def _ended(self, code: int) -> Ended:
        return Ended(code, self._out.read_text(), self._err.read_text(), self._arguments)


def inherited_environ() -> dict[str, str]:
    """This process's environment without settings of the pipeline, so that a developer's own settings do not leak in."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("STORI_", "AWS_", "DAGSTER_"))}


@contextmanager
def started(arguments: tuple[str, ...], environ: Mapping[str, str], folder: Path) -> Iterator[Running]:
    running = Running(arguments, inherited_environ() | dict(environ), folder)
    try:
        yield running
    finally:
        running.kill()
