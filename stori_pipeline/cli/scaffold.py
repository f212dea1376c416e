"""The command that writes definitions of tables which exist in a source: scaffold.

Belongs here: its arguments, the project's file that it writes, and what it says of it. Does not belong here: finding tables (`readers`), or
the text of a module (`readers.definition_modules`).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stori_pipeline.cli.console import plain_errors, say

if TYPE_CHECKING:
    from stori_pipeline.model.source import Source
    from stori_pipeline.model.table import Table
    from stori_pipeline.readers.scaffolding import Suggestions


def catalog_folder() -> Path:
    """The folder of the project's definitions: a module for each source."""
    from stori_pipeline.discovery import current

    return current().folder / "catalog"


@click.command()
@click.argument("table", metavar="SOURCE[.TABLE]")
@click.option("--all", "every", is_flag=True, help="All tables and views that the role may read and that the project does not have.")
@click.option("--write", is_flag=True, help="Write them to the source's module in the project's catalog instead of printing them.")
@click.option("--yes", is_flag=True, help="With --write: extend a module that exists without asking.")
@click.option("--url", help="The address of the source, if the project does not have the source yet.")
@click.option("--kind", help="The kind of the source, if the address does not show it.")
def scaffold(table: str, every: bool, write: bool, yes: bool, url: str | None, kind: str | None) -> None:
    """Print definitions of tables that exist in a source, ready to paste, or write them into the project.

    The definitions take every row that the tables have now. What is a guess has a comment that says so. Examples: `stori scaffold
    bank.transactions`; `stori scaffold crm.person.person` for a table of another schema; `stori scaffold crm --all --write`; `stori
    scaffold --url postgresql://… shop.orders` for a source that the project does not have.
    """
    from stori_pipeline import readers
    from stori_pipeline.discovery import current
    from stori_pipeline.readers.definition_modules import module_text
    from stori_pipeline.settings import Settings

    source_name, _, name = table.partition(".")
    if every == bool(name):
        raise click.BadParameter(
            f"{table!r} is neither SOURCE.TABLE, such as bank.transactions, nor SOURCE with --all", param_hint="SOURCE[.TABLE]"
        )
    with plain_errors():
        project = current()
        if not url and not kind:
            project.find_source(source_name)  # the error says how to add it
        known = [each for each in project.tables if each.source.name == source_name]
        address = url or Settings.load().source_url(source_name)
        source = _source(source_name, project.sources, address, kind)
        if name and not write:
            click.echo(readers.scaffold(source.kind, address, source_name, name))
            return
        names = [name] if name else []
        found = readers.suggest(
            source.kind, address, source_name, names=names, known=known, progress=lambda each: say(f"  looking at {source_name}.{each}")
        )
        for line in found.left_out:
            say(f"Left out: {line}")
        if write:
            _write(source, known, found, yes=yes)
        else:
            click.echo(module_text(source, found.tables, found.left_out), nl=False)


def _source(name: str, sources: Sequence[Source], url: str, kind: str | None) -> Source:
    """The project's source of that name, or a new one of the kind that its address shows."""
    from stori_pipeline import readers
    from stori_pipeline.model.errors import DefinitionError
    from stori_pipeline.model.source import Source

    known = next((each for each in sources if each.name == name), None)
    if known and not kind:
        return known
    kind = kind or readers.kind_of_url(url)
    if not kind:
        raise DefinitionError(f"the address of {name!r} does not show its kind; give the kind with --kind: {', '.join(readers.READERS)}")
    return Source(name, kind, f"The {kind} source {name}.")


def _write(source: Source, known: Sequence[Table], found: Suggestions, *, yes: bool) -> None:
    from stori_pipeline.model.errors import DefinitionError
    from stori_pipeline.readers.definition_modules import extended, module_text

    file, tables = catalog_folder() / f"{source.name}.py", found.tables
    if has := [each.name for each in tables if each.name in {table.name for table in known}]:
        raise DefinitionError(f"the project defines {source.name}.{has[0]} already; to see what is suggested now, leave out --write")
    if not tables:
        say(f"{file}: nothing to write; the project has every table of {source.name} that the role may read")
        return
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    if not text and known:
        raise DefinitionError(
            f"there is no file {file}, but the project has the source {source.name!r}; paste what is printed without --write"
        )
    untouched = not text or text == module_text(source, ())  # as `stori add source` wrote it
    if not untouched and not yes and not sys.stdin.isatty():
        raise DefinitionError(f"{file} has definitions already; repeat the command with --yes to add {len(tables)} at its end")
    if not untouched and not yes:
        click.confirm(f"{file} exists. Add {len(tables)} definition{'s' if len(tables) > 1 else ''} at its end?", abort=True, err=True)
    written = module_text(source, tables, found.left_out) if untouched else extended(text, tables)
    file.write_text(written, encoding="utf-8")
    say(f"{file}: {'added' if text else 'wrote'} {', '.join(each.name for each in tables)}")
