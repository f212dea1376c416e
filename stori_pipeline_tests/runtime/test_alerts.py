"""Alerts about real runs, through a real topic and a real webhook: one message per cause, and one when it is resolved."""

from __future__ import annotations

import functools
import json
import logging
import os
import threading
import time
from urllib.parse import urlsplit

import boto3
import pytest
from dagster import DagsterEventType, DagsterInstance, build_sensor_context
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange

from stori_pipeline.alerts.metrics import NAMESPACE
from stori_pipeline.cli.sync import execute_sync as execute_sync_of
from stori_pipeline.cli.sync import run_sync as run_sync_of
from stori_pipeline.defs.build import build_defs
from stori_pipeline.defs.keys import mirror_key
from stori_pipeline.logs import JsonFormatter
from stori_pipeline.runtime.alerts import KEY, alerts_sensor
from stori_pipeline.runtime.alerts import send_alerts as send_alerts_of
from stori_pipeline.runtime.names import TABLES_TAG
from stori_pipeline_tests.databases import at_port, closed_port
from stori_pipeline_tests.defs.graphs import PLAIN
from stori_pipeline_tests.platforms import BANK, EXCHANGE, Platform
from stori_pipeline_tests.runtime.conftest import Hook, Inbox

execute_sync = functools.partial(execute_sync_of, project=PLAIN)
run_sync = functools.partial(run_sync_of, project=PLAIN)
send_alerts = functools.partial(send_alerts_of, project=PLAIN)


def _fail_in_the_second_attempt(instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> str:
    """A run in which the bank is away at first, and refuses for good at the second attempt; returns its id."""
    working = os.environ["STORI_SOURCE_BANK"]
    monkeypatch.setenv("STORI_SOURCE_BANK", at_port(working, closed_port()))
    runs: list[str] = []
    running = threading.Thread(target=lambda: runs.append(execute_sync([BANK], instance=instance).run_id))
    running.start()
    pause = threading.Event()
    for _ in range(400):
        tried = [e for run in instance.get_runs() for e in instance.all_logs(run.run_id, of_type=DagsterEventType.STEP_UP_FOR_RETRY)]
        if tried:
            break
        pause.wait(0.1)
    assert send_alerts(instance) == [], "an attempt is not yet a failure"
    monkeypatch.setenv("STORI_SOURCE_BANK", working)
    running.join(timeout=60)
    return runs[0]


def test_a_failure_with_retries_alerts_once_and_resolves_once(
    platform: Platform, instance: DagsterInstance, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.move(2)
    platform.write("ALTER TABLE transactions RENAME COLUMN chip_used TO chip")
    run_id = _fail_in_the_second_attempt(instance, monkeypatch)

    (sent,) = send_alerts(instance)
    (received,) = inbox.read()
    assert received["Subject"] == sent.subject == "[stori] run failed: bank.transactions"
    what, where, since, link, to_do = received["Message"].splitlines()
    assert "chip_used" in what
    assert where == f"Where: bank.transactions, run {run_id}"
    assert since.startswith("Since: 20")
    assert since.endswith(" UTC")
    assert link == f"Link:  http://127.0.0.1:3000/runs/{run_id}"
    assert "`stori sync bank.transactions`" in to_do
    assert {name: each["Value"] for name, each in received["MessageAttributes"].items()} == {"id": sent.id, "state": "begun"}

    (result,) = run_sync([BANK], instance=instance)  # as the command does
    assert result.error
    assert send_alerts(instance) == []
    assert send_alerts(instance) == []

    platform.write("ALTER TABLE transactions RENAME COLUMN chip TO chip_used")
    assert execute_sync([BANK], instance=instance).success
    assert len(send_alerts(instance)) == 1
    assert send_alerts(instance) == []
    (over,) = inbox.read()
    assert over["Subject"] == "[stori] resolved: run failed: bank.transactions"
    assert since in over["Message"]
    assert "Resolved, lasted " in over["Message"]


def test_an_unavailable_topic_delays_no_message_to_the_webhook(
    platform: Platform, instance: DagsterInstance, inbox: Inbox, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.write("ALTER TABLE transactions DROP COLUMN chip_used")
    monkeypatch.setenv("STORI_SOURCE_EXCHANGE", at_port(os.environ["STORI_SOURCE_EXCHANGE"], closed_port()))
    monkeypatch.setenv("STORI_ALERT_WEBHOOK", hook.address)
    monkeypatch.setenv("AWS_ENDPOINT_URL_SNS", f"http://127.0.0.1:{closed_port()}")
    assert {result.table for result in run_sync(PLAIN.tables, instance=instance) if result.error} == {BANK.full_name, EXCHANGE.full_name}

    warned: list[str] = []
    first = send_alerts(instance, warn=warned.append)
    assert sorted(message.subject for message in first) == [
        "[stori] run failed: bank.transactions",
        "[stori] run failed: exchange.trades",
    ]
    assert [payload["text"] for payload in hook.received] == [message.subject for message in first]
    assert all(message.body.splitlines()[1] in str(payload) for message, payload in zip(first, hook.received, strict=True))
    (warning,) = warned
    assert warning.startswith(f"SNS cannot be reached for {inbox.topic}")
    before = instance.daemon_cursor_storage.get_cursor_values({KEY})

    monkeypatch.delenv("AWS_ENDPOINT_URL_SNS")
    assert [message.id for message in send_alerts(instance)] == [message.id for message in first]
    # Had the process been killed after sending, and before it could note that, it would remember what it did before.
    instance.daemon_cursor_storage.set_cursor_values(before)
    send_alerts(instance)
    ids = [message["MessageAttributes"]["id"]["Value"] for message in inbox.read()]
    assert ids == 2 * [message.id for message in first]
    assert len(hook.received) == 2

    instance.daemon_cursor_storage.set_cursor_values({KEY: ""})  # lost: only what is wrong now is sent again
    assert len(send_alerts(instance)) == 2


def test_a_webhook_that_refuses_gets_the_message_later_and_stays_secret(
    platform: Platform,
    instance: DagsterInstance,
    inbox: Inbox,
    hook: Hook,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    monkeypatch.setenv("STORI_ALERT_WEBHOOK", hook.address)
    monkeypatch.setenv("STORI_SOURCE_BANK", at_port(os.environ["STORI_SOURCE_BANK"], closed_port()))
    run_sync([BANK], instance=instance)
    hook.status = 500
    warned: list[str] = []
    send_alerts(instance, warn=warned.append)
    assert (inbox.subjects(), hook.received) == (["[stori] run failed: bank.transactions"], [])
    monkeypatch.setenv("STORI_ALERT_WEBHOOK", at_port(hook.address, closed_port()))
    send_alerts(instance, warn=warned.append)
    assert len(warned) == 2
    monkeypatch.setenv("STORI_ALERT_WEBHOOK", "arn:aws:secretsmanager:us-east-1:123456789012:secret:not-there")
    send_alerts(instance, warn=warned.append)
    assert warned[2].startswith("STORI_ALERT_WEBHOOK cannot be fetched from Secrets Manager")
    hook.status = 200
    monkeypatch.setenv("STORI_ALERT_WEBHOOK", hook.address)
    send_alerts(instance)
    assert ([payload["text"] for payload in hook.received], inbox.subjects()) == (["[stori] run failed: bank.transactions"], [])
    memory = instance.daemon_cursor_storage.get_cursor_values({KEY})[KEY]
    assert not any("hushhush" in text for text in (*warned, memory, *(r.getMessage() for r in caplog.records if r.levelname != "DEBUG")))
    password = platform.bank.admin_url.split(":")[2].split("@")[0]
    assert password not in memory + str(hook.received)


def test_a_blocked_load_is_one_cause_with_all_its_consequences(platform: Platform, instance: DagsterInstance, inbox: Inbox) -> None:
    platform.move(100)
    execute_sync([BANK], instance=instance)
    platform.move(20, details="x" * 1025)
    execute_sync([BANK], instance=instance)
    _freshness(instance, FreshnessState.FAIL)
    send_alerts(instance)
    execute_sync([BANK], instance=instance, prove=True)  # which finds, rightly, that source and mirror differ
    send_alerts(instance)
    (received,) = inbox.read()
    assert received["Subject"] == "[stori] load blocked: bank.transactions"
    assert "20 of the 20 rows of batch 2 break the table's definition" in received["Message"]
    assert "`stori sync --full bank.transactions`" in received["Message"]

    platform.write("DELETE FROM transactions WHERE length(transaction_details) > 1024")
    assert execute_sync([BANK], instance=instance, full=True, prove=True).success
    _freshness(instance, FreshnessState.PASS)
    send_alerts(instance)
    assert inbox.subjects() == ["[stori] resolved: load blocked: bank.transactions"]


@pytest.mark.clock
def test_a_stale_mirror_and_a_failed_check_alert(platform: Platform, instance: DagsterInstance, inbox: Inbox) -> None:
    platform.move(30)
    platform.write("UPDATE transactions SET withdrawal_amt = 1, balance_amt = balance_amt WHERE transaction_no = 9")
    execute_sync([BANK], instance=instance)
    _freshness(instance, FreshnessState.FAIL)
    send_alerts(instance)
    execute_sync([BANK], instance=instance)
    send_alerts(instance)
    received = {message["Subject"]: message["Message"] for message in inbox.read()}
    assert set(received) == {"[stori] check failed: bank.transactions (one_amount)", "[stori] not fresh: bank.transactions"}
    assert "nothing has been loaded for 30 minutes" in received["[stori] not fresh: bank.transactions"]
    assert "/assets/warehouse/bank/transactions" in received["[stori] not fresh: bank.transactions"]

    platform.write("UPDATE transactions SET withdrawal_amt = NULL WHERE transaction_no = 9")
    execute_sync([BANK], instance=instance)
    _freshness(instance, FreshnessState.PASS)
    send_alerts(instance)
    assert sorted(inbox.subjects()) == [
        "[stori] resolved: check failed: bank.transactions (one_amount)",
        "[stori] resolved: not fresh: bank.transactions",
    ]


def test_a_killed_run_alerts_and_the_next_run_resolves_it(platform: Platform, instance: DagsterInstance, inbox: Inbox) -> None:
    platform.move(1)
    job = build_defs(PLAIN).resolve_job_def("sync")
    run = instance.create_run_for_job(job, tags={TABLES_TAG: "bank.transactions exchange.trades"})
    instance.report_run_failed(run, "its process was killed")
    alerts = alerts_sensor(PLAIN)
    context = build_sensor_context(instance, sensor_name="alerts")
    alerts(context)
    (received,) = inbox.read()
    assert received["Subject"] == "[stori] run failed: 2 tables"
    assert "its process was killed" in received["Message"]
    assert received["Message"].endswith("- bank.transactions\n- exchange.trades")
    execute_sync(PLAIN.tables, instance=instance)
    alerts(context)
    assert inbox.subjects() == ["[stori] resolved: run failed: 2 tables"]


@pytest.mark.clock
def test_metrics_of_each_table_are_in_cloudwatch_once_and_wait_while_it_is_away(
    platform: Platform, instance: DagsterInstance, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORI_METRICS", "1")
    platform.move(29)
    platform.move(1, details="x" * 1025)
    began = time.time()
    sums_before, counts_before = _datapoints(began)  # of other tests of the table
    execute_sync([BANK], instance=instance)
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", f"http://127.0.0.1:{closed_port()}")
    warned: list[str] = []
    send_alerts(instance, warn=warned.append)
    assert len(warned) == 1
    assert "CloudWatch" in warned[0]
    monkeypatch.delenv("AWS_ENDPOINT_URL_CLOUDWATCH")
    execute_sync([BANK], instance=instance)  # with nothing new
    send_alerts(instance)
    send_alerts(instance)

    sums, counts = _datapoints(began)
    added = {name: sums[name] - sums_before[name] for name in sums}
    assert (added["RowsLanded"], added["RowsLoaded"], added["RowsRejected"]) == (29, 29, 1)
    assert added["RowsInQuarantine"] == 2  # after either run, though the second landed nothing
    assert added["RunSeconds"] > 0
    sent = {name: counts[name] - counts_before[name] for name in counts}
    assert sent == {"RowsLanded": 2, "RowsLoaded": 2, "RowsRejected": 2, "RowsInQuarantine": 2, "RunSeconds": 2, "LagSeconds": 3}
    assert 0 < added["LagSeconds"] / 3 < time.time() - began + 1


def _datapoints(around: float) -> tuple[dict[str, float], dict[str, float]]:
    """The sum and the number of the values of each metric of the table, from a minute before to ten minutes after."""
    client = boto3.client("cloudwatch")
    found = {
        name: client.get_metric_statistics(
            Namespace=NAMESPACE,
            MetricName=name,
            Dimensions=[{"Name": "Table", "Value": "bank.transactions"}],
            StartTime=around - 60,
            EndTime=around + 600,
            Period=3600,
            Statistics=["Sum", "SampleCount"],
        )["Datapoints"]
        for name in ("RowsLanded", "RowsLoaded", "RowsRejected", "RowsInQuarantine", "RunSeconds", "LagSeconds")
    }
    sums = {name: sum(point["Sum"] for point in points) for name, points in found.items()}
    return sums, {name: sum(point["SampleCount"] for point in points) for name, points in found.items()}


def _freshness(instance: DagsterInstance, state: FreshnessState) -> None:
    """What the daemon reports when a mirror's state changes."""
    key = mirror_key(BANK)
    known = instance.get_freshness_state_records([key]).get(key)
    before = known.freshness_state if known else FreshnessState.UNKNOWN
    change = FreshnessStateChange(key=key, new_state=state, previous_state=before, state_change_timestamp=time.time())
    instance._report_runless_asset_event(change)


def test_logs_are_json_with_the_run_and_the_step_and_without_passwords(
    platform: Platform, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STORI_LOG", "json")
    platform.move(1)
    away = at_port(os.environ["STORI_SOURCE_EXCHANGE"], closed_port())
    monkeypatch.setenv("STORI_SOURCE_EXCHANGE", away)
    capfd.readouterr()
    run_sync(PLAIN.tables, instance=instance)
    written = capfd.readouterr().err
    lines = [json.loads(line) for line in written.splitlines()]
    (failed,) = [line for line in lines if line.get("event") == "STEP_FAILURE"]
    (run,) = instance.get_runs()
    assert (failed["run_id"], failed["step"], failed["level"], failed["job"]) == (run.run_id, "landing__exchange__trades", "ERROR", "sync")
    assert failed["error"]
    assert {line["asset"] for line in lines if line.get("event") == "ASSET_MATERIALIZATION"} >= {"warehouse/bank/transactions"}
    assert str(urlsplit(away).password) not in written
    leaking = logging.makeLogRecord({"msg": "cannot reach %s", "args": (away,), "levelname": "ERROR", "name": "stori_pipeline.readers"})
    assert str(urlsplit(away).password) not in JsonFormatter().format(leaking)
    assert json.loads(JsonFormatter().format(leaking))["logger"] == "stori_pipeline.readers"
