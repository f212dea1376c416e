"""The commands of a schema that changes: schema plan, schema apply.

Belongs here: their arguments, what they print, and the definition's file that `apply` writes. Does not belong here: what a change does
(`pipeline.schema_plan`), or the text of a module (`readers.definition_changes`).
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click

from stori_pipeline.cli.console import Failed, plain_errors, print_json, print_line, say

if TYPE_CHECKING:
    from stori_pipeline.model.project import Project
    from stori_pipeline.pipeline.schema_plan import SchemaPlan

_TABLES = click.argument("tables", nargs=-1, metavar="[TABLE]...")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, for programs.")


@dataclass(frozen=True)
class _Module:
    """The module of a definition, before and after. `lines` is what a person must write if `refusal` says why it cannot be edited."""

    file: Path
    before: str = ""
    after: str = ""
    lines: tuple[str, ...] = ()
    refusal: str = ""

    @property
    def diff(self) -> list[str]:
        name = self.file.name
        return list(difflib.unified_diff(self.before.splitlines(), self.after.splitlines(), f"a/{name}", f"b/{name}", lineterm="", n=1))


@click.group()
def schema() -> None:
    """Show and apply what changed in the tables of the sources and in their definitions."""


@schema.command()
@_TABLES
@_JSON
def plan(tables: tuple[str, ...], as_json: bool) -> None:
    """Show how each source table, its definition and its mirror differ, and what `stori schema apply` would do.

    Prints the change of the definition as a diff, the statements for the warehouse, what is read from the source again, and which columns
    of star tables and reports, which charts and which checks it reaches. Changes nothing.
    """
    with plain_errors():
        _show(*_plans(tables), as_json=as_json)


@schema.command()
@_TABLES
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@click.option("--yes", is_flag=True, help="Change a definition's module without asking.")
@_JSON
def apply(tables: tuple[str, ...], dry_run: bool, yes: bool, as_json: bool) -> None:
    """Bring definitions, lake and mirrors up to the changed tables of the sources.

    Writes the change of a definition into its module, if the definition is written there as Table(…); otherwise prints the lines to write.
    Then lands and loads the table: new columns by key, wider ones in place, the whole table only where the plan says so. Can be repeated
    after an interruption. Exit code 1 if a definition or a source must be changed by hand.
    """
    with plain_errors():
        project, planned = _plans(tables)
        _show(project, planned, as_json=as_json)
        if dry_run:
            return
        by_hand = []
        for found, module in planned:
            errors = [each.text for each in found.drift if each.is_error]
            if errors and found.proposed is found.table:
                by_hand.append(f"{found.table.full_name}: not applied, because {'; '.join(errors)}")
                continue
            if found.proposed is not found.table and module.refusal:
                by_hand.append(
                    f"{found.table.full_name}: {module.refusal}; write these lines, then repeat the command: {'; '.join(module.lines)}"
                )
                continue
            if found.proposed is not found.table:
                _write(found, module, yes=yes)
            if found.change is not None:
                _land_and_load(found)
        if by_hand:
            raise Failed(by_hand)


def _plans(names: tuple[str, ...]) -> tuple[Project, list[tuple[SchemaPlan, _Module]]]:
    from stori_pipeline.cli.data import lake_of, reader_of, select_tables, warehouse_of
    from stori_pipeline.discovery import current
    from stori_pipeline.pipeline.schema_plan import schema_plan
    from stori_pipeline.settings import Settings

    settings = Settings.load()
    lake, warehouse = lake_of(settings), warehouse_of(settings)
    plans = [schema_plan(table, reader_of(table, settings), lake, warehouse) for table in select_tables(names)]
    return current().project, [(found, _module(found)) for found in plans]


def _module(found: SchemaPlan) -> _Module:
    """The definition's module with its change. It counts only if the changed module defines the proposed table."""
    from stori_pipeline.cli.scaffold import catalog_folder
    from stori_pipeline.model.errors import DefinitionError
    from stori_pipeline.readers.definition_changes import edited, lines

    file, written = catalog_folder() / f"{found.table.source.name}.py", tuple(lines(found.table, found.drift))
    if found.proposed is found.table:
        return _Module(file)
    try:
        before = file.read_text(encoding="utf-8")
        after = edited(before, found.table, found.drift)
    except (DefinitionError, OSError) as error:
        return _Module(file, lines=written, refusal=str(error))
    if _fingerprint(after, file, found.table.full_name) != found.proposed.fingerprint:
        return _Module(file, lines=written, refusal=f"{file.name} makes its definition in another way than by Table(…) alone")
    return _Module(file, before, after, written)


def _fingerprint(text: str, file: Path, full_name: str) -> str:
    """The fingerprint of a table that the text of a module defines in `TABLES`; "" if it defines none of that name."""
    namespace: dict[str, Any] = {"__name__": file.stem, "__file__": str(file)}
    exec(compile(text, file, "exec"), namespace)  # noqa: S102  (the project's own module, which every command imports)
    return next((each.fingerprint for each in namespace.get("TABLES", ()) if each.full_name == full_name), "")


def _write(found: SchemaPlan, module: _Module, *, yes: bool) -> None:
    from stori_pipeline.model.errors import DefinitionError

    if not yes and not sys.stdin.isatty():
        raise DefinitionError(f"{module.file} would be changed, and there is no terminal to ask; repeat the command with --yes")
    if not yes:
        click.confirm(f"Change the definition of {found.table.full_name} in {module.file}?", abort=True, err=True)
    # Another table of the same source may have been changed by now.
    from stori_pipeline.readers.definition_changes import edited

    module.file.write_text(edited(module.file.read_text(encoding="utf-8"), found.table, found.drift), encoding="utf-8")
    say(f"{module.file}: changed {found.table.full_name}")


def _land_and_load(found: SchemaPlan) -> None:
    from stori_pipeline.cli.data import lake_of, reader_of, warehouse_of
    from stori_pipeline.pipeline import sync
    from stori_pipeline.settings import Settings

    settings, table, run_id = Settings.load(), found.proposed, f"schema-{uuid4().hex[:8]}"
    lake, warehouse = lake_of(settings), warehouse_of(settings)
    sync.land(table, reader_of(table, settings), lake, run_id=run_id, loaded=warehouse.ledger_entry(table))
    loaded = sync.load(table, lake, warehouse, run_id=run_id)
    say(f"{table.full_name}: loaded up to batch {loaded.batch}" if loaded else f"{table.full_name}: the mirror was up to date")
    say("The next sync brings what is made of it up to date.")


def _show(project: Project, planned: list[tuple[SchemaPlan, _Module]], *, as_json: bool) -> None:
    documents = [_document(project, found, module) for found, module in planned]
    if as_json:
        print_json(documents)
        return
    if not any(not found.is_empty for found, _ in planned):
        say("Nothing differs: sources, definitions and mirrors fit each other." if planned else "The project has no source tables yet.")
    for found, document in zip((found for found, _ in planned), documents, strict=True):
        if not found.is_empty:
            _print(document)


def _document(project: Project, found: SchemaPlan, module: _Module) -> dict[str, Any]:
    from stori_pipeline.defs.checks import rules
    from stori_pipeline.model.reach import reach

    name = found.table.full_name
    reached = reach(project, found.table, found.reaching)
    names = {*reached.columns, name} if found.reaching else set()
    checks = [f"{of} {check.name}" for of, some in rules(project).items() for check in some if of in names or check.reads(project) & names]
    change = found.change
    return {
        "table": name,
        "drift": [
            {"change": each.change, "column": each.column, "text": each.text, "python": each.python, "error": each.is_error}
            for each in found.drift
        ],
        "definition": {"file": str(module.file), "diff": module.diff, "by_hand": list(module.lines) if module.refusal else []},
        "changes": change.lines if change else [],
        "keeps_generation": change is not None and not change.whole,
        "ddl": list(found.ddl),
        "reads": found.reads,
        "rows": found.rows,
        "reaches": {"columns": {of: list(some) for of, some in reached.columns.items()}, "charts": list(reached.charts), "checks": checks},
    }


def _print(document: Mapping[str, Any]) -> None:
    print_line(document["table"])
    _section("source and definition", [each["text"] for each in document["drift"]])
    _section("definition", document["definition"]["diff"] or document["definition"]["by_hand"])
    _section("definition and what landed", document["changes"])
    _section("warehouse", [f"{each};" for each in document["ddl"]])
    _section("reads", [document["reads"]])
    reaches = document["reaches"]
    lines = [f"{name}: {', '.join(columns)}" for name, columns in reaches["columns"].items()]
    _section(
        "reaches",
        [*lines, *reaches["charts"], *(f"check {each}" for each in reaches["checks"])] or ["no column of another table or report"],
    )


def _section(title: str, lines: list[str]) -> None:
    if lines:
        print_line(f"  {title}")
        for line in "\n".join(lines).splitlines():
            print_line(f"    {line}")


COMMANDS = (schema,)
