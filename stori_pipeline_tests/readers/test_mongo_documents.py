"""Turning documents into rows, without a server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import bson
import pytest
from bson import Binary, Code, Decimal128, Int64, MaxKey, ObjectId, Regex, Timestamp, json_util
from bson.datetime_ms import DatetimeMS

from stori_pipeline.contract import conform
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import bigint, boolean, decimal, double, integer, super_, timestamptz, varchar
from stori_pipeline.project import find_table
from stori_pipeline.readers.mongo import ChangeStream
from stori_pipeline.readers.mongo.connection import CODEC
from stori_pipeline.readers.mongo.documents import Documents, extended_json

TRADES = find_table("exchange.trades")
SOURCE = Source("shop", "mongodb", "A shop.")
OID = ObjectId("5597a1627df886b33f839f9e")


def _typed(value: Any, kind: Any) -> tuple[Any, str]:
    """What lands from a value that has been through BSON, and the code if it does not."""
    table = Table(SOURCE, "items", (Column("id", integer, nullable=False), Column("value", kind)), ("id",), ChangeStream())
    document = bson.decode(bson.encode({"_id": 1, "value": value}), CODEC)
    batch, rejected = conform(table, Documents(table).rows(document))
    return (batch.column("value")[0].as_py(), "") if batch.num_rows else (None, rejected.column("code")[0].as_py())


@pytest.mark.parametrize(
    ("value", "kind", "lands", "code"),
    [
        (Int64(2**40), bigint, 2**40, ""),
        (Int64(2**40), integer, None, "range"),
        (200.0, integer, 200, ""),
        (200.5, integer, None, "scale"),
        (True, integer, None, "type"),
        (True, boolean, True, ""),
        (1, boolean, None, "type"),
        (Decimal128("1.10"), decimal(18, 6), Decimal("1.100000"), ""),
        (Decimal128("1.0000001"), decimal(18, 6), None, "scale"),
        (Decimal128("NaN"), decimal(18, 6), None, "not_finite"),
        (Decimal128("-Infinity"), decimal(18, 6), None, "not_finite"),
        (Decimal128("9.999999999999999999999999999999999E+6144"), decimal(18, 6), None, "range"),
        (Decimal128("1E-6176"), decimal(18, 6), None, "scale"),
        (110.1, decimal(18, 6), Decimal("110.100000"), ""),
        (110, decimal(18, 6), Decimal("110.000000"), ""),
        (Decimal128("0.25"), double, 0.25, ""),
        (OID, varchar(24), "5597a1627df886b33f839f9e", ""),
        (
            datetime(2012, 3, 3, 7, 3, 0, 1000, tzinfo=timezone.utc),
            timestamptz,
            datetime(2012, 3, 3, 7, 3, 0, 1000, tzinfo=timezone.utc),
            "",
        ),
        (DatetimeMS(253402300800000), timestamptz, None, "range"),
        (DatetimeMS(-62135596800001), timestamptz, None, "range"),
        ("2012-03-03T07:03:00.000Z", timestamptz, datetime(2012, 3, 3, 7, 3, tzinfo=timezone.utc), ""),
        (Timestamp(1, 1), timestamptz, None, "type"),
        (None, integer, None, ""),
        ("a\0b", varchar(8), None, "nul"),
        ("zażółć", varchar(8), None, "too_long"),
        ({"b": 1, "a": [OID]}, super_, b'{"a":["5597a1627df886b33f839f9e"],"b":1}', ""),
        ([Decimal128("1.10"), Int64(5), None, "x"], super_, b'[1.10,5,null,"x"]', ""),
        ("a text, not JSON", super_, b'"a text, not JSON"', ""),
        ('{"a": 1}', super_, b'"{\\"a\\": 1}"', ""),
        ([], super_, b"[]", ""),
        ([Decimal128("NaN")], super_, None, "not_finite"),
        ([DatetimeMS(253402300800000)], super_, None, "range"),
        (Binary(b"abc"), super_, b'"YWJj"', ""),
        (Binary.from_uuid(UUID(int=5)), varchar(36), "00000000-0000-0000-0000-000000000005", ""),
        (Regex("a"), varchar(8), None, "type"),
        (Code("f()"), varchar(8), "f()", ""),
        (MaxKey(), super_, None, "type"),
    ],
    ids=str,
)
def test_a_bson_value_lands_exactly_or_says_why_not(value: Any, kind: Any, lands: Any, code: str) -> None:
    assert _typed(value, kind) == (lands, code)


def test_text_that_is_not_utf8_rejects_its_own_row_only() -> None:
    good = bson.encode({"_id": 1, "value": "abcd"})
    assert good.count(b"abcd") == 1
    table = Table(SOURCE, "items", (Column("id", integer, nullable=False), Column("value", varchar(8))), ("id",), ChangeStream())
    documents = Documents(table)
    rows = [row for raw in (good.replace(b"abcd", b"ab\xffd"), good) for row in documents.rows(bson.decode(raw, CODEC))]
    batch, rejected = conform(table, rows)
    assert batch.column("value").to_pylist() == ["abcd"]
    assert rejected.column("code").to_pylist() == ["unicode"]
    assert json.loads(rejected.column("raw")[0].as_py()) == {"_id": 1, "value": "ab\udcffd"}


def _landed(document: Mapping[str, Any], table: Table = TRADES) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    batch, rejected = conform(table, Documents(table).rows(dict(document)))
    return batch.to_pylist(), rejected.to_pylist()


TRADE = {
    "id": str(OID),
    "price": 110,
    "shares": 200,
    "ticker": "abcd",
    "details": {"system": "abc", "lag": 0, "asks": [110.07, 110.12], "bids": [109.9]},
    "time": {"date": "2012-03-03T07:03:00.000Z"},
}


def test_nested_values_come_from_their_paths_and_what_is_absent_is_null() -> None:
    (row,), rejected = _landed({"_id": OID, **TRADE})
    assert rejected == []
    assert row == {
        "id": str(OID),
        "ticker": "abcd",
        "ticket": None,
        "price": Decimal("110.000000"),
        "shares": 200,
        "system": "abc",
        "lag": 0,
        "asks": b"[110.07,110.12]",
        "bids": b"[109.9]",
        "traded_at": datetime(2012, 3, 3, 7, 3, tzinfo=timezone.utc),
        "_deleted": False,
    }


@pytest.mark.parametrize("details", [{}, {"details": None}, {"details": {}}, {"details": {"lag": None}}], ids=repr)
def test_missing_and_null_are_the_same_at_every_level(details: dict[str, Any]) -> None:
    (row,), _ = _landed({"_id": OID, "price": 1, "shares": 1, **details})
    assert (row["system"], row["lag"], row["asks"]) == (None, None, None)


def test_a_path_through_a_value_without_fields_is_quarantined() -> None:
    _, (wrong,) = _landed({"_id": OID, "price": 1, "shares": 1, "details": "none"})
    assert (wrong["code"], wrong["column"]) == ("type", "system")
    assert "details holds a str" in wrong["reason"]


@pytest.mark.parametrize(("identifier", "key"), [(OID, str(OID)), ("abc", "abc"), (5, "5")], ids=repr)
def test_a_document_without_an_id_has_its_underscore_id_as_key(identifier: object, key: str) -> None:
    (row,), _ = _landed({"_id": identifier, "price": 1, "shares": 1})
    assert row["id"] == key


def test_an_integer_key_falls_back_to_an_integer_underscore_id() -> None:
    table = Table(SOURCE, "items", (Column("id", integer, nullable=False),), ("id",), ChangeStream())
    assert _landed({"_id": Int64(7)}, table)[0] == [{"id": 7, "_deleted": False}]
    assert _landed({"_id": 7, "id": 8}, table)[0] == [{"id": 8, "_deleted": False}]


def test_a_table_with_two_key_columns_never_falls_back() -> None:
    columns = (Column("a", integer, nullable=False), Column("b", integer, nullable=False))
    table = Table(SOURCE, "items", columns, ("a", "b"), ChangeStream())
    rows, (wrong,) = _landed({"_id": 1, "b": 2}, table)
    assert (rows, wrong["code"], wrong["column"]) == ([], "key_missing", "a")


def test_the_original_file_as_one_document_is_its_trades_in_their_order() -> None:
    file = {"_id": OID, "data": [{**TRADE, "id": name, "price": price} for name, price in [("b", 1), ("a", 2), ("b", 3)]]}
    rows, rejected = _landed(file)
    assert rejected == []
    assert [(row["id"], row["price"]) for row in rows] == [("b", 1), ("a", 2), ("b", 3)]


def test_an_element_has_no_underscore_id_to_fall_back_to() -> None:
    rows, (wrong,) = _landed({"_id": OID, "data": [{"price": 1, "shares": 1}]})
    assert (rows, wrong["code"]) == ([], "key_missing")


@pytest.mark.parametrize("data", [None, "absent"])
def test_a_document_whose_array_is_null_or_absent_is_one_row(data: Any) -> None:
    document = {"_id": OID, "price": 1, "shares": 1} | ({"data": None} if data is None else {})
    assert len(_landed(document)[0]) == 1


def test_an_empty_array_has_no_rows() -> None:
    assert _landed({"_id": OID, "data": []}) == ([], [])


@pytest.mark.parametrize("data", [5, "text", {"id": "a"}], ids=repr)
def test_a_value_that_should_be_an_array_is_quarantined_as_a_document(data: Any) -> None:
    rows, (wrong,) = _landed({"_id": OID, "data": data})
    assert (rows, wrong["code"], wrong["column"]) == ([], "document", "data")


def test_only_the_element_that_is_no_document_is_quarantined() -> None:
    rows, (wrong,) = _landed({"_id": OID, "data": [{"id": "a", "price": 1, "shares": 1}, 5, {"id": "b", "price": 2, "shares": 2}]})
    assert [row["id"] for row in rows] == ["a", "b"]
    assert wrong["code"] == "document"


@pytest.mark.parametrize("document", [{"price": "x"}, {"data": [{"id": "a", "price": Decimal128("NaN")}]}, {"data": [5]}], ids=repr)
def test_a_quarantined_row_can_be_read_like_a_document_of_the_source(document: dict[str, Any]) -> None:
    _, (wrong,) = _landed({"_id": OID, **document})
    again = json_util.loads(wrong["raw"])
    assert again["_id"] == OID
    _, (still,) = _landed(again)
    assert still == wrong


def test_raw_keeps_the_types_of_bson() -> None:
    document = {"_id": OID, "a": Decimal128("1.10"), "b": datetime(2012, 3, 3, tzinfo=timezone.utc), "c": Binary(b"x", 5)}
    assert json_util.loads(extended_json(document), json_options=json_util.JSONOptions(tz_aware=True)) == document


WRAPPED = Documents(TRADES)


@pytest.mark.parametrize(
    ("event", "loses"),
    [
        ({"updatedFields": {"price": 5}}, False),
        ({"updatedFields": {"details.lag": 5}}, False),
        ({"updatedFields": {"data.0.price": 5}}, False),
        ({"updatedFields": {"data.2": {}}}, False),
        ({"updatedFields": {"data.1": {}, "data.2": {}}}, False),
        ({"updatedFields": {"data.0": {}}}, True),
        ({"updatedFields": {"data.0": {}, "data.2": {}}}, True),
        ({"updatedFields": {"data.0.id": "x"}}, True),
        ({"updatedFields": {"id": "x"}}, True),
        ({"updatedFields": {"data": []}}, True),
        ({"removedFields": ["data"]}, True),
        ({"removedFields": ["id"]}, True),
        ({"removedFields": ["ticker"]}, False),
        ({"truncatedArrays": [{"field": "data", "newSize": 1}]}, True),
        ({"truncatedArrays": [{"field": "details.asks", "newSize": 1}]}, False),
    ],
    ids=repr,
)
def test_an_update_event_shows_whether_it_may_have_removed_rows(event: dict[str, Any], loses: bool) -> None:
    after = {"_id": OID, "data": [{"id": "a"}, {"id": "b"}, {"id": "c"}]}
    assert WRAPPED.may_lose_rows({"operationType": "update", "updateDescription": event, "fullDocument": after}) is loses
