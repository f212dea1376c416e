"""The options that every command understands, before and after its name: --verbose and --quiet; and errors as JSON under --json.

Belongs here: what holds for all commands alike. Does not belong here: any command, or the terminal (`console`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import click

from stori_pipeline import logs
from stori_pipeline.cli import console


def _verbose(_ctx: click.Context, _parameter: click.Parameter, times: int) -> None:
    # The group and the command each parse the option; neither takes back what the other was given.
    console.TERMINAL.verbosity = max(console.TERMINAL.verbosity, times)


def _quiet(_ctx: click.Context, _parameter: click.Parameter, given: bool) -> None:
    console.TERMINAL.quiet |= given


SHARED = (
    click.Option(
        ["-v", "--verbose"], count=True, expose_value=False, callback=_verbose, help="Log to stderr what is done; -vv logs details, too."
    ),
    click.Option(
        ["-q", "--quiet"],
        is_flag=True,
        expose_value=False,
        callback=_quiet,
        help="Print only errors, and JSON: no progress, notes or tables.",
    ),
)


def add_shared(command: click.Command) -> None:
    """Give a command, and each command of a group, the shared options, unless it has them or uses their names otherwise."""
    taken = {name for parameter in command.params for name in parameter.opts}
    command.params += [option for option in SHARED if not taken & set(option.opts)]
    if isinstance(command, click.Group):
        for each in command.commands.values():
            add_shared(each)


def begin() -> None:
    """Log to stderr as the options say. Call it when all of them are parsed."""
    terminal = console.TERMINAL
    logs.install("ERROR" if terminal.quiet else ("WARNING", "INFO", "DEBUG")[min(terminal.verbosity, 2)])


def json_requested(words: Sequence[str]) -> bool:
    """Whether the words of a command line ask for JSON. Asked before they are parsed, since that may fail."""
    return "--json" in words[: words.index("--")] if "--" in words else "--json" in words


def print_error(error: click.ClickException | click.Abort) -> int:
    """Print an error as one JSON object on the last line of stderr, so that stdout holds results only; returns the exit code."""
    code = error.exit_code if isinstance(error, click.ClickException) else 1
    message = error.format_message() if isinstance(error, click.ClickException) else "interrupted"
    kind: Any = type(error.__cause__ or error).__name__
    print(json.dumps({"error": kind, "message": message, "code": code}, ensure_ascii=False), file=sys.stderr)  # noqa: T201
    return code
