"""A run of the continuous sync in a thread, for the tests that follow one.

Belongs here: starting it, waiting for what it brings, and its end. Does not belong here: what it should bring (the tests).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from dagster import DagsterInstance, Definitions, ExecuteInProcessResult, RunRequest

from stori_pipeline.defs.continuous import STEP, TERMINAL
from stori_pipeline.pipeline.bring import Brought
from stori_pipeline.pipeline.continuous import Left
from stori_pipeline.runtime.in_process import execute_job
from stori_pipeline.runtime.names import CONTINUOUS

PATIENCE = 90.0


class Bringing:
    """A run of the continuous sync in a thread of this process, `in_terminal` as the command's."""

    def __init__(self, defs: Definitions, instance: DagsterInstance, seconds: float, *, in_terminal: bool) -> None:
        self.seen: list[Brought | Left] = []
        self.why: str | None = None
        self._in_terminal = in_terminal
        self.result: ExecuteInProcessResult | None = None
        self._defs, self._instance, self._seconds = defs, instance, seconds
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def happened(self, what: Brought | Left) -> None:
        self.seen.append(what)

    def ends(self, left: Sequence[Left]) -> str:  # noqa: ARG002  (its name is part of the protocol)
        return ""

    def ended(self, why: str) -> None:
        self.why = why

    def _run(self) -> None:
        TERMINAL.set(self if self._in_terminal else None)  # of this thread alone
        request = RunRequest(run_config={"ops": {STEP: {"config": {"seconds": self._seconds}}}})
        self.result = execute_job(self._defs, CONTINUOUS, request, instance=self._instance)

    def until(self, is_reached: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not is_reached():
            assert time.monotonic() < deadline, f"{what} did not come: {self.seen}"
            time.sleep(0.1)

    def end(self) -> ExecuteInProcessResult:
        self._thread.join(PATIENCE + self._seconds)
        assert self.result is not None
        return self.result


@contextmanager
def bringing(defs: Definitions, instance: DagsterInstance, seconds: float = 12.0, *, in_terminal: bool = True) -> Iterator[Bringing]:
    running = Bringing(defs, instance, seconds, in_terminal=in_terminal)
    try:
        yield running
    finally:
        running.end()
