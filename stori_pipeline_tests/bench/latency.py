"""`make bench-latency`: how long a change takes from its commit in the source until it is visible in the warehouse.

Belongs here: the run under load, and its report. Does not belong here: writing and finding the changes (`marks`), and the servers
(`folder`). Everything runs as on a laptop: `dagster dev` in a folder, while the applications write.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table as Grid

from stori_pipeline_tests.bench import usage
from stori_pipeline_tests.bench.folder import Dagster, Folder, dagster_dev, project_folder, stop
from stori_pipeline_tests.bench.marks import PLACES, Finder, Place, Seen, Write, writers
from stori_pipeline_tests.bench.statistics import latencies

out = Console(width=120, highlight=False)

_SETTLED_CORES = 0.4
"""`dagster dev` at rest uses less: sensors tick, and nothing runs."""
_SETTLE_SECONDS = 300.0
_QUIET_SHARE = 0.1
_FIRST_SECONDS = 180.0


def _settle(dagster: Dagster) -> bool:
    """Wait until the runs that a start brings have ended; returns whether they have."""
    until, quiet = time.monotonic() + _SETTLE_SECONDS, 0
    while time.monotonic() < until:
        began, before = time.monotonic(), dagster.cpu()["all"]
        time.sleep(5)
        busy = (dagster.cpu()["all"] - before) / (time.monotonic() - began)
        quiet = quiet + 1 if busy < _SETTLED_CORES else 0
        if quiet == 2:
            return True
    return False


@contextmanager
def _workload(folder: Folder, rate: float) -> Iterator[int]:
    """The applications write during the block, which gets the pid of `stori workload`, or 0, and is stopped after it.

    Raises:
        SystemExit: it had ended before the block did.
    """
    if rate <= 0:
        yield 0
        return
    process = folder.start("stori_pipeline", "workload", "--rate", str(rate), "--quiet", log="workload.log")
    try:
        yield process.pid
        if process.poll() is not None:
            raise SystemExit(f"`stori workload` ended\n{(folder.path / 'workload.log').read_text(errors='replace')[-3_000:]}")
    finally:
        stop(process)


def _write(writes: Mapping[tuple[Place, ...], Write], finder: Finder, asked: argparse.Namespace) -> Seen:
    """Write the changes of each kind, one every so many seconds, the kinds one after another in between; then wait for them."""
    changes, every, patience = asked.changes, asked.every, asked.patience
    offset = every / len(writes)
    with Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=out) as progress:
        written = progress.add_task("changes written", total=changes * len(writes))
        arrived = progress.add_task("changes found", total=changes * len(PLACES))
        began = time.monotonic()
        for number in range(changes):
            for turn, (places, write) in enumerate(writes.items()):
                time.sleep(max(0.0, began + number * every + turn * offset - time.monotonic()))
                key = write()
                finder.wrote(places, key, time.monotonic())
                progress.update(written, advance=1)
                progress.update(arrived, completed=finder.found)
        until = time.monotonic() + patience
        while finder.missing and time.monotonic() < until:
            progress.update(arrived, completed=finder.found)
            time.sleep(0.5)
        seen = finder.wait(0)
        progress.update(arrived, completed=finder.found)
    return seen


def _measure(folder: Folder, dagster: Dagster, asked: argparse.Namespace) -> dict[str, Any]:
    environ = folder.stack.environ()
    with Finder(environ["STORI_WAREHOUSE_READER"]) as finder, writers(environ) as writes:
        out.print("Waiting until the first runs have ended, and a first change has arrived ...")
        settled = _settle(dagster)
        if not settled:
            out.print(f"[yellow]dagster dev still works after {_SETTLE_SECONDS:.0f} s; measured nevertheless.[/]")
        for places, write in writes.items():
            finder.wrote(places, write(), time.monotonic())
        if (first := finder.wait(_FIRST_SECONDS)).missing:
            lost = ", ".join(place.table for place, waiting in first.waiting.items() if waiting)
            log = (folder.path / "dev.log").read_text(errors="replace")[-3_000:]
            raise SystemExit(f"a first change did not arrive in {lost} within {_FIRST_SECONDS:.0f} s\n{log}")
        with _workload(folder, asked.writes_per_second) as writing:
            out.print(f"{asked.writes_per_second:g} writes a second; {asked.warm_up:.0f} s to warm up ...")
            time.sleep(asked.warm_up)
            finder.restart()
            began, before = time.monotonic(), _spent(folder, dagster, writing)
            seen = _write(writes, finder, asked)
            seconds, after = time.monotonic() - began, _spent(folder, dagster, writing)
            memory = dagster.memory_mb()
    cost = {"seconds": round(seconds, 1), "cpu_s": _cost(before, after), "dagster_memory_mb": round(memory), "settled": settled}
    return {place.name: latencies(seen.seconds[place], len(seen.waiting[place])) for place in PLACES} | cost


def _spent(folder: Folder, dagster: Dagster, writing: int) -> dict[str, dict[str, float]]:
    """Processor seconds so far, of everything that this measurement started and of the whole machine."""
    writers = usage.cpu_seconds(writing) + sum(os.times()[:2])
    return {
        "dagster": dagster.cpu(),
        "servers": usage.servers_cpu(folder.stack),
        "rest": {"writers": writers, "machine": usage.machine_busy()},
    }


def _cost(before: Mapping[str, Mapping[str, float]], after: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """What it cost between two readings. `others` are the processes that this measurement did not start."""
    cost = {name: usage.spent(before[name], after[name]) for name in before}
    known = cost["dagster"]["all"] + sum(cost["servers"].values()) + cost["rest"]["writers"]
    others = max(0.0, round(cost["rest"]["machine"] - known, 3))
    return {"dagster": cost["dagster"], "servers": cost["servers"], "writers": cost["rest"]["writers"], "others": others}


def _show(found: Mapping[str, Any]) -> None:
    grid = Grid(title="Source commit to visible in the warehouse, seconds", title_justify="left")
    for name in ("place", "changes", "p50", "p95", "max", "missing"):
        grid.add_column(name, justify="left" if name == "place" else "right")
    for place in PLACES:
        each = found[place.name]
        took = ["-" if each[name] is None else f"{each[name]:.2f}" for name in ("p50_s", "p95_s", "max_s")]
        grid.add_row(f"{place.name} ({place.table})", str(each["changes"]), *took, str(each["missing"]))
    out.print(grid)
    seconds, cpu = found["seconds"], found["cpu_s"]
    for name in ("dagster", "servers"):
        parts = ", ".join(f"{part} {used:.1f}" for part, used in cpu[name].items())
        out.print(f"CPU seconds of {name} in {seconds:.0f} s: {parts}", soft_wrap=True)
    out.print(f"CPU seconds of the writers: {cpu['writers']:.1f}; of other processes of the machine: {cpu['others']:.1f}")
    if cpu["others"] > _QUIET_SHARE * usage.cores() * seconds:
        out.print("[yellow]Other processes used more than a tenth of the machine meanwhile: the seconds say little.[/]")
    out.print(f"Memory of dagster dev and its runs at the end: {found['dagster_memory_mb']} MB")


def run(asked: argparse.Namespace) -> None:
    """Measure, print and write the file. Ends with exit code 1 if a change never arrived."""
    about = usage.surroundings()
    out.print(f"Load average at the beginning: {about['machine']['load_average']:.2f}")
    if warning := usage.busy_warning():
        out.print(f"[yellow]{warning}[/]")
    with project_folder(out.print) as folder:
        out.print("Seeding, and a first sync ...")
        folder.stori("seed", "--rows", str(asked.rows), "--quiet")
        folder.stori("sync", "--quiet")
        out.print("Starting dagster dev ...")
        try:
            with dagster_dev(folder) as dagster:
                found = _measure(folder, dagster, asked)
        finally:
            if asked.keep_log:
                asked.keep_log.write_bytes((folder.path / "dev.log").read_bytes())
    options = {"changes": asked.changes, "writes_per_second": asked.writes_per_second, "every_s": asked.every, "rows": asked.rows}
    asked.output.write_text(json.dumps(about | {"options": options} | found, indent=2) + "\n")
    _show(found)
    out.print(f"Written to {asked.output}.")
    if any(found[place.name]["missing"] for place in PLACES):
        raise SystemExit("some changes never arrived")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--changes", type=int, default=60, help="marked changes of each kind (default: %(default)s)")
    parser.add_argument("--every", type=float, default=1.0, help="seconds between two of one kind (default: %(default)s)")
    parser.add_argument("--writes-per-second", type=float, default=20.0, help="the applications' load; 0: none (default: %(default)s)")
    parser.add_argument("--warm-up", type=float, default=20.0, help="seconds under load before the first counts (default: %(default)s)")
    parser.add_argument("--patience", type=float, default=180.0, help="seconds to wait for the last changes (default: %(default)s)")
    parser.add_argument("--rows", type=int, default=116_201, help="rows of the bank, as `stori seed` makes them (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=Path("bench-latency.json"), help="the file of figures (default: %(default)s)")
    parser.add_argument("--keep-log", type=Path, help="a copy of the log of dagster dev")
