"""Downstream of a change: the run that lands it updates its star tables, mirrors and reports, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dagster import AssetCheckEvaluation, AssetKey, AssetSelection, DagsterInstance, ExecuteInProcessResult

from stori_pipeline.cli.sync import execute_sync, run_sync
from stori_pipeline.defs.build import build_defs
from stori_pipeline.defs.checks import quick_checks
from stori_pipeline.defs.jobs import selected, sync_request
from stori_pipeline.defs.keys import landing_key
from stori_pipeline.defs.scopes import ACROSS_SOURCES
from stori_pipeline.model.project import Project, downstream
from stori_pipeline.project import load_project
from stori_pipeline.runtime.in_process import execute_request
from stori_pipeline_tests.defs.graphs import REFERENCE, small_star
from stori_pipeline_tests.defs.ticks import Sensor, requested
from stori_pipeline_tests.platforms import BANK, EXCHANGE, Platform

BOTH = (BANK, EXCHANGE)
OF_TRADES = {
    "landing/exchange/trades",
    "warehouse/exchange/trades",
    "star/dim_ticker",
    "warehouse/star/dim_ticker",
    "reports/movements_by_ticker",
    "reports/busiest_ticker",
    "reports/trades_by_system",
}
"""What a change of a trade reaches."""

EVERYTHING = (
    OF_TRADES
    | {f"{layer}{name}" for name in ("star/fact_movement", "star/dim_account") for layer in ("", "warehouse/")}
    | {"landing/bank/transactions", "warehouse/bank/transactions"}
)
PAGES = {"quarantine/bank", "quarantine/exchange"}
"""What `stori sync` and the schedule bring up to date besides."""


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return small_star(tmp_path_factory.mktemp("small"))


def materialized(result: ExecuteInProcessResult) -> dict[str, dict[str, Any]]:
    """The metadata of everything that the run materialized, by asset."""
    return {
        event.asset_key.to_user_string(): {name: value.value for name, value in event.materialization.metadata.items()}
        for event in result.get_asset_materialization_events()
        if event.asset_key
    }


def checked(result: ExecuteInProcessResult) -> dict[str, AssetCheckEvaluation]:
    return {f"{e.asset_key.to_user_string()} {e.check_name}": e for e in result.get_asset_check_evaluations()}


def failing_rows(result: ExecuteInProcessResult) -> int:
    evaluation = checked(result)[f"warehouse/star/fact_movement {REFERENCE}"]
    rows = evaluation.metadata["failing_rows"].value
    assert evaluation.passed == (rows == 0)
    assert isinstance(rows, int)
    return rows


def test_only_what_is_downstream_of_a_change_is_requested(graph: Project) -> None:
    affected = downstream(graph, [EXCHANGE])
    request = sync_request(affected, checks=quick_checks(graph, affected))
    assert {key.to_user_string() for key in request.asset_selection or []} == OF_TRADES
    about = {f"{key.asset_key.to_user_string()} {key.name}" for key in request.asset_check_keys or []}
    assert f"warehouse/star/fact_movement {REFERENCE}" in about  # it reads the dimension, though its own table stays as it is
    assert "warehouse/star/fact_movement key_unique" not in about
    assert "star/dim_ticker contract" in about
    assert not [name for name in about if "bank" in name or "dim_account" in name]


def test_a_run_selects_what_dagster_calls_downstream() -> None:
    """`downstream` gives definitions, to show results in order; for asset keys, `AssetSelection` is the reference."""
    project = load_project()
    graph = build_defs(project).resolve_asset_graph()
    for table in project.tables:
        meant = AssetSelection.assets(landing_key(table)).downstream().resolve(graph)
        assert set(selected(downstream(project, [table]))) == meant, table.full_name


def test_a_check_runs_after_everything_that_its_statement_reads(graph: Project) -> None:
    (found,) = [spec for checks in build_defs(graph).asset_checks or () for spec in checks.check_specs if spec.name == REFERENCE]
    assert {dep.asset_key for dep in found.additional_deps} == {AssetKey(["warehouse", "star", "dim_ticker"])}


def test_the_run_of_a_change_updates_star_tables_and_reports(platform: Platform, instance: DagsterInstance, graph: Project) -> None:
    platform.move(3, details="abcd")
    platform.trade(1)
    first = execute_sync(BOTH, instance=instance, project=graph)
    assert first.success, [str(event.message) for event in first.all_events if event.is_failure]
    assert set(materialized(first)) == EVERYTHING | PAGES
    assert all(each.passed for each in checked(first).values())
    assert platform.query("SELECT movements FROM reports.busiest_ticker") == [(3,)]
    fact, report = materialized(first)["star/fact_movement"], materialized(first)["reports/movements_by_ticker"]
    assert (fact["versions_made"], fact["versions_removed"], fact["rows_rejected"]) == (3, 0, 0)
    assert report["preview"].splitlines()[-1] == "| abcd | 3 |"
    assert {column.name: column.type for column in report["dagster/column_schema"].columns} == {
        "ticker": "character varying",
        "movements": "bigint",
    }

    sensors = {name: Sensor(build_defs(graph), instance, name) for name in ("bank", ACROSS_SOURCES)}
    for sensor in sensors.values():
        requested(sensor.tick())  # a cursor that is new asks once for all
    platform.move(1, details="abcd")
    results = [
        execute_request(build_defs(graph), f"sync_{name}", requested(sensor.tick()), instance=instance) for name, sensor in sensors.items()
    ]
    assert all(result.success for result in results)
    result, across = results
    assert set(materialized(result)) == EVERYTHING - OF_TRADES
    assert set(materialized(across)) == {"reports/movements_by_ticker", "reports/busiest_ticker"}
    assert platform.query("SELECT movements FROM reports.busiest_ticker") == [(4,)]
    assert materialized(result)["star/dim_account"]["rows_landed"] == 0  # its rows stay as they were

    quiet = materialized(execute_sync(BOTH, instance=instance, project=graph))
    assert set(quiet) == EVERYTHING | PAGES
    assert {name: each["outcome"] for name, each in quiet.items() if name not in PAGES and each["outcome"] != "nothing new"} == {}
    assert quiet["reports/movements_by_ticker"]["dagster/row_count"] == 1
    assert quiet["warehouse/star/fact_movement"]["dagster/row_count"] == 4


def test_a_fact_with_a_late_dimension_loads_and_its_check_passes_later(
    platform: Platform, instance: DagsterInstance, graph: Project
) -> None:
    platform.move(2, details="abcd")
    early = execute_sync([BANK], instance=instance, project=graph)
    assert early.success  # nothing of the dimension is there yet: no failure, and nothing to compare with
    assert "reports/movements_by_ticker" not in materialized(early)
    assert platform.query("SELECT COUNT(*) FROM star.fact_movement") == [(2,)]

    platform.trades.insert_one({"id": f"{1:024x}", "price": 110, "shares": 200, "ticker": "late"})
    gap = execute_sync([EXCHANGE], instance=instance, project=graph)
    assert failing_rows(gap) == 2
    assert checked(gap)[f"warehouse/star/fact_movement {REFERENCE}"].severity.value == "WARN"
    assert gap.success

    platform.trade(2)
    closed = execute_sync([EXCHANGE], instance=instance, project=graph)
    assert failing_rows(closed) == 0
    assert "star/fact_movement" not in materialized(closed)
    assert platform.query("SELECT movements FROM reports.busiest_ticker") == [(2,)]


def test_a_failed_star_table_stops_no_mirror_and_no_other_star_table(platform: Platform, instance: DagsterInstance, graph: Project) -> None:
    platform.move(1, details="abcd")
    platform.move(1, details="BOOM")
    platform.trade(1)

    results = {result.table: result for result in run_sync(BOTH, instance=instance, project=graph)}

    assert {name: result.error for name, result in results.items() if result.error} == {"star.dim_account": "an account was asked to fail"}
    assert {name: result.layer for name, result in results.items()} == {
        "bank.transactions": "source",
        "exchange.trades": "source",
        "star.fact_movement": "star",
        "star.dim_ticker": "star",
        "star.dim_account": "star",
        "reports.movements_by_ticker": "report",
        "reports.busiest_ticker": "report",
        "reports.trades_by_system": "report",
    }
    assert (results["bank.transactions"].rows_loaded, results["star.fact_movement"].rows_loaded) == (2, 2)
    assert (results["reports.movements_by_ticker"].kind, results["reports.busiest_ticker"].kind) == ("view", "table")

    platform.write("UPDATE transactions SET transaction_details = 'abcd' WHERE transaction_details = 'BOOM'")
    again = {result.table: result for result in run_sync([BANK], instance=instance, project=graph)}
    assert not [result for result in again.values() if result.error]
    assert (again["star.dim_account"].rows_loaded, again["star.fact_movement"].rows_loaded) == (1, 1)
    assert platform.query("SELECT movements FROM reports.busiest_ticker") == [(2,)]


def test_reports_dropped_with_a_mirror_are_created_by_the_next_run(
    platform: Platform, instance: DagsterInstance, graph: Project, tmp_path: Path
) -> None:
    platform.trade(1)
    execute_sync([EXCHANGE], instance=instance, project=graph)
    with platform.warehouse.session("a person") as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE exchange.trades CASCADE")
        connection.commit()
    again = execute_sync([EXCHANGE], instance=instance, project=graph)
    assert materialized(again)["reports/trades_by_system"]["outcome"] == "view made"
    assert platform.query("SELECT trades FROM reports.trades_by_system") == [(1,)]
