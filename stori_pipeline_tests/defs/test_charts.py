"""Charts as assets: drawn in the run that changes their report, stored in the processed bucket, and drawn only if they changed."""

from __future__ import annotations

import base64
import sys
from typing import Any

import pytest
from dagster import DagsterInstance
from mypy_boto3_s3 import S3Client

from stori_pipeline.catalog.charts import CHARTS
from stori_pipeline.cli.sync import execute_sync, run_sync
from stori_pipeline.defs.build import build_defs
from stori_pipeline.defs.keys import chart_key
from stori_pipeline.model.chart import Chart
from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.project import Project, downstream
from stori_pipeline.model.report import load_reports
from stori_pipeline_tests.defs.graphs import PLAIN
from stori_pipeline_tests.platforms import BANK, EXCHANGE, Platform

REPORT = """\
-- Trades by day and ticker.
SELECT CAST(traded_at AT TIME ZONE 'UTC' AS DATE) AS day, ticker, COUNT(*) AS trades FROM exchange.trades GROUP BY 1, 2
"""
TRADES = Chart(
    name="trades",
    title="Trades by day",
    description="How many trades.",
    report="trades_by_day",
    statement="SELECT 'all' AS panel, ticker AS series, day AS x, trades AS y FROM reports.trades_by_day",
    kind="bars",
    every="day",
    x_label="Day",
    y_label="Trades (number)",
    counts=True,
)
BOTH = (BANK, EXCHANGE)


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("reports")
    (folder / "trades_by_day.sql").write_text(REPORT)
    return Project(BOTH, reports=tuple(load_reports(folder, BOTH, {})), charts=(TRADES,))


def chart_metadata(instance: DagsterInstance, graph: Project) -> dict[str, Any] | None:
    """The chart's metadata in a run; None if the run did not materialize it."""
    result = execute_sync([EXCHANGE], instance=instance, project=graph)
    assert result.success, [str(event.message) for event in result.all_events if event.is_failure]
    for event in result.get_asset_materialization_events():
        if event.asset_key and event.asset_key.path == ["charts", "trades"]:
            return {name: value.value for name, value in event.materialization.metadata.items()}
    return None


def kept(s3: S3Client, bucket: str) -> dict[str, tuple[str, str, str]]:
    """The type, the time and the bytes of each picture."""
    found = {}
    for item in s3.list_objects_v2(Bucket=bucket, Prefix="charts/").get("Contents", []):
        head = s3.head_object(Bucket=bucket, Key=item["Key"])
        found[item["Key"]] = (head["ContentType"], head["ETag"], head["Metadata"]["made-from"])
    return found


def test_a_chart_is_drawn_in_the_run_that_changes_its_report_and_only_then(
    platform: Platform, instance: DagsterInstance, graph: Project, s3: S3Client, processed_bucket: str
) -> None:
    platform.trade(1)
    first = chart_metadata(instance, graph)
    assert first is not None
    assert (first["outcome"], first["rows_drawn"]) == ("drawn", 1)
    assert first["dagster/uri"] == f"s3://{processed_bucket}/charts/trades.svg"
    before = kept(s3, processed_bucket)
    assert {key: kind for key, (kind, *_) in before.items()} == {"charts/trades.svg": "image/svg+xml", "charts/trades.png": "image/png"}
    body = s3.get_object(Bucket=processed_bucket, Key="charts/trades.svg")["Body"].read().decode()
    assert "Trades by day" in body
    inline = base64.b64decode(first["chart"].partition("base64,")[2].rstrip(")"))
    assert inline.startswith(b"\x89PNG")
    assert len(inline) < 60_000

    again = chart_metadata(instance, graph)
    assert again is not None
    assert again["outcome"].startswith("nothing new")
    assert (again["chart"], again["rows_drawn"]) == (first["chart"], 1)
    assert kept(s3, processed_bucket) == before

    # As after a process that died between the two.
    s3.put_object(Bucket=processed_bucket, Key="charts/trades.svg", Body=b"<svg/>", Metadata={"made-from": "of another time"})
    mended = chart_metadata(instance, graph)
    assert mended is not None
    assert mended["outcome"] == "drawn"
    assert kept(s3, processed_bucket) == before

    platform.trade(2)
    (result,) = [each for each in run_sync(BOTH, project=graph, instance=instance) if each.layer == "chart"]
    assert (result.table, result.kind, result.rows_loaded, result.error) == ("charts.trades", "drawn", 1, "")
    after = kept(s3, processed_bucket)
    assert {key for key in before if before[key] != after[key]} == set(before)


def test_without_matplotlib_the_chart_says_what_to_install_and_the_run_goes_on(
    platform: Platform, instance: DagsterInstance, graph: Project, s3: S3Client, processed_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # how Python says that there is no such module
    platform.trade(1)
    errors = {each.table: each.error for each in run_sync([EXCHANGE], project=graph, instance=instance)}
    assert errors.pop("charts.trades") == (
        "chart trades: matplotlib is not installed here; `pip install 'stori-pipeline[charts]'` installs it"
    )
    assert set(errors.values()) == {""}
    assert kept(s3, processed_bucket) == {}
    assert platform.query("SELECT trades FROM reports.trades_by_day") == [(1,)]


def test_a_chart_waits_for_its_report(
    platform: Platform, instance: DagsterInstance, graph: Project, s3: S3Client, processed_bucket: str
) -> None:
    job = build_defs(graph).resolve_job_def("sync").get_subset(asset_selection={chart_key("trades")})
    result = job.execute_in_process(instance=instance)
    assert result.success
    assert result.get_asset_materialization_events() == []
    assert kept(s3, processed_bucket) == {}


def test_only_charts_downstream_of_a_change_are_requested(graph: Project) -> None:
    assert downstream(graph, [EXCHANGE]).charts == (TRADES,)
    assert downstream(graph, [BANK]).charts == ()


def test_a_chart_of_a_missing_report_is_refused() -> None:
    with pytest.raises(DefinitionError, match=r"chart registrations: there is no report 'events_by_day'; .*sql/reports/events_by_day\.sql"):
        Project(PLAIN.tables, charts=CHARTS[:1])
