"""The whole story in one go: what `make run` runs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from stori_pipeline.cli import data, stack
from stori_pipeline.cli.console import grid, plain_errors, say


@click.command()
@click.option("--rows", default=116_201, show_default=True, help="How many bank transactions.")
@click.option("--trades", default=60_000, show_default=True, help="How many trades.")
@click.option("--changes", default=300, show_default=True, help="How many writes between the two syncs.")
@click.option("--keep", is_flag=True, help="Leave the servers running afterwards.")
def demo(rows: int, trades: int, changes: int, keep: bool) -> None:
    """Seed, sync, change the sources, sync again, and prove source and warehouse equal each time.

    Again and again: later runs find the data there and go on from it. Exit code 1 if a table is not equal.
    """
    from stori_pipeline.local.stack import Stack

    was_up = any(server.up for server in Stack(stack.HOME).status())
    say("1/6  Starting Postgres, MongoDB, S3 and the local Redshift")
    try:
        stack.start()
        with plain_errors():
            equal = _story(rows, trades, changes)
    finally:
        if not (keep or was_up):
            Stack(stack.HOME).down()
    if not equal:
        raise click.ClickException("source and warehouse are not equal")
    say("Source and warehouse are equal. Next: `make dev`, and open http://127.0.0.1:3000; or `stori up` and look around with psql.")


def _story(rows: int, trades: int, changes: int) -> bool:
    from stori_pipeline.local.samples.workload import late_transaction, round_of_changes

    say("2/6  Seeding the sources")
    stack.plant(rows, trades, Path("data"))

    say("3/6  First sync: what the sources hold goes to the warehouse")
    results = data.run_sync(data.chosen(()))
    say("4/6  Comparing every row of source and warehouse")
    equal = _report("After the first sync", results)

    # Another seed each time, or a second run would try to repeat the writes of the first.
    seed = time.time_ns() % 1_000_000
    say(f"5/6  Changing the sources: {changes} inserts, updates, deletes and silent edits, and a transaction that commits late")
    with _timed("     wrote them"), late_transaction(os.environ, seed=seed):
        round_of_changes(os.environ, seed=seed, operations=changes // 2)
        between = data.run_sync(data.chosen(()))
        round_of_changes(os.environ, seed=seed + 1, operations=changes - changes // 2)
        # The late transaction has committed now: its rows lie behind what the sync in between has read.
    say("6/6  Second sync, deletes included, and comparing again")
    again = data.run_sync(data.chosen(()), reconcile=True)
    return _report("After changes, late commits, silent edits and deletes", again, before=between) and equal


@contextmanager
def _timed(what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    say(f"{what} in {time.monotonic() - began:.1f} s")


def _report(title: str, results: list[Any], before: list[Any] | None = None) -> bool:
    """Prints a row per table; says whether all are equal and none failed."""
    from stori_pipeline import catalog
    from stori_pipeline.settings import Settings

    lake = data.lake_of(Settings.load())
    seconds = {r.table: r.seconds for r in results}
    for result in before or []:
        seconds[result.table] += result.seconds
    rows, good = [], True
    for result in results:
        if result.layer != "source":  # made of source tables; what went wrong with it counts, but it has no source to be equal to
            if result.error:
                good = False
                say(f"  {result.table}: {result.error}")
            continue
        table = catalog.find(result.table)
        comparison = data.compare_one(table)
        manifests = lake.manifests(table)
        current = [m for m in manifests if m.generation == manifests[-1].generation]
        landed, quarantined = sum(m.rows for m in current), sum(m.rejected for m in current)
        good = good and comparison.equal and not result.error
        rows.append(
            [
                table.full_name,
                comparison.source_rows,
                landed,
                comparison.warehouse_rows,
                quarantined,
                "yes" if comparison.equal else "NO",
                round(seconds[result.table], 1),
            ]
        )
        for difference in comparison.differing[:5]:
            say(f"  {table.full_name} {', '.join(difference.key)}: {difference.verdict}")
        if result.error:
            say(f"  {table.full_name}: {result.error}")
    grid(title, ["source table", "rows in source", "landed", "in warehouse", "quarantined", "equal", "seconds"], rows)
    return good
