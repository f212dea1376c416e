"""What one sensor brings: everything in exactly one scope, and what has never been made, on real servers."""

from __future__ import annotations

from pathlib import Path

import pytest
from dagster import AssetKey, DagsterInstance, Definitions

from stori_pipeline.cli.sync import execute_sync
from stori_pipeline.defs.build import build_defs
from stori_pipeline.defs.keys import quarantine_key
from stori_pipeline.defs.scopes import ACROSS_SOURCES, Scope, scopes
from stori_pipeline.model.project import Project
from stori_pipeline.project import load_project
from stori_pipeline.runtime.in_process import execute_request
from stori_pipeline_tests.defs.graphs import small_star
from stori_pipeline_tests.defs.ticks import Sensor, reason, requested
from stori_pipeline_tests.platforms import BANK, EXCHANGE, Platform


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("small")


@pytest.fixture(scope="module")
def graph(folder: Path) -> Project:
    return small_star(folder)


@pytest.fixture
def synced(platform: Platform, instance: DagsterInstance, graph: Project) -> dict[str, Sensor]:
    """The sensors of the small graph by scope, after everything has been made and each has requested what is there."""
    platform.move(2, details="abcd")
    platform.trade(1)
    assert execute_sync((BANK, EXCHANGE), instance=instance, project=graph).success
    return settled(build_defs(graph), instance, graph)


def settled(defs: Definitions, instance: DagsterInstance, graph: Project) -> dict[str, Sensor]:
    sensors = {scope.name: Sensor(defs, instance, scope.name) for scope in scopes(graph)}
    for sensor in sensors.values():
        sensor.tick()
    return sensors


def keys(sensor: Sensor) -> set[str]:
    """What the sensor's next tick requests."""
    return {key.to_user_string() for key in requested(sensor.tick()).asset_selection or []}


def with_report(graph: Project, folder: Path, name: str, statement: str) -> Project:
    """The small graph with one more report."""
    from stori_pipeline.model.report import load_reports

    (folder / "reports" / f"{name}.sql").write_text(f"-- One more.\n{statement}\n")
    try:
        reports = load_reports(folder / "reports", graph.tables, {star.name: star for star in graph.stars})
    finally:
        (folder / "reports" / f"{name}.sql").unlink()
    return Project(graph.tables, graph.stars, tuple(reports), graph.checks)


@pytest.mark.parametrize("project", [load_project(), None], ids=["the shipped project", "a small one"])
def test_every_asset_that_runs_make_is_in_exactly_one_scope(project: Project | None, graph: Project) -> None:
    made: list[AssetKey] = [key for scope in scopes(project or graph) for key in scope.owners]
    nodes = build_defs(project or graph).resolve_asset_graph()
    pages = {quarantine_key(table.source) for table in (project or graph).tables}  # no change of a source requests them
    assert sorted(made) == sorted(nodes.materializable_asset_keys - pages)


def test_what_is_made_of_several_sources_has_a_scope_of_its_own(graph: Project) -> None:
    by_name: dict[str, Scope] = {scope.name: scope for scope in scopes(graph)}
    assert list(by_name) == ["bank", "exchange", ACROSS_SOURCES]
    assert by_name["bank"].content.all_names == {"bank.transactions", "star.fact_movement", "star.dim_account"}
    assert by_name["exchange"].content.all_names == {"exchange.trades", "star.dim_ticker", "reports.trades_by_system"}
    assert by_name[ACROSS_SOURCES].content.all_names == {"reports.movements_by_ticker", "reports.busiest_ticker"}
    assert by_name[ACROSS_SOURCES].inputs == ("star.dim_ticker", "star.fact_movement")


def test_what_two_sources_change_at_once_is_requested_once(
    platform: Platform, instance: DagsterInstance, graph: Project, synced: dict[str, Sensor]
) -> None:
    platform.move(1, details="abcd")
    platform.trade(2)
    across, defs = synced[ACROSS_SOURCES], build_defs(graph)
    for source in ("bank", "exchange"):
        request = requested(synced[source].tick())
        assert not {AssetKey(["reports", name]) for name in ("movements_by_ticker", "busiest_ticker")} & set(request.asset_selection or ())
        assert execute_request(defs, f"sync_{source}", request, instance=instance).success

    request = requested(across.tick())
    assert {key.to_user_string() for key in request.asset_selection or ()} == {"reports/movements_by_ticker", "reports/busiest_ticker"}
    assert reason(across.tick()) == "nothing has changed"
    assert execute_request(defs, f"sync_{ACROSS_SOURCES}", request, instance=instance).success
    assert platform.query("SELECT movements FROM reports.busiest_ticker") == [(3,)]
    assert reason(across.tick()) == "nothing has changed"


def test_what_waits_for_several_sources_waits_until_all_are_there(platform: Platform, instance: DagsterInstance, graph: Project) -> None:
    platform.move(1, details="abcd")
    assert execute_sync([BANK], instance=instance, project=graph).success
    across = Sensor(build_defs(graph), instance, ACROSS_SOURCES)
    across.tick()  # an input has changed, so what is made of it is asked for: it is not made, because the other is not there
    assert reason(across.tick()) == "nothing has changed"
    platform.trade(1)
    assert execute_sync([EXCHANGE], instance=instance, project=graph).success
    assert "reports/movements_by_ticker" in keys(across)


def test_a_new_report_is_requested_once_though_nothing_has_changed(
    instance: DagsterInstance, graph: Project, folder: Path, synced: dict[str, Sensor]
) -> None:
    assert reason(synced["bank"].tick()) == "nothing has changed"
    more = with_report(graph, folder, "accounts", "SELECT account_no, COUNT(*) AS movements FROM bank.transactions GROUP BY 1")
    reloaded = Sensor(build_defs(more), instance, "bank")
    reloaded.cursor = synced["bank"].cursor

    request = requested(reloaded.tick())

    assert request.asset_selection == [AssetKey(["reports", "accounts"])]
    assert reason(reloaded.tick()) == "nothing has changed"  # asked for, and not made yet
    assert execute_request(build_defs(more), "sync_bank", request, instance=instance).success
    assert reason(reloaded.tick()) == "nothing has changed"


def test_what_fails_is_not_requested_again_and_again(
    platform: Platform, instance: DagsterInstance, graph: Project, folder: Path, synced: dict[str, Sensor]
) -> None:
    broken = with_report(graph, folder, "broken", "SELECT account_no / 0 AS nothing FROM bank.transactions\n")
    reloaded = Sensor(build_defs(broken), instance, "bank")
    reloaded.cursor = synced["bank"].cursor
    with platform.warehouse.session("a person") as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE reports.broken (mine integer)")  # a person's table is in the way of the view
        connection.commit()
    assert not execute_request(build_defs(broken), "sync_bank", requested(reloaded.tick()), instance=instance).success
    assert reason(reloaded.tick()) == "nothing has changed"

    mended = with_report(graph, folder, "broken", "SELECT account_no AS something FROM bank.transactions")
    reloaded = Sensor(build_defs(mended), instance, "bank")
    reloaded.cursor = synced["bank"].cursor
    assert keys(reloaded) == {"reports/broken"}  # another definition of it is tried at once


def test_a_star_table_that_was_never_made_is_requested_with_its_mirror(
    instance: DagsterInstance, graph: Project, synced: dict[str, Sensor]
) -> None:
    before = Sensor(build_defs(graph), instance, "bank")
    before.cursor = (synced["bank"].cursor or "").replace("warehouse/star/dim_account", "").replace("star/dim_account", "")
    instance.wipe_assets([AssetKey(["star", "dim_account"]), AssetKey(["warehouse", "star", "dim_account"])])
    assert keys(before) == {"star/dim_account", "warehouse/star/dim_account"}
