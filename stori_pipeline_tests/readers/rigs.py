"""The sources of the conformance suite, each a rig: one table in it, and ways to write to it as an application would.

A new kind of source joins the suite by a rig, here or in a module of its own, named in `RIGS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import psycopg2
import pytest
from bson import Decimal128, Int64
from psycopg2 import sql
from psycopg2.extras import Json

from stori_pipeline.model.changes import ByDay, Changes, ChangeStream, Cursor, Objects, Queue, Xmin
from stori_pipeline.readers import Reader, reader_for
from stori_pipeline_tests.conftest import MongoSource, SourceDatabase
from stori_pipeline_tests.readers.mongo_servers import free_port
from stori_pipeline_tests.readers.rig_drops import DropsRig
from stori_pipeline_tests.readers.rig_rates import RatesRig
from stori_pipeline_tests.readers.rig_sqs import SqsRig
from stori_pipeline_tests.readers.shop import COLUMNS, NAME_BYTES, Rig, Row, now, shop_table

__all__ = ["COLUMNS", "NAME_BYTES", "RIGS", "Rig", "Row"]

_BY_CURSOR = Cursor("changed_at", lag=timedelta(minutes=5))


class PostgresRig:
    kind = "postgres"
    sees_deletes = False
    missing_is_empty = False
    forgets = False
    whole_rows = True

    _TYPES = (
        "id bigint PRIMARY KEY, tiny smallint, whole integer, price numeric, flag boolean, day date, at timestamptz,"
        " ratio double precision, name text, doc jsonb, changed_at timestamptz"
    )

    def __init__(self, request: pytest.FixtureRequest, changes: Changes) -> None:
        database: SourceDatabase = request.getfixturevalue("source_db")
        self.table = shop_table(self.kind, changes)
        self.reader = reader_for(self.kind, database.reader_url)
        self._connection = psycopg2.connect(database.admin_url)
        self._connection.autocommit = True
        request.addfinalizer(self._connection.close)
        self._run(f"CREATE TABLE items ({self._TYPES})")
        self._run("CREATE INDEX ON items (changed_at)")

    def _run(self, statement: str | sql.Composed, values: Any = None) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(statement, values)

    @staticmethod
    def _stored(row: Row) -> Row:
        return {**row, "changed_at": now()} | ({"doc": Json(row["doc"])} if row.get("doc") is not None else {})

    def insert(self, rows: Sequence[Row]) -> None:
        for row in map(self._stored, rows):
            names = sql.SQL(", ").join(map(sql.Identifier, row))
            holes = sql.SQL(", ").join(map(sql.Placeholder, row))
            self._run(sql.SQL("INSERT INTO items ({}) VALUES ({})").format(names, holes), row)

    def update(self, key: int, **values: Any) -> None:
        row = self._stored(values)
        sets = sql.SQL(", ").join(sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in row)
        self._run(sql.SQL("UPDATE items SET {} WHERE id = {}").format(sets, sql.Literal(key)), row)

    def delete(self, key: int) -> None:
        self._run("DELETE FROM items WHERE id = %s", [key])

    def drop(self) -> None:
        self._run("DROP TABLE items")

    def add_field(self, name: str) -> None:
        self._run(sql.SQL("ALTER TABLE items ADD COLUMN {} text").format(sql.Identifier(name)))

    def unreachable(self) -> Reader:
        return reader_for(self.kind, f"postgresql://reader:s3cret@127.0.0.1:{free_port()}/shop")


class MongoRig:
    kind = "mongodb"
    missing_is_empty = True
    forgets = False
    whole_rows = True

    def __init__(self, request: pytest.FixtureRequest, changes: Changes) -> None:
        database: MongoSource = request.getfixturevalue("mongo_db")
        identifier, *others = COLUMNS
        self.table = replace(shop_table(self.kind, changes), columns=(replace(identifier, path="_id"), *others))
        self.reader = reader_for(self.kind, database.url)
        self.sees_deletes = isinstance(changes, ChangeStream)
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


RIGS: dict[str, tuple[type[Rig], Changes]] = {
    "postgres by xmin": (PostgresRig, Xmin()),
    "postgres by cursor": (PostgresRig, _BY_CURSOR),
    "mongo by change stream": (MongoRig, ChangeStream()),
    "mongo by cursor": (MongoRig, _BY_CURSOR),
    "sqs": (SqsRig, Queue()),
    "dropped files": (DropsRig, Objects("items/")),
    "http api by day": (RatesRig, ByDay(date(2026, 3, 2))),
}
