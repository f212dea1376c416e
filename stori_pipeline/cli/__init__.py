"""The `stori` command. Each module holds the commands of one subject: `stack`, `status`, `data`, `drop`, `serve`, and so on.

Belongs here: arguments, progress, tables and exit codes. Does not belong here: the work itself. Heavy imports stay inside the commands, so
that `stori --help` and `stori status` answer at once.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

from stori_pipeline.cli import (
    completion,
    configuration,
    console,
    data,
    drop,
    options,
    projects,
    quarantine,
    scaffold,
    schema,
    serve,
    stack,
    status,
    verify,
)
from stori_pipeline.discovery import NoProject, ProjectError, current, named_object, project_root


class Main(click.Group):
    """The commands of the platform, and those that the project adds. With --json, an error is JSON, too."""

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, *more: Any, **others: Any) -> Any:
        words = list(sys.argv[1:] if args is None else args)
        console.TERMINAL.verbosity, console.TERMINAL.quiet = 0, False
        if more or others or not options.json_requested(words):
            return super().main(words, prog_name, *more, **others)
        try:
            ended = super().main(words, prog_name, standalone_mode=False)
        except (click.ClickException, click.Abort) as error:
            sys.exit(options.print_error(error))
        sys.exit(ended if isinstance(ended, int) else 0)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_own_commands(quiet=True)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, cmd_name) or _own_commands(quiet=ctx.resilient_parsing).get(cmd_name)


def _own_commands(*, quiet: bool) -> dict[str, click.Command]:
    """The commands of the project; none outside a project.

    Args:
        quiet: whether a broken project has none, so that `--help` and completion answer.
    """
    try:
        names = current().commands
        commands: tuple[click.Command, ...] = named_object(names) if names else ()
    except NoProject:
        return {}
    except ProjectError as error:
        if quiet:
            return {}
        raise click.ClickException(str(error)) from error
    except Exception:
        if quiet:
            return {}
        raise
    return {str(command.name): _in_project(_common(command)) for command in commands}


def _common(command: click.Command) -> click.Command:
    """The command with what all commands have: the shared options, and completion."""
    options.add_shared(command)
    completion.complete_names(command)
    return command


def _in_project(command: click.Command) -> click.Command:
    """The command, or each command of a group, run in the project's folder with its `.env`."""
    if isinstance(command, click.Group):
        for each in command.commands.values():
            _in_project(each)
        return command
    run: Callable[..., Any] | None = command.callback
    if run is None or hasattr(run, "in_project"):
        return command

    @functools.wraps(run)
    def callback(*arguments: Any, **values: Any) -> Any:
        options.begin()
        with console.plain_errors():
            current()  # the one clear line, if there is no project
            if root := project_root():
                os.chdir(root)  # `.env`, `.stori` and Dagster's files lie there
        console.load_dotenv()
        return run(*arguments, **values)

    callback.in_project = True  # type: ignore[attr-defined]
    command.callback = callback
    return command


@click.group(cls=Main, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="stori-pipeline")
def main() -> None:
    """Bring operational data to the warehouse, and prove that it arrived.

    `stori init NAME` makes a project. In a project: `stori up`, `stori add source`, `stori scaffold`, `stori sync`, `stori verify`.
    """
    console.collect_garbage_less()
    console.restore_sigint()
    options.begin()


options.add_shared(main)
for command in (projects.init, completion.completion):
    main.add_command(_common(command))
_MODULES = (stack, status, data, verify, schema, serve, projects, configuration, drop, quarantine)
for command in (scaffold.scaffold, *(command for module in _MODULES for command in module.COMMANDS)):
    main.add_command(_in_project(_common(command)))
