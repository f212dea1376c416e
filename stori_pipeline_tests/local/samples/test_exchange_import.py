"""trades.json into a real MongoDB server: everything once, in both shapes."""

import json
from datetime import datetime, timezone
from pathlib import Path

import pytest
from bson import Decimal128, ObjectId

from stori_pipeline.local.samples import exchange
from stori_pipeline.local.samples.exchange_import import create_collection, import_trades, wrapped_id
from stori_pipeline.local.samples.report import SampleError, rejects_path
from stori_pipeline.local.stack import Stack
from stori_pipeline_tests.conftest import MongoSource


@pytest.fixture
def application(mongo: Stack, mongo_db: MongoSource) -> str:
    """The address as the application has it: it may write, and no more."""
    return mongo.mongo_url("app", mongo_db.name)


@pytest.fixture
def url(application: str) -> str:
    create_collection(application)
    return application


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "trades.json"
    exchange.write_trades(path, trades=2_500)
    return path


def test_the_collection_keeps_pre_images_also_where_it_was_there_before(application: str, mongo_db: MongoSource) -> None:
    mongo_db.database.create_collection("trades")
    create_collection(application)
    create_collection(application)
    (found,) = mongo_db.database.list_collections()
    assert found["options"]["changeStreamPreAndPostImages"] == {"enabled": True}


def test_a_second_import_inserts_nothing(url: str, path: Path, mongo_db: MongoSource) -> None:
    first = import_trades(url, path, wrapped=110)
    assert (first.inserted, first.existing, first.rejected) == (2_500, 0, ())
    before = list(mongo_db.database["trades"].find().sort("_id"))
    again = import_trades(url, path, wrapped=110)
    assert (again.inserted, again.existing) == (0, 2_500)
    unwrapped = import_trades(url, path)
    assert (unwrapped.inserted, unwrapped.existing) == (0, 2_500), "a trade that is in an array is there too"
    assert list(mongo_db.database["trades"].find().sort("_id")) == before


def test_the_first_trades_are_stored_in_arrays_and_the_rest_one_by_one(url: str, path: Path, mongo_db: MongoSource) -> None:
    import_trades(url, path, wrapped=60, trades_per_document=25)
    documents = list(mongo_db.database["trades"].find().sort("_id"))
    arrays = [document["data"] for document in documents if "data" in document]
    assert [len(array) for array in arrays] == [25, 25, 10]
    assert len(documents) == 3 + 2_440
    in_file = [trade["id"] for trade in json.loads(path.read_text())["data"]]
    stored = [one["id"] for array in arrays for one in array] + [str(d["_id"]) for d in documents if "data" not in d]
    assert stored == in_file
    assert not any("_id" in one for array in arrays for one in array)
    assert not any("id" in document for document in documents)


def test_values_have_the_types_of_the_database(url: str, path: Path, mongo_db: MongoSource) -> None:
    import_trades(url, path)
    documents = list(mongo_db.database["trades"].find().sort("_id"))
    assert {type(document["price"]) for document in documents} == {int, Decimal128}
    assert documents[0]["time"]["date"].replace(tzinfo=timezone.utc) == datetime(2012, 3, 2, 22, 0, tzinfo=timezone.utc)
    for document, trade in zip(documents, json.loads(path.read_text())["data"], strict=True):
        assert document["_id"] == ObjectId(trade["id"])
        assert str(document["price"]) == str(trade["price"])
        assert document["details"] == trade["details"]
        assert ("ticket" in document, "ticker" in document) == ("ticket" in trade, "ticker" in trade)


def test_importing_again_undoes_no_edit_and_brings_a_deleted_trade_back(url: str, path: Path, mongo_db: MongoSource) -> None:
    import_trades(url, path, wrapped=50)
    trades = mongo_db.database["trades"]
    edited, gone = ObjectId(exchange.trade_id(100)), ObjectId(exchange.trade_id(101))
    trades.update_one({"_id": edited}, {"$set": {"price": 1}})
    trades.delete_one({"_id": gone})
    first = wrapped_id(ObjectId(exchange.trade_id(0)))
    trades.update_one({"_id": first}, {"$pull": {"data": {"id": exchange.trade_id(0)}}})
    assert import_trades(url, path, wrapped=50).inserted == 2
    assert (trades.find_one({"_id": edited}) or {})["price"] == 1
    assert trades.find_one({"_id": gone}) is not None
    assert exchange.trade_id(0) in [one["id"] for one in (trades.find_one({"_id": first}) or {})["data"]]


@pytest.mark.parametrize("wrapped", [0, 3])
def test_a_trade_whose_price_changed_in_the_file_is_updated_by_the_next_import(
    url: str, tmp_path: Path, mongo_db: MongoSource, wrapped: int
) -> None:
    """It was "there already" before, and kept its first price."""
    path = tmp_path / "trades.json"
    exchange.write_trades(path, trades=5)
    trades = json.loads(path.read_text())["data"]
    import_trades(url, path, wrapped=wrapped)
    path.write_text(json.dumps([{**trades[0], "price": 7}, *trades[1:]]))
    report = import_trades(url, path, wrapped=wrapped)
    assert (report.inserted, report.updated, report.existing) == (0, 1, 4)
    stored = {
        item.get("id") or str(item["_id"]): item["price"]
        for document in mongo_db.database["trades"].find()
        for item in document.get("data", [document])
    }
    assert len(stored) == 5
    assert stored[trades[0]["id"]] == 7
    assert import_trades(url, path, wrapped=wrapped).existing == 5


def test_of_a_trade_that_is_in_the_file_twice_the_last_counts(url: str, tmp_path: Path, mongo_db: MongoSource) -> None:
    exchange.write_trades(tmp_path / "trades.json", trades=1)
    (trade,) = json.loads((tmp_path / "trades.json").read_text())["data"]
    (tmp_path / "twice.json").write_text(json.dumps([trade, {**trade, "price": 1}]))
    for inserted in (1, 0):
        report = import_trades(url, tmp_path / "twice.json")
        assert (report.inserted, report.existing, report.updated) == (inserted, 2 - inserted, 0)
        (stored,) = mongo_db.database["trades"].find()
        assert stored["price"] == 1


def test_bad_trades_are_left_out_and_listed_beside_the_file(url: str, path: Path, mongo_db: MongoSource) -> None:
    lines = path.read_text().splitlines()
    lines[3] = lines[3].replace('"price":', '"prize":')
    lines[5] = lines[5][:50]
    path.write_text("\n".join(lines))
    report = import_trades(url, path)
    assert report.inserted == 2_498
    assert [(r.line, r.column) for r in report.rejected] == [(4, "price"), (6, "")]
    assert len(rejects_path(path).read_text().splitlines()) == 3
    assert mongo_db.database["trades"].count_documents({}) == 2_498


def test_a_server_that_is_away_is_an_error_that_says_what_to_do(path: Path) -> None:
    with pytest.raises(SampleError, match="stori up"):
        import_trades("mongodb://127.0.0.1:1/exchange", path)
