"""Two syncs of one table at the same time, in two processes, with and without the pool that separates them."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from dagster import DagsterInstance
from dagster._core.storage.event_log import SqlEventLogStorage

from stori_pipeline.lake import LandingConflict
from stori_pipeline.model.reading import Reading
from stori_pipeline_tests.gate import Gate, Hold
from stori_pipeline_tests.platforms import BANK, Platform


def test_two_syncs_released_together_land_the_change_once(platform: Platform) -> None:
    platform.move(50)
    platform.sync(BANK)
    platform.change()

    with ExitStack() as stack:
        running = [stack.enter_context(platform.start("sync", "--json", BANK.full_name)) for _ in range(2)]
        ended = [each.end().expect(0) for each in running]

    landed = sorted(each.json[0]["rows_landed"] for each in ended)
    assert landed[0] == 0, [str(each) for each in ended]
    assert landed[1] > 0, [str(each) for each in ended]
    assert [each.batch for each in platform.lake.manifests(BANK)] == [1, 2]
    platform.assert_equal(BANK)


def test_a_sync_overtaken_by_another_changes_nothing_and_says_so(platform: Platform) -> None:
    """The pool exists on one machine only; between machines without a common pool, the lake's refusal must be enough."""
    platform.move(50)
    platform.sync(BANK)
    platform.change()
    newest = platform.lake.newest(BANK)
    assert newest is not None
    with platform.reader(BANK).read(BANK, newest.until) as reading:
        overtaking = platform.land(BANK)
        with pytest.raises(LandingConflict, match=r"another run landed batch 2 first.*run again"):
            _land(platform, reading)
    assert overtaking is not None
    assert platform.lake.newest(BANK) == overtaking
    platform.load(BANK)
    platform.assert_equal(BANK)


def _land(platform: Platform, reading: Reading) -> None:
    platform.lake.land(BANK, reading, newest=platform.lake.manifests(BANK)[0], run_id="overtaken")


def test_a_second_sync_waits_for_one_in_its_load_and_then_finds_nothing(platform: Platform) -> None:
    platform.move(50)
    commit = Hold(b"COMMIT\0", "before", behind=b"INSERT INTO pipeline.loads")
    with (
        Gate(platform.address("warehouse"), commit) as gate,
        platform.start("sync", "--json", BANK.full_name, warehouse=gate.port) as first,
    ):
        assert gate.reached.wait(60)
        with platform.start("sync", "--json", BANK.full_name) as second:
            gate.release()
            first.end().expect(0)
            result = second.end().expect(0)
    assert (result.json[0]["batch"], result.json[0]["rows_loaded"]) == (None, 0), str(result)
    platform.assert_equal(BANK)


def test_two_runs_can_create_a_pool_at_the_same_time(platform: Platform) -> None:
    """The first two runs of a table, started together: each finds no pool, and each creates it."""
    with DagsterInstance.from_config(str(platform.folder)) as instance:
        storage = instance.event_log_storage
        for _ in range(2):
            assert storage.initialize_concurrency_limit_to_default("test.pool")
        assert [pool.limit for pool in storage.get_pool_limits() if pool.name == "test.pool"] == [1]
        storage.delete_concurrency_limit("test.pool")


def test_a_slot_that_is_freed_while_a_step_is_being_queued_is_not_lost(platform: Platform) -> None:
    """Regression: of two concurrent syncs, one could wait for ever for a slot that no run held."""
    with DagsterInstance.from_config(str(platform.folder)) as instance:
        storage = instance.event_log_storage
        assert isinstance(storage, SqlEventLogStorage)
        assert storage.initialize_concurrency_limit_to_default("test.pool")
        assert storage.claim_concurrency_slot("test.pool", "first", "step").is_claimed
        assert not storage.has_unassigned_slots("test.pool")  # the second looks,
        storage.free_concurrency_slot_for_step("first", "step")  # the first gives back,
        storage.add_pending_step("test.pool", "second", "step", should_assign=False)  # and only now the second is queued

        assert storage.claim_concurrency_slot("test.pool", "second", "step").is_claimed
        assert not storage.claim_concurrency_slot("test.pool", "third", "step").is_claimed
        storage.free_concurrency_slots_for_run("second")
        assert storage.claim_concurrency_slot("test.pool", "third", "step").is_claimed
        storage.free_concurrency_slots_for_run("third")
        storage.delete_concurrency_limit("test.pool")
