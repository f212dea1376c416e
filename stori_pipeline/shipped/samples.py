"""Commands for the sample data of the shipped project: seed, workload.

Belongs here: their arguments, and what they print. Does not belong here: the sample data (`local.samples`).
"""

from __future__ import annotations

import signal
import threading
from datetime import date, datetime
from pathlib import Path
from types import FrameType

import click

from stori_pipeline.cli.console import grid, plain_errors, progress, say

_DAY = click.DateTime(["%Y-%m-%d"])


@click.command()
@click.option("--rows", default=116_201, show_default=True, help="Number of bank transactions.")
@click.option("--trades", default=60_000, show_default=True, help="Number of trades.")
@click.option("--users", default=9_999, show_default=True, help="Number of users of the app. Each has ten transactions.")
@click.option("--totesys-until", type=_DAY, default="2024-11-15", show_default=True, help="The last day with data in totesys.")
@click.option(
    "--again",
    is_flag=True,
    help="Also import files into sources that have rows. Inserts missing rows and trades, and updates trades that changed in their file.",
)
@click.option(
    "--data",
    default="data",
    show_default=True,
    metavar="FOLDER",
    help="The folder of `txns.csv` and `trades.json`: a path, where missing files are written, or an address s3://BUCKET/FOLDER.",
)
def seed(rows: int, trades: int, users: int, totesys_until: datetime, again: bool, data: str) -> None:
    """Fill the sources with sample data. Skips sources that already have rows."""
    seed_sources(rows, trades, data, users=users, totesys_until=totesys_until.date(), again=again)


def seed_sources(
    rows: int, trades: int, data: str | Path, *, users: int = 9_999, totesys_until: date = date(2024, 11, 15), again: bool = False
) -> None:
    """Fill the sources with progress bars, as `stori seed` does, and print what was inserted."""
    from stori_pipeline.local.samples import seed as samples
    from stori_pipeline.local.samples.report import SampleError
    from stori_pipeline.settings import Settings

    with plain_errors(SampleError), progress() as show:
        report = samples.seed(
            Settings.load().environ,
            data,
            rows=rows,
            trades=trades,
            users=users,
            totesys_until=totesys_until,
            again=again,
            say=say,
            progress=show,
        )
    for line in report.lines():
        say(line)


@click.command()
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
@click.option("--rate", default=10.0, show_default=True, help="Operations per second.")
@click.option("--seconds", type=float, help="Stop after this many seconds.  [default: until interrupted]")
@click.option("--operations", type=int, help="Stop after this many operations.")
@click.option("--seed", "seed_", default=1, show_default=True, help="Seed of the random numbers: the same seed repeats the operations.")
def workload(sources: tuple[str, ...], rate: float, seconds: float | None, operations: int | None, seed_: int) -> None:
    """Write to the sources as their applications would: inserts, updates, deletes, late commits, silent edits.

    Without SOURCE, writes to every source whose address is set.
    """
    from stori_pipeline.local.samples.report import SampleError
    from stori_pipeline.local.samples.workload import run_workload
    from stori_pipeline.settings import Settings

    stop = threading.Event()

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)
    with plain_errors(SampleError), progress() as show:
        counts = run_workload(
            Settings.load().environ,
            sources=sources,
            rate=rate,
            seconds=seconds,
            operations=operations,
            seed=seed_,
            stop=stop,
            progress=show,
        )
    grid("Workload", ["operation", "times"], [[name, count] for name, count in sorted(counts.items())])
