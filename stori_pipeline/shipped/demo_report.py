"""Reports of the demo: each function prints the results of a step and returns the wrong ones, as sentences.

Belongs here: reading results, printing and checking them. Does not belong here: the steps (`demo`).
"""

from __future__ import annotations

import json
import os
from datetime import date
from typing import Any

from stori_pipeline.cli import data, verify
from stori_pipeline.cli.console import grid, say

_MAX_DIFFERENCES = 5
_PAYMENTS = 5


def report_sources(title: str, results: list[Any], before: list[Any] | None = None) -> list[str]:
    """Compare each source table with its mirror and print a row for it. Wrong are tables that failed or differ.

    Args:
        results: those of the last sync.
        before: those of the sync before it, whose seconds are added.
    """
    from stori_pipeline.project import find_table
    from stori_pipeline.settings import Settings

    lake = data.lake_of(Settings.load())
    seconds = {each.table: each.seconds for each in results}
    for each in before or []:
        seconds[each.table] += each.seconds
    rows, problems = [], [f"{each.table} failed: {each.error}" for each in results if each.error]
    for result in (each for each in results if each.layer == "source"):
        table = find_table(result.table)
        comparison = verify.compare_one(table)
        manifests = lake.manifests(table)
        current = [m for m in manifests if m.generation == manifests[-1].generation]
        landed, quarantined = sum(m.rows for m in current), sum(m.rejected for m in current)
        equal = "yes" if comparison.equal else "NO"
        cells = [comparison.source_rows, landed, comparison.warehouse_rows, quarantined, equal, round(seconds[result.table], 1)]
        rows.append([table.full_name, table.source.kind, *cells])
        if not comparison.equal:
            problems.append(f"{table.full_name} and its mirror are not equal")
        for difference in comparison.differing[:_MAX_DIFFERENCES]:
            say(f"  {table.full_name} {', '.join(difference.key)}: {difference.text}")
    grid(title, ["source table", "kind", "rows in source", "landed", "in warehouse", "quarantined", "equal", "seconds"], rows)
    return problems


def report_derived(results: list[Any]) -> list[str]:
    """Print the star tables, the reports and the results of the checks. Wrong are empty tables and failed checks."""
    from stori_pipeline.runtime.check_results import check_results
    from stori_pipeline.settings import Settings

    warehouse, problems, rows = data.warehouse_of(Settings.load()), [], []
    for layer in ("star", "report"):
        for result in (each for each in results if each.layer == layer):
            schema, _, name = result.table.partition(".")
            ((count,),) = warehouse.query(f'SELECT COUNT(*) FROM "{schema}"."{name}"', what=result.table)
            rows.append([result.table, layer, count, round(result.seconds, 1)])
            if not count:
                problems.append(f"{result.table} is empty")
    grid("Star tables and reports", ["table", "layer", "rows", "seconds"], rows)
    checks = check_results()
    failed = [each for each in checks if not each.passed]
    say(f"Checks: {len(checks) - len(failed)} of {len(checks)} pass, {sum(each.warns for each in failed)} warn.")
    for each in failed:
        say(f"  {'warning' if each.warns else 'FAILED'}: {each.check} of {each.asset}: {each.message}")
    return problems + [f"check {each.check} of {each.asset} failed" for each in failed if not each.warns]


def report_api(as_of: date) -> list[str]:
    """Call the API over HTTP and print its responses. Wrong are failed requests, and lists without five payments."""
    import httpx

    from stori_pipeline.api import create_app
    from stori_pipeline.api.serving import serve_in_thread
    from stori_pipeline.shipped.payments import extension

    problems = []
    with serve_in_thread(create_app(extend=extension)) as address, httpx.Client(base_url=address, timeout=60) as client:
        for which in ("last5", "next5"):
            response = client.get(f"/payments/{which}", params={"as_of": as_of.isoformat()})
            payments = response.json() if response.status_code == 200 else []
            columns = ["payment_date", "payment_id", "payment_type", "counterparty", "amount", "currency"]
            grid(f"GET /payments/{which}?as_of={as_of}", columns, [[each[name] for name in columns] for each in payments])
            if len(payments) != _PAYMENTS:
                problems.append(
                    f"/payments/{which} answered {response.status_code} with {len(payments)} payments; expected 200 with {_PAYMENTS}"
                )
        charts = [line for line in client.get("/").text.split('"') if line.startswith("charts/")]
        fetched = [each for each in charts if client.get(f"/{each}").text.lstrip().startswith(("<?xml", "<svg"))]
        tables = client.get("/freshness").json()["tables"]
        say(f"GET /freshness lists {len(tables)} tables; the page at / shows {len(fetched)} charts: {', '.join(sorted(fetched))}")
    if not fetched or len(fetched) < len(charts):
        problems.append(f"the page at / has {len(charts)} charts, and {len(fetched)} of them can be fetched")
    return problems


def report_alerts() -> list[str]:
    """Make a source unavailable for two syncs, then available again, and print its alerts. Wrong is any number but one and one."""
    from stori_pipeline.project import load_project
    from stori_pipeline.runtime.alerts import send_alerts_now

    name, setting = "rates.daily", "STORI_SOURCE_RATES"
    table, working = list(data.select_tables((name,))), os.environ[setting]
    send_alerts_now(load_project())  # messages about earlier problems
    _read_alerts()
    try:
        os.environ[setting] = "http://127.0.0.1:9?base=GBP"  # no server listens there
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
    if (len(begun), len(ended)) != (1, 1):
        return [f"a source that was unavailable sent {len(begun)} alerts, and {len(ended)} when it was resolved; expected one each"]
    return []


def _read_alerts() -> list[dict[str, Any]]:
    """The messages that the local topic has sent to its queue since the last call."""
    import boto3

    from stori_pipeline.local.servers import ALERTS_QUEUE

    queue = boto3.resource("sqs").get_queue_by_name(QueueName=ALERTS_QUEUE)
    received: list[dict[str, Any]] = []
    while messages := queue.receive_messages(MaxNumberOfMessages=10):
        for message in messages:
            received.append(json.loads(message.body))
            message.delete()
    return received
