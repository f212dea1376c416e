"""Questions to a stack and to its processes, with bounded waits; what starts a stack for a test is a fixture."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import psutil

from stori_pipeline.local.stack import Stack

PATIENCE = 30.0


def pids(stack: Stack) -> dict[str, int | None]:
    return {server.name: server.pid for server in stack.status()}


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come within {PATIENCE} s"
        time.sleep(0.01)


def running_in(home: Path) -> list[str]:
    """The command lines that name a folder, without those of children: one of Postgres's has its parent's until it has got its own."""
    found = {each.pid: each.info for each in psutil.process_iter(["ppid", "cmdline"]) if str(home) in " ".join(each.info["cmdline"] or [])}
    return [" ".join(info["cmdline"]) for info in found.values() if info["ppid"] not in found]
