"""`make bench`: a large table through the pipeline, each step against the raw limit of the same run.

Belongs here: which steps are measured, in which order, and the table of ratios. Absolute seconds differ between machines and days; the
ratios are what to improve. Raw and own steps alternate, because the machine's speed drifts.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import psycopg2
from rich.console import Console
from rich.table import Table as Grid

from stori_pipeline.local.stack import Stack
from stori_pipeline_tests.bench import table
from stori_pipeline_tests.shipped import LOCAL, SERVERS

_BOUND = 900.0  # seconds for one step
out = Console(width=120, highlight=False)


@dataclass(frozen=True)
class Measured:
    """One run of one step: wall-clock seconds, the peak memory of its process in MB, and its output."""

    seconds: float
    megabytes: float
    output: str


def measure(environ: dict[str, str], *arguments: str) -> Measured:
    command = [sys.executable, "-m", "stori_pipeline_tests.bench.step", *arguments]
    began = time.monotonic()
    process = subprocess.Popen(command, env=os.environ | environ, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"step {arguments[0]} failed")
    return Measured(seconds, usage.ru_maxrss / 1024, output.strip())


def _execute(url: str, *statements: tuple[str, tuple[int, ...]]) -> int:
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            for statement, parameters in statements:
                cursor.execute(statement, parameters or None)
            return int(cursor.rowcount)
    finally:
        connection.close()


def _vacuum(url: str) -> None:
    """The first read after a bulk insert sets hint bits, which would slow down whichever step reads first."""
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE movements")
    finally:
        connection.close()


def _settle(environ: dict[str, str]) -> None:
    """Writes dirty pages of the previous step to disk, so that they do not slow down the next one."""
    for name in ("BENCH_SOURCES", "BENCH_BACKEND"):
        connection = psycopg2.connect(environ[name])
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("CHECKPOINT")
        finally:
            connection.close()


def _redshift_peak(stack: Stack) -> float:
    """The local Redshift's peak memory so far, in MB."""
    (server,) = [s for s in stack.status() if s.name == "redshift"]
    status = Path(f"/proc/{server.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


def run(asked: argparse.Namespace) -> None:
    rows, repeats = asked.rows, asked.repeats
    folder = Path(tempfile.mkdtemp(prefix="stori-bench-"))
    folder.chmod(0o711)
    stack = Stack(folder / ".stori", LOCAL)
    try:
        stack.up(ports=dict.fromkeys(SERVERS, 0))
        stack.create_source_database("bench")
        admin, reader = stack.postgres_url("sources", "app", "bench"), stack.postgres_url("sources", "reader", "bench")
        environ = stack.environ() | {"STORI_SOURCE_BENCH": reader, "BENCH_BACKEND": stack.postgres_url("platform", "postgres", "dev")}
        environ["BENCH_SOURCES"] = stack.postgres_url("sources", "postgres", "bench")
        out.print(f"Making a table of {rows:,} rows and {len(table.TABLE.columns)} columns ...")
        _execute(admin, (table.CREATE, ()), (table.FILL, (rows,)))
        _vacuum(admin)
        _report(rows, _measure_all(stack, environ, admin, folder, rows, repeats), _redshift_peak(stack))
    finally:
        stack.down()
        shutil.rmtree(folder)


def _measure_all(stack: Stack, environ: dict[str, str], admin: str, folder: Path, rows: int, repeats: int) -> dict[str, list[Measured]]:
    found: dict[str, list[Measured]] = defaultdict(list)
    everything, some = folder / "everything.bin", folder / "some.bin"
    measure(environ, "raw-out", str(everything))
    for turn in range(repeats):
        out.print(f"Round {turn + 1} of {repeats}: full extract, load, 1 % incremental ...")
        _wipe(environ)
        _settle(environ)
        found["raw out"].append(measure(environ, "raw-out"))
        found["prove"].append(_moved(measure(environ, "prove"), rows))
        found["prove share"].append(measure(environ, "prove-share"))
        found["land"].append(_moved(measure(environ, "land"), rows))
        _settle(environ)
        found["raw load"].append(measure(environ, "raw-load", str(everything)))
        _settle(environ)
        found["load"].append(_moved(measure(environ, "load"), rows))
        changed = _execute(admin, (table.CHANGE, (turn,)))
        _vacuum(admin)
        _settle(environ)
        where = f"no % 100 = {turn}"
        found["raw out 1 %"].append(measure(environ, "raw-out", str(some), where))
        found["land 1 %"].append(_moved(measure(environ, "land"), changed))
        found["raw merge 1 %"].append(measure(environ, "raw-merge", str(some)))
        found["load 1 %"].append(_moved(measure(environ, "load"), changed))
        found["land nothing"].append(_moved(measure(environ, "land"), 0))
    return found


def _moved(measured: Measured, rows: int) -> Measured:
    assert int(measured.output) == rows, f"{measured.output} rows moved where {rows} should have"
    return measured


def _wipe(environ: dict[str, str]) -> None:
    """Empties lake and warehouse, so that every round does the same."""
    import boto3

    s3 = boto3.resource("s3", endpoint_url=environ["AWS_ENDPOINT_URL"], region_name=environ["AWS_DEFAULT_REGION"],
                        aws_access_key_id=environ["AWS_ACCESS_KEY_ID"], aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"])  # fmt: skip
    s3.Bucket(environ["STORI_LANDING_BUCKET"]).objects.all().delete()
    _execute(environ["STORI_WAREHOUSE"], ("DROP TABLE IF EXISTS bench.movements", ()), ("CREATE SCHEMA IF NOT EXISTS bench", ()))


def _report(rows: int, found: dict[str, list[Measured]], redshift_peak: float) -> None:
    grid = Grid(title=f"{rows:,} rows, medians of {len(found['land'])} interleaved rounds, whole processes", title_justify="left")
    for name in ("step", "seconds", "raw limit", "seconds ", "ratio", "peak MB"):
        grid.add_column(name, justify="right" if name not in ("step", "raw limit") else "left")
    pairs = (
        ("full extract to S3 Parquet", "land", "COPY to stdout, binary", "raw out"),
        ("full load into the warehouse", "load", "COPY from binary, equal table", "raw load"),
        ("1 % extract to S3 Parquet", "land 1 %", "COPY of those rows to stdout, binary", "raw out 1 %"),
        ("1 % load (merge)", "load 1 %", "COPY from binary, delete, insert", "raw merge 1 %"),
        ("nothing new", "land nothing", "COPY of 1 % to stdout, binary", "raw out 1 %"),
        ("proof of all rows, at the source", "prove", "COPY to stdout, binary", "raw out"),
        ("proof of a share, at the source", "prove share", "COPY to stdout, binary", "raw out"),
    )
    for what, ours, against, raw in pairs:
        mine, theirs = (statistics.median(m.seconds for m in found[name]) for name in (ours, raw))
        ratio = statistics.median(a.seconds / b.seconds for a, b in zip(found[ours], found[raw], strict=True))
        peak = max(m.megabytes for m in found[ours])
        grid.add_row(what, f"{mine:.2f}", against, f"{theirs:.2f}", f"{ratio:.2f}", f"{peak:.0f}")
    out.print(grid)
    out.print(f"The local Redshift's own peak memory: {redshift_peak:.0f} MB.")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=2_000_000, help="rows of the table (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="rounds, whose median counts (default: %(default)s)")
