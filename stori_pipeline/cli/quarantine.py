"""The commands that show rejected rows and decide about them: quarantine list, show, export, replay, discard, accept.

Belongs here: their arguments, asking, and what they print. Does not belong here: deciding (`pipeline.quarantine`).
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

import click

from stori_pipeline.cli.console import grid, plain_errors, print_json, print_line, say, warn

if TYPE_CHECKING:
    from stori_pipeline.lake import Lake
    from stori_pipeline.model.table import Table
    from stori_pipeline.pipeline.quarantine import Decided, Selection
    from stori_pipeline.pipeline.quarantine_lines import EditedRow

_WIDEST = 160
_Command = TypeVar("_Command", bound=Callable[..., Any])

_JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, for programs.")
_TABLE = click.argument("table", metavar="SOURCE.TABLE")
_BATCH = click.option("--batch", type=int, help="Only rows of this batch.")
_CODE = click.option("--code", default="", help="Only rows with this code, such as too_long.")
_ROWS = click.option("--row", "rows", multiple=True, metavar="BATCH:NUMBER", help="Only this row, such as 42:3; may be repeated.")


def _selecting(command: _Command) -> _Command:
    """The options that choose rows."""
    return _BATCH(_CODE(_ROWS(command)))


@click.group()
def quarantine() -> None:
    """Show the rows that broke their table's definition, and decide about them.

    A row is called by its batch and its number there, such as 42:3. Rows of the newest generation count; a full refresh has read those of
    earlier ones again.
    """


@quarantine.command(name="list")
@click.argument("tables", nargs=-1, metavar="[TABLE]...")
@_JSON
def list_(tables: tuple[str, ...], as_json: bool) -> None:
    """List how many rows are in quarantine, by table, code and column, and which batches they block.

    Without TABLE, of all tables, star tables included.
    """
    from stori_pipeline.discovery import current
    from stori_pipeline.pipeline.quarantine import summary

    with plain_errors():
        project = current().project
        chosen = [_table(name) for name in tables] or list(project.mirrors.values())
        found = [(table.full_name, group) for table in chosen for group in summary(table, _lake(table))]
    if as_json:
        print_json([{"table": name, **group.to_json()} for name, group in found])
        return
    rows = [[n, g.code, g.column, g.rows, _range(g.batches), " ".join(map(str, g.blocked)), _short(g.reason)] for n, g in found]
    if rows:
        grid("Quarantine", ["table", "code", "column", "rows", "batches", "blocked batches", "such as"], rows)
        say("`stori quarantine show TABLE` shows the rows; `stori quarantine accept TABLE --batch N` lets a blocked batch be loaded.")
    else:
        say("Nothing is in quarantine.")


@quarantine.command()
@_TABLE
@_selecting
@click.option("--limit", default=20, show_default=True, help="The most rows to show.")
@_JSON
def show(table: str, batch: int | None, code: str, rows: tuple[str, ...], limit: int, as_json: bool) -> None:
    """Show rows in quarantine, each with its reason and as it was read."""
    from itertools import islice

    from stori_pipeline.contract import parsed_raw
    from stori_pipeline.pipeline.quarantine import candidates

    with plain_errors():
        definition = _table(table)
        found = list(islice(candidates(definition, _lake(definition), _selection(batch, code, rows)), limit))
    if as_json:
        print_json([{"row": str(e.row), "code": e.refused.code, "column": e.refused.column, "reason": e.refused.reason,
                     "raw": parsed_raw(e.refused.raw) or e.refused.raw} for e in found])  # fmt: skip
        return
    for each in found:
        print_line(f"{each.row} {each.refused.code} {each.refused.column}".rstrip())
        print_line(f"  {each.refused.reason}")
        print_line(f"  {each.refused.raw if len(each.refused.raw) <= 10 * _WIDEST else each.refused.raw[: 10 * _WIDEST] + '…'}")
    if not found:
        say(f"{table}: no such row is in quarantine.")


@quarantine.command()
@_TABLE
@_selecting
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="The file to write; stdout without it.")
def export(table: str, batch: int | None, code: str, rows: tuple[str, ...], output: Path | None) -> None:
    """Write rows in quarantine as JSON lines, to edit and replay.

    Change `raw` of the lines, remove those that shall stay, and land the rest with `stori quarantine replay --from FILE`.
    """
    from stori_pipeline.pipeline.quarantine import candidates
    from stori_pipeline.pipeline.quarantine_lines import line_of

    count = 0
    with plain_errors(), click.open_file(str(output) if output else "-", "w", encoding="utf-8") as file:
        definition = _table(table)
        lake = _lake(definition)
        newest = lake.newest(definition)
        for each in candidates(definition, lake, _selection(batch, code, rows), newest) if newest else ():
            file.write(line_of(table, newest.generation if newest else 0, each) + "\n")
            count += 1
    say(f"{table}: {count} rows" + (f" in {output}" if output else ""))


@quarantine.command()
@click.argument("table", metavar="[SOURCE.TABLE]", required=False, default="")
@_selecting
@click.option("--from", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Replay the rows of an edited file.")
@_JSON
def replay(table: str, batch: int | None, code: str, rows: tuple[str, ...], file: Path | None, as_json: bool) -> None:
    """Judge rows in quarantine again, and land and load those that fit now, each exactly once.

    Rows of SOURCE.TABLE as they were read, or those of a file that `stori quarantine export` wrote and somebody edited. A row is left out
    if a newer version of its key has landed, or if its source has deleted it. Can be repeated after an interruption.
    """
    from stori_pipeline.cli.data import reader_of
    from stori_pipeline.pipeline import quarantine as pipeline
    from stori_pipeline.settings import Settings

    if bool(table) == bool(file):
        raise click.UsageError("name a table, or a file with --from, and not both")
    with plain_errors(), _results(as_json=as_json) as results:
        settings, run_id = Settings.load(), f"quarantine-{uuid4()}"
        for name, edited in _edited(file).items() if file else [(table, None)]:
            definition = _table(name)
            reader = None if definition.is_derived else reader_of(definition, settings)
            selection = _selection(batch, code, rows)
            decided = pipeline.replay(definition, reader, _lake(definition), selection, run_id=run_id, edited=edited)
            _finish(definition, decided, run_id, results)


@quarantine.command()
@_TABLE
@_selecting
@click.option("--all", "everything", is_flag=True, help="All rows of the table in quarantine.")
@click.option("--yes", is_flag=True, help="Do not ask. For scripts.")
@_JSON
def discard(table: str, batch: int | None, code: str, rows: tuple[str, ...], everything: bool, yes: bool, as_json: bool) -> None:
    """Take rows out of quarantine for good, after asking: they are never loaded, and no longer block their batch."""
    from stori_pipeline.pipeline import quarantine as pipeline

    if not (everything or batch is not None or code or rows):
        raise click.UsageError("say which rows: --batch, --code, --row, or --all")
    with plain_errors(), _results(as_json=as_json) as results:
        definition, selection = _table(table), _selection(batch, code, rows)
        lake, run_id = _lake(definition), f"quarantine-{uuid4()}"
        meant = Counter(each.refused.code for each in pipeline.candidates(definition, lake, selection))
        if meant and not yes:
            counts = ", ".join(f"{count} {name}" for name, count in sorted(meant.items()))
            if not sys.stdin.isatty():
                raise click.UsageError(f"{table}: {counts} would be discarded, and there is no terminal to ask; say --yes")
            click.confirm(f"Discard these rows of {table} for good? {counts}", abort=True, err=True)
        _finish(definition, pipeline.discard(definition, lake, selection, run_id=run_id), run_id, results)


@quarantine.command()
@_TABLE
@click.option("--batch", type=int, help="Only this batch; without it, every batch that is blocked.")
@_JSON
def accept(table: str, batch: int | None, as_json: bool) -> None:
    """Load blocked batches without their rejected rows, which stay in quarantine."""
    from stori_pipeline.pipeline import quarantine as pipeline

    with plain_errors(), _results(as_json=as_json) as results:
        definition, run_id = _table(table), f"quarantine-{uuid4()}"
        _finish(definition, pipeline.accept(definition, _lake(definition), run_id=run_id, batch=batch), run_id, results)


def _table(name: str) -> Table:
    """The definition of a source table or of a star table."""
    from stori_pipeline.discovery import current

    package = current()
    return package.project.mirrors[name] if name in package.project.mirrors else package.find_table(name)


def _lake(table: Table) -> Lake:
    from stori_pipeline.cli.data import lake_of
    from stori_pipeline.lake import Lake, connect
    from stori_pipeline.settings import Settings

    settings = Settings.load()
    return Lake(connect(), settings.processed_bucket) if table.is_derived else lake_of(settings)


def _selection(batch: int | None, code: str, rows: tuple[str, ...]) -> Selection:
    from stori_pipeline.contract import CODES
    from stori_pipeline.pipeline.quarantine import Selection
    from stori_pipeline.pipeline.quarantine_lines import row_id

    if code and code not in CODES:
        raise click.UsageError(f"there is no code {code!r}; there are {', '.join(CODES)}")
    try:
        return Selection(batch, code, frozenset(map(row_id, rows)) if rows else None)
    except ValueError:
        raise click.UsageError(f"{', '.join(rows)}: write a row as BATCH:NUMBER, such as 42:3") from None


def _edited(file: Path) -> dict[str, dict[Any, str]]:
    """The raw forms of a file by table and row. Rows of an earlier generation are left out, and told."""
    from stori_pipeline.pipeline.quarantine_lines import edited_rows

    with file.open(encoding="utf-8") as lines:
        found = edited_rows(lines, str(file))
    edited: dict[str, dict[Any, str]] = {}
    for each in found:
        edited.setdefault(each.table, {})
        if _is_superseded(each):
            warn(f"{each.table} {each.row}: left out, because all rows of the table were read again since")
        else:
            edited[each.table][each.row] = each.raw
    return edited


def _is_superseded(row: EditedRow) -> bool:
    definition = _table(row.table)
    newest = _lake(definition).newest(definition)
    return newest is None or newest.generation != row.generation


@contextmanager
def _results(*, as_json: bool) -> Iterator[list[dict[str, Any]] | None]:
    """What a command decided, a table each, for --json: printed even if the load is blocked by another batch. None for people."""
    results: list[dict[str, Any]] = []
    try:
        yield results if as_json else None
    finally:
        if results:
            print_json(results)


def _finish(table: Table, decided: Decided, run_id: str, results: list[dict[str, Any]] | None) -> None:
    """Tell what was decided, and load it."""
    from stori_pipeline.cli.data import warehouse_of
    from stori_pipeline.pipeline.sync import load
    from stori_pipeline.settings import Settings

    counts = dict(Counter[str](each.what for each in decided.outcomes.values()))
    accepted = [decision.batch for landed in decided.batches for decision in landed.decisions if decision.what == "accepted"]
    batches = [each.batch for each in decided.batches]
    if results is not None:
        rows = [{"row": str(row), "outcome": each.what, "why": each.why} for row, each in decided.outcomes.items()]
        results.append({"table": table.full_name, "batches": batches, "accepted": accepted, **counts, "rows": rows})
    else:
        for row, each in decided.outcomes.items():
            if each.why:
                print_line(f"{table.full_name} {row} {each.what}: {each.why}")
        what = [f"{count} {name}" for name, count in sorted(counts.items())] + [f"batch {batch} accepted" for batch in accepted]
        landed_as = "".join(f"; landed as batch {each}" for each in batches)
        print_line(f"{table.full_name}: {', '.join(what) or 'nothing to decide'}{landed_as}")
    load(table, _lake(table), warehouse_of(Settings.load()), run_id=run_id)
    if batches:
        say("The mirror is loaded. Star tables, reports and charts follow with the next `stori sync`.")


def _range(batches: tuple[int, ...]) -> str:
    return str(batches[0]) if len(batches) == 1 else f"{batches[0]} to {batches[-1]}"


def _short(text: str) -> str:
    return text if len(text) <= _WIDEST else text[:_WIDEST] + "…"


COMMANDS = (quarantine,)
