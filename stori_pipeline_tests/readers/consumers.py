"""Processes that land a queue's messages until they are killed. Run with `python -m`, it is the process from which they are forked.

Belongs here: starting and killing consumers. Does not belong here: what must be true afterwards.

They are forked, because a process that begins with its imports would spend most of its life on them, and be killed there.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import IO

from stori_pipeline.lake import Lake, LandingConflict, connect
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Table
from stori_pipeline.pipeline import sync
from stori_pipeline.project import find_table
from stori_pipeline.readers.sqs.reader import SqsReader
from stori_pipeline.readers.sqs.reading import Limits

LIMITS = Limits(messages=800, seconds=5, hidden=4, wait=1, threads=4)
"""Small readings, and messages that come back soon after whoever held them was killed."""


def table(source: str) -> Table:
    """The definition of the application's events, in a source of another name, because the session's tests share a warehouse."""
    return replace(find_table("events.app_events"), source=Source(source, "sqs", "Events."))


def consume(url: str, bucket: str, source: str) -> None:
    reader, lake = SqsReader(url, LIMITS), Lake(connect(), bucket)
    while True:
        # Where another was faster, messages were given back, and are read again.
        with suppress(LandingConflict):
            sync.land(table(source), reader, lake, run_id=f"consumer-{os.getpid()}")


class Consumers:
    """Forks of the process that listens to `pipe`."""

    def __init__(self, orders: IO[str], answers: IO[str]) -> None:
        self._orders, self._answers = orders, answers

    def start(self) -> int:
        self._orders.write("start\n")
        self._orders.flush()
        return int(self._answers.readline())

    @staticmethod
    def kill(pid: int) -> None:
        os.kill(pid, signal.SIGKILL)


@contextmanager
def consumers(url: str, bucket: str, source: str, environ: Mapping[str, str]) -> Iterator[Consumers]:
    """They find their servers by `environ`. All that are left end with the context."""
    command = [sys.executable, "-m", "stori_pipeline_tests.readers.consumers", url, bucket, source]
    surroundings = {**os.environ, **environ}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=surroundings, start_new_session=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Consumers(process.stdin, process.stdout)
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    for _ in sys.stdin:
        if (pid := os.fork()) == 0:
            consume(*sys.argv[1:])
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
