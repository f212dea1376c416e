"""The whole story in one go: what `make run` runs.

Belongs here: what happens in which order, and what must hold for it to have gone well. Does not belong here: what is printed at the end
(`demo_report`), or doing any of it.
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

from stori_pipeline.cli import data, demo_report, stack
from stori_pipeline.cli.console import plain_errors, say

_FACTS = {"fact_sales_order": "sales_order", "fact_purchase_orders": "purchase_order", "fact_payment": "payment"}
"""Each fact, and the table of totesys whose rows it keeps every version of."""


@click.command()
@click.option("--rows", default=116_201, show_default=True, help="How many bank transactions.")
@click.option("--trades", default=60_000, show_default=True, help="How many trades.")
@click.option("--users", default=9_999, show_default=True, help="How many users of the app; each has about ten transactions.")
@click.option("--events", default=2_000, show_default=True, help="How many events the app sends before each of the two syncs.")
@click.option("--changes", default=300, show_default=True, help="How many writes between the two syncs.")
@click.option("--keep", is_flag=True, help="Leave the servers running afterwards.")
def demo(rows: int, trades: int, users: int, events: int, changes: int, keep: bool) -> None:
    """Seed all sources, sync, change them, sync again, and prove source and warehouse equal each time.

    Also asks the API, and breaks a source on purpose to see the one alert. Again and again: later runs find the data there and go on
    from it. Exit code 1 if anything is not as it should be.
    """
    from stori_pipeline.local.stack import Stack

    was_up = any(server.up for server in Stack(stack.HOME).status())
    say("1/8  Starting the sources, S3, a queue, and the local Redshift")
    try:
        stack.start()
        with plain_errors():
            wrong = _story(rows, trades, users, events, changes)
    finally:
        if not (keep or was_up):
            Stack(stack.HOME).down()
    if wrong:
        raise click.ClickException("; ".join(wrong))
    say("All is as it should be. Next: `make dev`, and open http://127.0.0.1:3000; or `stori up` and look around with psql.")


def _story(rows: int, trades: int, users: int, events: int, changes: int) -> list[str]:
    """Everything in order; returns what was not as it should be."""
    from stori_pipeline.local.samples.events_producer import write_events
    from stori_pipeline.local.samples.workload import late_transaction, round_of_changes

    # Another seed each time, or a second run would try to repeat the writes of the first.
    seed = time.time_ns() % 1_000_000
    say("2/8  Seeding the sources")
    stack.plant(rows, trades, Path("data"), users=users)
    write_events(os.environ["STORI_SOURCE_EVENTS"], events, seed=seed)

    say("3/8  First sync: what the sources hold goes to the warehouse")
    first = data.run_sync(data.chosen(()))
    say("4/8  Comparing every row of source and warehouse")
    wrong = demo_report.sources("After the first sync", first)
    if any(result.error for result in first):
        return wrong

    say(f"5/8  Changing the sources: {changes} writes, days of totesys with a weekend and silent edits, and transactions that commit late")
    others = ["bank", "exchange", "app", "events"]
    before = _versions()
    with _timed("     wrote them"), _days_of_totesys(seed) as commits, late_transaction(os.environ, seed=seed, sources=["bank"]):
        round_of_changes(os.environ, seed=seed, operations=changes // 2, sources=others)
        between = data.run_sync(data.chosen(()))
        round_of_changes(os.environ, seed=seed + 1, operations=changes - changes // 2, sources=others)
        write_events(os.environ["STORI_SOURCE_EVENTS"], events, seed=seed + 1)
        _drop_another_day(seed)
        # The late transactions have committed now: their rows lie behind what the sync in between has read.
    say("6/8  Second sync, deletes included, and comparing again")
    second = data.run_sync(data.chosen(()), detect_deletes=True)
    wrong += demo_report.sources("After changes, late commits, silent edits and deletes", second, before=between)
    wrong += _history(before, commits)
    wrong += demo_report.made(second)

    say("7/8  Asking the API")
    wrong += demo_report.answers(_newest_day())
    say("8/8  Breaking a source on purpose: one alert, and one when it is over")
    wrong += demo_report.alerts()
    return wrong


@contextmanager
def _days_of_totesys(seed: int) -> Iterator[list[list[Any]]]:
    """The days after the newest that totesys has, up to and with the next business day: the first half of its traffic is written at the
    start of the block and the second at its end, beside an order that is written at the start and commits at the end.

    The block is given two lists, which hold the commits of each half once they are made.
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
    """How many versions each fact has in the warehouse."""
    from stori_pipeline.settings import Settings

    warehouse = data.warehouse_of(Settings.load())
    return {fact: int(warehouse.query(f'SELECT COUNT(*) FROM "star"."{fact}"')[0][0]) for fact in _FACTS}


def _history(before: dict[str, int], halves: list[list[Any]]) -> list[str]:
    """Whether each fact has one new version for each row that changed before a sync, and no other."""
    after, wrong = _versions(), []
    for fact, table in _FACTS.items():
        # Two changes of one row between two syncs are one version: nobody looked in between.
        due = sum(len({change.key for commit in half for change in commit if change.table == table}) for half in halves)
        made = after[fact] - before[fact]
        say(f"     star.{fact}: {made} new versions, and {due} rows of totesys.{table} changed")
        if made != due:
            wrong.append(f"star.{fact} has {made} new versions where {due} rows changed")
    return wrong


def _drop_another_day(seed: int) -> None:
    """What partners drop on the day after those they have dropped."""
    from stori_pipeline.local.samples.drops import DAYS, FIRST_DAY, write_drops

    write_drops(os.environ, seed, first=FIRST_DAY + timedelta(days=DAYS + seed % 1_000), days=1)


@contextmanager
def _timed(what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    say(f"{what} in {time.monotonic() - began:.1f} s")
