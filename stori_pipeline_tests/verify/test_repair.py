"""A proof says why rows differ, is kept, and is repaired: exactly the rows that differ land again, from a later moment of their source."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from dagster import DagsterInstance

from stori_pipeline.defs.build import build_defs
from stori_pipeline.defs.keys import mirror_key
from stori_pipeline.lake import LandingConflict
from stori_pipeline.model.reading import Chunk, Position
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import bigint, varchar
from stori_pipeline.pipeline.detect_deletes import DetectionRefused
from stori_pipeline.pipeline.repair import Repaired, RowsByKey, repair
from stori_pipeline.pipeline.sync import RowStream, land
from stori_pipeline.readers.postgres.reader import PostgresReader
from stori_pipeline.readers.sqs import Queue
from stori_pipeline.readers.sqs.reader import SqsReader
from stori_pipeline.verify import proof as proofs
from stori_pipeline.verify.compare import Difference
from stori_pipeline.verify.proof import prove
from stori_pipeline.warehouse.proofs import keep_proof, verified_of
from stori_pipeline_tests.defs.graphs import PLAIN
from stori_pipeline_tests.platforms import BANK, EXCHANGE, Platform

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from stori_pipeline.model.reading import Chunk
    from stori_pipeline_tests.queues import TestQueue
    from stori_pipeline_tests.stores import StoreTable


@pytest.fixture
def differing(platform: Platform) -> Platform:
    """A bank whose mirror differs in every way: rows changed, missing and extra; and a trade that is missing."""
    platform.move(30)
    platform.trade(1, 5)
    for table in (BANK, EXCHANGE):
        platform.sync(table)
    platform.execute(
        "UPDATE bank.transactions SET balance_amt = 0.5, transaction_details = NULL WHERE transaction_no = 20",
        "DELETE FROM bank.transactions WHERE transaction_no = 21",
        f"DELETE FROM exchange.trades WHERE id = '{3:024x}'",
    )
    platform.write("DELETE FROM transactions WHERE transaction_no = 22")
    return platform


def _verified(platform: Platform, *arguments: str, code: int) -> dict[str, dict[str, Any]]:
    ended = platform.stori("verify", "--json", *arguments, BANK.full_name, EXCHANGE.full_name).expect(code)
    return {each["table"]: each for each in ended.json}


def test_rows_that_differ_are_explained_and_exactly_they_land_again(differing: Platform) -> None:
    bank = _verified(differing, code=1)[BANK.full_name]
    assert {row["key"]: row["why"] for row in bank["rows"]} == {"20": "changed", "21": "missing", "22": "extra"}
    (changed,) = [row for row in bank["rows"] if row["key"] == "20"]
    assert changed["columns"] == [
        {"column": "transaction_details", "source": "TRF", "warehouse": None},
        {"column": "balance_amt", "source": "20.00", "warehouse": "0.50"},
    ]
    assert (bank["differing_rows"], bank["more"], bank["verified_through"]) == (3, False, None)
    assert bank["checksums"]["source"] != bank["checksums"]["warehouse"]

    repaired = _verified(differing, "--repair", code=0)
    assert {name: each["repaired"]["rows_landed"] for name, each in repaired.items()} == {BANK.full_name: 2, EXCHANGE.full_name: 1}
    assert repaired[BANK.full_name]["repaired"]["rows_deleted"] == 1
    newest = differing.lake.newest(BANK)
    assert newest is not None
    assert (newest.batch, newest.kind, newest.rows) == (2, "changes", 3)
    for table in (BANK, EXCHANGE):
        differing.assert_equal(table)
    again = _verified(differing, "--repair", code=0)[BANK.full_name]
    assert (again["repaired"]["batch"], differing.lake.newest(BANK)) == (None, newest)


def test_a_source_that_is_not_asked_by_key_has_its_rows_that_differ_listed(differing: Platform) -> None:
    """As a kind from outside may be, which can only compare."""

    class Comparing(PostgresReader):
        read_keys = None  # type: ignore[assignment]

    proof = prove(BANK, Comparing(differing.environ["STORI_SOURCE_BANK"]), differing.lake, differing.warehouse)
    found = {each.key[0]: (each.why, each.columns) for each in proof.differing}
    assert found == {"20": ("changed", ()), "21": ("missing", ()), "22": ("extra", ())}


def test_verify_says_that_more_rows_differ_than_it_lists(platform: Platform) -> None:
    """Regression: it listed a hundred, as if there were no others."""
    platform.move(130)
    platform.sync(BANK)
    platform.execute("DELETE FROM bank.transactions WHERE transaction_no <= 120")
    ended = platform.stori("verify", BANK.full_name).expect(1)
    assert ended.out.count("not in the warehouse") == 100
    assert f"{BANK.full_name}: 20 more rows differ; the first 100 are listed" in ended.out


def test_a_row_whose_newest_version_is_in_quarantine_is_said_to_be_older(platform: Platform) -> None:
    """And a repair leaves it alone: the same row would be rejected again."""
    platform.move(3)
    platform.sync(BANK)
    platform.write("ALTER TABLE transactions ALTER transaction_details TYPE text")
    platform.write("UPDATE transactions SET transaction_details = repeat('x', 70000) WHERE transaction_no = 2")
    platform.stori("sync", "--full", BANK.full_name)
    platform.execute("UPDATE bank.transactions SET balance_amt = 7 WHERE transaction_no = 3")
    landed = platform.lake.newest(BANK)
    assert landed is not None
    reader = platform.reader(BANK)
    (in_quarantine, changed) = prove(BANK, reader, platform.lake, platform.warehouse).differing
    assert (in_quarantine.key, in_quarantine.why, changed.why) == (("2",), "in quarantine", "changed")
    assert f"batch {landed.batch}, too_long in column transaction_details" in in_quarantine.note
    assert repair(BANK, reader, platform.lake, platform.warehouse, run_id="run") == Repaired(1, 0, landed.batch + 1, in_quarantine=1)
    newest = platform.lake.newest(BANK)
    assert newest is not None
    assert (newest.rows, newest.rejected) == (1, 0)


def test_a_repair_that_another_landing_overtakes_changes_nothing(platform: Platform) -> None:
    """Its rows would be older than those that landed meanwhile, and yet win over them."""
    platform.move(5)
    platform.sync(BANK)
    platform.execute("DELETE FROM bank.transactions WHERE transaction_no = 2")

    class Overtaken(PostgresReader):
        def read_keys(self, table: Table, keys: Collection[tuple[str, ...]], *, since: Position | None = None) -> Iterator[Chunk]:
            yield from super().read_keys(table, keys, since=since)
            platform.write("UPDATE transactions SET balance_amt = 99 WHERE transaction_no = 2")
            platform.land(BANK)

    with pytest.raises(LandingConflict):
        repair(BANK, Overtaken(platform.environ["STORI_SOURCE_BANK"]), platform.lake, platform.warehouse, run_id="run")
    platform.load(BANK)
    platform.assert_equal(BANK)


def test_a_repair_that_was_killed_before_its_load_can_run_again(differing: Platform) -> None:
    newest, reader = differing.lake.newest(BANK), PostgresReader(differing.environ["STORI_SOURCE_BANK"])
    assert newest is not None
    found = [Difference(("20",), "different"), Difference(("22",), "not in the source"), Difference(("99",), "not in the warehouse")]
    landed = RowStream(BANK, differing.lake, newest, RowsByKey(BANK, reader, reader, found, newest)).land(run_id="killed").manifest
    assert landed is not None
    assert landed.rows == 2
    with pytest.raises(DetectionRefused, match="does not hold batch 2 yet"):
        repair(BANK, reader, differing.lake, differing.warehouse, run_id="run")
    assert _verified(differing, "--repair", code=0)[BANK.full_name]["repaired"]["rows_landed"] == 1  # the missing row 21
    differing.assert_equal(BANK)


def test_a_source_that_lists_no_rows_is_not_repaired_into_an_empty_mirror(platform: Platform) -> None:
    platform.move(3)
    platform.sync(BANK)
    platform.write("DELETE FROM transactions")
    with pytest.raises(DetectionRefused, match="lists no rows and the mirror has 3"):
        repair(BANK, platform.reader(BANK), platform.lake, platform.warehouse, run_id="run")


def test_a_mirror_of_a_queue_is_loaded_again_from_the_lake(messages: TestQueue, store: StoreTable) -> None:
    columns = (Column("id", bigint, nullable=False), Column("note", varchar(64)))
    orders = store(Table(Source("shop", "sqs", "A shop."), "orders", columns, ("id",), Queue()))
    table, stores, reader = orders.table, orders.stores, SqsReader(messages.url)
    messages.send({"id": 1, "note": "a"}, {"id": 2, "note": "b"})
    land(table, reader, stores.lake, run_id="land")
    orders.load()
    assert repair(table, reader, stores.lake, stores.warehouse, run_id="run") == Repaired()
    stores.execute(f"DELETE FROM {table.full_name} WHERE id = 1", f"UPDATE {table.full_name} SET note = 'z' WHERE id = 2")
    found = prove(table, reader, stores.lake, stores.warehouse)
    assert [(each.key, each.why) for each in found.differing] == [(("1",), "missing"), (("2",), "changed")]
    assert repair(table, reader, stores.lake, stores.warehouse, run_id="run") == Repaired(reloaded=True)
    assert orders.mirror() == [(1, "a"), (2, "b")]
    assert prove(table, reader, stores.lake, stores.warehouse).equal


def test_a_share_at_a_time_proves_every_row_and_finds_what_differs(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proofs, "SMALL", 10)
    platform.move(60)
    platform.sync(BANK)
    reader, warehouse, name = platform.reader(BANK), platform.warehouse, BANK.full_name
    platform.execute("UPDATE bank.transactions SET balance_amt = 0 WHERE transaction_no = 58")
    found: list[str] = []
    shares = 0
    before = verified_of(warehouse, name)
    while not found:
        share = prove(BANK, reader, platform.lake, warehouse, share=True)
        shares += 1
        assert share.how == "ranges"
        assert share.comparison.source.rows < 15
        keep_proof(warehouse, share.record("run"))
        found += [each.key[0] for each in share.differing]
    assert found == ["58"]
    assert shares > 5
    assert verified_of(warehouse, name) == before
    platform.write("UPDATE transactions SET balance_amt = balance_amt WHERE transaction_no = 58")
    platform.sync(BANK)
    began = prove(BANK, reader, platform.lake, warehouse).started_at
    for _ in range(shares + 5):
        keep_proof(warehouse, prove(BANK, reader, platform.lake, warehouse, share=True).record("run"))
    through = verified_of(warehouse, name)
    assert through is not None
    assert through >= began


def test_a_proof_with_rows_in_flight_is_verified_through_what_was_read(platform: Platform) -> None:
    platform.move(5)
    platform.sync(BANK)
    landed = platform.lake.newest(BANK)
    assert landed is not None
    quiet = prove(BANK, platform.reader(BANK), platform.lake, platform.warehouse)
    assert quiet.verified_through == quiet.started_at
    platform.write("DELETE FROM transactions WHERE transaction_no = 5")
    assert platform.detect_deletes(BANK) is not None  # a batch that moves no position
    platform.load(BANK)
    platform.move(1)
    proof = prove(BANK, platform.reader(BANK), platform.lake, platform.warehouse)
    assert (proof.equal, proof.in_flight, proof.verified_through) == (True, frozenset({("6",)}), landed.taken_at)


def test_at_night_every_row_is_proved_and_the_proof_is_kept_and_shown(
    platform: Platform, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the source deleted since the last look is brought first, or it would count as different."""
    monkeypatch.setattr(proofs, "SMALL", 1)
    platform.move(6)
    platform.trade(1, 2)
    for table in (BANK, EXCHANGE):
        platform.sync(table)
    before = prove(BANK, platform.reader(BANK), platform.lake, platform.warehouse)
    keep_proof(platform.warehouse, before.record("run"))
    platform.write("DELETE FROM transactions WHERE transaction_no = 6")
    job = build_defs(PLAIN).resolve_job_def("prove")
    result = job.execute_in_process(instance=instance, raise_on_error=False)
    (mirror,) = result.asset_materializations_for_node("warehouse__bank__transactions")
    assert mirror.metadata["verified_through"].value == pytest.approx(before.started_at.timestamp())
    (shown,) = [each for each in result.get_asset_check_evaluations() if each.asset_key == mirror_key(BANK)]
    assert shown.passed
    through = shown.metadata["verified_through"].value
    kept = platform.query(
        "SELECT how, is_equal, source_rows, source_checksum, mirror_checksum, batch, position, verified_through, run_id"
        f" FROM pipeline.proofs WHERE target = '{BANK.full_name}' ORDER BY finished_at DESC LIMIT 1"
    )
    ((how, equal, rows, theirs, ours, batch, position, verified_through, run_id),) = kept
    assert (how, equal, rows, batch, run_id) == ("whole", True, 5, 2, result.dagster_run.run_id)
    assert str(theirs) == str(ours) == shown.metadata["source_checksum"].value
    assert verified_through.timestamp() == pytest.approx(through)
    newest = platform.lake.newest(BANK)
    assert newest is not None
    assert json.loads(position) == newest.until
