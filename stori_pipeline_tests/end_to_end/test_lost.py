"""The lake or the warehouse wiped, whole or in part, by other hands."""

from __future__ import annotations

import pytest

from stori_pipeline.pipeline import sync
from stori_pipeline_tests.end_to_end.pipeline import BANK, EXCHANGE, NAMES, Pipeline


def test_a_wiped_lake_is_read_again_as_a_new_generation(pipeline: Pipeline) -> None:
    pipeline.move(40)
    pipeline.trade(0, 20)
    before = {table.full_name: pipeline.sync(table)[0] for table in (BANK, EXCHANGE)}
    for table in (BANK, EXCHANGE):
        pipeline.wipe_lake(table)
    pipeline.change()
    pipeline.write("DELETE FROM transactions WHERE transaction_no = 9")
    pipeline.exchange.database["trades"].delete_one({"id": f"{3:024x}"})

    pipeline.stori("sync", "--json", *NAMES).expect(0)

    for table in (BANK, EXCHANGE):
        pipeline.assert_equal(table)
        newest, old = pipeline.lake.newest(table), before[table.full_name]
        assert newest is not None
        assert old is not None
        assert (newest.kind, newest.batch) == ("snapshot", 1)
        assert newest.generation > old.generation
        assert pipeline.ledger(table) == [old.order, newest.order]


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
def test_a_wiped_warehouse_is_loaded_again_from_the_lake_alone(pipeline: Pipeline, wiped: list[str]) -> None:
    pipeline.move(40)
    pipeline.trade(0, 20)
    for table in (BANK, EXCHANGE):
        pipeline.sync(table)
    pipeline.change()
    pipeline.exchange.database["trades"].delete_one({"id": f"{3:024x}"})
    for table in (BANK, EXCHANGE):
        pipeline.sync(table)
    pipeline.execute(*wiped)

    for table in (BANK, EXCHANGE):
        # No reader: there is no source that this could touch.
        loaded = sync.load(table, pipeline.lake, pipeline.warehouse, run_id="again")
        assert loaded is not None
        assert loaded.batch == 2
        assert loaded.rows_inserted == pipeline.verify(table).source_rows
        pipeline.assert_equal(table, loaded_again=True)
        assert sync.load(table, pipeline.lake, pipeline.warehouse, run_id="once more") is None


def test_rows_of_the_mirror_changed_by_hand_are_found_by_key(pipeline: Pipeline) -> None:
    pipeline.move(40)
    pipeline.sync(BANK)
    pipeline.execute(
        "DELETE FROM bank.transactions WHERE transaction_no = 5",
        "UPDATE bank.transactions SET transaction_details = NULL WHERE transaction_no = 7",
        "INSERT INTO bank.transactions SELECT * FROM bank.transactions WHERE transaction_no = 11",
    )
    ended = pipeline.stori("verify", "--json", BANK.full_name).expect(1)
    (result,) = ended.json
    assert (result["equal"], result["source_rows"], result["warehouse_rows"]) == (False, 40, 40)
    assert sorted(result["differing"], key=int) == ["5", "7", "11"]


def test_a_lost_part_fails_the_load_and_a_full_sync_mends_it(pipeline: Pipeline) -> None:
    pipeline.move(40)
    pipeline.land(BANK)
    (part,) = pipeline.objects(BANK, "date=")
    pipeline.s3.delete_object(Bucket=pipeline.bucket, Key=part)

    ended = pipeline.stori("sync", "--json", BANK.full_name).expect(1)
    assert BANK.full_name in ended.err
    assert "Traceback" not in ended.said, str(ended)
    assert pipeline.ledger(BANK) == []

    pipeline.stori("sync", "--full", "--json", BANK.full_name).expect(0)
    pipeline.assert_equal(BANK)
