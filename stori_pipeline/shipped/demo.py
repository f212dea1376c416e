"""The demo: every part of the platform in one command. `make run` runs it.

Belongs here: the order of the steps, and what must hold after each. Does not belong here: printing and checking the results
(`demo_report`), and the work itself.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import click

from stori_pipeline.cli import data, stack
from stori_pipeline.cli.console import plain_errors, say
from stori_pipeline.shipped import demo_report
from stori_pipeline.shipped.samples import seed, seed_sources, workload

_FACTS = {"fact_sales_order": "sales_order", "fact_purchase_orders": "purchase_order", "fact_payment": "payment"}
"""Fact table to the table of totesys whose row versions it keeps."""


@click.command()
@click.option("--rows", default=116_201, show_default=True, help="Number of bank transactions.")
@click.option("--trades", default=60_000, show_default=True, help="Number of trades.")
@click.option("--users", default=9_999, show_default=True, help="Number of users of the app. Each has about ten transactions.")
@click.option("--events", default=2_000, show_default=True, help="Number of events that the app sends before each of the two syncs.")
@click.option("--changes", default=300, show_default=True, help="Number of writes between the two syncs.")
@click.option("--keep", is_flag=True, help="Leave the servers running afterwards.")
def demo(rows: int, trades: int, users: int, events: int, changes: int, keep: bool) -> None:
    """Seed all sources, sync, change the sources, sync again, and prove source and warehouse equal after each sync.

    Also calls the API, and stops a source on purpose to show its alert. Can be repeated: a later run continues with the data of the
    earlier one. Exit code 1 if a step gives a wrong result.
    """
    from stori_pipeline.local.samples.report import SampleError

    with plain_errors():
        was_up = any(server.up for server in stack.local_stack().status())
    say("1/8  Starting the sources, S3, a queue, and the local Redshift")
    try:
        stack.start_stack()
        with plain_errors(SampleError):
            problems = _run_steps(rows, trades, users, events, changes)
    finally:
        if not (keep or was_up):
            stack.local_stack().down()
    if problems:
        raise click.ClickException("; ".join(problems))
    say("Every step gave the expected result. Next: `make dev` and http://127.0.0.1:3000, or `stori up` and psql.")


def _run_steps(rows: int, trades: int, users: int, events: int, changes: int) -> list[str]:
    """Steps 2 to 8; returns the wrong results, as sentences."""
    from stori_pipeline.local.samples.events_producer import write_events
    from stori_pipeline.local.samples.workload import late_transaction, round_of_changes

    # A new seed for each run: with the same seed a second run would repeat the writes of the first.
    seed = time.time_ns() % 1_000_000
    say("2/8  Seeding the sources")
    seed_sources(rows, trades, Path("data"), users=users)
    write_events(os.environ["STORI_SOURCE_EVENTS"], events, seed=seed)

    say("3/8  First sync: all rows of the sources")
    tables = data.select_tables(())
    first = data.run_sync(tables)
    say("4/8  Comparing every row of source and warehouse")
    problems = demo_report.report_sources("After the first sync", first)
    if any(result.error for result in first):
        return problems

    say(f"5/8  Changing the sources: {changes} writes, days of totesys with a weekend and silent edits, and transactions that commit late")
    others = ["bank", "exchange", "app", "events"]
    before = _versions()
    with _timed("     changed them"), _days_of_totesys(seed) as commits, late_transaction(os.environ, seed=seed, sources=["bank"]):
        round_of_changes(os.environ, seed=seed, operations=changes // 2, sources=others)
        between = data.run_sync(tables)
        round_of_changes(os.environ, seed=seed + 1, operations=changes - changes // 2, sources=others)
        write_events(os.environ["STORI_SOURCE_EVENTS"], events, seed=seed + 1)
        _drop_another_day(seed)
        # The late transactions have committed now; the sync in between has read rows that are newer than theirs.
    say("6/8  Second sync, with deletes, and comparing again")
    second = data.run_sync(tables, detect_deletes=True)
    problems += demo_report.report_sources("After changes, late commits, silent edits and deletes", second, before=between)
    problems += _check_versions(before, commits)
    problems += demo_report.report_derived(second)

    say("7/8  Calling the API")
    problems += demo_report.report_api(_newest_day())
    say("8/8  Stopping a source on purpose: one alert, and one when it is resolved")
    problems += demo_report.report_alerts()
    return problems


@contextmanager
def _days_of_totesys(seed: int) -> Iterator[list[list[Any]]]:
    """Write the days that follow the newest day of totesys, up to and including the next business day.

    The first commits are written before the block and the rest after it. One more order is written before the block and commits after it.
    The block receives two lists: the commits before it, and the commits after it, which is filled at the end.
    """
    from stori_pipeline.local.samples.totesys import late_order, traffic

    url = os.environ["STORI_ADMIN_TOTESYS"]
    day = _newest_day()
    days = [day := day + timedelta(days=1)]
    while days[-1].weekday() >= 5:
        days.append(days[-1] + timedelta(days=1))
    writes = (commit for each in days for commit in traffic(url, each, seed=seed))
    halves: list[list[Any]] = [[], []]
    with late_order(url, days[-1], seed=seed) as late:
        for commit in writes:
            halves[0].append(commit)
            if len(halves[0]) == 15:
                break
        yield halves
        halves[1] += writes
    halves[1].append(late)
    say(f"     totesys went from {day - timedelta(days=len(days))} to {days[-1]} in {sum(map(len, halves))} transactions")


def _newest_day() -> date:
    """The newest day on which totesys wrote an order."""
    import psycopg2

    connection = psycopg2.connect(os.environ["STORI_SOURCE_TOTESYS"])
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT max(created_at)::date FROM sales_order")
            ((newest,),) = cursor.fetchall()
    finally:
        connection.close()
    day: date = newest
    return day


def _versions() -> dict[str, int]:
    """The number of row versions of each fact table in the warehouse."""
    from stori_pipeline.settings import Settings

    warehouse = data.warehouse_of(Settings.load())
    return {fact: int(warehouse.query(f'SELECT COUNT(*) FROM "star"."{fact}"')[0][0]) for fact in _FACTS}


def _check_versions(before: dict[str, int], halves: list[list[Any]]) -> list[str]:
    """Check that each fact table has exactly one new version for each row that changed before a sync."""
    after, problems = _versions(), []
    for fact, table in _FACTS.items():
        # Two changes of one row between two syncs are one version, because no sync read the first.
        expected = sum(len({change.key for commit in half for change in commit if change.table == table}) for half in halves)
        actual = after[fact] - before[fact]
        say(f"     star.{fact}: {actual} new versions; {expected} rows of totesys.{table} changed")
        if actual != expected:
            problems.append(f"star.{fact} has {actual} new versions; expected {expected}, the number of changed rows")
    return problems


def _drop_another_day(seed: int) -> None:
    """Drop the partners' files of one more day into the bucket."""
    from stori_pipeline.local.samples.drops import DAYS, FIRST_DAY, write_drops

    write_drops(os.environ, seed, first=FIRST_DAY + timedelta(days=DAYS + seed % 1_000), days=1)


@contextmanager
def _timed(what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    say(f"{what} in {time.monotonic() - began:.1f} s")


COMMANDS = (seed, workload, demo)
"""What the shipped project adds to `stori`."""
