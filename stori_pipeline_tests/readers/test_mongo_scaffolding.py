"""Definitions suggested for collections: they take every document that they were made from, unchanged, and stay equal to the source."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from bson import Binary, Decimal128, Int64, ObjectId
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo.database import Database

from stori_pipeline.model.changes import Cursor
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import bigint
from stori_pipeline.pipeline import sync
from stori_pipeline.pipeline.detect_deletes import detect_deletes
from stori_pipeline.readers import SourceError, scaffold, suggest
from stori_pipeline.readers.json_rows import steps
from stori_pipeline.readers.mongo import ChangeStream
from stori_pipeline.readers.mongo.reader import MongoReader
from stori_pipeline.readers.scaffolding import definition
from stori_pipeline.verify import compare
from stori_pipeline.verify.comparables import comparable_source
from stori_pipeline_tests.conftest import MongoSource
from stori_pipeline_tests.databases import drop_schemas
from stori_pipeline_tests.extent import extent
from stori_pipeline_tests.pasting import pasted
from stori_pipeline_tests.readers.drained import drained
from stori_pipeline_tests.readers.scaffolded import is_same
from stori_pipeline_tests.stores import Stores

Documents = list[dict[str, Any]]


@pytest.fixture
def source(stores: Stores) -> Iterator[Source]:
    """A source whose schema in the warehouse is the test's own."""
    source = Source(f"shop_{uuid.uuid4().hex[:8]}", "mongodb", "A shop.")
    yield source
    drop_schemas(stores.warehouse_url, source.name)


def _suggested(mongo_db: MongoSource, source: Source, name: str) -> Table:
    return pasted(scaffold("mongodb", mongo_db.url, source.name, name), source)


def _types(table: Table) -> dict[str, str]:
    return {column.source_path: str(column.type) for column in table.columns}


def _sync(mongo_db: MongoSource, table: Table, stores: Stores) -> tuple[int, int]:
    """The numbers of landed and of rejected rows; they are loaded, and the mirror is equal to the collection."""
    landed = sync.land(table, MongoReader(mongo_db.url), stores.lake, run_id="run").manifest
    stores.load(table)
    comparison = compare.verify(table, comparable_source(MongoReader(mongo_db.url), stores.lake), stores.warehouse)
    assert comparison.equal, comparison
    return (landed.rows, landed.rejected) if landed else (0, 0)


def test_a_collection_with_any_names_is_a_table_from_end_to_end(mongo_db: MongoSource, source: Source, stores: Stores) -> None:
    orders = mongo_db.database["orderItems"]
    row = {"orderId": 1, "order_id": 2, "a.b": 3, "$x": 4, "unit price": Decimal128("1.10"), "Order": "x", "address": {"zipCode": "01234"}}
    orders.insert_many([{**row, "orderId": number} for number in range(3)])
    table = _suggested(mongo_db, source, "orderItems")
    assert (table.name, table.source_name) == ("order_items", "orderItems")
    assert [column.name for column in table.columns] == ["id", "order_id_2", "order_id", "a_b", "x", "unit_price", "order", "address"]
    assert _sync(mongo_db, table, stores) == (3, 0)
    first = orders.find_one({"orderId": 0})
    assert first is not None
    orders.update_one({"_id": first["_id"]}, {"$set": {"Order": "longer " * 1_000}})
    orders.delete_one({"orderId": 1})
    orders.insert_one({**row, "address": {"zipCode": 1, "new": [1]}, "later": True})
    assert _sync(mongo_db, table, stores) == (3, 0)
    assert stores.query(f'SELECT COUNT(*), MAX(LENGTH("order")), SUM(a_b) FROM {table.full_name}') == [(3, 7_000, 9)]
    assert [each.text for each in MongoReader(mongo_db.url).drift(table)] == [
        'the documents have later, which the definition does not name; to read it add Column("later", boolean)'
    ]
    assert detect_deletes(table, MongoReader(mongo_db.url), stores.lake, stores.warehouse, run_id="detect", force=True) is None


OID = ObjectId("5597a1627df886b33f839f9e")


@pytest.mark.parametrize(
    ("keys", "kind"),
    [
        ([OID], "varchar(24)"),
        ([1, Int64(2**40)], "bigint"),
        (["2024-11-15", "b"], "varchar(65535)"),
        (["2024-11-15"], "varchar(65535)"),
        ([1, "b", OID], "varchar(65535)"),
        ([{"b": 1, "a": "x"}, {"b": 2}], "varchar(65535)"),
        ([1.5, 2], "decimal(38,10)"),
        ([datetime(2026, 1, 1, tzinfo=timezone.utc)], "timestamptz"),
        ([True, False], "boolean"),
        ([Binary.from_uuid(uuid.UUID(int=5))], "varchar(65535)"),
    ],
    ids=str,
)
def test_documents_with_any_kind_of_id_are_read_proved_and_deleted(
    mongo_db: MongoSource, source: Source, stores: Stores, keys: list[Any], kind: str
) -> None:
    things = mongo_db.database["things"]
    things.insert_many([{"_id": key, "n": number} for number, key in enumerate(keys)])
    table = _suggested(mongo_db, source, "things")
    assert _types(table)["_id"] == kind
    assert _sync(mongo_db, table, stores) == (len(keys), 0)
    assert detect_deletes(table, MongoReader(mongo_db.url), stores.lake, stores.warehouse, run_id="detect", force=True) is None
    things.delete_one({"_id": keys[0]})
    assert _sync(mongo_db, table, stores) == (1, 0)
    assert stores.query(f"SELECT COUNT(*) FROM {table.full_name}") == [(len(keys) - 1,)]


def test_a_cursor_on_a_field_that_mongodb_cannot_search_is_refused(mongo_db: MongoSource, source: Source) -> None:
    mongo_db.database["things"].insert_one({"at.ms": 1})
    table = replace(_suggested(mongo_db, source, "things"), changes=Cursor("at_ms"))
    with pytest.raises(SourceError, match=r"whose path 'at\\\\.ms' has a dot or a `\$` in a name"):
        drained(MongoReader(mongo_db.url), table)


def test_what_a_field_holds_decides_and_guesses_are_marked(mongo_db: MongoSource, source: Source) -> None:
    documents: Documents = [
        {"none": None, "text": "01234", "whole": 1, "number": 1, "mixed": 1, "nested": {"a": 1}, "day": "2024-11-15"},
        {
            "none": None,
            "text": "true",
            "whole": 2,
            "number": 2.5,
            "mixed": "1",
            "nested": {},
            "day": "2024-11-16",
            "money": Decimal128("2"),
        },
    ]
    mongo_db.database["things"].insert_many(documents)
    text = scaffold("mongodb", mongo_db.url, source.name, "things")
    assert _types(pasted(text, source)) == {
        "_id": "varchar(24)",
        "none": "varchar(65535)",
        "text": "varchar(65535)",
        "whole": "bigint",
        "number": "double",
        "mixed": "super",
        "nested": "super",
        "day": "date",
        "money": "decimal(38,10)",
    }
    assert '# a guess: no row has a value\n        Column("none", varchar(65535)),' in text
    assert '# a guess: each of 2 numbers is whole\n        Column("whole", bigint),' in text
    assert '# a guess: each of 2 texts reads as a date\n        Column("day", date),' in text
    assert "# suggested from 2 documents, which is all; MongoDB promises no types\n" in text


def test_a_value_that_no_column_takes_is_told(mongo_db: MongoSource, source: Source) -> None:
    mongo_db.database["things"].insert_many([{"note": "a"}, {"note": "a\0b"}])
    text = scaffold("mongodb", mongo_db.url, source.name, "things")
    assert "# 1 of 2 different values go to quarantine: 'a\\x00b' has a NUL character\n" in text


def test_all_collections_are_suggested_but_views_and_empty_ones(mongo_db: MongoSource, source: Source) -> None:
    database: Database[dict[str, Any]] = mongo_db.database
    for name in ("orders", "orderItems", "order_items", "known"):
        database[name].insert_one({"a": 1})
    database.create_collection("empty")
    database.create_collection("seen", viewOn="orders", pipeline=[])
    known = Table(source, "orders", (Column("id", bigint, nullable=False),), ("id",), ChangeStream(), source_name="known")
    named: list[str] = []
    found = suggest("mongodb", mongo_db.url, source.name, known=[known], progress=named.append)
    assert {table.source_name or table.name: table.name for table in found.tables} == {
        "order_items": "order_items",
        "orderItems": "order_items_2",
        "orders": "orders_2",
    }
    assert named == ["empty", "orderItems", "order_items", "orders", "seen"]
    assert [line.partition(",")[0] for line in found.left_out] == [
        "empty: the collection has no documents",
        "seen: a view has no change stream; define it with changes=Cursor(column)",
    ]
    assert all(pasted(definition(table), source) for table in found.tables)
    with pytest.raises(SourceError, match="seen: a view has no change stream"):
        suggest("mongodb", mongo_db.url, source.name, names=["seen"])


_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
_INTEGERS = st.integers(-(2**63), 2**63 - 1)
_DECIMALS = st.decimals(-(10**15), 10**15, places=4).map(Decimal128)
_DATES = st.datetimes(timezones=st.just(timezone.utc)).map(lambda at: at.replace(microsecond=at.microsecond // 1_000 * 1_000))
_SCALARS = st.none() | st.booleans() | _INTEGERS | st.floats(allow_nan=False, allow_infinity=False) | _TEXT | _DECIMALS | _DATES
_VALUES = st.recursive(_SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3), max_leaves=4)
_FIELDS = st.sampled_from(["id", "a", "a.b", "A", "order id", "$x", "_batch", "ünï"]) | _TEXT
_COLLECTIONS = count()


@settings(max_examples=extent(25, 250), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(_FIELDS.filter(lambda name: name != "_id"), _VALUES, max_size=4), min_size=1, max_size=5))
def test_any_documents_land_unchanged(mongo_db: MongoSource, documents: Documents) -> None:
    name, source = f"things {next(_COLLECTIONS)}", Source("shop", "mongodb", "A shop.")
    mongo_db.database[name].insert_many([{"_id": number, **document} for number, document in enumerate(documents)])
    table = _suggested(mongo_db, source, name)
    read = drained(MongoReader(mongo_db.url), table)
    assert (len(read.rows), read.rejected) == (len(documents), [])
    for row in read.rows:
        meant = _natives(documents[row["id"]])
        for column in table.columns[1:]:
            (field,) = steps(column.source_path)
            assert is_same(row[column.name], meant.pop(field, None), is_document=column.type.is_document), column
        assert [field for field in meant if field.isprintable() and field] == []


def _natives(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _natives(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_natives(inner) for inner in value]
    return Decimal(str(value)) if isinstance(value, Decimal128) else value
