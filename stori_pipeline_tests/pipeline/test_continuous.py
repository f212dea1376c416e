"""The continuous sync on real servers: what it brings, what it leaves to others, and what it leaves behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from stori_pipeline.model.project import Project
from stori_pipeline.model.table import Table
from stori_pipeline.pipeline.derive import derive
from stori_pipeline_tests.databases import at_port, closed_port
from stori_pipeline_tests.defs.graphs import PLAIN, small_star
from stori_pipeline_tests.pipeline.followed import following
from stori_pipeline_tests.platforms import BANK, EXCHANGE, Platform


def rows(platform: Platform, table: str) -> int:
    return int(platform.query(f"SELECT COUNT(*) FROM {table}")[0][0])


def test_a_change_of_each_source_is_landed_and_loaded(begun: Platform) -> None:
    with following(begun, PLAIN) as followed:
        for more in range(1, 4):
            begun.move(2)
            begun.trade(100 * more, 3)
            followed.until(lambda more=more: rows(begun, "bank.transactions") == 20 + 2 * more, "a movement")  # type: ignore[misc]
            followed.until(lambda more=more: rows(begun, "exchange.trades") == 10 + 3 * more, "a trade")  # type: ignore[misc]
        begun.trades.delete_one({"id": f"{3:024x}"})
        followed.until(lambda: rows(begun, "exchange.trades") == 18, "the deletion")
    for table in (BANK, EXCHANGE):
        begun.assert_equal(table)
    assert not followed.left


def test_a_quiet_source_lands_and_loads_nothing(begun: Platform) -> None:
    with following(begun, PLAIN) as followed:
        followed.pause(3)
    assert followed.happened == []
    assert [each.batch for each in begun.lake.manifests(BANK)] == [1]


@pytest.mark.clock
def test_a_quiet_mirror_is_as_new_as_the_last_look_and_one_that_is_behind_is_not(begun: Platform) -> None:
    held = threading.Event()

    @contextmanager
    def lease(_table: Table) -> Iterator[bool]:
        yield not held.is_set()

    with following(begun, PLAIN, lease=lease) as followed:
        began = time.time()
        followed.until(lambda: min(followed.sync.instants().get(each.full_name, 0) for each in (BANK, EXCHANGE)) > began, "looks")
        held.set()
        begun.move(1)
        followed.until(lambda: BANK.full_name not in followed.sync.instants(), "the movement")
        followed.pause(2)
        assert BANK.full_name not in followed.sync.instants()
        moved = time.time()
        held.clear()
        followed.until(lambda: followed.sync.instants().get(BANK.full_name, 0) > moved, "a look after the load")
        assert rows(begun, "bank.transactions") == 21


def test_batches_that_were_never_loaded_are_loaded(begun: Platform) -> None:
    begun.move(3)
    begun.land(BANK)
    with following(begun, PLAIN) as followed:
        followed.until(lambda: rows(begun, "bank.transactions") == 23, "the landed batch")
    begun.assert_equal(BANK)


def test_a_table_that_never_landed_is_left_to_a_run_and_then_followed(platform: Platform) -> None:
    platform.move(5)
    platform.trade(0, 5)
    platform.sync(EXCHANGE)
    with following(platform, PLAIN) as followed:
        followed.until(lambda: BANK.full_name in followed.left, "the table")
        assert "nothing has landed yet" in followed.left[BANK.full_name]
        assert not platform.lake.manifests(BANK)
        platform.sync(BANK)
        platform.move(1)
        followed.until(lambda: rows(platform, "bank.transactions") == 6, "the movement")
        followed.until(lambda: not followed.sync.left, "the end of the exception")
    platform.assert_equal(BANK)


def test_a_table_whose_definition_changed_is_left_to_a_run(begun: Platform) -> None:
    changed = replace(BANK, columns=tuple(column for column in BANK.columns if column.name != "chip_used"))
    begun.move(1)
    with following(begun, Project((changed, EXCHANGE))) as followed:
        followed.until(lambda: bool(followed.left), "the table")
    assert "its definition has changed" in followed.left[BANK.full_name]
    assert [each.batch for each in begun.lake.manifests(BANK)] == [1]


def test_a_definition_that_another_process_changed_meanwhile_is_not_undone(begun: Platform) -> None:
    """Regression: a running `dagster dev` removed a new column a second after `stori sync` had added it."""
    changed = replace(BANK, columns=tuple(column for column in BANK.columns if column.name != "chip_used"))
    with following(begun, PLAIN) as followed:
        begun.move(1)
        followed.until(lambda: rows(begun, "bank.transactions") == 21, "the movement")
        begun.sync(changed)
        landed = [each.fingerprint for each in begun.lake.manifests(changed)]
        begun.move(1)
        followed.until(lambda: BANK.full_name in followed.left, "the table")
    assert "landed under another definition" in followed.left[BANK.full_name]
    assert "restart it, or reload the definitions" in followed.left[BANK.full_name]
    assert [each.fingerprint for each in begun.lake.manifests(changed)] == landed
    assert landed[-1] == changed.fingerprint


def test_a_lake_that_was_set_back_is_left_to_a_run(begun: Platform) -> None:
    """Another process removes the newest batch while the sync runs."""
    begun.move(1)
    with following(begun, PLAIN) as followed:
        followed.until(lambda: rows(begun, "bank.transactions") == 21, "the movement")
        begun.s3.delete_object(Bucket=begun.bucket, Key=f"{BANK.prefix}/_manifests/00000002.json")
        begun.move(1)
        followed.until(lambda: BANK.full_name in followed.left, "the table")
    assert "the lake" in followed.left[BANK.full_name]
    assert [each.batch for each in begun.lake.manifests(BANK)] == [1]


def test_a_table_that_somebody_else_holds_is_tried_again(begun: Platform) -> None:
    held = threading.Event()
    held.set()

    @contextmanager
    def lease(_table: Table) -> Iterator[bool]:
        yield not held.is_set()

    with following(begun, PLAIN, lease=lease) as followed:
        begun.move(1)
        followed.pause(2.5)
        assert rows(begun, "bank.transactions") == 20
        held.clear()
        followed.until(lambda: rows(begun, "bank.transactions") == 21, "the movement")
    assert not followed.left


def test_a_source_that_is_away_delays_no_other_and_is_followed_again(begun: Platform) -> None:
    assert isinstance(begun.environ, dict)
    address = begun.environ["STORI_SOURCE_BANK"]
    begun.environ["STORI_SOURCE_BANK"] = at_port(address, closed_port())
    try:
        with following(begun, PLAIN) as followed:
            begun.move(1)
            begun.trade(100, 1)
            followed.until(lambda: rows(begun, "exchange.trades") == 11, "the trade")
            followed.until(lambda: BANK.full_name in followed.left, "the table of the source that is away")
            assert "cannot be reached" in followed.left[BANK.full_name]
            assert address.split(":")[2].split("@")[0] not in followed.left[BANK.full_name]
            begun.environ["STORI_SOURCE_BANK"] = address
            followed.until(lambda: rows(begun, "bank.transactions") == 21, "the movement")
    finally:
        begun.environ["STORI_SOURCE_BANK"] = address


def test_a_blocked_batch_is_left_to_a_run_and_nothing_of_it_is_loaded(begun: Platform) -> None:
    with following(begun, PLAIN) as followed:
        begun.trades.insert_many([{"id": f"{number:024x}", "price": "no price"} for number in range(900, 950)])
        followed.until(lambda: EXCHANGE.full_name in followed.left, "the table")
    assert "break the table's definition" in followed.left[EXCHANGE.full_name]
    assert rows(begun, "exchange.trades") == 10


def test_star_tables_follow_their_inputs_and_no_other(begun: Platform, tmp_path: Path) -> None:
    project = small_star(tmp_path)
    for star in project.stars:
        derive(star, begun.lake, begun.processed, tables=project.mirrors, run_id="first")
    with following(begun, project) as followed:
        followed.until(lambda: {each.table.full_name for each in followed.brought} >= {s.table.full_name for s in project.stars}, "stars")
        followed.happened.clear()
        begun.move(1, "xyz", account="999")
        followed.until(lambda: rows(begun, "star.fact_movement WHERE details = 'xyz'") == 1, "the movement's version")
        followed.until(lambda: rows(begun, "star.dim_account WHERE account_no = '999'") == 1, "its account")
    assert "star.dim_ticker" not in {each.table.full_name for each in followed.brought}
    assert not followed.left


def test_a_star_table_that_fails_is_left_and_its_sources_go_on(begun: Platform, tmp_path: Path) -> None:
    project = small_star(tmp_path)
    for star in project.stars:
        derive(star, begun.lake, begun.processed, tables=project.mirrors, run_id="first")
    with following(begun, project) as followed:
        begun.move(1, "BOOM")
        followed.until(lambda: "star.dim_account" in followed.left, "the star table")
        assert "an account was asked to fail" in followed.left["star.dim_account"]
        begun.move(1)
        followed.until(lambda: rows(begun, "bank.transactions") == 22, "the movement")


def test_tables_that_are_not_followed_wait(begun: Platform) -> None:
    with following(begun, PLAIN) as followed:
        followed.sync.followed = frozenset([EXCHANGE.full_name])
        followed.pause(1)
        begun.move(1)
        begun.trade(100, 1)
        followed.until(lambda: rows(begun, "exchange.trades") == 11, "the trade")
        followed.pause(1)
        assert rows(begun, "bank.transactions") == 20
        followed.sync.followed = frozenset([BANK.full_name, EXCHANGE.full_name])
        followed.until(lambda: rows(begun, "bank.transactions") == 21, "the movement")


def test_changes_that_come_soon_after_another_are_collected(begun: Platform) -> None:
    """With a target lag of eight seconds, four seconds lie between two batches, however many changes come."""
    with following(begun, PLAIN, lag=8) as followed:
        followed.pause(1)
        for _ in range(20):
            begun.move(1)
            followed.pause(0.1)
        followed.until(lambda: rows(begun, "bank.transactions") == 40, "all movements")
    assert 1 <= len(begun.lake.manifests(BANK)) - 1 <= 3


def test_two_continuous_syncs_and_an_ordinary_one_bring_each_change_once(begun: Platform) -> None:
    """No lease separates them, as between machines without a common Dagster: the lake and the ledger do."""
    with following(begun, PLAIN) as one, following(begun, PLAIN) as other:
        for number in range(8):
            begun.move(3)
            begun.trade(100 * (number + 1), 2)
            if number % 3 == 0:
                begun.stori("sync", "--json", BANK.full_name)  # it may lose the race, and says so
            one.pause(0.2)
        for each in (one, other):
            each.until(lambda: (rows(begun, "bank.transactions"), rows(begun, "exchange.trades")) == (44, 26), "all changes")
    for table in (BANK, EXCHANGE):
        begun.assert_equal(table)


def test_conflicts_in_the_warehouse_are_tried_again_and_load_once(begun: Platform) -> None:
    begun.execute("SET redshift_local.fail_commits_with_1023 TO 8")
    try:
        with following(begun, PLAIN) as followed:
            begun.move(2)
            begun.trade(100, 1)
            followed.until(lambda: (rows(begun, "bank.transactions"), rows(begun, "exchange.trades")) == (22, 11), "all changes")
    finally:
        begun.execute("SET redshift_local.fail_commits_with_1023 TO 0")
    for table in (BANK, EXCHANGE):
        begun.assert_equal(table)
