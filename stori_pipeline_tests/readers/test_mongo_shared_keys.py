"""Documents whose `_id`s differ and would be one row of the mirror: neither may vanish."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from bson import Int64, ObjectId

from stori_pipeline.lake import Lake
from stori_pipeline.model.changes import Changes, Cursor
from stori_pipeline.model.reading import HasNotes
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import bigint, timestamptz, varchar
from stori_pipeline.pipeline import quarantine, sync
from stori_pipeline.readers.mongo import ChangeStream
from stori_pipeline.readers.mongo.reader import MongoReader
from stori_pipeline_tests.conftest import MongoSource
from stori_pipeline_tests.readers.drained import drained, mirrored

OID = ObjectId("5597a1627df886b33f839f9e")
NAMES = Table(
    Source("shop", "mongodb", "A shop."),
    "names",
    (Column("id", varchar(64), nullable=False, path="_id"), Column("name", varchar(64)), Column("at", timestamptz)),
    ("id",),
    ChangeStream(),
)
NUMBERS = replace(NAMES, columns=(replace(NAMES["id"], type=bigint), *NAMES.columns[1:]))
STRATEGIES = [ChangeStream(), Cursor("at", lag=timedelta(0))]


@pytest.mark.parametrize("changes", STRATEGIES, ids=lambda changes: type(changes).__name__)
@pytest.mark.parametrize(
    ("table", "same", "alone"),
    [
        (NAMES, [OID, str(OID)], [ObjectId(), "another", 7]),
        (NAMES, [1, "1"], [2, "3", True]),
        (NUMBERS, [Int64(1), "1"], [Int64(2), "3"]),
    ],
    ids=["an ObjectId and its text", "a number and its text", "a text and its number"],
)
def test_documents_that_would_be_one_row_are_both_quarantined(
    mongo_db: MongoSource, table: Table, same: list[Any], alone: list[Any], changes: Changes
) -> None:
    """Regression: one of them vanished."""
    table, reader = replace(table, changes=changes), MongoReader(mongo_db.url)
    mongo_db.database["names"].insert_many([{"_id": each, "name": repr(each)} for each in [*same, *alone]])
    first = drained(reader, table)
    assert {row["name"] for row in first.rows} == {repr(each) for each in alone if not (table is NUMBERS and each is True)}
    assert [(row["code"], row["column"]) for row in first.rejected] == [("ambiguous", "id")] * 2


def test_a_document_comes_back_when_the_other_one_with_its_key_is_gone(mongo_db: MongoSource) -> None:
    reader, names = MongoReader(mongo_db.url), mongo_db.database["names"]
    names.insert_many([{"_id": OID, "name": "first"}, {"_id": "x", "name": "x"}])
    first = drained(reader, NAMES)
    names.insert_one({"_id": str(OID), "name": "second"})
    second = drained(reader, NAMES, first.until)
    assert (second.rows, [row["code"] for row in second.rejected]) == ([], ["ambiguous"])
    names.delete_one({"_id": str(OID)})
    third = drained(reader, NAMES, second.until)
    assert mirrored("name", first, second, third) == {str(OID): "first", "x": "x"}


def test_documents_that_share_a_key_are_neither_replayed_nor_repaired(mongo_db: MongoSource, lake: Lake) -> None:
    """Each would take the place of the other. One that somebody edited lands."""
    reader, names = MongoReader(mongo_db.url), mongo_db.database["names"]
    names.insert_many([{"_id": OID, "name": "first"}, {"_id": str(OID), "name": "second"}, {"_id": "x", "name": "x"}])
    landed = sync.land(replace(NAMES, max_rejected=1.0), reader, lake, run_id="run").manifest
    assert landed is not None
    assert (landed.rows, landed.rejected) == (1, 2)
    table = replace(NAMES, max_rejected=1.0)
    assert quarantine.replay(table, reader, lake, run_id="run").count("rejected") == 2
    (chunk,) = reader.read_keys(table, [(str(OID),)])
    assert (chunk.rows.num_rows, chunk.rejected.column("code").to_pylist()) == (0, ["ambiguous"] * 2)
    _, newer = quarantine.candidates(table, lake)
    edited = {newer.row: newer.refused.raw.replace("second", "the one that counts")}
    assert quarantine.replay(table, reader, lake, run_id="run", edited=edited).count("replayed") == 1
    assert sorted(lake.live(table).collect()["name"]) == ["the one that counts", "x"]


def test_a_document_with_an_empty_array_of_rows_has_none_and_is_counted(mongo_db: MongoSource) -> None:
    """Regression: neither a row nor a word."""
    reader, names = MongoReader(mongo_db.url), mongo_db.database["names"]
    table = replace(NAMES, columns=(replace(NAMES["id"], path="id"), *NAMES.columns[1:]), unnest="data")
    names.insert_many([{"data": [{"id": "1", "name": "a"}]}, {"price": 1, "data": []}, {"id": "2", "name": "b"}])
    for changes in STRATEGIES:
        with reader.read(replace(table, changes=changes), None) as reading:
            assert sum(chunk.rows.num_rows for chunk in reading) == 2
            assert isinstance(reading, HasNotes)
            assert list(reading.notes) == ["1 documents have no rows: their array 'data' is empty"]
