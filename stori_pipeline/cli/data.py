"""Commands that move rows and prove them: sync, verify, detect-deletes.

Belongs here: their arguments, and what they print. Does not belong here: the work (`pipeline`, `verify`, `runtime`).
"""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click

from stori_pipeline.cli.console import Failed, grid, plain_errors, print_json, print_line, progress, say, warn

if TYPE_CHECKING:
    from stori_pipeline.lake import Lake
    from stori_pipeline.model.table import Table
    from stori_pipeline.readers import Reader
    from stori_pipeline.settings import Settings
    from stori_pipeline.verify.compare import Comparison
    from stori_pipeline.warehouse import Warehouse

_JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, for programs.")
_TABLES = click.argument("tables", nargs=-1, metavar="[TABLE]...")


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
@_JSON
def sync(tables: tuple[str, ...], full: bool, detect_deletes: bool, as_json: bool) -> None:
    """Land the changes of the sources, load them, and update the star tables, reports and charts downstream.

    Runs the Dagster job in this process; the UI shows the run, because both use the same Dagster instance. Without TABLE, syncs all source
    tables. Exit code 1 if a table, report or chart failed; the others are updated nevertheless. A check that fails is named on stderr, and
    is no failure of the sync.
    """
    with plain_errors():
        results = run_sync(select_tables(tables), full=full, detect_deletes=detect_deletes)
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
        if not any(r.rows_landed or r.rows_deleted or r.rejected or r.error for r in results):
            say("Nothing new: no source has changed since its last batch." if results else NO_TABLES)
    for result in results:
        for note in result.notes:
            warn(f"{result.table}: {note}")
        for check in result.failed_checks:
            warn(f"{result.table}: the check {check.name} {'warns' if check.warns else 'failed'}: {' '.join(check.message.split())}")
        if result.rejected and result.layer == "source":
            (table,) = select_tables((result.table,))
            warn(f"{result.table}: rows that went to quarantine: {result.rejected}, each with its reason, in {_quarantine_of(table)}")
    failed = [result for result in results if result.error]
    if failed:
        raise Failed([each.error if each.error.startswith(each.table) else f"{each.table}: {each.error}" for each in failed])


def run_sync(tables: list[Table], *, full: bool = False, detect_deletes: bool = False) -> list[Any]:
    """Sync with progress bars, as `stori sync` does. Returns the results of `cli.sync.run_sync`."""
    from stori_pipeline.cli.sync import run_sync as run

    with progress() as show:
        return run(tables, full=full, detect_deletes=detect_deletes, progress=lambda table, rows: show(f"landing {table}", rows, 0))


@click.command()
@_TABLES
@click.option("--patience", default=0.0, show_default=True, help="Seconds to wait before rows that differ are compared once more.")
@_JSON
def verify(tables: tuple[str, ...], patience: float, as_json: bool) -> None:
    """Compare each source table with its mirror, row by row, with checksums that each database computes.

    Prints the rows that differ, at most 100 per table. Rows in flight, which the source changed after the mirror's last batch was read, do
    not count as different. Exit code 1 if any table differs, or could not be compared; the others are compared nevertheless.
    """
    with plain_errors():
        compared = [(table, _compared(table, patience)) for table in select_tables(tables)]
        proofs = [(table, each) for table, each in compared if not isinstance(each, str)]
        failed = [each for _, each in compared if isinstance(each, str)]
        if failed and not proofs:
            raise Failed(failed) if len(failed) > 1 else click.ClickException(" ".join(failed[0].split()))
        _keep(proofs)
        for table, proof in proofs:
            if not proof.equal:
                _tell_of_quarantine(table)
    results = [proof for _, proof in proofs]
    if as_json:
        print_json(
            [
                {
                    "table": r.table,
                    "source_rows": r.source_rows,
                    "warehouse_rows": r.warehouse_rows,
                    "equal": r.equal,
                    "differing": [_key(d.key) for d in r.differing],
                }
                for r in results
            ]
        )
    else:
        rows = [[r.table, r.source_rows, r.warehouse_rows, "yes" if r.equal else "NO"] for r in results]
        grid("Verified", ["table", "source rows", "warehouse rows", "equal"], rows)
        for result in results:
            for difference in result.differing:
                print_line(f"{result.table} {_key(difference.key)}: {difference.verdict}")
    if failed:
        raise Failed(failed)
    if not all(result.equal for result in results):
        raise SystemExit(1)


def _compared(table: Table, patience: float) -> Comparison | str:
    """The comparison of a table, or the error of its source: that of another server would be the same for all tables."""
    from stori_pipeline.readers import SourceError

    try:
        return compare_one(table, patience)
    except SourceError as error:
        return str(error)


def _tell_of_quarantine(table: Table) -> None:
    """Say where the rejected rows of a table that differs are: a row in quarantine is not in the mirror, or as it was before."""
    from stori_pipeline.lake.quarantine import rows_in_quarantine
    from stori_pipeline.settings import Settings

    if rejected := rows_in_quarantine(lake_of(Settings.load()), table):
        say(f"{table.full_name}: rows in quarantine: {rejected}, each with its reason, in {_quarantine_of(table)}")


def _quarantine_of(table: Table) -> str:
    """Where the rejected rows of a source table are."""
    from stori_pipeline.lake.manifest import quarantine_prefix
    from stori_pipeline.settings import Settings

    return f"s3://{Settings.load().landing_bucket}/{quarantine_prefix(table)}"


def _keep(proofs: list[tuple[Table, Comparison]]) -> None:
    """Keep the proofs where Dagster's check keeps its own. A proof counts, even if it cannot be kept."""
    from stori_pipeline.runtime.instance import InstanceError
    from stori_pipeline.runtime.proofs import keep_proofs

    try:
        keep_proofs(proofs)
    except InstanceError as error:
        warn(f"The proofs are not kept: {error}")


def _key(key: tuple[str, ...]) -> Any:
    return key[0] if len(key) == 1 else list(key)


def compare_one(table: Table, patience: float = 0.0) -> Comparison:
    """Compare one source table with its mirror.

    Args:
        patience: seconds to wait before rows that differ are compared once more; 0 compares once.
    """
    from stori_pipeline.settings import Settings
    from stori_pipeline.verify.proof import prove

    settings = Settings.load()
    settle = (lambda: time.sleep(patience)) if patience else None
    return prove(table, reader_of(table, settings), lake_of(settings), warehouse_of(settings), settle=settle)


@click.command(name="detect-deletes")
@_TABLES
@click.option("--force", is_flag=True, help="Accept a source that lists no rows, or less than half as many as the mirror has.")
@_JSON
def detect_deletes(tables: tuple[str, ...], force: bool, as_json: bool) -> None:
    """Find the rows that the sources deleted, and delete them from the warehouse.

    For tables whose reader does not see deletes. Syncs each table first, so that a row missing in the source is a deleted row.
    """
    from stori_pipeline.model.comparable import ListsKeys
    from stori_pipeline.pipeline import detect_deletes as pipeline
    from stori_pipeline.pipeline.sync import land, load
    from stori_pipeline.settings import Settings

    settings, run_id, results = Settings.load(), f"detect-deletes-{uuid4()}", []
    with plain_errors():
        lake, warehouse = lake_of(settings), warehouse_of(settings)
        for table in select_tables(tables):
            reader = reader_of(table, settings)
            land(table, reader, lake, run_id=run_id)
            load(table, lake, warehouse, run_id=run_id)
            if not isinstance(reader, ListsKeys) and not as_json:
                say(f"{table.full_name}: {pipeline.CANNOT_DETECT}")
            manifest = pipeline.detect_deletes(table, reader, lake, warehouse, run_id=run_id, force=force)
            loaded = load(table, lake, warehouse, run_id=run_id)
            results.append(
                {
                    "table": table.full_name,
                    "batch": manifest.batch if manifest else None,
                    "rows_deleted": loaded.rows_deleted if loaded else 0,
                }
            )
    if as_json:
        print_json(results)
    else:
        grid("Deletes", ["table", "batch", "rows deleted"], [[r["table"], r["batch"] or "", r["rows_deleted"]] for r in results])


COMMANDS = (sync, verify, detect_deletes)
