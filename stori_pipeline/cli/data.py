"""Commands that move rows: sync, detect-deletes.

Belongs here: their arguments, and what they print. Does not belong here: the work (`pipeline`), or proving rows
(`cli.verify`).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click

from stori_pipeline.cli import quiet
from stori_pipeline.cli.console import Failed, grid, own_errors, plain_errors, print_json, print_line, progress, say, warn

if TYPE_CHECKING:
    from stori_pipeline.lake import Lake
    from stori_pipeline.model.table import Table
    from stori_pipeline.readers import Reader
    from stori_pipeline.settings import Settings
    from stori_pipeline.warehouse import Warehouse

_JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, for programs.")
_TABLES = click.argument("tables", nargs=-1, metavar="[TABLE]...")

_TABLES_AT_ONCE = 4  # each holds a connection of its source and one of the warehouse

NO_TABLES = "The project has no source tables yet: add a source with `stori add source`, and its tables with `stori scaffold`."


def select_tables(names: tuple[str, ...]) -> list[Table]:
    """The definitions of the named source tables; of all source tables if no name is given."""
    from stori_pipeline.discovery import current

    project = current()
    return [project.find_table(name) for name in names] or list(project.tables)


def reader_of(table: Table, settings: Settings) -> Reader:
    from stori_pipeline.readers import reader_for

    return reader_for(table.source.kind, settings.source_url(table.source.name))


def lake_of(settings: Settings) -> Lake:
    from stori_pipeline.lake import Lake, connect

    return Lake(connect(), settings.landing_bucket)


def warehouse_of(settings: Settings) -> Warehouse:
    from stori_pipeline.warehouse import Warehouse

    return Warehouse(settings.warehouse_url, settings.copy_role)


@click.command()
@_TABLES
@click.option("--full", is_flag=True, help="Read the whole table again, not only its changes. Starts a new generation.")
@click.option("--detect-deletes", is_flag=True, help="Also find rows that the source deleted.")
@click.option("--continuous", is_flag=True, help="Go on until interrupted: bring each change within seconds, of all tables.")
@_JSON
def sync(tables: tuple[str, ...], full: bool, detect_deletes: bool, continuous: bool, as_json: bool) -> None:
    """Land the changes of the sources, load them, and update the star tables, reports and charts downstream.

    Runs the Dagster job in this process; the UI shows the run, because both use the same Dagster instance. Without TABLE, syncs all source
    tables. Exit code 1 if a table, report or chart failed, or if deleted rows could not be looked for; the others are updated nevertheless.
    A check that fails is named on stderr, and is no failure of the sync. If nothing is new since the last sync of the same tables, it ends
    within a second, without a run; with --full or --detect-deletes there is always one.
    """
    if continuous:
        _sync_continuously(is_alone=not (tables or full or detect_deletes or as_json))
        return
    with plain_errors():
        results = None if full or detect_deletes else quiet.nothing_new(tables)
        if results is None:
            chosen = select_tables(tables)
            begun = quiet.begin(chosen)
            results = run_sync(chosen, full=full, detect_deletes=detect_deletes)
            quiet.finish(begun, results)
    names = ["table", "batch", "kind", "rows_landed", "rows_loaded", "rows_deleted", "rejected", "seconds"]
    landed = [asdict(result) for result in results if result.layer in ("source", "star")]
    if as_json:
        print_json([{name: each[name] for name in names} for each in landed])
    else:
        grid("Synced", [name.replace("_", " ") for name in names], [["" if each[n] is None else each[n] for n in names] for each in landed])
        if reports := [result for result in results if result.layer == "report"]:
            say(f"Reports: {sum(bool(result.kind) for result in reports)} of the {len(reports)} downstream were updated.")
        if charts := [result for result in results if result.layer == "chart"]:
            say(f"Charts: {sum(bool(result.kind) for result in charts)} of the {len(charts)} downstream were drawn again.")
        loaded = any(each["rows_loaded"] for each in landed)
        if not loaded and not any(r.rows_landed or r.rows_deleted or r.rejected or r.error for r in results):
            say("Nothing new: no source has changed since its last batch." if results else NO_TABLES)
    for result in results:
        for note in result.notes:
            warn(f"{result.table}: {note}")
        for check in result.failed_checks:
            warn(f"{result.table}: the check {check.name} {'warns' if check.warns else 'failed'}: {' '.join(check.message.split())}")
        if result.rejected and result.layer == "source":
            warn(f"{result.table}: rows that went to quarantine: {result.rejected}; `stori quarantine show {result.table}` shows why")
    failed = [each.error if each.error.startswith(each.table) else f"{each.table}: {each.error}" for each in results if each.error]
    if lines := [*failed, *(result.refused for result in results if result.refused)]:
        raise Failed(lines)


def _sync_continuously(*, is_alone: bool) -> None:
    if not is_alone:
        raise click.UsageError("--continuous brings the changes of all tables and takes no other option; leave out one of them")
    with plain_errors():
        from stori_pipeline.cli.continuous import run_continuously

        say("Bringing each change until interrupted.")
        if error := run_continuously(print_line):
            raise Failed([error])
        say("Ended. What was brought is complete, and the next sync goes on from there.")


def run_sync(tables: list[Table], *, full: bool = False, detect_deletes: bool = False) -> list[Any]:
    """Sync with progress bars, as `stori sync` does. Returns the results of `cli.sync.run_sync`."""
    from stori_pipeline.cli.sync import run_sync as run

    with progress() as show:
        return run(tables, full=full, detect_deletes=detect_deletes, progress=lambda table, rows: show(f"landing {table}", rows, 0))


@click.command(name="detect-deletes")
@_TABLES
@click.option("--force", is_flag=True, help="Accept a source that lists no rows, or less than half as many as the mirror has.")
@_JSON
def detect_deletes(tables: tuple[str, ...], force: bool, as_json: bool) -> None:
    """Find the rows that the sources deleted, and delete them from the warehouse.

    For tables whose reader does not see deletes. Syncs each table first, so that a row missing in the source is a deleted row. Exit code 1
    if a table was refused or failed; the others are done nevertheless.
    """
    from stori_pipeline.settings import Settings

    settings, run_id = Settings.load(), f"detect-deletes-{uuid4()}"
    with plain_errors():
        lake, warehouse = lake_of(settings), warehouse_of(settings)

        def detect(table: Table) -> dict[str, Any] | str:
            return _deletes_of(table, reader_of(table, settings), lake, warehouse, run_id, force=force, quiet=as_json)

        done = _side_by_side(detect, select_tables(tables))
    results, failed = [each for each in done if not isinstance(each, str)], [each for each in done if isinstance(each, str)]
    if len(failed) == 1 and not results:
        raise click.ClickException(" ".join(failed[0].split()))
    if as_json:
        print_json(results)
    elif results:
        grid("Deletes", ["table", "batch", "rows deleted"], [[r["table"], r["batch"] or "", r["rows_deleted"]] for r in results])
    if failed:
        raise Failed(failed)


def _side_by_side(detect: Callable[[Table], dict[str, Any] | str], tables: list[Table]) -> list[dict[str, Any] | str]:
    """The results for these tables, in order. Nearly all of the time, source or warehouse compute checksums, and the command waits."""
    with ThreadPoolExecutor(_TABLES_AT_ONCE, thread_name_prefix="deletes") as pool:
        try:
            return list(pool.map(detect, dict.fromkeys(tables)))
        except BaseException:
            pool.shutdown(cancel_futures=True)  # tables that have begun end, and no other begins
            raise


def _deletes_of(
    table: Table, reader: Reader, lake: Lake, warehouse: Warehouse, run_id: str, *, force: bool, quiet: bool
) -> dict[str, Any] | str:
    """Syncs a table, and deletes from its mirror what the source deleted. Returns the result, or why it failed."""
    from stori_pipeline.model.comparable import ListsKeys
    from stori_pipeline.pipeline import detect_deletes as pipeline
    from stori_pipeline.pipeline.sync import land, load

    try:
        land(table, reader, lake, run_id=run_id, loaded=warehouse.ledger_entry(table), accepts_emptied=force)
        synced = load(table, lake, warehouse, run_id=run_id)
        if not isinstance(reader, ListsKeys) and not quiet:
            say(f"{table.full_name}: {pipeline.CANNOT_DETECT}")
        manifest = pipeline.detect_deletes(table, reader, lake, warehouse, run_id=run_id, force=force)
        loads = [synced, load(table, lake, warehouse, run_id=run_id)]
    except own_errors() as error:
        return str(error)
    return {
        "table": table.full_name,
        "batch": manifest.batch if manifest else None,
        "rows_deleted": sum(each.rows_deleted for each in loads if each),
    }


COMMANDS = (sync, detect_deletes)
