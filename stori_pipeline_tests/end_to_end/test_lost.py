"""The lake or the warehouse lost, in full or in part."""

from __future__ import annotations

import pytest

from stori_pipeline.lake.manifest import manifest_key
from stori_pipeline.pipeline import sync
from stori_pipeline_tests.platforms import BANK, EXCHANGE, NAMES, Platform


def test_a_wiped_lake_is_read_again_as_a_new_generation(platform: Platform) -> None:
    platform.move(40)
    platform.trade(0, 20)
    before = {table.full_name: platform.sync(table)[0] for table in (BANK, EXCHANGE)}
    for table in (BANK, EXCHANGE):
        platform.lose(table)
    platform.change()
    platform.write("DELETE FROM transactions WHERE transaction_no = 9")
    platform.trades.delete_one({"id": f"{3:024x}"})

    platform.stori("sync", "--json", *NAMES).expect(0)

    for table in (BANK, EXCHANGE):
        platform.assert_equal(table)
        newest, old = platform.lake.newest(table), before[table.full_name]
        assert newest is not None
        assert old is not None
        assert (newest.kind, newest.batch) == ("snapshot", 1)
        assert newest.generation > old.generation
        assert platform.ledger(table) == [old.order, newest.order]


@pytest.mark.parametrize(
    "wiped",
    [
        ["DROP SCHEMA bank CASCADE", "DROP SCHEMA exchange CASCADE", "DROP SCHEMA pipeline CASCADE"],
        ["DROP TABLE bank.transactions", "DROP TABLE exchange.trades"],
        ["DROP TABLE pipeline.loads"],
        ["DELETE FROM pipeline.loads"],
    ],
    ids=["everything", "the mirrors", "the ledger", "what the ledger says"],
)
def test_a_wiped_warehouse_is_loaded_again_from_the_lake_alone(platform: Platform, wiped: list[str]) -> None:
    platform.move(40)
    platform.trade(0, 20)
    for table in (BANK, EXCHANGE):
        platform.sync(table)
    platform.change()
    platform.trades.delete_one({"id": f"{3:024x}"})
    for table in (BANK, EXCHANGE):
        platform.sync(table)
    platform.execute(*wiped)

    for table in (BANK, EXCHANGE):
        # No reader: there is no source that this could touch.
        loaded = sync.load(table, platform.lake, platform.warehouse, run_id="again")
        assert loaded is not None
        assert loaded.batch == 2
        assert loaded.rows_inserted == platform.verify(table).source_rows
        platform.assert_equal(table, loaded_again=True)
        assert sync.load(table, platform.lake, platform.warehouse, run_id="once more") is None


def test_rows_of_the_mirror_changed_by_hand_are_found_by_key(platform: Platform) -> None:
    platform.move(40)
    platform.sync(BANK)
    platform.execute(
        "DELETE FROM bank.transactions WHERE transaction_no = 5",
        "UPDATE bank.transactions SET transaction_details = NULL WHERE transaction_no = 7",
        "INSERT INTO bank.transactions SELECT * FROM bank.transactions WHERE transaction_no = 11",
    )
    ended = platform.stori("verify", "--json", BANK.full_name).expect(1)
    (result,) = ended.json
    assert (result["equal"], result["source_rows"], result["warehouse_rows"]) == (False, 40, 40)
    assert sorted(result["differing"], key=int) == ["5", "7", "11"]


def test_a_lost_part_fails_the_load_and_a_full_sync_repairs_it(platform: Platform) -> None:
    platform.move(40)
    platform.land(BANK)
    (part,) = platform.objects(BANK, "date=")
    platform.s3.delete_object(Bucket=platform.bucket, Key=part)

    ended = platform.stori("sync", "--json", BANK.full_name).expect(1)
    assert BANK.full_name in ended.err
    assert "Traceback" not in ended.output, str(ended)
    assert platform.ledger(BANK) == []

    platform.stori("sync", "--full", "--json", BANK.full_name).expect(0)
    platform.assert_equal(BANK)


@pytest.mark.parametrize("command", [("sync",), ("detect-deletes",), ("verify", "--repair")], ids=" ".join)
def test_every_command_that_lands_notices_a_lake_that_was_set_back(platform: Platform, command: tuple[str, ...]) -> None:
    """Only the run of Dagster asked the ledger; the others ended with an error of their load."""
    platform.move(5)
    platform.sync(BANK)
    platform.move(1)
    lost, _ = platform.sync(BANK)
    assert lost is not None
    platform.s3.delete_object(Bucket=platform.bucket, Key=manifest_key(BANK, lost.batch))
    platform.move(1)

    platform.stori(*command, BANK.full_name).expect(0)

    newest = platform.lake.newest(BANK)
    assert newest is not None
    assert newest.generation > lost.generation
    platform.assert_equal(BANK)
