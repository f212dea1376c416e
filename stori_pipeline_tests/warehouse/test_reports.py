"""Reports in the local Redshift: created, replaced, changed in every way, and always readable."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event, Semaphore
from typing import Any

import psycopg2
import pytest

from stori_pipeline.model.report import Report
from stori_pipeline.warehouse import Warehouse, WarehouseError, WarehouseUnavailable
from stori_pipeline.warehouse.reports import SELECT_REPORTS, make_report
from stori_pipeline_tests.databases import execute
from stori_pipeline_tests.model.small_tables import reports_of

HEAD = "-- Shows it.\n-- materialized: table\n"


@pytest.fixture
def warehouse(warehouse_url: str) -> Iterator[Warehouse]:
    """A warehouse with three orders and no report."""
    drop = ["DROP SCHEMA IF EXISTS shop CASCADE", "DROP SCHEMA IF EXISTS reports CASCADE"]
    create = [
        "CREATE SCHEMA shop",
        "CREATE TABLE shop.orders (id INTEGER NOT NULL, item INTEGER, price DECIMAL(10,2))",
        "INSERT INTO shop.orders VALUES (1, 7, 1.50), (2, 7, 2.25), (3, 8, 4.00)",
    ]
    execute(warehouse_url, *drop, *create)
    yield Warehouse(warehouse_url, "arn:x")
    execute(warehouse_url, *drop)


def rows(warehouse: Warehouse, name: str) -> list[tuple[Any, ...]]:
    return warehouse.query(f"SELECT * FROM reports.{name} ORDER BY 1")


def state(warehouse: Warehouse) -> dict[str, tuple[str, str]]:
    """The kind and the comment of each report; each replacement writes a unique comment."""
    return {name: (kind, comment) for name, kind, comment in warehouse.query(SELECT_REPORTS, ("reports",))}


def create_all(warehouse: Warehouse, folder: Path, **files: str) -> dict[str, int | None]:
    """Create or replace these reports in order; the result of each."""
    reports = reports_of(folder, files)
    return {report.name: make_report(report, warehouse, run_id="run", reports=reports) for report in reports}


def by_name(folder: Path, **files: str) -> tuple[dict[str, Report], list[Report]]:
    reports = reports_of(folder, files)
    return {report.name: report for report in reports}, reports


def test_a_view_is_created_once_and_shows_new_rows_of_its_tables(warehouse: Warehouse, warehouse_url: str, tmp_path: Path) -> None:
    text = "SELECT item, SUM(price) AS total FROM shop.orders WHERE 'a%s' LIKE 'a%' GROUP BY item"
    assert create_all(warehouse, tmp_path, spent=text) == {"spent": None}
    before = state(warehouse)
    execute(warehouse_url, "INSERT INTO shop.orders VALUES (4, 8, 0.50)")
    assert create_all(warehouse, tmp_path, spent=text) == {"spent": None}
    assert [(item, str(total)) for item, total in rows(warehouse, "spent")] == [(7, "3.75"), (8, "4.50")]
    assert state(warehouse) == before
    assert before["spent"][0] == "v"
    assert before["spent"][1].endswith("by run run")


def test_a_report_table_has_new_rows_only_after_it_is_replaced(warehouse: Warehouse, warehouse_url: str, tmp_path: Path) -> None:
    text = HEAD + "SELECT id, price FROM shop.orders"
    assert create_all(warehouse, tmp_path, prices=text) == {"prices": 3}
    execute(warehouse_url, "DELETE FROM shop.orders WHERE id = 2")
    assert [row[0] for row in rows(warehouse, "prices")] == [1, 2, 3]
    assert create_all(warehouse, tmp_path, prices=text) == {"prices": 2}
    assert create_all(warehouse, tmp_path, prices=text) == {"prices": 2}
    assert [row[0] for row in rows(warehouse, "prices")] == [1, 3]
    execute(warehouse_url, "DELETE FROM shop.orders")
    assert create_all(warehouse, tmp_path, prices=text) == {"prices": 0}


CHANGES = [
    ("SELECT id, item + 1 AS item FROM shop.orders", [(1, 8), (2, 8), (3, 9)]),
    ("SELECT id, item || '!' AS item FROM shop.orders", [(1, "7!"), (2, "7!"), (3, "8!")]),
    ("SELECT item, id FROM shop.orders WHERE id = 3", [(8, 3)]),
    ("SELECT id FROM shop.orders", [(1,), (2,), (3,)]),
    ("SELECT id, item, id AS again FROM shop.orders WHERE id = 1", [(1, 7, 1)]),
]
"""Another value, another type, another order, a column less, columns more: only the first can be done in place."""


def test_a_changed_report_has_its_new_definition_after_the_next_replacement(warehouse: Warehouse, tmp_path: Path) -> None:
    turns = [
        (kind, *change)
        for kinds in ("view view view view view", "table view table view table")
        for kind, change in zip(kinds.split(), CHANGES, strict=True)
    ]
    turns += [("table", *change) for change in CHANGES]
    for kind, statement, expected in turns:
        create_all(warehouse, tmp_path, x=f"-- X.\n-- materialized: {kind}\n{statement}")
        assert rows(warehouse, "x") == expected
        assert state(warehouse)["x"][0] == {"view": "v", "table": "r"}[kind]


def test_views_on_a_report_outlive_its_change(warehouse: Warehouse, tmp_path: Path) -> None:
    files = {
        "x": "SELECT id, item FROM shop.orders",
        "y": "SELECT * FROM reports.x",
        "z": "SELECT COUNT(*) AS n FROM reports.y",
        "t": HEAD + "SELECT id FROM reports.y",
        "w": "SELECT item FROM reports.x",
    }
    create_all(warehouse, tmp_path, **files)
    changed = {"x": "SELECT price AS first, id, item FROM shop.orders WHERE id = 3", "w": "SELECT item, 1 AS more FROM reports.x"}
    named, reports = by_name(tmp_path, **files | changed)
    make_report(named["x"], warehouse, run_id="run", reports=reports)
    assert rows(warehouse, "y")[0][1:] == (3, 8)  # with its new columns
    assert rows(warehouse, "z") == [(1,)]
    assert len(rows(warehouse, "t")) == 3  # a table has the rows that it was created with
    assert "w" not in state(warehouse)  # its own statement has changed too, and may need what is not there yet
    before = state(warehouse)
    for report in reports:
        make_report(report, warehouse, run_id="run", reports=reports)
    assert rows(warehouse, "w") == [(8, 1)]
    assert rows(warehouse, "t") == [(3,)]
    assert {name: state(warehouse)[name] for name in ("x", "y", "z")} == {name: before[name] for name in ("x", "y", "z")}


def test_a_report_that_was_dropped_with_its_table_is_created_again(warehouse: Warehouse, warehouse_url: str, tmp_path: Path) -> None:
    files = {"x": "SELECT id FROM shop.orders", "y": "SELECT id FROM reports.x"}
    create_all(warehouse, tmp_path, **files)
    execute(warehouse_url, "DROP TABLE shop.orders CASCADE", "CREATE TABLE shop.orders (id INTEGER, item INTEGER)")
    assert state(warehouse) == {}
    create_all(warehouse, tmp_path, **files)
    assert rows(warehouse, "y") == []


def test_a_refused_statement_names_its_report_and_keeps_the_old_one(warehouse: Warehouse, warehouse_url: str, tmp_path: Path) -> None:
    create_all(warehouse, tmp_path / "good", x="SELECT id FROM shop.orders", t=HEAD + "SELECT id FROM shop.orders")
    before = state(warehouse)
    for name, head in (("x", ""), ("t", HEAD)):
        with pytest.raises(WarehouseError, match=rf"report reports\.{name}: .*unaccent"):
            create_all(warehouse, tmp_path / name, **{name: head + "SELECT unaccent(item) AS item FROM shop.orders"})
    assert state(warehouse) == before
    assert len(rows(warehouse, "x")) == len(rows(warehouse, "t")) == 3
    execute(warehouse_url, "DROP TABLE shop.orders CASCADE")
    with pytest.raises(WarehouseError, match=r"report reports\.[tx]: .*`stori sync` creates what is missing"):
        create_all(warehouse, tmp_path / "good", x="SELECT id FROM shop.orders")


def test_a_reader_sees_old_rows_or_new_rows_but_never_none(warehouse: Warehouse, warehouse_url: str, tmp_path: Path) -> None:
    texts = {
        "t": HEAD + "SELECT id FROM shop.orders",
        "v": "SELECT id, 0 AS n FROM shop.orders",
    }
    create_all(warehouse, tmp_path, **texts)
    seen: set[tuple[str, int]] = set()
    has_read, done = Semaphore(0), Event()

    def read() -> None:
        with closing(psycopg2.connect(warehouse_url)) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            while not done.is_set():
                for name in ("t", "v"):
                    cursor.execute(f"SELECT COUNT(*) FROM reports.{name}")
                    seen.add((name, cursor.fetchall()[0][0]))
                has_read.release()

    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(read)
        try:
            for turn in range(8):
                assert has_read.acquire(timeout=30)
                create_all(warehouse, tmp_path, t=texts["t"], v=f"SELECT id, {turn} AS n{turn // 2} FROM shop.orders")
        finally:
            done.set()
        reader.result(30)
    assert seen == {("t", 3), ("v", 3)}


def test_two_concurrent_runs_leave_a_report_table_as_one_would(warehouse: Warehouse, tmp_path: Path) -> None:
    (report,) = reports_of(tmp_path, {"t": HEAD + "SELECT id FROM shop.orders"})
    with ThreadPoolExecutor(3) as pool:
        for _ in range(3):
            assert list(pool.map(lambda _: make_report(report, warehouse, run_id="run"), range(3))) == [3, 3, 3]
            assert rows(warehouse, "t") == [(1,), (2,), (3,)]


def test_a_replacement_waits_for_an_endless_reader_only_for_its_patience(warehouse: Warehouse, warehouse_url: str, tmp_path: Path) -> None:
    create_all(warehouse, tmp_path, t=HEAD + "SELECT id FROM shop.orders", v="SELECT id FROM shop.orders")
    hasty = Warehouse(warehouse_url, "arn:x", lock_patience=0.3)
    with closing(psycopg2.connect(warehouse_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM reports.t, reports.v")
        for changed in ({"t": HEAD + "SELECT id FROM shop.orders"}, {"v": "SELECT id, item FROM shop.orders"}):
            with pytest.raises(
                WarehouseUnavailable, match=r"other transactions have held reports\.[tv] for 0\.3 s, so nothing was changed"
            ):
                create_all(hasty, tmp_path / "changed", **changed)
            for file in (tmp_path / "changed").iterdir():
                file.unlink()
    assert create_all(hasty, tmp_path, t=HEAD + "SELECT id FROM shop.orders", v="SELECT id, item FROM shop.orders") == {"t": 3, "v": None}
