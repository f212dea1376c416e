"""Reading MongoDB by a cursor column, on a server without change streams, and reading days again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.collection import Collection

from stori_pipeline.model.changes import Cursor
from stori_pipeline.model.reading import Position
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import date as date_type
from stori_pipeline.model.types import integer, timestamptz
from stori_pipeline.project import find_table
from stori_pipeline.readers import PositionLost, SourceError
from stori_pipeline.readers.mongo import cursors
from stori_pipeline.readers.mongo.reader import MongoReader
from stori_pipeline_tests.readers.drained import drained
from stori_pipeline_tests.readers.mongo_servers import mongo_server

pytestmark = pytest.mark.clock

TRADES = replace(find_table("exchange.trades"), changes=Cursor("traded_at", lag=timedelta(minutes=5)))
LONG_AGO = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(days=2)
"""Two days, because a test may begin a day earlier than this module was imported (`moments`)."""

Documents = Collection[dict[str, Any]]


def _now() -> datetime:
    """Asked anew by each test: a cursor lags behind the present, and a suite may have run for long when a test begins."""
    return datetime.now(timezone.utc).replace(microsecond=0)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with mongo_server(tmp_path_factory.mktemp("standalone") / "log", "--standalone") as address:
        yield address


@pytest.fixture
def trades(server: str, request: pytest.FixtureRequest) -> Iterator[Documents]:
    with MongoClient[dict[str, Any]](server) as client:
        yield client[_name(request)].trades
        client.drop_database(_name(request))


@pytest.fixture
def reader(server: str, request: pytest.FixtureRequest) -> MongoReader:
    return MongoReader(f"{server}/{_name(request)}")


def _name(request: pytest.FixtureRequest) -> str:
    return f"test_{abs(hash(request.node.name)):x}"


def _trade(name: str, at: object = None, **more: Any) -> dict[str, Any]:
    return {"id": name, "price": 1, "shares": 1, **({"time": {"date": at}} if at is not None else {}), **more}


def _names(reader: MongoReader, since: Position | None, table: Table = TRADES, **kwargs: Any) -> tuple[list[str], Position]:
    result = drained(reader, table, since, **kwargs)
    return sorted(row["id"] for row in result.rows), result.until


def test_a_type_of_a_project_that_can_be_a_cursor_is_read_by(trades: Documents, reader: MongoReader) -> None:
    instant = replace(timestamptz, name="instant")
    columns = tuple(replace(column, type=instant) if column.name == "traded_at" else column for column in TRADES.columns)
    table = replace(TRADES, columns=columns)
    trades.insert_one(_trade("old", LONG_AGO))
    names, until = _names(reader, None, table)
    trades.insert_one(_trade("new", _now()))
    assert (names, _names(reader, until, table)[0]) == (["old"], ["new"])
    assert _names(reader, until, table, day=LONG_AGO.date())[0] == ["old"]


def test_a_snapshot_then_only_what_is_new(trades: Documents, reader: MongoReader) -> None:
    trades.insert_many([_trade("old", LONG_AGO), _trade("older", LONG_AGO - timedelta(days=1)), _trade("fresh", _now())])
    names, until = _names(reader, None)
    assert names == ["fresh", "old", "older"]
    assert reader.head(TRADES, until) == ""
    names, until = _names(reader, until)
    assert names == []
    trades.insert_one(_trade("newer", _now() + timedelta(seconds=1)))
    assert reader.head(TRADES, until) != ""
    assert _names(reader, until)[0] == ["newer"]


def test_a_row_stamped_before_the_last_reading_and_written_after_it_is_found(trades: Documents, reader: MongoReader) -> None:
    trades.insert_one(_trade("seen", _now()))
    _, until = _names(reader, None)
    trades.insert_one(_trade("late", _now() - timedelta(minutes=4)))
    names, until = _names(reader, until)
    assert names == ["late"]
    assert _names(reader, until)[0] == []


def test_a_second_row_with_the_same_stamp_is_found(trades: Documents, reader: MongoReader) -> None:
    trades.insert_one(_trade("a", LONG_AGO))
    _, until = _names(reader, None)
    trades.insert_one(_trade("b", LONG_AGO))
    names, until = _names(reader, until)
    assert names == ["b"]
    assert _names(reader, until)[0] == []


def test_an_edit_that_keeps_its_stamp_at_the_bound_is_found(trades: Documents, reader: MongoReader) -> None:
    trades.insert_one(_trade("a", LONG_AGO))
    _, until = _names(reader, None)
    trades.update_one({"id": "a"}, {"$set": {"price": 2}})
    result = drained(reader, TRADES, until)
    assert [(row["id"], row["price"]) for row in result.rows] == [("a", 2)]


def test_a_stamp_in_the_future_does_not_hide_what_comes_before_it(trades: Documents, reader: MongoReader) -> None:
    trades.insert_one(_trade("tomorrow", _now() + timedelta(days=1)))
    _, until = _names(reader, None)
    trades.insert_one(_trade("today", _now()))
    names, until = _names(reader, until)
    assert names == ["today"]
    assert _names(reader, until)[0] == []


def test_rows_without_a_stamp_are_found_whenever_they_change(trades: Documents, reader: MongoReader) -> None:
    trades.insert_many([_trade("a", LONG_AGO), _trade("none")])
    _, until = _names(reader, None)
    trades.insert_one(_trade("none too"))
    names, until = _names(reader, until)
    assert names == ["none too"]
    trades.update_one({"id": "none"}, {"$set": {"price": 2}})
    names, until = _names(reader, until)
    assert names == ["none"]
    assert _names(reader, until)[0] == []


@pytest.mark.parametrize("form", ["%Y-%m-%dT%H:%M:%S.000Z", "%Y-%m-%d %H:%M:%S+00"])
def test_stamps_stored_as_texts_are_compared_as_instants(form: str, trades: Documents, reader: MongoReader) -> None:
    trades.insert_many([_trade("a", LONG_AGO.strftime(form)), _trade("b", _now())])
    _, until = _names(reader, None)
    trades.insert_one(_trade("c", _now().strftime(form)))
    trades.insert_one(_trade("d", (_now() - timedelta(hours=3)).strftime(form)))  # before the bound: not looked at again
    assert _names(reader, until)[0] == ["c"]


def test_elements_of_an_array_are_found_by_their_own_stamps(trades: Documents, reader: MongoReader) -> None:
    trades.insert_one({"_id": 1, "data": [_trade("a", LONG_AGO), _trade("b", _now())]})
    names, until = _names(reader, None)
    assert names == ["a", "b"]
    trades.update_one({"_id": 1}, {"$push": {"data": _trade("c", _now())}})
    trades.insert_one({"_id": 2, "data": [_trade("d")]})
    names, until = _names(reader, until)
    assert names == ["c", "d"]
    assert _names(reader, until)[0] == []


def test_rows_in_quarantine_are_not_read_again(trades: Documents, reader: MongoReader) -> None:
    trades.insert_many([_trade("a", "not a date"), _trade("b", _now(), price="x"), {"data": 5}])
    first = drained(reader, TRADES)
    assert sorted(row["code"] for row in first.rejected) == ["bad_date", "document", "type"]
    second = drained(reader, TRADES, first.until)
    assert (second.rows, second.rejected) == ([], [])
    trades.insert_one(_trade("c", "nor this"))
    assert [row["code"] for row in drained(reader, TRADES, second.until).rejected] == ["bad_date"]


def test_more_rows_at_the_bound_than_a_position_holds_are_read_again(
    trades: Documents, reader: MongoReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cursors, "_REMEMBERED", 3)
    trades.insert_many([_trade(str(n), _now()) for n in range(5)])
    _, until = _names(reader, None)
    assert len(until["seen"]) == 3
    trades.insert_one(_trade("new", _now()))
    names, _ = _names(reader, until)
    assert len(names) == 3
    assert "new" in names


def test_a_position_survives_json(trades: Documents, reader: MongoReader) -> None:
    trades.insert_one(_trade("a", _now()))
    _, until = _names(reader, None)
    assert _names(reader, json.loads(json.dumps(until)))[0] == []


@pytest.mark.parametrize(
    ("first", "second", "kind"), [(1, 2, integer), (date(2026, 1, 1), date(2026, 1, 2), date_type)], ids=["integer", "date"]
)
def test_integers_and_days_are_cursors_too(first: Any, second: Any, kind: Any, trades: Documents, reader: MongoReader) -> None:
    table = Table(TRADES.source, "trades", (Column("id", integer, nullable=False), Column("n", kind)), ("id",), Cursor("n"))
    stored = [v if isinstance(v, int) else datetime.combine(v, datetime.min.time(), tzinfo=timezone.utc) for v in (first, second)]
    trades.insert_one({"_id": 1, "n": stored[0]})
    start = drained(reader, table)
    trades.insert_many([{"_id": 2, "n": stored[0]}, {"_id": 3, "n": stored[1]}])
    changes = drained(reader, table, json.loads(json.dumps(start.until)))
    assert sorted((row["id"], row["n"]) for row in changes.rows) == [(2, first), (3, second)]
    assert drained(reader, table, changes.until).rows == []


def test_a_cursor_of_a_type_without_an_order_in_time_is_refused(reader: MongoReader) -> None:
    with pytest.raises(SourceError, match=r"exchange\.trades.*ticker"):
        drained(reader, replace(TRADES, changes=Cursor("ticker")))


def test_a_position_of_a_change_stream_or_of_a_dropped_collection_is_lost(trades: Documents, reader: MongoReader) -> None:
    trades.insert_one(_trade("a", _now()))
    _, until = _names(reader, None)
    with pytest.raises(PositionLost):
        drained(reader, TRADES, {"token": {"_data": "00"}, "at": _now().isoformat()})
    trades.drop()
    trades.insert_one(_trade("b", LONG_AGO))
    with pytest.raises(PositionLost):
        drained(reader, TRADES, until)


DAY = date(2020, 2, 29)
MIDNIGHT = datetime(2020, 2, 29, tzinfo=timezone.utc)


def test_a_day_is_read_again_from_midnight_to_midnight_in_utc(trades: Documents, reader: MongoReader) -> None:
    trades.insert_many(
        [
            _trade("first", MIDNIGHT),
            _trade("last", MIDNIGHT + timedelta(days=1, milliseconds=-1)),
            _trade("before", MIDNIGHT - timedelta(milliseconds=1)),
            _trade("after", MIDNIGHT + timedelta(days=1)),
            _trade("text", "2020-02-29T12:00:00.000Z"),
            _trade("zoned", "2020-03-01T01:00:00+02:00"),
            _trade("zoned out", "2020-02-29T01:00:00+02:00"),
            _trade("none"),
            _trade("odd", "29 February"),
            {"_id": 1, "data": [_trade("element", MIDNIGHT), _trade("other day", _now())]},
            _trade("bad", MIDNIGHT, price="x"),
        ]
    )
    since = {"any": "position"}
    result = drained(reader, TRADES, since, day=DAY)
    assert sorted(row["id"] for row in result.rows) == ["element", "first", "last", "text", "zoned"]
    assert [json.loads(row["raw"])["id"] for row in result.rejected] == ["bad"]
    assert (result.kind, result.until, result.must_land) == ("changes", since, False)


def test_a_day_of_a_table_without_a_cursor_is_refused(reader: MongoReader) -> None:
    with pytest.raises(SourceError, match="cursor"):
        drained(reader, replace(TRADES, cursor=""), {"any": "position"}, day=DAY)
