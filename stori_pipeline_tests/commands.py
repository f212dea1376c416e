"""The real `stori` command in processes of its own, which tests kill, block, or run at the same time.

Belongs here: starting it, waiting for it with a timeout, and its output. Does not belong here: the platform on which it runs (`platforms`).
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE = 120.0
"""Seconds within which any command here must have ended; a hang is a failure, and shows what was said until then, and where it hung."""


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


class _Preloaded:
    """A process that forks a child for each command (`preloaded`). It ends with this process, which holds its stdin."""

    def __init__(self) -> None:
        program = [sys.executable, "-m", "stori_pipeline_tests.preloaded"]
        environ = inherited_environ() | {"OPENBLAS_NUM_THREADS": "1"}  # otherwise it starts threads, which a fork loses
        self._process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ)
        atexit.register(self._end)

    def ask(self, request: object) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with _ONE_AT_A_TIME:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())

    def _end(self) -> None:
        self._process.communicate(timeout=10)


_ONE_AT_A_TIME = threading.Lock()


@functools.cache
def _preloaded() -> _Preloaded:
    return _Preloaded()


class Running:
    """A command that was started. It is killed when the block that it was started for ends, if it still runs then."""

    def __init__(self, arguments: tuple[str, ...], environ: Mapping[str, str], folder: Path) -> None:
        self._arguments = arguments
        number = len(list(folder.glob("command-*.out")))
        self._out, self._err = folder / f"command-{number}.out", folder / f"command-{number}.err"
        for path in (self._out, self._err):
            path.touch()
        command = {"arguments": arguments, "environ": dict(environ), "folder": str(folder), "out": str(self._out), "err": str(self._err)}
        self._pid: int = _preloaded().ask(command)
        self._code: int | None = None

    def _poll(self) -> int | None:
        if self._code is None:
            self._code = _preloaded().ask(self._pid)
        return self._code

    def _wait(self, patience: float) -> int | None:
        until = time.monotonic() + patience
        while (code := self._poll()) is None and time.monotonic() < until:
            time.sleep(0.02)
        return code

    def _signal(self, number: signal.Signals) -> None:
        if self._poll() is None:  # otherwise the pid may be another's by now
            os.kill(self._pid, number)

    def kill(self) -> Ended:
        """`kill -9`: no handler, no clean-up, nothing flushed."""
        self._signal(signal.SIGKILL)
        return self.end()

    def end(self, patience: float = PATIENCE) -> Ended:
        """Wait until it has ended by itself."""
        if (code := self._wait(patience)) is None:
            self._signal(signal.SIGABRT)  # on which it writes the stacks of its threads to stderr
            self._wait(10)
            raise AssertionError(f"it had not ended after {patience:.0f} s\n{self._ended(0)}")
        return self._ended(code)

    def kill_at(self, reached: threading.Event, patience: float = PATIENCE) -> Ended:
        """Kills the process when it has reached a gate.

        Raises:
            AssertionError: it never reached the gate, so the test would test nothing.
        """
        if not reached.wait(patience):
            raise AssertionError(f"it did not come to the gate within {patience:.0f} s\n{self.kill()}")
        assert self._poll() is None, str(self.end())
        return self.kill().expect(-9)

    def _ended(self, code: int) -> Ended:
        return Ended(code, self._out.read_text(), self._err.read_text(), self._arguments)


def inherited_environ() -> dict[str, str]:
    """This process's environment without settings of the pipeline, so that a developer's own settings do not leak in.

    A test's folder has no `pyproject.toml`; the commands in it work for the shipped project."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STORI_", "AWS_", "DAGSTER_"))}
    return kept | {"STORI_PROJECT": "stori_pipeline.project"}


@contextmanager
def started(arguments: tuple[str, ...], environ: Mapping[str, str], folder: Path) -> Iterator[Running]:
    running = Running(arguments, inherited_environ() | dict(environ), folder)
    try:
        yield running
    finally:
        running.kill()
