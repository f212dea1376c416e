"""A stranger's MongoDB collection and CSV files, from an empty folder to the warehouse, with the wheels alone."""

from __future__ import annotations

import uuid
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from bson import Decimal128, ObjectId
from pymongo import MongoClient

from stori_pipeline.local.stack import Stack
from stori_pipeline_tests.anybody.installed import InstalledProject
from stori_pipeline_tests.databases import execute
from stori_pipeline_tests.stores import s3_client

FEED = {
    "feed/2024-01-01.csv": "Order No,Zip Code,Amount,When\n1,01234,9.90,2024-01-01T10:00:00Z\n2,98765,10,2024-01-01T11:00:00Z\n",
    "feed/2024-01-02.csv": 'Order No,Zip Code,Amount,When\n3,"Köln, Süd",1e3,2024-01-02 00:00:00 UTC\n',
    "feed_de/2024-01-01.csv": "Nummer;PLZ\n7;50667\n",
}
ADDED = datetime(2024, 1, 1, tzinfo=timezone.utc)
ITEMS: list[dict[str, Any]] = [
    {"_id": ObjectId(), "orderId": 1, "productName": "tote", "price": Decimal128("9.90"), "tags": ["a", "b"], "addedAt": ADDED},
    {"_id": ObjectId(), "orderId": "2", "productName": None, "price": 3, "unitPrice": 1.5, "details": {"and.more": {"x": [1]}}},
    {"_id": ObjectId(), "OrderID": 3, "productName": "x" * 70_000},
]


def environ_of(project: InstalledProject) -> dict[str, str]:
    """The settings in the project's `.env`."""
    lines = (project.folder / ".env").read_text().splitlines()
    return {name: value.strip("'\"") for name, value in (line.split("=", 1) for line in lines)}


def rows(project: InstalledProject, statement: str) -> list[tuple[Any, ...]]:
    """The rows of a statement in the project's warehouse."""
    return execute(environ_of(project)["STORI_WAREHOUSE"], statement)


@pytest.fixture(scope="module")
def collection_url(idle_stack: Stack) -> str:
    """The address, for its reader, of a database with the collection `orderItems`."""
    name = f"shop_{uuid.uuid4().hex[:8]}"
    idle_stack.up(only=["mongo"], ports={"mongo": 0})
    idle_stack.create_mongo_database(name)
    with MongoClient[dict[str, Any]](idle_stack.mongo_url("app", name), serverSelectionTimeoutMS=20_000) as client:
        client.get_default_database()["orderItems"].insert_many(ITEMS)
    return idle_stack.mongo_url("reader", name)


def test_a_collection_with_a_name_in_mixed_case_is_equal(shop: InstalledProject, collection_url: str) -> None:
    shop.stori("add", "source", "webshop", "--url", collection_url)
    shop.stori("scaffold", "webshop", "--all", "--write")
    module = (shop.folder / "shop" / "catalog" / "webshop.py").read_text()
    assert 'source_name="orderItems"' in module
    (table,) = shop.stori("sync", "--json", "webshop.order_items").json
    assert (table["rows_landed"], table["rows_loaded"], table["rejected"]) == (3, 3, 0)
    (proof,) = shop.stori("verify", "--json", "webshop.order_items").json
    assert (proof["source_rows"], proof["equal"]) == (3, True)


def test_a_prefix_of_files_takes_no_file_of_the_prefix_beside_it(shop: InstalledProject) -> None:
    with s3_client(environ_of(shop)) as s3:
        s3.create_bucket(Bucket="partner")
        for key, text in FEED.items():
            s3.put_object(Bucket="partner", Key=key, Body=text.encode())
    shop.stori("add", "source", "partner", "--url", "s3://partner")
    shop.stori("scaffold", "partner", "--all", "--write")
    feed, german = shop.stori("sync", "--json", "partner.feed", "partner.feed_de").json
    assert (feed["table"], feed["rows_loaded"], feed["rejected"]) == ("partner.feed", 3, 0)
    assert (german["table"], german["rows_loaded"], german["rejected"]) == ("partner.feed_de", 1, 0)
    assert rows(shop, "SELECT zip_code FROM partner.feed ORDER BY order_no") == [("01234",), ("98765",), ("Köln, Süd",)]
    assert [proof["equal"] for proof in shop.stori("verify", "--json", "partner.feed", "partner.feed_de").json] == [True, True]
    assert Path(shop.folder / "shop" / "catalog" / "partner.py").exists()
