"""Commands for the servers of a laptop and the data in their sources: up, down, status, seed, workload."""

from __future__ import annotations

import signal
import threading
from datetime import date, datetime
from pathlib import Path
from types import FrameType

import click

from stori_pipeline.cli.console import grid, load_dotenv, plain_errors, print_json, progress, say

HOME = Path(".stori")
DOTENV = Path(".env")
_DAY = click.DateTime(["%Y-%m-%d"])


@click.command()
@click.option(
    "--port", "ports", multiple=True, metavar="SERVER=PORT", help="Where a server shall listen; otherwise the last or a free port."
)
def up(ports: tuple[str, ...]) -> None:
    """Start the local stack's servers that are not running, and write their addresses to .env."""
    chosen = {}
    for port in ports:
        name, _, number = port.partition("=")
        if not number.isdigit():
            raise click.BadParameter(f"{port!r} is not SERVER=PORT, such as redshift=5439", param_hint="--port")
        chosen[name] = int(number)
    start(chosen)


def start(ports: dict[str, int] | None = None) -> None:
    """What `stori up` does, for the other commands that need the stack."""
    from stori_pipeline.local.dotenv import write_env
    from stori_pipeline.local.stack import Stack
    from stori_pipeline.local.state import StackError

    stack = Stack(HOME)
    try:
        stack.up(ports=ports or {}, say=say)
    except StackError as error:
        raise click.ClickException(str(error)) from error
    write_env(DOTENV, stack.environ())
    load_dotenv(again=True)


@click.command()
def down() -> None:
    """Stop what `stori up` started. What the servers hold stays for the next time."""
    from stori_pipeline.local.stack import Stack

    Stack(HOME).down(say=say)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Each server's name, address and whether it answers, as JSON.")
def status(as_json: bool) -> None:
    """Say of each server of the local stack where it is and whether it answers. Exit code 1 if one does not."""
    from stori_pipeline.local.stack import Stack

    servers = Stack(HOME).status()
    if as_json:
        print_json([{"name": s.name, "address": s.address, "up": s.up} for s in servers])
    else:
        grid("Local stack", ["server", "address", "answers"], [[s.name, s.address, "yes" if s.up else "no"] for s in servers])
    if not all(server.up for server in servers):
        raise SystemExit(1)


@click.command()
@click.option("--rows", default=116_201, show_default=True, help="How many bank transactions.")
@click.option("--trades", default=60_000, show_default=True, help="How many trades.")
@click.option("--users", default=9_999, show_default=True, help="How many users of the app; each with ten transactions.")
@click.option("--totesys-until", type=_DAY, default="2024-11-15", show_default=True, help="The last day of the past of totesys.")
@click.option("--again", is_flag=True, help="Also import files into sources that hold rows: inserts what is not there, deleted trades too.")
@click.option("--data", "data_dir", type=click.Path(path_type=Path, file_okay=False), default=Path("data"), show_default=True)
def seed(rows: int, trades: int, users: int, totesys_until: datetime, again: bool, data_dir: Path) -> None:
    """Fill the sources that hold no rows yet with sample data. Again: leaves those that do alone."""
    plant(rows, trades, data_dir, users=users, totesys_until=totesys_until.date(), again=again)


def plant(
    rows: int, trades: int, data_dir: Path, *, users: int = 9_999, totesys_until: date = date(2024, 11, 15), again: bool = False
) -> None:
    """What `stori seed` does."""
    from stori_pipeline.local.samples.seed import seed as sow
    from stori_pipeline.settings import Settings

    with plain_errors(), progress() as show:
        report = sow(
            Settings.load().environ,
            data_dir,
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
@click.option("--seconds", type=float, help="Stop after so many seconds.  [default: until interrupted]")
@click.option("--operations", type=int, help="Stop after so many operations.")
@click.option("--seed", "seed_", default=1, show_default=True, help="The same seed does the same things.")
def workload(sources: tuple[str, ...], rate: float, seconds: float | None, operations: int | None, seed_: int) -> None:
    """Write to the sources as applications would: inserts, updates, deletes, late commits, silent edits.

    Without SOURCE, to all whose address is set.
    """
    from stori_pipeline.local.samples.workload import run_workload
    from stori_pipeline.settings import Settings

    stop = threading.Event()

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)
    with plain_errors(), progress() as show:
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
    grid("What the workload did", ["operation", "times"], [[name, count] for name, count in sorted(counts.items())])


COMMANDS = (up, down, status, seed, workload)
