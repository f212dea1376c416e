"""One measured process: its wall-clock time, its peak memory, and the processor time of itself and of the servers that it talks to.

Belongs here: running it and reading the counters. Does not belong here: which processes, and ratios (`figures`).
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stori_pipeline_tests.bench.usage import cpu_seconds

_BOUND = 1_800.0
"""Seconds after which a step is killed."""
_LEAVING = 0.1
"""Seconds that a server's backend gets to end after its client: only then its postmaster knows what it used."""

CLIENT = "client"


@dataclass(frozen=True)
class Measured:
    """One run of one step: wall-clock seconds, the peak memory of its process in MB, processor seconds by what used them, and its output.

    `cpu` has `client`, the process itself with those that it started and waited for, and each server by its name.
    """

    seconds: float
    megabytes: float
    cpu: Mapping[str, float]
    output: str

    def cpu_of(self, parts: Iterable[str]) -> float:
        return sum(self.cpu.get(part, 0.0) for part in parts)


def measure(
    name: str, command: Sequence[str], environ: Mapping[str, str], servers: Mapping[str, int], log: Path, folder: Path | None = None
) -> Measured:
    """Run a command, which must succeed.

    Args:
        name: names it in errors.
        servers: the process ids of the servers, by name.
        log: gets what it writes to stderr.
        folder: its working directory; by default this process's.

    Raises:
        SystemExit: it failed, or did not end in time.
    """
    before = {server: cpu_seconds(pid) for server, pid in servers.items()}
    began = time.monotonic()
    with log.open("wb") as errors:
        process = subprocess.Popen(
            command, env=dict(environ), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=folder
        )
    bound = threading.Timer(_BOUND, process.kill)
    bound.start()
    try:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
    finally:
        bound.cancel()
    seconds = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"step {name} ended with {process.returncode}\n{output[-3_000:]}{log.read_text(errors='replace')[-3_000:]}")
    time.sleep(_LEAVING)
    cpu = {CLIENT: usage.ru_utime + usage.ru_stime} | {server: cpu_seconds(pid) - before[server] for server, pid in servers.items()}
    return Measured(seconds, usage.ru_maxrss / 1024, cpu, output.strip())
