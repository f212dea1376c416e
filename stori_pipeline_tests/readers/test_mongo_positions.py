"""Reading MongoDB by change stream, on real servers: from which positions a reading continues, and which are lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from stori_pipeline.model.reading import Position
from stori_pipeline.readers import PositionLost, SourceError, SourceUnavailable
from stori_pipeline.readers.mongo.reader import MongoReader
from stori_pipeline_tests.conftest import MongoSource
from stori_pipeline_tests.readers.drained import drained
from stori_pipeline_tests.readers.mongo_servers import mongo_server
from stori_pipeline_tests.readers.mongo_trades import TRADES, Documents, a_trade, prices_after


@pytest.fixture
def reader(mongo_db: MongoSource) -> MongoReader:
    return MongoReader(mongo_db.url)


@pytest.mark.parametrize("end", ["drop", "rename", "drop the database"])
def test_a_collection_that_is_gone_is_not_an_empty_one(end: str, mongo_db: MongoSource, trades: Documents, reader: MongoReader) -> None:
    """Regression: a new generation without rows was read, and emptied the mirror."""
    trades.insert_one(a_trade("a"))
    start = drained(reader, TRADES)
    if end == "rename":
        trades.rename("others")
    elif end == "drop the database":
        mongo_db.client.drop_database(mongo_db.name)
    else:
        trades.drop()
    acts: list[Callable[[], object]] = [lambda: drained(reader, TRADES, start.until), lambda: reader.head(TRADES, start.until)]
    acts.append(lambda: drained(reader, TRADES))
    for act in acts:
        with pytest.raises(SourceError, match=r"exchange\.trades: there is no collection 'trades'") as raised:
            act()
        assert not isinstance(raised.value, (SourceUnavailable, PositionLost))


def test_a_collection_that_is_made_anew_is_read_again(mongo_db: MongoSource, trades: Documents, reader: MongoReader) -> None:
    trades.insert_one(a_trade("a"))
    start = drained(reader, TRADES)
    trades.drop()
    mongo_db.database["trades"].insert_one(a_trade("b"))
    with pytest.raises(PositionLost, match=r"exchange\.trades.*new generation"):
        drained(reader, TRADES, start.until)
    with pytest.raises(PositionLost):
        reader.head(TRADES, start.until)
    assert prices_after(drained(reader, TRADES)) == {"b": 1}


def test_a_collection_dropped_during_a_reading_is_noticed(trades: Documents, reader: MongoReader) -> None:
    trades.insert_one(a_trade("a"))
    start = drained(reader, TRADES).until
    with pytest.raises(SourceError, match="there is no collection"), reader.read(TRADES, start) as reading:
        trades.insert_one(a_trade("b"))
        trades.drop()
        list(reading)


@pytest.mark.parametrize(
    "position",
    [{}, {"bound": None, "seen": []}, {"token": {"_data": "junk"}, "at": "2026-11-21T00:00:00+00:00", "collection": ""}],
    ids=["empty", "a cursor's", "junk"],
)
def test_a_position_of_another_kind_is_lost(position: Position, trades: Documents, reader: MongoReader) -> None:
    trades.insert_one(a_trade("a"))
    with pytest.raises(PositionLost):
        drained(reader, TRADES, position)


def test_a_position_older_than_the_oplog_is_lost_and_all_rows_are_read_again(tmp_path: Path) -> None:
    with mongo_server(tmp_path / "log", "--oplog-max-entries", "20") as address, MongoClient[dict[str, Any]](address) as client:
        reader = MongoReader(f"{address}/exchange")
        client.exchange.trades.insert_one(a_trade("first"))
        start = drained(reader, TRADES)
        client.exchange.trades.insert_many([a_trade(str(n)) for n in range(100)])
        client.admin.command("secantusAdmin.pruneOplog")
        with pytest.raises(PositionLost, match="new generation"):
            drained(reader, TRADES, start.until)
        with pytest.raises(PositionLost):
            reader.head(TRADES, start.until)
        assert len(prices_after(drained(reader, TRADES))) == 101


def test_a_position_of_another_server_is_lost(tmp_path: Path, trades: Documents, reader: MongoReader) -> None:
    trades.insert_one(a_trade("a"))
    start = drained(reader, TRADES)
    with mongo_server(tmp_path / "log") as address, MongoClient[dict[str, Any]](address) as client:
        client.exchange.trades.insert_one(a_trade("b"))
        with pytest.raises(PositionLost, match="another server"):
            drained(MongoReader(f"{address}/exchange"), TRADES, start.until)


@pytest.mark.clock
def test_an_idle_position_is_renewed_once_an_hour(mongo_db: MongoSource, trades: Documents, reader: MongoReader) -> None:
    trades.insert_one(a_trade("a"))
    start = dict(drained(reader, TRADES).until)
    mongo_db.database["others"].insert_one({})  # the oplog moves on, past this collection
    young = drained(reader, TRADES, start)
    assert (young.rows, young.must_land) == ([], False)
    start["at"] = (datetime.now(timezone.utc) - timedelta(minutes=61)).isoformat()
    old = drained(reader, TRADES, start)
    assert (old.rows, old.must_land) == ([], True)
    assert old.until["token"] != start["token"]
    assert drained(reader, TRADES, old.until).must_land is False
