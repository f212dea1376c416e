"""Reading MongoDB by change stream, on real servers: the rows that follow from changes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stori_pipeline.contract import Misfit
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import integer, varchar
from stori_pipeline.readers import SourceError
from stori_pipeline.readers.mongo import ChangeStream, scans, streams
from stori_pipeline.readers.mongo.reader import MongoReader
from stori_pipeline_tests.conftest import MongoSource
from stori_pipeline_tests.readers.drained import Drained, drained
from stori_pipeline_tests.readers.mongo_trades import TRADES, Documents, a_trade, prices_after

ITEMS = Table(
    Source("shop", "mongodb", "A shop."),
    "items",
    (Column("id", integer, nullable=False, path="_id"), Column("name", varchar(16))),
    ("id",),
    ChangeStream(),
)


@pytest.fixture
def reader(mongo_db: MongoSource) -> MongoReader:
    return MongoReader(mongo_db.url)


@pytest.fixture
def forgetful(mongo_db: MongoSource) -> Documents:
    """An empty collection of trades that does not."""
    return mongo_db.database.create_collection("trades")


def _codes(reading: Drained) -> list[str]:
    return [row["code"] for row in reading.rejected]


def test_a_change_during_the_scan_is_in_the_snapshot_or_the_next_reading(
    trades: Documents, reader: MongoReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scans, "_DOCUMENTS", 10)  # several replies of the server, between which the application writes
    trades.insert_many([a_trade(f"{n:03}") for n in range(40)])
    rows: list[dict[str, Any]] = []
    with reader.read(TRADES, None) as reading:
        for number, chunk in enumerate(reading):
            rows += chunk.rows.to_pylist()
            if number == 0:
                trades.update_one({"id": "000"}, {"$set": {"price": 2}})
                trades.update_one({"id": "039"}, {"$set": {"price": 3}})
                trades.delete_one({"id": "001"})
                trades.delete_one({"id": "038"})
                trades.insert_one(a_trade("new"))
        first = Drained(reading.kind, rows, [], reading.until, reading.must_land)
    second = drained(reader, TRADES, first.until)
    assert second.rows == []  # the snapshot includes the changes made while it was taken
    assert prices_after(first) == {trade["id"]: trade["price"] for trade in trades.find()}
    assert len(prices_after(first)) == 39


def test_many_events_of_one_document_are_one_row(trades: Documents, reader: MongoReader) -> None:
    start = drained(reader, TRADES).until
    trades.insert_one(a_trade("a"))
    for price in range(2, 50):
        trades.update_one({"id": "a"}, {"$set": {"price": price}})
    changes = drained(reader, TRADES, start)
    assert [(row["id"], row["price"]) for row in changes.rows] == [("a", 49)]


def test_windows_bound_the_memory_and_keep_the_order(trades: Documents, reader: MongoReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_WINDOW_EVENTS", 3)
    start = drained(reader, TRADES).until
    for n in range(10):
        trades.insert_one(a_trade("same", price=n, note=n))
    with reader.read(TRADES, start) as reading:
        sizes = [chunk.rows.num_rows for chunk in reading]
    assert sizes == [3, 3, 3, 1]
    assert prices_after(drained(reader, TRADES, start)) == {"same": 9}


def test_replacing_a_document_deletes_its_old_key(trades: Documents, reader: MongoReader) -> None:
    trades.insert_one({"_id": 1, **a_trade("old")})
    start = drained(reader, TRADES)
    trades.replace_one({"_id": 1}, a_trade("new"))
    changes = drained(reader, TRADES, start.until)
    assert [(row["id"], row["_deleted"]) for row in changes.rows] == [("old", True), ("new", False)]


def test_a_shrinking_array_deletes_the_removed_rows(trades: Documents, reader: MongoReader) -> None:
    trades.insert_one({"_id": 1, "data": [a_trade("a"), a_trade("b"), a_trade("c")]})
    start = drained(reader, TRADES)
    trades.update_one({"_id": 1}, {"$pull": {"data": {"id": "b"}}})
    trades.update_one({"_id": 1}, {"$set": {"data.0.price": 7}})
    trades.update_one({"_id": 1}, {"$push": {"data": a_trade("d")}})
    changes = drained(reader, TRADES, start.until)
    assert [row["id"] for row in changes.rows if row["_deleted"]] == ["b"]
    assert prices_after(start, changes) == {"a": 7, "c": 1, "d": 1}
    assert changes.rejected == []


def test_deleting_a_document_with_an_array_deletes_all_its_rows(trades: Documents, reader: MongoReader) -> None:
    trades.insert_one({"_id": 1, "data": [a_trade("a"), a_trade("b")]})
    start = drained(reader, TRADES)
    trades.delete_one({"_id": 1})
    assert prices_after(start, drained(reader, TRADES, start.until)) == {}


def test_a_document_updated_and_then_deleted_is_gone(trades: Documents, reader: MongoReader) -> None:
    trades.insert_one({"_id": 1, **a_trade("a")})
    start = drained(reader, TRADES)
    trades.update_one({"_id": 1}, {"$set": {"id": "b"}})
    trades.delete_one({"_id": 1})
    changes = drained(reader, TRADES, start.until)
    assert {(row["id"], row["_deleted"]) for row in changes.rows} == {("a", True), ("b", True)}


def test_a_key_that_leaves_one_document_and_stays_in_another_stays(trades: Documents, reader: MongoReader) -> None:
    trades.insert_one({"_id": 1, "data": [a_trade("a"), a_trade("b")]})
    trades.insert_one({"_id": 2, **a_trade("a", price=5)})
    start = drained(reader, TRADES)
    trades.delete_one({"_id": 1})
    assert prices_after(start, drained(reader, TRADES, start.until)) == {"a": 5}


def test_a_row_that_moves_to_another_document_stays(trades: Documents, reader: MongoReader) -> None:
    trades.insert_one({"_id": 1, "data": [a_trade("a"), a_trade("b")]})
    start = drained(reader, TRADES)
    trades.insert_one({"_id": 2, "data": [a_trade("b", price=5)]})
    trades.update_one({"_id": 1}, {"$pull": {"data": {"id": "b"}}})
    assert prices_after(start, drained(reader, TRADES, start.until)) == {"a": 1, "b": 5}


def test_the_last_written_document_of_a_trade_wins(trades: Documents, reader: MongoReader) -> None:
    trades.insert_one({"_id": 2, "data": [a_trade("a", price=1), a_trade("b", price=1), a_trade("a", price=2)]})
    trades.insert_one({"_id": 1, **a_trade("b", price=3)})
    snapshot = drained(reader, TRADES)
    assert prices_after(snapshot) == {"a": 2, "b": 3}
    rows, span = reader.key_range(TRADES)
    assert (rows, sum(digest.rows for digest in reader.digests(TRADES, span, span.width(256)).values())) == (2, 2)


# What an application may do to a document, by its _id: make it one trade, make it an array of trades, change it, delete it.
_WRITES = st.one_of(
    st.tuples(st.just("one"), st.integers(1, 3), st.sampled_from("abc")),
    st.tuples(st.just("array"), st.integers(1, 3), st.lists(st.sampled_from("abcd"), max_size=3)),
    st.tuples(st.just("push"), st.integers(1, 3), st.sampled_from("abcd")),
    st.tuples(st.just("pull"), st.integers(1, 3), st.sampled_from("abcd")),
    st.tuples(st.just("delete"), st.integers(1, 3), st.none()),
    st.tuples(st.just("read"), st.just(0), st.none()),
)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(writes=st.lists(_WRITES, max_size=20), window=st.sampled_from([1, 2, 5_000]))
def test_after_any_writes_the_mirror_has_the_rows_of_the_documents(
    writes: list[tuple[str, int, Any]], window: int, mongo_db: MongoSource, reader: MongoReader
) -> None:
    mongo_db.database.drop_collection("trades")
    trades = mongo_db.database.create_collection("trades", changeStreamPreAndPostImages={"enabled": True})
    readings = [drained(reader, TRADES)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(streams, "_WINDOW_EVENTS", window)
        for price, (what, identifier, value) in enumerate([*writes, ("read", 0, None)]):
            if what == "one":
                trades.replace_one({"_id": identifier}, a_trade(value, price), upsert=True)
            elif what == "array":
                trades.replace_one({"_id": identifier}, {"data": [a_trade(name, price) for name in value]}, upsert=True)
            elif what == "push":
                trades.update_one({"_id": identifier, "data": {"$exists": True}}, {"$push": {"data": a_trade(value, price)}})
            elif what == "pull":
                trades.update_one({"_id": identifier, "data": {"$exists": True}}, {"$pull": {"data": {"id": value}}})
            elif what == "delete":
                trades.delete_one({"_id": identifier})
            else:
                readings.append(drained(reader, TRADES, readings[-1].until))
    state = prices_after(*readings)
    prices: dict[str, list[tuple[int, int]]] = {}
    for document in trades.find():
        for trade in document.get("data", [document]):
            prices.setdefault(trade["id"], []).append((document["_id"], trade["price"]))
    assert state.keys() == prices.keys()
    for name, held in prices.items():
        # Of one array the later element counts; which of several documents was written last, they do not say.
        assert state[name] in dict(held).values()
    assert [reading.rejected for reading in readings] == [[]] * len(readings)


def test_without_images_a_table_keyed_by_underscore_id_sees_deletes(mongo_db: MongoSource, reader: MongoReader) -> None:
    items = mongo_db.database["items"]
    items.insert_many([{"_id": 1, "name": "a"}, {"_id": 2, "name": "b"}])
    start = drained(reader, ITEMS)
    items.delete_one({"_id": 1})
    items.replace_one({"_id": 2}, {"name": "c"})
    changes = drained(reader, ITEMS, start.until)
    assert changes.rejected == []
    assert changes.rows == [{"id": 1, "name": None, "_deleted": True}, {"id": 2, "name": "c", "_deleted": False}]


def test_without_images_a_delete_is_quarantined_with_its_underscore_id(forgetful: Documents, reader: MongoReader) -> None:
    forgetful.insert_one({"_id": "x", "price": 1, "shares": 1})
    start = drained(reader, TRADES)
    forgetful.delete_one({"_id": "x"})
    changes = drained(reader, TRADES, start.until)
    assert prices_after(start, changes) == {}
    (wrong,) = changes.rejected
    assert wrong["code"] == "delete_unresolved"
    assert "stori detect-deletes exchange.trades" in wrong["reason"]
    assert "changeStreamPreAndPostImages" in wrong["reason"]
    assert json.loads(wrong["raw"]) == {"operationType": "delete", "documentKey": {"_id": "x"}}


def test_without_images_only_an_update_that_may_remove_rows_is_quarantined(forgetful: Documents, reader: MongoReader) -> None:
    forgetful.insert_one({"_id": 1, "data": [a_trade("a"), a_trade("b")]})
    start = drained(reader, TRADES)
    forgetful.update_one({"_id": 1}, {"$push": {"data": a_trade("c")}})
    forgetful.update_one({"_id": 1}, {"$set": {"data.0.price": 7}})
    grown = drained(reader, TRADES, start.until)
    assert (prices_after(start, grown), _codes(grown)) == ({"a": 7, "b": 1, "c": 1}, [])
    forgetful.update_one({"_id": 1}, {"$set": {"data": [a_trade("c", price=9)]}})
    shrunk = drained(reader, TRADES, grown.until)
    assert (prices_after(shrunk), _codes(shrunk)) == ({"c": 9}, ["delete_unresolved"])


def test_an_event_above_sixteen_megabytes_is_read(trades: Documents, reader: MongoReader) -> None:
    trades.insert_one({"_id": 1, **a_trade("a", note="x" * 9_000_000)})
    start = drained(reader, TRADES)
    trades.update_one({"_id": 1}, {"$set": {"note": "y" * 9_000_000, "price": 2}})
    trades.insert_one(a_trade("b"))
    changes = drained(reader, TRADES, start.until)
    assert prices_after(start, changes) == {"a": 2, "b": 1}


def test_a_reading_ends_while_the_source_is_written_to(trades: Documents, reader: MongoReader) -> None:
    start = drained(reader, TRADES)
    trades.insert_many([a_trade(str(n)) for n in range(20)])
    seen = 0
    with reader.read(TRADES, start.until) as reading:
        for chunk in reading:
            seen += chunk.rows.num_rows
            trades.insert_one(a_trade(f"more {seen}"))  # for as long as rows come
            assert seen < 100
        until = reading.until
    assert len(prices_after(drained(reader, TRADES, until))) + seen >= 20
    assert seen >= 20


def test_the_head_changes_with_more_events_than_it_reads(trades: Documents, reader: MongoReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_PEEK", 5)
    start = drained(reader, TRADES).until
    assert reader.head(TRADES, start) == ""
    heads = set()
    for n in range(8):
        trades.insert_one(a_trade(str(n)))
        heads.add(reader.head(TRADES, start))
    assert len(heads) == 8


def test_a_position_is_reached_only_at_the_end(trades: Documents, reader: MongoReader) -> None:
    with reader.read(TRADES, None) as reading, pytest.raises(SourceError, match="no position before its end"):
        _ = reading.until


def test_a_misfit_is_never_a_value(trades: Documents, reader: MongoReader) -> None:
    trades.insert_one(a_trade("a", details=5))
    result = drained(reader, TRADES)
    assert (result.rows, _codes(result)) == ([], ["type"])
    assert Misfit.__name__ not in result.rejected[0]["raw"]
