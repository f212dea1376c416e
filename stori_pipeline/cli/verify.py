"""The command that proves mirrors equal to their sources, and puts right the rows that differ: verify.

Belongs here: its arguments, and what it prints. Does not belong here: the work (`verify`, `pipeline.repair`), or keeping a proof
(`runtime.proofs`).
"""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click

from stori_pipeline.cli.console import Failed, grid, plain_errors, print_json, print_line, say, warn
from stori_pipeline.cli.data import lake_of, reader_of, select_tables, warehouse_of

if TYPE_CHECKING:
    from stori_pipeline.model.table import Table
    from stori_pipeline.pipeline.repair import Repaired
    from stori_pipeline.verify.proof import Proof


SHOWN_IN_FLIGHT = 100
"""The largest number of keys in flight that the output as JSON lists."""


@click.command()
@click.argument("tables", nargs=-1, metavar="[TABLE]...")
@click.option("--patience", default=0.0, show_default=True, help="Seconds to wait before rows that differ are compared once more.")
@click.option("--share", is_flag=True, help="Of a large table, compare only the part that was compared longest ago.")
@click.option("--repair", is_flag=True, help="First sync, then read the rows that differ again by their keys, land and load them.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, for programs.")
def verify(tables: tuple[str, ...], patience: float, share: bool, repair: bool, as_json: bool) -> None:
    """Compare each source table with its mirror, row by row, with checksums that each database computes.

    Prints the rows that differ, at most 100 per table, and why. Rows in flight, which the source changed after the mirror's last batch was
    read, do not count as different. Each proof is kept in `pipeline.proofs`. Exit code 1 if any table differs, or could not be compared;
    the others are compared nevertheless.
    """
    run_id = f"verify-{uuid4()}"
    with plain_errors():
        chosen = select_tables(tables)
        repairs = {table.full_name: _repaired(table, run_id) for table in chosen} if repair else {}
        repaired = {name: each for name, each in repairs.items() if not isinstance(each, str)}
        compared = [(table, _compared(table, patience, share)) for table in chosen]
        proofs = [(table, each) for table, each in compared if not isinstance(each, str)]
        failed = [each for each in (*repairs.values(), *(each for _, each in compared)) if isinstance(each, str)]
        if failed and not proofs:
            raise Failed(failed) if len(failed) > 1 else click.ClickException(" ".join(failed[0].split()))
        _keep(proofs, run_id)
        for table, proof in proofs:
            if not proof.equal:
                _tell_of_quarantine(table)
    results = [proof for _, proof in proofs]
    if as_json:
        print_json([_as_json(each, run_id, repaired.get(each.table)) for each in results])
    else:
        _print(results, repaired)
    if failed:
        raise Failed(failed)
    if not all(result.equal for result in results):
        raise SystemExit(1)


def _print(results: list[Proof], repaired: dict[str, Repaired]) -> None:
    for name, each in repaired.items():
        if each.reloaded:
            say(f"{name}: its mirror differed from the lake and was loaded again; `stori sync --full {name}` also reads its source again")
        elif each.batch is not None:
            say(f"{name}: repaired with batch {each.batch}: {each.rows_landed} rows landed again, {each.rows_deleted} deleted")
    rows = [[r.table, r.source_rows, r.warehouse_rows, "yes" if r.equal else "NO", len(r.in_flight) or "", _moment(r)] for r in results]
    grid("Verified", ["table", "source rows", "warehouse rows", "equal", "in flight", "verified through"], rows)
    for result in results:
        for difference in result.differing:
            print_line(f"{result.table} {_key(difference.key)}: {difference.text}")
        if (hidden := result.differing_rows - len(result.differing)) > 0:
            least = "at least " if result.more else ""
            print_line(f"{result.table}: {least}{hidden} more rows differ; the first {len(result.differing)} are listed")


def _moment(proof: Proof) -> str:
    part = "" if proof.how == "whole" else " (a part)"
    return "" if proof.verified_through is None else proof.verified_through.strftime("%Y-%m-%d %H:%M:%SZ") + part


def _as_json(proof: Proof, run_id: str, repaired: Repaired | None) -> dict[str, Any]:
    kept = proof.record(run_id)
    generation, batch = kept.batch or (None, None)
    return {
        "table": proof.table,
        "source_rows": proof.source_rows,
        "warehouse_rows": proof.warehouse_rows,
        "equal": proof.equal,
        "differing": [_key(each.key) for each in proof.differing],
        "differing_rows": proof.differing_rows,
        "more": proof.more,
        "rows": [
            {"key": _key(each.key), "why": each.why, "columns": [asdict(column) for column in each.columns], "note": each.note}
            for each in proof.differing
        ],
        "rows_in_flight": len(proof.in_flight),
        "in_flight": [_key(key) for key in sorted(proof.in_flight)[:SHOWN_IN_FLIGHT]],
        "verified_through": proof.verified_through,
        "how": proof.how,
        # Texts, because programs read numbers of JSON as doubles.
        "range": [str(kept.range_low), str(kept.range_high)],
        "compared": {"source": kept.source_rows, "warehouse": kept.mirror_rows},
        "checksums": {"source": str(kept.source_checksum), "warehouse": str(kept.mirror_checksum)},
        "generation": generation,
        "batch": batch,
        "position": kept.position,
        "run_id": run_id,
        "started_at": proof.started_at,
        "finished_at": proof.finished_at,
        "repaired": asdict(repaired) if repaired else None,
    }


def _repaired(table: Table, run_id: str) -> Repaired | str:
    """What the repair of a table did, or why it was refused; the other tables are repaired nevertheless."""
    from stori_pipeline.lake import LandingConflict
    from stori_pipeline.pipeline.detect_deletes import DetectionRefused
    from stori_pipeline.pipeline.gate import LoadBlocked
    from stori_pipeline.readers import SourceError

    try:
        return repair_one(table, run_id)
    except (DetectionRefused, LandingConflict, LoadBlocked, SourceError) as error:
        return str(error)


def _compared(table: Table, patience: float, share: bool) -> Proof | str:
    """The proof of a table, or why it cannot be compared. An unavailable warehouse is the same error for all tables, and is raised."""
    from stori_pipeline.readers import SourceError
    from stori_pipeline.warehouse import WarehouseError, WarehouseUnavailable

    try:
        return compare_one(table, patience, share=share)
    except SourceError as error:
        return str(error)
    except WarehouseUnavailable:
        raise
    except WarehouseError as error:
        return _why_not_loaded(table) or str(error)


def _why_not_loaded(table: Table) -> str:
    """Why a table has never been loaded; "" if it has."""
    from stori_pipeline.lake.quarantine import blocking
    from stori_pipeline.pipeline.gate import block_message
    from stori_pipeline.pipeline.sync import new_batches
    from stori_pipeline.settings import Settings

    settings = Settings.load()
    if warehouse_of(settings).ledger_entry(table) is not None:
        return ""
    batches = new_batches(table, lake_of(settings), None).batches
    if blocked := blocking(table, batches):
        return f"{table.full_name} is not loaded yet. {block_message(table, blocked)}"
    return f"{table.full_name} is not loaded yet; run `stori sync {table.full_name}`"


def _tell_of_quarantine(table: Table) -> None:
    """Say where the rejected rows of a table that differs are: a row in quarantine is not in the mirror, or as it was before."""
    from stori_pipeline.lake.quarantine import rows_in_quarantine
    from stori_pipeline.settings import Settings

    if rejected := rows_in_quarantine(lake_of(Settings.load()), table):
        say(f"{table.full_name}: rows in quarantine: {rejected}; `stori quarantine show {table.full_name}` shows why")


def _keep(proofs: list[tuple[Table, Proof]], run_id: str) -> None:
    """Keep the proofs in the warehouse, and where Dagster's check keeps its own. A proof counts, even if it cannot be kept."""
    from stori_pipeline.runtime.instance import InstanceError
    from stori_pipeline.runtime.proofs import report_proofs
    from stori_pipeline.settings import Settings
    from stori_pipeline.warehouse import WarehouseError
    from stori_pipeline.warehouse.proofs import keep_proof

    try:
        for _, proof in proofs:
            keep_proof(warehouse_of(Settings.load()), proof.record(run_id))
        report_proofs(proofs)
    except (InstanceError, WarehouseError) as error:
        warn(f"The proofs are not kept: {error}")


def _key(key: tuple[str, ...]) -> Any:
    return key[0] if len(key) == 1 else list(key)


def compare_one(table: Table, patience: float = 0.0, *, share: bool = False) -> Proof:
    """Compare one source table with its mirror.

    Args:
        patience: seconds to wait before rows that differ are compared once more; 0 compares once.
        share: compare only the part that was compared longest ago, if the table is large.
    """
    from stori_pipeline.settings import Settings
    from stori_pipeline.verify.proof import prove

    settings = Settings.load()
    settle = (lambda: time.sleep(patience)) if patience else None
    return prove(table, reader_of(table, settings), lake_of(settings), warehouse_of(settings), share=share, settle=settle)


def repair_one(table: Table, run_id: str) -> Repaired:
    """Sync one source table, and put right the rows in which its mirror differs."""
    from stori_pipeline.pipeline import repair as pipeline
    from stori_pipeline.pipeline.sync import land, load
    from stori_pipeline.settings import Settings

    settings = Settings.load()
    lake, warehouse, reader = lake_of(settings), warehouse_of(settings), reader_of(table, settings)
    land(table, reader, lake, run_id=run_id, loaded=warehouse.ledger_entry(table))
    load(table, lake, warehouse, run_id=run_id)
    return pipeline.repair(table, reader, lake, warehouse, run_id=run_id)


COMMANDS = (verify,)
