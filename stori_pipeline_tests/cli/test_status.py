"""`stori status` of tables; and the one definition of lag, which it shares with the API and with CloudWatch."""

from __future__ import annotations

import functools
import time
from datetime import datetime, timedelta, timezone

import boto3
import pytest
from dagster import DagsterInstance
from fastapi.testclient import TestClient

from stori_pipeline.alerts.metrics import NAMESPACE
from stori_pipeline.api import create_app
from stori_pipeline.model.project import Project
from stori_pipeline.project import PROJECT
from stori_pipeline.runtime.alerts import send_alerts
from stori_pipeline.runtime.lag import lag_seconds
from stori_pipeline.runtime.quarantined import quarantined_now
from stori_pipeline.settings import Settings
from stori_pipeline_tests.commands import Ended
from stori_pipeline_tests.databases import closed_port, execute
from stori_pipeline_tests.platforms import Platform

BANK = "bank.transactions"
COLUMNS = ["table", "lag_seconds", "verified_through", "quarantined", "last_run", "last_load"]


def of_bank(ended: Ended) -> dict[str, object]:
    (bank,) = [each for each in ended.json["tables"] if each["table"] == BANK]
    return dict(bank)


@pytest.fixture
def synced(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Platform:
    """A bank that was synced; its last rows were loaded three days ago, and a minute ago nothing was new."""
    platform.move(5)
    platform.write("ALTER TABLE transactions ALTER transaction_details TYPE text")
    platform.write("UPDATE transactions SET transaction_details = repeat('x', 70000) WHERE transaction_no = 5")
    platform.stori("sync", BANK).expect(0)
    platform.execute("UPDATE pipeline.loads SET finished_at = DATEADD(day, -3, finished_at)")
    platform.stori("sync", BANK).expect(0)
    for name, value in platform.environ.items():
        monkeypatch.setenv(name, value)
    return platform


@pytest.mark.clock
def test_status_says_lag_quarantine_last_run_and_last_load_of_each_table(synced: Platform) -> None:
    ended = synced.stori("status", "--json")
    assert ended.json["problems"] == []
    assert {tuple(each) for each in ended.json["tables"]} == {tuple(COLUMNS)}
    bank = of_bank(ended)
    assert 0 <= int(str(bank["lag_seconds"])) < 60
    assert bank["quarantined"] == 1
    # The command has a process of its own, whose clock other moments set apart; the time of a load is the warehouse's.
    assert abs(datetime.now(timezone.utc) - datetime.fromisoformat(str(bank["last_run"]))) < timedelta(minutes=10)
    ((there,),) = execute(synced.environ["STORI_WAREHOUSE"], "SELECT GETDATE()")
    since_load = there.replace(tzinfo=timezone.utc) - datetime.fromisoformat(str(bank["last_load"]))
    assert timedelta(days=3) - timedelta(minutes=1) < since_load < timedelta(days=3) + timedelta(minutes=1)
    (never,) = [each for each in ended.json["tables"] if each["table"] == "exchange.trades"]
    assert (never["quarantined"], never["last_load"]) == (0, None)


def test_a_mirror_that_verify_proved_is_verified_through_then(synced: Platform) -> None:
    before = of_bank(synced.stori("status", "--json"))["verified_through"]  # of other tests of the table
    synced.write("UPDATE transactions SET transaction_details = 'x' WHERE transaction_no = 5")
    synced.stori("sync", BANK).expect(0)
    assert of_bank(synced.stori("status", "--json"))["verified_through"] == before
    synced.stori("verify", BANK).expect(0)
    verified = datetime.fromisoformat(str(of_bank(synced.stori("status", "--json"))["verified_through"]))
    assert abs(datetime.now(timezone.utc) - verified) < timedelta(minutes=1)
    with TestClient(create_app(Settings(synced.environ), lags=lambda _now: {})) as client:
        (by_api,) = [each for each in client.get("/freshness").json()["tables"] if each["table"] == BANK]
    assert datetime.fromisoformat(by_api["verified_through"]) == verified
    synced.execute("DELETE FROM bank.transactions WHERE transaction_no = 1")
    synced.stori("verify", BANK).expect(1)
    assert datetime.fromisoformat(str(of_bank(synced.stori("status", "--json"))["verified_through"])) == verified


def test_status_names_a_table_that_the_project_no_longer_defines(synced: Platform) -> None:
    """No check and no proof looks at it any more."""
    synced.execute(
        "INSERT INTO pipeline.loads SELECT 'gone.items', generation, batch, fingerprint, rows_copied, rows_inserted, rows_deleted, run_id,"
        f" started_at, finished_at FROM pipeline.loads WHERE target = '{BANK}'"
    )
    assert synced.stori("status", "--json").json["not_defined"] == ["gone.items"]
    assert "gone.items: the project no longer defines it, so it is neither loaded nor compared" in synced.stori("status").err


def test_status_with_the_warehouse_down_says_so_in_one_line(synced: Platform) -> None:
    ended = synced.stori("status", "--json", warehouse=closed_port())
    assert ended.code == 1
    (problem,) = ended.json["problems"]
    assert problem.startswith("The warehouse does not answer: ")
    bank = of_bank(ended)
    assert not [each for each in ended.json["problems"] if "initialized module" in each]
    assert bank["last_load"] is None
    assert bank["lag_seconds"] is not None
    assert "Traceback" not in ended.err


def test_the_api_cloudwatch_and_status_agree_on_the_lag_of_a_quiet_source(synced: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: `/freshness` gave the time since the last load that brought rows, and CloudWatch something else."""
    monkeypatch.setenv("STORI_METRICS", "1")
    project: Project = PROJECT.project
    with DagsterInstance.from_config(str(synced.folder)) as instance:
        began = time.time()
        by_status = int(str(of_bank(synced.stori("status", "--json"))["lag_seconds"]))
        lags = functools.partial(lag_seconds, instance, project)
        counts = functools.partial(quarantined_now, project)
        with TestClient(create_app(Settings(synced.environ), lags=lags, quarantined=counts)) as client:
            (by_api,) = [each for each in client.get("/freshness").json()["tables"] if each["table"] == BANK]
        send_alerts(instance, project)
        took = time.time() - began
    points = boto3.client("cloudwatch").get_metric_statistics(
        Namespace=NAMESPACE,
        MetricName="LagSeconds",
        Dimensions=[{"Name": "Table", "Value": BANK}],
        StartTime=began - 60,
        EndTime=began + 600,
        Period=3600,
        Statistics=["Maximum", "Minimum"],
    )["Datapoints"]
    by_cloudwatch = max(point["Maximum"] for point in points)
    assert 0 <= by_status <= by_api["lag_seconds"] <= by_cloudwatch <= by_status + took + 1
    assert by_cloudwatch < 60
    assert by_api["quarantined"] == 1


def test_a_mirror_that_is_behind_its_lake_has_the_lag_of_what_it_shows(synced: Platform) -> None:
    project: Project = PROJECT.project
    with DagsterInstance.from_config(str(synced.folder)) as instance:
        now = time.time()
        before = now - lag_seconds(instance, project, now)[BANK]
        synced.move(3)
        failed = synced.stori("sync", BANK, warehouse=closed_port())
        assert failed.code == 1
        assert now - lag_seconds(instance, project, now)[BANK] == pytest.approx(before)
        synced.stori("sync", BANK).expect(0)
        later = time.time()
        assert later - lag_seconds(instance, project, later)[BANK] > now
