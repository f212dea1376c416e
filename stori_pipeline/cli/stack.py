"""Commands for the local stack: up, down.

Belongs here: their arguments, and what they print. Does not belong here: the work (`local`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from stori_pipeline.cli.console import load_dotenv, plain_errors, say, warn

if TYPE_CHECKING:
    from stori_pipeline.local.stack import Stack

HOME = Path(".stori")
DOTENV = Path(".env")
_ENDING = 15.0  # seconds to wait for Dagster's processes that are ending


def local_stack() -> Stack:
    """The local stack of the project that the command stands in."""
    from stori_pipeline.discovery import current

    try:
        from stori_pipeline.local.stack import Stack
    except ModuleNotFoundError as error:
        raise click.ClickException(f"{error.name} is not installed; the local stack needs the extra `local` of stori-pipeline") from error
    return Stack(HOME, current().local)


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
    from stori_pipeline.local.state import StackError

    try:
        stack = local_stack()
        stack.up(ports=ports or {}, say=say)
        write_env(DOTENV, stack.environ())
    except StackError as error:
        # Not `plain_errors`, which makes one line of it: the message ends with the last lines of a server's log.
        raise click.ClickException(str(error)) from error
    load_dotenv(again=True)


@click.command()
def down() -> None:
    """Stop the servers of the local stack. Their data stay."""
    with plain_errors():
        stack = local_stack()
        from stori_pipeline.local.dagster_processes import wait_for_ending

        if left := wait_for_ending(Path.cwd(), within=_ENDING):
            pids = ", ".join(str(each.pid) for each in left)
            warn(f"Dagster runs in this folder (processes {pids}), and its storage stops with the stack; interrupt `dagster dev`, too")
        stack.down(say=say)


COMMANDS = (up, down)
