"""Commands that make a project and add to it: init, add.

Belongs here: their arguments, and what they print. Does not belong here: the files that they write (`projects`).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stori_pipeline.cli.console import plain_errors, say
from stori_pipeline.cli.stack import DOTENV

if TYPE_CHECKING:
    from stori_pipeline.settings.declared import Setting


@click.command()
@click.argument("name", type=click.Path(path_type=Path, file_okay=False))
def init(name: Path) -> None:
    """Make a project in the new folder NAME: a package for tables, star tables, checks and reports, and Dagster's files.

    It depends on the installed stori-pipeline, and needs no copy of it.
    """
    from stori_pipeline.projects.new_project import create_project

    with plain_errors():
        written = create_project(name)
    for path in written:
        say(f"  {name / path}")
    say(f"Next: cd {name}, then `stori up`, `stori add source crm --kind postgres`, `stori scaffold crm --all --write`, `stori sync`.")


@click.group()
def add() -> None:
    """Add to the project."""


@add.command()
@click.argument("name")
@click.option("--kind", help="The kind of the source: postgres, mongodb, sqs, s3_drop or http_api. By default the address shows it.")
@click.option("--url", help="The address with the credentials of a role that may read; goes into .env. By default you are asked for it.")
@click.option("--description", default="", help="What the source is, in a sentence.")
def source(name: str, kind: str | None, url: str | None, description: str) -> None:
    """Add the source NAME: write its module, say which setting and grants it needs, and try the connection.

    Can be repeated, for instance to try the connection again: it overwrites nothing but the address in .env.
    """
    from stori_pipeline import readers
    from stori_pipeline.discovery import current
    from stori_pipeline.model.errors import DefinitionError
    from stori_pipeline.projects.new_source import add_source
    from stori_pipeline.settings import Settings
    from stori_pipeline.settings.declared import source_setting

    with plain_errors():
        package = current()
        known = {each.name: each.kind for each in package.sources}
        kind = kind or known.get(name) or readers.kind_of_url(url or "")
        if not kind:
            raise DefinitionError(f"the kind of the source {name!r} is not known; give it with --kind: {', '.join(readers.READERS)}")
        if known.get(name, kind) != kind:
            raise DefinitionError(f"the project has a source {name!r} of the kind {known[name]}; choose another name, or change its module")
        setup, setting = readers.source_kind(kind), source_setting(name)
        if url:
            _refuse_malformed(setting, kind, url)
        for path in add_source(package.folder / "catalog", Path.cwd(), name, kind, description or f"The source {name}."):
            say(f"wrote {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")
        say(f"Setting: {setting.name}, such as {setup.EXAMPLE_URL}")
        say(setup.GRANTS)
        if url:
            _remember(setting.name, url)
        elif not Settings.load().environ.get(setting.name):
            url = click.prompt(f"{setting.name} (empty: later)", default="", show_default=False, err=True) if sys.stdin.isatty() else ""
            if not url:
                say(f"The connection was not tried. Set {setting.name} in .env, and repeat `stori add source {name}`.")
                return
            _refuse_malformed(setting, kind, url)
            _remember(setting.name, url)
        say(f"The connection works: {readers.reader_for(kind, url or Settings.load().source_url(name)).describe(name)}")
        say(f"Next: `stori scaffold {name} --all --write`.")


def _refuse_malformed(setting: Setting, kind: str, url: str) -> None:
    """Refuses an address that no reader takes, before anything is written. Raises SettingError or SourceError."""
    from stori_pipeline.readers import reader_for

    setting.refuse(url)
    reader_for(kind, url)  # connects to nothing


def _remember(setting: str, url: str) -> None:
    """Write a source's address into `.env`, which only its owner may read, and into this process's environment."""
    import os

    from dotenv import set_key

    DOTENV.touch(mode=0o600)  # not `local.dotenv`, since the local stack need not be installed
    set_key(DOTENV, setting, url, quote_mode="always")
    os.environ[setting] = url
    say(f"wrote {setting} into .env")


COMMANDS = (add,)
