"""`make bench-idle`: what a project of many tables costs while nothing changes, and how long its definitions take.

Belongs here: the measurement and its report. Does not belong here: the project of many tables (`many`), what its processes do (`grown`),
and servers (`folder`). Everything runs as on a laptop: `dagster dev` in a folder, whose continuous sync follows every table.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as Grid

from stori_pipeline.discovery import LocalSources
from stori_pipeline_tests.bench import grown, many, usage
from stori_pipeline_tests.bench.folder import PATIENCE, Dagster, Folder, dagster_dev, project_folder

out = Console(width=120, highlight=False)

_SERVERS = ("sources", "aws", "platform", "redshift")
_GROWN = grown.__name__
_EVERY = 1_200.0  # seconds between two runs of a schedule
_SETTLE_SECONDS, _SETTLED = 900.0, 0.03
_LOOK, _LOOKS = 10.0, 3


def _definitions(folder: Folder, times: int) -> dict[str, Any]:
    """The least of so many measurements: whatever else the machine does only adds to the processor time."""
    found: list[dict[str, Any]] = []
    for _ in range(times):
        command = [sys.executable, "-m", _GROWN, "definitions"]
        ended = subprocess.run(command, cwd=folder.path, env=folder.environ(), capture_output=True, text=True, timeout=PATIENCE, check=True)
        found.append(json.loads(ended.stdout.splitlines()[-1]))
    return min(found, key=lambda each: float(each["definitions_cpu_s"]))


def _settle(folder: Folder) -> bool:
    """Wait until the first look at every table is over: nobody asks S3 any more. Returns whether that is so."""
    until, quiet = time.monotonic() + _SETTLE_SECONDS, 0
    while time.monotonic() < until:
        before = usage.servers_cpu(folder.stack)["aws"]
        time.sleep(_LOOK)
        busy = (usage.servers_cpu(folder.stack)["aws"] - before) / _LOOK
        quiet = quiet + 1 if busy < _SETTLED else 0
        if quiet == _LOOKS:
            return True
    return False


def _spent(folder: Folder, dagster: Dagster) -> dict[str, float]:
    """Processor seconds so far, by process."""
    servers = {f"server: {name}": used for name, used in usage.servers_cpu(folder.stack).items()}
    return {f"dagster: {name}": used for name, used in dagster.cpu_apart().items()} | servers


def _quiet(folder: Folder, dagster: Dagster, seconds: float) -> dict[str, Any]:
    began, before, machine = time.monotonic(), _spent(folder, dagster), usage.machine_busy()
    time.sleep(seconds)
    spent, took = usage.spent(before, _spent(folder, dagster)), time.monotonic() - began
    others = usage.machine_busy() - machine - sum(spent.values())
    cores = {name: round(used / took, 4) for name, used in spent.items()}
    return {"seconds": round(took, 1), "cores": cores, "cores_of_others": round(others / took, 3), "memory_mb": round(dagster.memory_mb())}


def _scheduled(folder: Folder) -> dict[str, Any]:
    """What one run of the schedule takes, here and in the servers, in processor seconds."""
    servers, own, began = usage.servers_cpu(folder.stack), sum(os.times()[2:4]), time.monotonic()
    folder.run(_GROWN, "scheduled", log="scheduled.log")
    spent = usage.spent(servers, usage.servers_cpu(folder.stack))
    return {"wall_s": round(time.monotonic() - began, 1), "cpu_s": {"run": round(sum(os.times()[2:4]) - own, 2)} | spent}


def _show(found: Mapping[str, Any], tables: int) -> None:
    grid = Grid(title=f"{tables} quiet tables: processors used, by process", title_justify="left")
    grid.add_column("process")
    grid.add_column("processors", justify="right")
    for name, used in found["quiet"]["cores"].items():
        grid.add_row(name, f"{used:.3f}")
    ours = sum(used for name, used in found["quiet"]["cores"].items() if name.startswith("dagster"))
    grid.add_row("dagster and its runs", f"{ours:.3f}")
    grid.add_row("all", f"{sum(found['quiet']['cores'].values()):.3f}")
    out.print(grid)
    out.print(f"Memory of dagster dev and its runs: {found['quiet']['memory_mb']} MB")
    if run := found.get("scheduled"):
        parts = ", ".join(f"{name} {used:.1f}" for name, used in run["cpu_s"].items())
        out.print(f"A scheduled run: {run['wall_s']:.0f} s, CPU seconds: {parts}; {run['cpu_s']['run'] / _EVERY:.3f} processors of its own")
    made = found["definitions"]
    out.print(
        f"Definitions: {made['definitions_cpu_s']:.1f} s of CPU, imports {made['imports_cpu_s']:.1f}; "
        f"what Dagster's servers ask for {made['snapshot_cpu_s']:.1f}, {made['snapshot_mb']:.0f} MB"
    )


def run(asked: argparse.Namespace) -> None:
    """Measure, print and write the file."""
    about = usage.surroundings()
    local = LocalSources(postgres=(many.SOURCE.name,))
    write = partial(many.write_project, count=asked.tables)
    found: dict[str, Any] = {}
    with project_folder(out.print, local=local, servers=_SERVERS, write=write) as folder:
        found["definitions"] = _definitions(folder, 3 if asked.definitions_only else 1)
        if not asked.definitions_only:
            out.print(f"Making {asked.tables} tables and their mirrors ...")
            many.create(folder.stack.postgres_url("sources", "app", many.SOURCE.name), asked.tables)
            folder.run(_GROWN, "fill", log="fill.log")
            with (folder.path / ".env").open("a") as settings:
                settings.write(f"STORI_TARGET_LAG={asked.target_lag}\n")
            out.print("Starting dagster dev ...")
            try:
                with dagster_dev(folder) as dagster:
                    found["settled"] = _settle(folder)
                    found["quiet"] = _quiet(folder, dagster, asked.seconds)
            finally:
                if asked.keep_log:
                    asked.keep_log.write_bytes((folder.path / "dev.log").read_bytes())
            if asked.scheduled:
                found["scheduled"] = _scheduled(folder)
            _show(found, asked.tables)
        else:
            out.print(found)
    asked.output.write_text(json.dumps(about | {"tables": asked.tables, "target_lag": asked.target_lag} | found, indent=2) + "\n")
    out.print(f"Written to {asked.output}.")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tables", type=int, default=1_000, help="tables of the project (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=180.0, help="seconds of quiet that are measured (default: %(default)s)")
    parser.add_argument("--target-lag", default="5s", help="how late a mirror may be, as STORI_TARGET_LAG says (default: %(default)s)")
    parser.add_argument("--scheduled", action="store_true", help="measure a run of the schedule, too, which takes minutes")
    parser.add_argument("--definitions-only", action="store_true", help="only how long the definitions take")
    parser.add_argument("--output", type=Path, default=Path("bench-idle.json"), help="the file of figures (default: %(default)s)")
    parser.add_argument("--keep-log", type=Path, help="a copy of the log of dagster dev")
