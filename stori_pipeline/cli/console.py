"""The command's terminal: progress on stderr, results on stdout, errors in one line with exit code 1.

Belongs here: printing, signals, and `.env`. Does not belong here: what any command prints, or which options say how (`options`).
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console


@dataclass
class Terminal:
    """What the options of this process say of its output.

    Attributes:
        verbosity: how often --verbose was given.
        quiet: whether only errors and JSON are printed.
    """

    verbosity: int = 0
    quiet: bool = False


TERMINAL = Terminal()


def _console(*, stderr: bool = False) -> Console:
    """A console for one output. rich reads NO_COLOR and FORCE_COLOR when it is made.

    A pipe or a log has no width; with rich's default of eighty columns every row would wrap.
    """
    from rich.console import Console  # slow to import, and lines do without

    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, width=None if stream.isatty() else 140)


def load_dotenv(*, again: bool = False) -> None:
    """Copy `.env` into the environment, as `dagster dev` does: the drivers and Dagster read the environment, not the file.

    The environment wins over the file, except for `DAGSTER_HOME`: many people export another project's, and runs must not go there
    unnoticed.

    Args:
        again: the file wins, because this process has just written it.
    """
    from dotenv import dotenv_values
    from dotenv import load_dotenv as load

    ours, theirs = dotenv_values(".env").get("DAGSTER_HOME"), os.environ.get("DAGSTER_HOME")
    if ours and theirs and Path(ours).resolve() != Path(theirs).resolve():
        what = "which belongs to another project" if Path(theirs).is_dir() else "and there is no such folder"
        say(f"DAGSTER_HOME is {theirs}, {what}. Runs go to {ours}, as in .env")
        os.environ["DAGSTER_HOME"] = ours
    load(".env", override=again)
    if Path("dagster.yaml").exists():  # before the first `stori up`, or where there is no local stack
        os.environ.setdefault("DAGSTER_HOME", str(Path.cwd()))


def restore_sigint() -> None:
    """Let SIGINT end this process even if its shell ignores SIGINT, as every script does for commands in the background.

    During a run Dagster gives SIGTERM the handler of SIGINT. If SIGINT stayed ignored, only SIGKILL could end the process and the servers
    that it started.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def collect_garbage_less() -> None:
    """Collect cyclic garbage less often, and not at the end of this process.

    A command imports a quarter of a million objects that it needs until it ends. Looking through them again and again took a third of a
    short command's time.
    """
    gc.set_threshold(10_000)
    atexit.register(gc.freeze)


def say(line: str) -> None:
    """Print one line of progress, or a note, to stderr, so that stdout holds only results. Silent under --quiet."""
    if not TERMINAL.quiet:
        warn(line)


def warn(line: str) -> None:
    """Print one line to stderr that --quiet does not silence."""
    # A terminal wraps lines by itself; in a log, a search would miss a wrapped message.
    click.echo(line, err=True)


def print_line(line: str) -> None:
    """Print one line of a result to stdout."""
    click.echo(line)


def print_json(value: Any) -> None:
    """Print a value as JSON to stdout."""
    click.echo(json.dumps(value, indent=2, default=str))


def grid(title: str, columns: list[str], rows: list[list[Any]]) -> None:
    """Print a table to stdout; columns of numbers are aligned right and have thousands separators. Silent under --quiet."""
    if TERMINAL.quiet:
        return
    from rich.table import Table as Grid

    table = Grid(title=title, title_justify="left", header_style="bold")
    numeric = [all(isinstance(row[i], (int, float)) and not isinstance(row[i], bool) for row in rows) for i in range(len(columns))]
    for name, is_number in zip(columns, numeric, strict=True):
        table.add_column(name, justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*[f"{v:,}" if isinstance(v, int) and not isinstance(v, bool) else str(v) for v in row])
    _console().print(table)


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """Progress bars, one per label. The block receives a function of (label, done, total); a total of 0 means unknown.

    Outside a terminal, one line per label is printed at the end instead of bars.
    """
    if TERMINAL.quiet or not sys.stderr.isatty():
        counts: dict[str, tuple[int, int]] = {}

        def note(label: str, done: int, total: int) -> None:
            counts[label] = (done, total)

        yield note
        for label, (done, _) in counts.items():
            say(f"  {label}: {done:,}")
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=_console(stderr=True), transient=True) as bars:
        tasks: dict[str, Any] = {}

        def advance(label: str, done: int, total: int) -> None:
            if label not in tasks:
                tasks[label] = bars.add_task(label, total=total or None)
            bars.update(tasks[label], completed=done, total=total or None)

        yield advance


class Failed(click.ClickException):
    """Something of what a command did has failed, and the rest is done. The exit code is 1.

    Args:
        lines: what failed and why, a line for each.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        # Database drivers write several lines; a log needs one.
        self.lines = [" ".join(line.split()) for line in lines]
        super().__init__("\n".join(self.lines))

    def show(self, file: Any = None) -> None:  # noqa: ARG002  (always stderr)
        for line in self.lines:
            warn(line)


@contextmanager
def plain_errors(*more: type[Exception]) -> Iterator[None]:
    """Turn the platform's own errors into one line and exit code 1. Any other error is a bug and keeps its traceback.

    Args:
        more: errors of the project's own commands.
    """
    try:
        yield
    except (*own_errors(), *more) as error:
        # Database drivers write several lines; a log needs one.
        raise click.ClickException(" ".join(str(error).split())) from error


_OWN_ERRORS = (
    ("stori_pipeline.discovery", "ProjectError"),
    ("stori_pipeline.lake", "LakeError"),
    ("stori_pipeline.local.state", "StackError"),
    ("stori_pipeline.model.errors", "DefinitionError"),
    ("stori_pipeline.pipeline.detect_deletes", "DetectionRefused"),
    ("stori_pipeline.pipeline.drop", "DropRefused"),
    ("stori_pipeline.pipeline.gate", "LoadBlocked"),
    ("stori_pipeline.pipeline.quarantine", "QuarantineRefused"),
    ("stori_pipeline.readers", "SourceError"),
    ("stori_pipeline.runtime.alerts", "AlertsBusy"),
    ("stori_pipeline.runtime.instance", "InstanceError"),
    ("stori_pipeline.settings", "SettingError"),
    ("stori_pipeline.warehouse", "WarehouseError"),
)
"""The errors that a user can meet, as (module, class), with their subclasses."""


def own_errors() -> tuple[type[Exception], ...]:
    """The error classes of the modules that are imported: no other can be raised. The local stack is not even installed on AWS."""
    # Another thread may be importing one, which has no such class yet.
    found = (getattr(sys.modules[module], name, None) for module, name in _OWN_ERRORS if module in sys.modules)
    return tuple(each for each in found if each is not None)
