"""Every shape of trades.json that is taken, and every fault that is named with its line, field and reason."""

import io
import json
from collections.abc import Callable
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pytest
from bson import Decimal128, ObjectId
from hypothesis import given
from hypothesis import strategies as st

from stori_pipeline.local.samples.report import Rejected
from stori_pipeline.local.samples.trades_json import MAX_TRADE, Trade, element, read_trades

ID = "5a17c3b04e2d9f71b8139f9a"
TRADE: dict[str, Any] = {
    "id": ID,
    "price": 110.07,
    "shares": 200,
    "ticker": "abcd",
    "ticket": "z104",
    "details": {"system": "abc", "lag": 0, "asks": [110.08, 110.12, 111], "bids": [109.9, 109.88, 109.7, 109.5]},
    "time": {"date": "2012-03-03T07:03:00.250Z"},
}
DOCUMENT = {
    "_id": ObjectId(ID),
    "price": Decimal128("110.07"),
    "shares": 200,
    "ticker": "abcd",
    "ticket": "z104",
    "details": {"system": "abc", "lag": 0, "asks": [110.08, 110.12, 111], "bids": [109.9, 109.88, 109.7, 109.5]},
    "time": {"date": datetime(2012, 3, 3, 7, 3, 0, 250_000, tzinfo=timezone.utc)},
}


def read(text: str | bytes) -> list[Trade | Rejected]:
    return list(read_trades(io.BytesIO(text.encode() if isinstance(text, str) else text)))


def with_change(**change: Any) -> dict[str, Any]:
    return {name: value for name, value in {**TRADE, **change}.items() if value is not ...}


def the_document(trade: dict[str, Any]) -> dict[str, Any]:
    (found,) = read(json.dumps(trade))
    assert isinstance(found, Trade), found
    return found.document


def numbered(count: int) -> list[dict[str, Any]]:
    return [with_change(id=f"{int(ID, 16) + number:024x}") for number in range(count)]


SHAPES: dict[str, Callable[[list[dict[str, Any]]], str]] = {
    "wrapped": lambda trades: json.dumps({"data": trades}),
    "wrapped and indented": lambda trades: json.dumps({"data": trades}, indent=4),
    "an array": json.dumps,
    "an indented array": lambda trades: json.dumps(trades, indent=2),
    "lines": lambda trades: "\n".join(map(json.dumps, trades)) + "\n",
    "lines with a byte order mark": lambda trades: "\ufeff" + "\r\n".join(map(json.dumps, trades)),
    "several wrapped documents": lambda trades: "\n".join(json.dumps({"data": [trade]}) for trade in trades),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_every_shape_gives_the_same_trades(shape: Callable[[list[dict[str, Any]]], str]) -> None:
    found = read(shape(numbered(3)))
    assert [trade.document for trade in found if isinstance(trade, Trade)] == [
        {**DOCUMENT, "_id": ObjectId(f"{int(ID, 16) + number:024x}")} for number in range(3)
    ]
    assert len(found) == 3


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_no_trades_are_no_trades(shape: Callable[[list[dict[str, Any]]], str]) -> None:
    assert read(shape([])) == []


def test_a_file_far_longer_than_the_window_is_read_whole() -> None:
    count = 3 * MAX_TRADE // len(json.dumps(TRADE))
    for text in (json.dumps({"data": numbered(count)}), "\n".join(map(json.dumps, numbered(count)))):
        found = read(text)
        assert len(found) == count
        assert all(isinstance(trade, Trade) for trade in found)
    assert [trade.line for trade in found] == list(range(1, count + 1))


@pytest.mark.parametrize(
    "change",
    [
        {"id": ..., "_id": {"$oid": ID}},
        {"id": ..., "_id": ID},
        {"id": ID.upper()},
        {"time": {"$date": "2012-03-03T07:03:00.250Z"}},
        {"time": {"date": {"$date": "2012-03-03T08:03:00.250+0100"}}},
        {"time": {"$date": 1330758180250}},
        {"time": {"$date": {"$numberLong": "1330758180250"}}},
        {"price": {"$numberDecimal": "110.07"}},
        {"price": {"$numberDouble": "110.07"}, "shares": {"$numberInt": "200"}},
    ],
)
def test_extended_json_says_the_same(change: dict[str, Any]) -> None:
    assert the_document(with_change(**change)) == DOCUMENT


@pytest.mark.parametrize(
    ("price", "stored"),
    [("110", 110), ("110.0", 110), ("110.07", Decimal128("110.07")), ("0.1", Decimal128("0.1")), ("1e2", 100), ("9e18", 9 * 10**18)],
)
def test_a_price_is_an_integer_or_an_exact_decimal(price: str, stored: object) -> None:
    found = the_price(price)
    assert found == stored
    assert type(found) is type(stored)


def the_price(price: str) -> Any:
    (found,) = read(json.dumps(TRADE).replace("110.07", price))
    assert isinstance(found, Trade), found
    return found.document["price"]


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=6))
def test_every_price_of_the_record_arrives_exactly(price: Decimal) -> None:
    found = the_price(f"{price:f}")
    assert (found.to_decimal() if isinstance(found, Decimal128) else found) == price


@pytest.mark.parametrize("name", ["ticker", "ticket"])
def test_absent_and_null_stay_apart(name: str) -> None:
    assert name not in the_document(with_change(**{name: ...}))
    assert the_document(with_change(**{name: None}))[name] is None


def test_fields_that_are_not_known_are_kept() -> None:
    assert the_document(with_change(venue={"code": 7, "rate": 0.5}))["venue"] == {"code": 7, "rate": 0.5}


BAD: list[tuple[str, dict[str, Any], str, str]] = [
    ("no id", {"id": ...}, "id", "missing"),
    ("short id", {"id": "5a17"}, "id", "24 hex digits"),
    ("no price", {"price": ...}, "price", "missing"),
    ("price as text", {"price": "110"}, "price", "not a number"),
    ("price true", {"price": True}, "price", "not a number"),
    ("price NaN", {"price": {"$numberDecimal": "NaN"}}, "price", "not a number"),
    ("35 digits", {"price": {"$numberDecimal": "1." + "1" * 34}}, "price", "34 digits"),
    ("half a share", {"shares": 1.5}, "shares", "whole number"),
    ("too many shares", {"shares": 2**31}, "shares", "32 bits"),
    ("ticker a number", {"ticker": 5}, "ticker", "not text"),
    ("NUL", {"ticker": "a\0b"}, "ticker", "NUL"),
    ("half a pair", {"ticker": "\ud83d"}, "ticker", "surrogate"),
    ("no details", {"details": ...}, "details", "missing"),
    ("details an array", {"details": []}, "details", "not an object"),
    ("no asks", {"details": {"bids": []}}, "details.asks", "missing"),
    ("bids of text", {"details": {"asks": [], "bids": ["1"]}}, "details.bids", "array of numbers"),
    ("no time", {"time": ...}, "time", "missing"),
    ("no date", {"time": {}}, "time.date", "missing"),
    ("a day that is not", {"time": {"date": "2012-02-30T00:00:00.000Z"}}, "time.date", "calendar"),
    ("no zone", {"time": {"date": "2012-02-03T00:00:00.000"}}, "time.date", "not an instant"),
    ("bad $oid", {"_id": {"$oid": "zz"}, "id": ...}, "_id", "not Extended JSON"),
    ("bad $date", {"time": {"$date": 10**30}}, "time", "not Extended JSON"),
    ("a $ name", {"venue": {"$where": 1, "x": 2}}, "venue", "field's name"),
    ("a number beyond doubles", {"details": {"asks": [10**400], "bids": []}}, "details.asks", "too large for a double"),
]


@pytest.mark.parametrize(("change", "column", "reason"), [bad[1:] for bad in BAD], ids=[bad[0] for bad in BAD])
@pytest.mark.parametrize("shape", ["lines", "wrapped and indented"])
def test_a_bad_trade_is_refused_alone(shape: str, change: dict[str, Any], column: str, reason: str) -> None:
    before, bad, after = read(SHAPES[shape]([TRADE, with_change(**change), TRADE]))
    assert isinstance(before, Trade)
    assert isinstance(after, Trade)
    assert isinstance(bad, Rejected)
    assert bad.column == column
    assert reason in bad.reason
    if shape == "lines":
        assert bad.line == 2
    assert (bad.raw + bad.reason).isprintable()


BROKEN: dict[str, bytes] = {
    "cut off": json.dumps(TRADE).encode()[:100],
    "NaN": json.dumps(TRADE).replace("110.07", "NaN").encode(),
    "a text of 5 MB": json.dumps(with_change(ticker="x" * 5_000_000)).encode(),
    "deep": b'{"a":' * 100_000,
    "not JSON": b"{nonsense}",
    "not UTF-8": json.dumps(TRADE).encode().replace(b"abcd", b"ab\xffd"),
    "open quote": json.dumps(TRADE).replace('"abcd"', '"abcd').encode(),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("joint", [b"\n", b",\n"], ids=["lines", "array"])
def test_a_trade_that_is_no_json_is_refused_and_reading_goes_on(joint: bytes, broken: bytes) -> None:
    good = json.dumps(TRADE).encode()
    text = joint.join([good, broken, good])
    found = read(text if joint == b"\n" else b'{"data":[\n' + text + b"\n]}")
    assert [type(trade) for trade in found] == [Trade, Rejected, Trade]
    assert found[1].line == found[0].line + 1
    assert found[2].line == found[1].line + 1


def test_a_broken_trade_in_a_file_of_one_line_costs_no_other() -> None:
    good = json.dumps(TRADE, separators=(",", ":"))
    found = read('{"data":[' + ",".join([good, good.replace("110.07", "oops"), good]) + "]}")
    assert [type(trade) for trade in found] == [Trade, Rejected, Trade]


def test_a_file_that_was_cut_off_between_two_trades_says_so() -> None:
    good = json.dumps(TRADE)
    found = read('{"data":[\n' + good + ",\n" + good + ",\n")
    assert [type(trade) for trade in found] == [Trade, Trade, Rejected]
    assert isinstance(found[-1], Rejected)
    assert "cut off" in found[-1].reason


def test_an_element_has_its_id_as_a_field() -> None:
    assert element(DOCUMENT) == {"id": ID, **{name: value for name, value in DOCUMENT.items() if name != "_id"}}
    assert "_id" in DOCUMENT


@given(st.binary(max_size=200))
def test_no_bytes_stop_a_file(junk: bytes) -> None:
    good = json.dumps(TRADE).encode()
    found = read(good + b"\n" + junk)
    assert isinstance(found[0], Trade)
