"""What the demo shows of what it did, and whether each part of it is as it should be.

Belongs here: looking, printing, and saying what is wrong, as sentences. Does not belong here: doing the work (`demo`).
"""

from __future__ import annotations

import json
import os
from datetime import date
from typing import Any

from stori_pipeline.cli import data
from stori_pipeline.cli.console import grid, say

_FEW = 5


def sources(title: str, results: list[Any], before: list[Any] | None = None) -> list[str]:
    """Prints a row for each source table, each compared with its mirror; says which are not equal or failed."""
    from stori_pipeline.project import find_table
    from stori_pipeline.settings import Settings

    lake = data.lake_of(Settings.load())
    seconds = {each.table: each.seconds for each in results}
    for each in before or []:
        seconds[each.table] += each.seconds
    rows, wrong = [], [f"{each.table} failed: {each.error}" for each in results if each.error]
    for result in (each for each in results if each.layer == "source"):
        table = find_table(result.table)
        comparison = data.compare_one(table)
        manifests = lake.manifests(table)
        current = [m for m in manifests if m.generation == manifests[-1].generation]
        landed, quarantined = sum(m.rows for m in current), sum(m.rejected for m in current)
        said = "yes" if comparison.equal else "NO"
        shown = [comparison.source_rows, landed, comparison.warehouse_rows, quarantined, said, round(seconds[result.table], 1)]
        rows.append([table.full_name, table.source.kind, *shown])
        if not comparison.equal:
            wrong.append(f"{table.full_name} and its mirror are not equal")
        for difference in comparison.differing[:_FEW]:
            say(f"  {table.full_name} {', '.join(difference.key)}: {difference.verdict}")
    grid(title, ["source table", "kind", "rows in source", "landed", "in warehouse", "quarantined", "equal", "seconds"], rows)
    return wrong


def made(results: list[Any]) -> list[str]:
    """Prints what was made of the source tables, and what the checks say; says which of it is not as it should be."""
    from stori_pipeline.runtime.check_results import check_results
    from stori_pipeline.settings import Settings

    warehouse, wrong, rows = data.warehouse_of(Settings.load()), [], []
    for layer in ("star", "report"):
        for result in (each for each in results if each.layer == layer):
            schema, _, name = result.table.partition(".")
            ((count,),) = warehouse.query(f'SELECT COUNT(*) FROM "{schema}"."{name}"', what=result.table)
            rows.append([result.table, layer, count, round(result.seconds, 1)])
            if not count:
                wrong.append(f"{result.table} is empty")
    grid("Made of them", ["table", "layer", "rows", "seconds"], rows)
    found = check_results()
    failed = [each for each in found if not each.passed]
    say(f"Checks: {len(found) - len(failed)} of {len(found)} pass, {sum(each.warns for each in failed)} warn.")
    for each in failed:
        say(f"  {'warning' if each.warns else 'FAILED'}: {each.check} of {each.asset}: {each.message}")
    return wrong + [f"check {each.check} of {each.asset} failed" for each in failed if not each.warns]


def answers(as_of: date) -> list[str]:
    """Asks the API over HTTP as a client would."""
    import httpx

    from stori_pipeline.api import create_app
    from stori_pipeline.api.serving import serve_in_thread

    wrong = []
    with serve_in_thread(create_app()) as address, httpx.Client(base_url=address, timeout=60) as client:
        for which in ("last5", "next5"):
            answer = client.get(f"/payments/{which}", params={"as_of": as_of.isoformat()})
            payments = answer.json() if answer.status_code == 200 else []
            columns = ["payment_date", "payment_id", "payment_type", "counterparty", "amount", "currency"]
            grid(f"GET /payments/{which}?as_of={as_of}", columns, [[each[name] for name in columns] for each in payments])
            if len(payments) != _FEW:
                wrong.append(f"/payments/{which} answered {answer.status_code} with {len(payments)} payments")
        charts = [line for line in client.get("/").text.split('"') if line.startswith("charts/")]
        drawn = [each for each in charts if client.get(f"/{each}").text.lstrip().startswith(("<?xml", "<svg"))]
        tables = client.get("/freshness").json()["tables"]
        say(f"GET /freshness names {len(tables)} tables; the page at / shows {len(drawn)} charts: {', '.join(sorted(drawn))}")
    return wrong if drawn and len(drawn) == len(charts) else [*wrong, "a chart that the page names cannot be fetched, or there is none"]


def alerts() -> list[str]:
    """Lets a source be away for two syncs and come back, and reads what was told of it."""
    from stori_pipeline.project import load_project
    from stori_pipeline.runtime.alerts import send_alerts_now

    name, setting = "rates.daily", "STORI_SOURCE_RATES"
    table, working = list(data.chosen((name,))), os.environ[setting]
    send_alerts_now(load_project())  # messages about earlier problems
    _read_alerts()
    try:
        os.environ[setting] = "http://127.0.0.1:9?base=GBP"  # where nothing listens
        for _ in range(2):
            data.run_sync(table)
            send_alerts_now(load_project())
    finally:
        os.environ[setting] = working
    begun = _read_alerts()
    data.run_sync(table)
    send_alerts_now(load_project())
    ended = _read_alerts()
    for message in (*begun, *ended):
        say(f"  {message['Subject']}")
        for line in message["Message"].splitlines():
            say(f"    {line}")
    return (
        [] if (len(begun), len(ended)) == (1, 1) else [f"{len(begun)} alerts while a source was away and {len(ended)} after, not one each"]
    )


def _read_alerts() -> list[dict[str, Any]]:
    """What the local topic has sent to its queue since it was read last."""
    import boto3

    from stori_pipeline.local.stack import ALERTS_QUEUE

    queue = boto3.resource("sqs").get_queue_by_name(QueueName=ALERTS_QUEUE)
    found: list[dict[str, Any]] = []
    while messages := queue.receive_messages(MaxNumberOfMessages=10):
        for message in messages:
            found.append(json.loads(message.body))
            message.delete()
    return found
