"""The Postgres table of the conformance suite, written to as an application would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

import psycopg2
import pytest
from psycopg2 import sql
from psycopg2.extras import Json

from stori_pipeline.model.changes import Changes, Cursor
from stori_pipeline.readers import Reader, reader_for
from stori_pipeline.readers.postgres import Snapshot, Xmin
from stori_pipeline_tests.conftest import SourceDatabase
from stori_pipeline_tests.readers.mongo_servers import free_port
from stori_pipeline_tests.readers.shop import Row, now, shop_table


class PostgresRig:
    kind = "postgres"
    ways: ClassVar[Mapping[str, Changes]] = {
        "xmin": Xmin(),
        "cursor": Cursor("changed_at", lag=timedelta(minutes=5)),
        "snapshot": Snapshot(),
    }
    whole_rows = True
    shows_unread_rows = True

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
