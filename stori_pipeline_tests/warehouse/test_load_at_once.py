"""Loads at the same time as other sessions: conflicts, concurrent loads of one table, readers, and landings."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg2
import pytest

from stori_pipeline.local.servers import COPY_ROLE
from stori_pipeline.pipeline import sync
from stori_pipeline.warehouse import Warehouse, WarehouseUnavailable
from stori_pipeline.warehouse.load import Loaded
from stori_pipeline_tests.stores import StoredTable
from stori_pipeline_tests.warehouse.loads import failing_commits

PATIENCE = 30.0


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# ---- conflicts


def test_a_load_with_a_conflict_is_tried_again_and_loads_once(items: StoredTable) -> None:
    items.snapshot((1, "a"), (2, "b"))
    items.loaded()
    items.changes((1, "A"), (2,))
    with failing_commits(items, 1):
        loaded = items.loaded()
    assert (loaded.rows_inserted, loaded.rows_deleted) == (1, 1)
    assert items.mirror() == [(1, "A")]
    assert items.loads() == [(1, 2, 2, 0), (2, 2, 1, 1)]


def test_a_conflict_in_the_first_load_is_tried_again(items: StoredTable) -> None:
    items.snapshot((1, "a"))
    with failing_commits(items, 2):
        items.loaded()
    assert items.mirror() == [(1, "a")]
    assert len(items.loads()) == 1


def test_persistent_conflicts_load_nothing_and_are_transient(items: StoredTable) -> None:
    items.snapshot((1, "a"))
    items.loaded()
    items.changes((1, "A"))
    with failing_commits(items, 1000), pytest.raises(WarehouseUnavailable, match=f"load of {items.table.full_name}: .*1023"):
        items.load()
    assert items.mirror() == [(1, "a")]
    assert len(items.loads()) == 1
    items.loaded()
    assert items.mirror() == [(1, "A")]


# ---- others at work


@pytest.mark.parametrize("first", [True, False], ids=["first load", "later load"])
def test_one_of_several_concurrent_loads_loads_and_the_others_find_nothing(items: StoredTable, first: bool) -> None:
    items.snapshot(*((n, "a") for n in range(500)))
    if not first:
        items.loaded()
        items.changes(*((n, "b") for n in range(0, 1000, 2)))
    together = threading.Barrier(3)

    def load(_: int) -> Loaded | None:
        new = sync.new_batches(items.table, items.stores.lake, items.stores.warehouse.ledger_entry(items.table))
        together.wait(PATIENCE)  # all have seen that there is something to do before one begins
        return sync.load_new(new, items.stores.warehouse, run_id="run")

    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(load, range(3)))
    assert sum(result is not None for result in results) == 1
    assert len(items.loads()) == (1 if first else 2)
    assert len(items.mirror()) == (500 if first else 750)


def test_batches_that_land_during_a_load_wait_for_the_next(items: StoredTable) -> None:
    items.snapshot((1, "a"))
    items.loaded()
    items.changes((2, "b"))
    new = sync.new_batches(items.table, items.stores.lake, items.stores.warehouse.ledger_entry(items.table))
    items.changes((3, "c"))
    loaded = sync.load_new(new, items.stores.warehouse, run_id="run")
    assert loaded is not None
    assert loaded.batch == 2
    assert items.loaded().batch == 3
    assert [row[0] for row in items.mirror()] == [1, 2, 3]


def test_a_load_waits_for_a_reader_and_then_loads(items: StoredTable, platform_url: str) -> None:
    items.snapshot((1, "a"))
    items.loaded()
    items.changes((1, "A"))
    waiting = (
        "SELECT COUNT(*) FROM pg_locks JOIN pg_class c ON c.oid = relation"
        " WHERE NOT granted AND mode = 'AccessExclusiveLock' AND relnamespace = %s::regnamespace"
    )
    with (
        closing(psycopg2.connect(items.stores.warehouse_url)) as reader,
        closing(psycopg2.connect(platform_url)) as backend,
        ThreadPoolExecutor(1) as pool,
    ):
        with reader.cursor() as cursor, backend.cursor() as behind:
            cursor.execute(f"SELECT note FROM {items.table.full_name}")
            loading = pool.submit(items.load)

            def waits() -> bool:
                behind.execute(waiting, (items.table.source.name,))
                return behind.fetchall() == [(1,)]

            until(waits)
            cursor.execute(f"SELECT note FROM {items.table.full_name}")  # what holds a lock already is not kept out
            assert cursor.fetchall() == [("a",)]
        reader.rollback()
        loaded = loading.result(PATIENCE)
    assert loaded is not None
    assert items.mirror() == [(1, "A")]


def test_a_load_waits_for_an_endless_reader_only_for_its_patience(items: StoredTable) -> None:
    items.snapshot((1, "a"))
    items.loaded()
    items.changes((1, "A"))
    impatient = Warehouse(items.stores.warehouse_url, COPY_ROLE, lock_patience=0.3)
    with closing(psycopg2.connect(items.stores.warehouse_url)) as reader:
        with reader.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {items.table.full_name}")
        with pytest.raises(
            WarehouseUnavailable, match=rf"other transactions have held {items.table.full_name} for 0\.3 s, so nothing was changed"
        ):
            sync.load(items.table, items.stores.lake, impatient, run_id="run")
        reader.rollback()
    assert items.mirror() == [(1, "a")]
    assert sync.load(items.table, items.stores.lake, impatient, run_id="run") is not None


def test_a_reader_sees_old_rows_or_new_rows_but_never_an_empty_mirror(items: StoredTable) -> None:
    items.snapshot(*((n, "0") for n in range(300)))
    items.loaded()
    done, seen = threading.Event(), set()

    def watch() -> None:
        while not done.is_set():
            seen.add(tuple(items.stores.warehouse.query(f"SELECT COUNT(*), COUNT(DISTINCT note) FROM {items.table.full_name}")[0]))

    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(watch)
        for version in range(1, 5):
            items.snapshot(*((n, str(version)) for n in range(300)))
            items.loaded()
        done.set()
        watching.result(PATIENCE)
    assert seen == {(300, 1)}
