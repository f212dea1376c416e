"""Errors, drift and scaffolding of MongoDB's reader. The rows that it reads are tested elsewhere."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from stori_pipeline.readers import SourceError, SourceUnavailable, scaffold
from stori_pipeline.readers.mongo import scans
from stori_pipeline.readers.mongo.reader import MongoReader
from stori_pipeline.readers.postgres import Xmin
from stori_pipeline_tests.conftest import MongoSource
from stori_pipeline_tests.pasting import pasted
from stori_pipeline_tests.readers.drained import drained
from stori_pipeline_tests.readers.mongo_servers import free_port, mongo_server
from stori_pipeline_tests.readers.mongo_trades import TRADES, Documents, a_trade


@pytest.fixture
def reader(mongo_db: MongoSource) -> MongoReader:
    return MongoReader(mongo_db.url)


def test_a_server_without_change_streams_says_what_to_do(tmp_path: Path) -> None:
    with (
        mongo_server(tmp_path / "log", "--standalone") as address,
        MongoClient[dict[str, Any]](address) as client,
        pytest.raises(SourceError, match=r"changes=Cursor\(column\)") as raised,
    ):
        client.exchange.trades.insert_one(a_trade("1"))
        drained(MongoReader(f"{address}/exchange"), TRADES)
    assert not isinstance(raised.value, SourceUnavailable)


def test_an_unreachable_server_is_named_without_its_password() -> None:
    reader = MongoReader(f"mongodb://someone:s3cret@127.0.0.1:{free_port()}/exchange?serverSelectionTimeoutMS=300")
    for act in (lambda: drained(reader, TRADES), lambda: reader.key_range(TRADES), lambda: reader.drift(TRADES)):
        with pytest.raises(SourceUnavailable, match=r"exchange\.trades at 127\.0\.0\.1") as raised:
            act()
        assert "s3cret" not in str(raised.value)
    assert "s3cret" not in repr(reader)


def test_a_server_that_goes_away_during_a_reading_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scans, "_DOCUMENTS", 10)
    with ExitStack() as running:
        address = running.enter_context(mongo_server(tmp_path / "log"))
        with MongoClient[dict[str, Any]](address) as client:
            client.exchange.trades.insert_many([a_trade(str(n)) for n in range(50)])
        reader = MongoReader(f"{address}/exchange?serverSelectionTimeoutMS=300")
        with reader.read(TRADES, None) as reading, pytest.raises(SourceUnavailable, match=r"exchange\.trades at 127\.0\.0\.1"):
            for _ in reading:
                running.close()


def test_a_collection_is_read_by_the_name_that_it_has_in_its_source(mongo_db: MongoSource, reader: MongoReader) -> None:
    mongo_db.database["labOrders"].insert_many([a_trade(str(n)) for n in range(3)])
    table = replace(TRADES, name="lab_orders", source_name="labOrders")
    read = drained(reader, table)
    assert len(read.rows) == 3
    mongo_db.database["labOrders"].insert_one(a_trade("3"))
    assert reader.head(table, read.until) != reader.head(table, drained(reader, table).until)
    rows, key_range = reader.key_range(table)
    assert (rows, len(reader.checksums(table, key_range))) == (4, 4)
    assert sum(digest.rows for digest in reader.digests(table, key_range, key_range.width(4)).values()) == 4
    assert not [line for line in reader.drift(table) if "no collection" in line.text]


def test_a_reader_without_the_right_to_read_is_refused_and_the_role_it_needs_named(mongo_db: MongoSource) -> None:
    for url in (mongo_db.url.replace("reader:", "nobody:"), mongo_db.url.replace(f"/{mongo_db.name}", "/admin")):
        with pytest.raises(SourceError, match="role `read`") as raised:
            drained(MongoReader(url), TRADES)
        assert not isinstance(raised.value, SourceUnavailable)


@pytest.mark.parametrize("url", ["mongodb://u:s3cret@127.0.0.1:x/db", "nonsense s3cret", "mongodb://u:s3cr@et@h/db", "mongodb://h:27017"])
def test_an_invalid_address_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(SourceError, match="address") as raised:
        MongoReader(url).drift(TRADES)
    assert "s3cr" not in str(raised.value)
    assert not isinstance(raised.value, SourceUnavailable)


def test_a_definition_for_another_kind_of_source_is_refused(reader: MongoReader) -> None:
    with pytest.raises(SourceError, match="ChangeStream"), reader.read(replace(TRADES, changes=Xmin()), None):
        pass


def test_drift_names_the_column_to_add(trades: Documents, reader: MongoReader) -> None:
    trades.insert_many([a_trade(str(n), details={"asks": [1]}) for n in range(3)])
    assert reader.drift(TRADES) == []
    trades.insert_one({"data": [a_trade("w", venueName="LSE", details={"fee": {"paid": True}})]})
    assert [each.text for each in reader.drift(TRADES)] == [
        "the documents have details.fee.paid, which the definition does not name; "
        'to read it add Column("paid", boolean, path="details.fee.paid")',
        "the documents have venueName, which the definition does not name; "
        'to read it add Column("venue_name", varchar(65535), path="venueName")',
    ]


def test_a_missing_collection_is_named_with_those_that_there_are(mongo_db: MongoSource, reader: MongoReader) -> None:
    """Regression: it landed no rows without a word, and the proof compared nothing with nothing."""
    mongo_db.database["labOrders"].insert_one(a_trade("1"))
    with pytest.raises(SourceError, match=r"there is no collection 'trades' in .*; it has 'labOrders'\. Correct source_name"):
        reader.drift(TRADES)


def test_a_scaffolded_definition_reads_the_collection(mongo_db: MongoSource, reader: MongoReader) -> None:
    mongo_db.database["orders"].insert_many(
        [
            {"_id": n, "customerName": "a", "total": 1.5, "lines": [1], "when": {"at": datetime(2026, 1, 1, tzinfo=timezone.utc)}}
            for n in range(3)
        ]
    )
    table = pasted(scaffold("mongodb", mongo_db.url, "exchange", "orders"), TRADES.source)
    assert [column.name for column in table.columns] == ["id", "customer_name", "total", "lines", "when"]
    result = drained(reader, table)
    assert (len(result.rows), result.rejected) == (3, [])
    with pytest.raises(SourceError, match="no documents"):
        scaffold("mongodb", mongo_db.url, "exchange", "nothing")
