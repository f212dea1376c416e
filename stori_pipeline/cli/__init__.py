"""The `stori` command. Each module holds the commands of one subject: `stack`, `data`, `scaffold`, `serve`, `projects`.

Belongs here: arguments, progress, tables and exit codes. Does not belong here: the work itself. Heavy imports stay inside the commands, so
that `stori --help` and `stori status` answer at once.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

import click

from stori_pipeline import logs
from stori_pipeline.cli import console, data, projects, scaffold, serve, stack
from stori_pipeline.discovery import NoProject, ProjectError, current, named_object, project_root


class Main(click.Group):
    """The commands of the platform, and those that the project adds."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_own_commands(quiet=True)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, cmd_name) or _own_commands(quiet=False).get(cmd_name)


def _own_commands(*, quiet: bool) -> dict[str, click.Command]:
    """The commands of the project; none outside a project.

    Args:
        quiet: whether a broken project has none, so that `--help` answers.
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
    return {str(command.name): _in_project(command) for command in commands}


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
    def callback(*arguments: Any, **options: Any) -> Any:
        with console.plain_errors():
            current()  # the one clear line, if there is no project
            if root := project_root():
                os.chdir(root)  # `.env`, `.stori` and Dagster's files lie there
        console.load_dotenv()
        return run(*arguments, **options)

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
    logs.install()


main.add_command(projects.init)
for command in (*stack.COMMANDS, *data.COMMANDS, scaffold.scaffold, *serve.COMMANDS, *projects.COMMANDS):
    main.add_command(_in_project(command))
