"""Commands for the local stack and its sample data: up, down, status, seed, workload.

Belongs here: their arguments, and what they print. Does not belong here: the work (`local`).
"""

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
    "--port", "ports", multiple=True, metavar="SERVER=PORT", help="The port of a server; by default its last port, or a free one."
)
def up(ports: tuple[str, ...]) -> None:
    """Start the servers of the local stack that are not running, and write their addresses to .env."""
    requested = {}
    for port in ports:
        name, _, number = port.partition("=")
        if not number.isdigit():
            raise click.BadParameter(f"{port!r} is not SERVER=PORT, such as redshift=5439", param_hint="--port")
        requested[name] = int(number)
    start_stack(requested)


def start_stack(ports: dict[str, int] | None = None) -> None:
    """Start the local stack, write `.env` and load it.

    Args:
        ports: ports by server name; 0 takes any free port.
    """
    from stori_pipeline.local.dotenv import write_env
    from stori_pipeline.local.stack import Stack
    from stori_pipeline.local.state import StackError

    try:
        stack = Stack(HOME)
        stack.up(ports=ports or {}, say=say)
        write_env(DOTENV, stack.environ())
    except StackError as error:
        # Not `plain_errors`, which makes one line of it: the message ends with the last lines of a server's log.
        raise click.ClickException(str(error)) from error
    load_dotenv(again=True)


@click.command()
def down() -> None:
    """Stop the servers of the local stack. Their data stay."""
    from stori_pipeline.local.stack import Stack

    with plain_errors():
        Stack(HOME).down(say=say)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print each server's name and address, and whether it answers, as JSON.")
def status(as_json: bool) -> None:
    """Show the address of each server of the local stack, and whether it answers. Exit code 1 if one does not."""
    from stori_pipeline.local.stack import Stack

    with plain_errors():
        servers = Stack(HOME).status()
    if as_json:
        print_json([{"name": s.name, "address": s.address, "up": s.up} for s in servers])
    else:
        grid("Local stack", ["server", "address", "answers"], [[s.name, s.address, "yes" if s.up else "no"] for s in servers])
    if not all(server.up for server in servers):
        raise SystemExit(1)


@click.command()
@click.option("--rows", default=116_201, show_default=True, help="Number of bank transactions.")
@click.option("--trades", default=60_000, show_default=True, help="Number of trades.")
@click.option("--users", default=9_999, show_default=True, help="Number of users of the app. Each has ten transactions.")
@click.option("--totesys-until", type=_DAY, default="2024-11-15", show_default=True, help="The last day with data in totesys.")
@click.option(
    "--again", is_flag=True, help="Also import files into sources that have rows. Inserts missing rows, and trades that were deleted."
)
@click.option(
    "--data",
    "data_dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("data"),
    show_default=True,
    help="The folder of the sample files.",
)
def seed(rows: int, trades: int, users: int, totesys_until: datetime, again: bool, data_dir: Path) -> None:
    """Fill the sources with sample data. Skips sources that already have rows."""
    seed_sources(rows, trades, data_dir, users=users, totesys_until=totesys_until.date(), again=again)


def seed_sources(
    rows: int, trades: int, data_dir: Path, *, users: int = 9_999, totesys_until: date = date(2024, 11, 15), again: bool = False
) -> None:
    """Fill the sources with progress bars, as `stori seed` does, and print what was inserted."""
    from stori_pipeline.local.samples import seed as samples
    from stori_pipeline.settings import Settings

    with plain_errors(), progress() as show:
        report = samples.seed(
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
@click.option("--seconds", type=float, help="Stop after this many seconds.  [default: until interrupted]")
@click.option("--operations", type=int, help="Stop after this many operations.")
@click.option("--seed", "seed_", default=1, show_default=True, help="Seed of the random numbers: the same seed repeats the operations.")
def workload(sources: tuple[str, ...], rate: float, seconds: float | None, operations: int | None, seed_: int) -> None:
    """Write to the sources as their applications would: inserts, updates, deletes, late commits, silent edits.

    Without SOURCE, writes to every source whose address is set.
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
    grid("Workload", ["operation", "times"], [[name, count] for name, count in sorted(counts.items())])


COMMANDS = (up, down, status, seed, workload)
