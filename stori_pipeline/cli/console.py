"""How the command speaks: progress on stderr, results on stdout, errors in one line with exit code 1."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table as Grid

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def load_dotenv(*, again: bool = False) -> None:
    """Take over what `.env` says, as `dagster dev` does: the drivers and Dagster read the process's environment, not a file.

    The environment wins over the file; `again` is for the moment after this process itself has written the file. Only `DAGSTER_HOME` of the
    file always wins: many people export another project's for good, and runs must not go there unseen.
    """
    from dotenv import dotenv_values
    from dotenv import load_dotenv as load

    ours, theirs = dotenv_values(".env").get("DAGSTER_HOME"), os.environ.get("DAGSTER_HOME")
    if ours and theirs and Path(ours).resolve() != Path(theirs).resolve():
        say(f"DAGSTER_HOME is {theirs}, which is not this project's. Runs go to {ours}, as .env says")
        os.environ["DAGSTER_HOME"] = ours
    load(".env", override=again)


def heed_signals() -> None:
    """Let SIGINT, and with it SIGTERM, end this process and those it starts, even if it was started by a shell that ignores SIGINT.

    Such a shell is every script that puts a command in the background. Dagster gives SIGTERM whatever SIGINT has while a run is going on,
    so that there the process and the servers it started meanwhile could be ended by SIGKILL alone.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def say(line: str) -> None:
    """One line about what is going on, on stderr so that `--json` stays clean."""
    # A terminal folds a line by itself; in a log or a pipe a message that was cut in pieces is found by no search.
    err.print(line, markup=False, soft_wrap=True)


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, default=str))


def grid(title: str, columns: list[str], rows: list[list[Any]]) -> None:
    """A table; numbers are set right and with thousands separators."""
    table = Grid(title=title, title_justify="left", header_style="bold")
    numeric = [all(isinstance(row[i], (int, float)) and not isinstance(row[i], bool) for row in rows) for i in range(len(columns))]
    for name, is_number in zip(columns, numeric, strict=True):
        table.add_column(name, justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*[f"{v:,}" if isinstance(v, int) and not isinstance(v, bool) else str(v) for v in row])
    # A pipe or a log has no width of its own; eighty columns would fold every row.
    (out if sys.stdout.isatty() else Console(highlight=False, width=140)).print(table)


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """Progress bars, one per label: call with (label, done, total); a total of 0 means unknown. Off a terminal: a line at the end of
    each label instead, because a log is no place for bars."""
    if not err.is_terminal:
        shown: dict[str, tuple[int, int]] = {}

        def note(label: str, done: int, total: int) -> None:
            shown[label] = (done, total)

        yield note
        for label, (done, _) in shown.items():
            say(f"  {label}: {done:,}")
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as bars:
        tasks: dict[str, Any] = {}

        def advance(label: str, done: int, total: int) -> None:
            if label not in tasks:
                tasks[label] = bars.add_task(label, total=total or None)
            bars.update(tasks[label], completed=done, total=total or None)

        yield advance


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turns the project's own errors into one line and exit code 1; anything else is a bug and keeps its traceback."""
    try:
        yield
    except _own_errors() as error:
        # Drivers say theirs in several lines; a log line, and a person, want one.
        raise click.ClickException(" ".join(str(error).split())) from error


_OWN_ERRORS = (
    ("stori_pipeline.lake", "LakeError"),
    ("stori_pipeline.lake", "LandingConflict"),
    ("stori_pipeline.local.samples.report", "SampleError"),
    ("stori_pipeline.local.state", "StackError"),
    ("stori_pipeline.model.errors", "DefinitionError"),
    ("stori_pipeline.pipeline.detect_deletes", "DetectionRefused"),
    ("stori_pipeline.pipeline.gate", "LoadBlocked"),
    ("stori_pipeline.readers", "SourceError"),
    ("stori_pipeline.settings", "SettingError"),
    ("stori_pipeline.warehouse", "WarehouseError"),
)


def _own_errors() -> tuple[type[Exception], ...]:
    """Those that can have been raised: of the modules that are loaded. The others need not be installed, as the local stack on AWS."""
    return tuple(getattr(sys.modules[module], name) for module, name in _OWN_ERRORS if module in sys.modules)
