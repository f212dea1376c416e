"""The MongoDB collection of the conformance suite, written to as an application would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from bson import Decimal128, Int64

from stori_pipeline.model.changes import Changes, Cursor
from stori_pipeline.readers import Reader, reader_for
from stori_pipeline.readers.mongo import ChangeStream
from stori_pipeline_tests.conftest import MongoSource
from stori_pipeline_tests.readers.mongo_servers import free_port
from stori_pipeline_tests.readers.shop import COLUMNS, Row, now, shop_table


class MongoRig:
    kind = "mongodb"
    ways: ClassVar[Mapping[str, Changes]] = {"change stream": ChangeStream(), "cursor": Cursor("changed_at", lag=timedelta(minutes=5))}
    whole_rows = True
    shows_unread_rows = True

    def __init__(self, request: pytest.FixtureRequest, changes: Changes) -> None:
        database: MongoSource = request.getfixturevalue("mongo_db")
        identifier, *others = COLUMNS
        self.table = replace(shop_table(self.kind, changes), columns=(replace(identifier, path="_id"), *others))
        self.reader = reader_for(self.kind, database.url)
        self._items = database.database.create_collection("items")

    @staticmethod
    def _stored(row: Row) -> Row:
        stored: Row = {}
        for name, value in {**row, "changed_at": now()}.items():
            if isinstance(value, Decimal):
                value = Decimal128(value)
            elif isinstance(value, date) and not isinstance(value, datetime):
                value = datetime.combine(value, time(), tzinfo=timezone.utc)
            elif name == "id":
                name, value = "_id", Int64(value)
            stored[name] = value
        return stored

    def insert(self, rows: Sequence[Row]) -> None:
        if rows:
            self._items.insert_many([self._stored(row) for row in rows])

    def update(self, key: int, **values: Any) -> None:
        self._items.update_one({"_id": key}, {"$set": self._stored(values)})

    def delete(self, key: int) -> None:
        self._items.delete_one({"_id": key})

    def drop(self) -> None:
        self._items.drop()

    def add_field(self, name: str) -> None:
        self._items.update_many({}, {"$set": {name: "text"}})

    def unreachable(self) -> Reader:
        return reader_for(self.kind, f"mongodb://reader:s3cret@127.0.0.1:{free_port()}/shop?serverSelectionTimeoutMS=300")
