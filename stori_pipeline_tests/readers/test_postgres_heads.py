"""The heads of Postgres tables: how soon they show a commit, what they leave alone, and that one table cannot hide another."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import psycopg2
import pytest
from psycopg2 import extensions

from stori_pipeline.model.changes import Changes, Cursor
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import integer, timestamptz
from stori_pipeline.readers import SourceError, SourceUnavailable
from stori_pipeline.readers.heads import heads
from stori_pipeline.readers.postgres import Snapshot, Xmin
from stori_pipeline.readers.postgres.reader import PostgresReader
from stori_pipeline_tests.conftest import SourceDatabase
from stori_pipeline_tests.databases import execute

SOURCE = Source("shop", "postgres", "A shop.")


def _table(name: str, changes: Changes | None = None) -> Table:
    columns = (Column("id", integer, nullable=False), Column("at", timestamptz))
    return Table(SOURCE, name.lower().replace(".", "_"), columns, ("id",), changes or Xmin(), source_name=name)


@pytest.fixture
def app(source_db: SourceDatabase) -> Iterator[extensions.connection]:
    """An application's session, which stays open."""
    with closing(psycopg2.connect(source_db.admin_url)) as connection:
        connection.autocommit = True
        yield connection


def _run(connection: extensions.connection, *statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _head(source_db: SourceDatabase, table: Table) -> str:
    return PostgresReader(source_db.reader_url).head(table, None)


WAYS = {
    "xmin": ("items", Xmin()),
    "cursor": ("items", Cursor("at", lag=timedelta(minutes=5))),
    "snapshot": ("items", Snapshot()),
    "partitioned": ("parted", Xmin()),
    "inherited": ("parent", Xmin()),
    "view": ("shown", Snapshot()),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_commit_shows_at_once_where_the_session_falls_idle(app: extensions.connection, source_db: SourceDatabase, way: str) -> None:
    """Regression: the counters, which the head was made of, came ten seconds late when a session wrote twice and fell idle."""
    _run(
        app,
        "CREATE TABLE items (id int PRIMARY KEY, at timestamptz)",
        "CREATE TABLE parted (id int PRIMARY KEY, at timestamptz) PARTITION BY RANGE (id)",
        "CREATE TABLE low PARTITION OF parted FOR VALUES FROM (0) TO (10)",
        "CREATE TABLE high PARTITION OF parted FOR VALUES FROM (10) TO (100)",
        "CREATE TABLE parent (id int PRIMARY KEY, at timestamptz)",
        "CREATE TABLE child () INHERITS (parent)",
        "CREATE VIEW shown AS SELECT p.id, i.at FROM parted p LEFT JOIN items i ON i.id = p.id",
    )
    name, changes = WAYS[way]
    table = _table(name, changes)
    written = {"shown": "parted", "parent": "child"}.get(name, name)
    for statement in (
        f"INSERT INTO {written} VALUES (1), (20)",
        f"UPDATE {written} SET at = now() WHERE id = 20",
        f"DELETE FROM {written} WHERE id = 1",
        f"TRUNCATE {written}",
    ):
        before = _head(source_db, table)
        _run(app, statement)
        end = time.monotonic() + 3
        while (after := _head(source_db, table)) == before and time.monotonic() < end:
            time.sleep(0.05)
        assert after != before, statement


def test_a_rollback_an_open_transaction_and_other_tables_move_no_head(app: extensions.connection, source_db: SourceDatabase) -> None:
    _run(app, "CREATE TABLE items (id int PRIMARY KEY, at timestamptz)", "CREATE TABLE other (id int)", "INSERT INTO items VALUES (1)")
    before = _head(source_db, _table("items"))
    _run(app, "BEGIN", "INSERT INTO items VALUES (2)", "UPDATE items SET at = now()", "ROLLBACK", "INSERT INTO other VALUES (1)")
    _run(app, "SELECT pg_stat_force_next_flush()", "VACUUM (FREEZE, ANALYZE) items", "BEGIN", "INSERT INTO items VALUES (2)")
    assert _head(source_db, _table("items")) == before
    _run(app, "COMMIT")
    assert _head(source_db, _table("items")) != before


def test_what_is_added_to_a_large_table_shows_at_once_and_the_rest_by_its_counters(
    app: extensions.connection, source_db: SourceDatabase
) -> None:
    _run(
        app,
        "CREATE TABLE items (id int PRIMARY KEY, at timestamptz, filler text STORAGE PLAIN)",
        "INSERT INTO items SELECT g, NULL, repeat('x', 7000) FROM generate_series(1, 1500) g",
        "SELECT pg_stat_force_next_flush()",
        "VACUUM ANALYZE items",
        "SELECT pg_stat_force_next_flush()",
    )
    table = _table("items")
    before = _head(source_db, table)
    assert _head(source_db, table) == before
    _run(app, "INSERT INTO items VALUES (2000, NULL, repeat('x', 7000))")
    added = _head(source_db, table)
    assert added != before
    _run(app, "SELECT pg_stat_force_next_flush()", "DELETE FROM items WHERE id = 1", "SELECT pg_stat_force_next_flush()")
    counted = _head(source_db, table)
    _run(app, "DELETE FROM items WHERE id = 2", "SELECT pg_stat_force_next_flush()")
    assert _head(source_db, table) != counted


def test_a_table_that_cannot_be_asked_hides_no_other(app: extensions.connection, source_db: SourceDatabase) -> None:
    _run(
        app,
        "CREATE SCHEMA closed",
        "CREATE TABLE closed.items (id int PRIMARY KEY, at timestamptz)",
        *(f"CREATE TABLE {name} (id int PRIMARY KEY, at timestamptz)" for name in ("items", "altered", "hidden", "partly", "policed")),
        "REVOKE SELECT ON hidden, partly FROM reader",
        "GRANT SELECT (id, at) ON partly TO reader",
        "ALTER TABLE policed ENABLE ROW LEVEL SECURITY",
    )
    tables = [_table(name) for name in ("items", "gone", "closed.items", "altered", "hidden", "partly", "policed", "a.b.c")]
    with closing(psycopg2.connect(source_db.admin_url)) as other:
        _run(other, "ALTER TABLE altered ADD more int")
        found = heads(PostgresReader(source_db.reader_url), dict.fromkeys(tables))
    errors = {name: answer for name, answer in found.items() if isinstance(answer, SourceError)}
    assert errors.keys() == {"shop.gone", "shop.closed_items", "shop.altered", "shop.a_b_c"}
    assert all(name in str(error) or "'a.b.c'" in str(error) for name, error in errors.items())
    assert isinstance(errors["shop.altered"], SourceUnavailable)
    assert "GRANT USAGE ON SCHEMA" in str(errors["shop.closed_items"])
    for table in tables:
        if table.full_name not in errors:
            assert _head(source_db, table) == found[table.full_name]


def test_the_heads_of_many_tables_are_those_of_each(source_db: SourceDatabase) -> None:
    execute(source_db.admin_url, *(f"CREATE TABLE t{n} (id int PRIMARY KEY, at timestamptz)" for n in range(230)))
    execute(source_db.admin_url, *(f"INSERT INTO t{n} SELECT generate_series(1, {n % 7})" for n in range(230)))
    tables = [_table(f"t{n}") for n in range(230)]
    found = heads(PostgresReader(source_db.reader_url), dict.fromkeys(tables))
    assert list(found) == [table.full_name for table in tables]
    assert len(set(found.values())) == 230
    assert all(found[table.full_name] == _head(source_db, table) for table in tables[::40])


def test_an_exact_head_sees_every_row_and_what_the_definition_is_held_against(
    app: extensions.connection, source_db: SourceDatabase
) -> None:
    _run(
        app,
        "CREATE TABLE items (id int PRIMARY KEY, at timestamptz, filler text STORAGE PLAIN)",
        "CREATE TABLE small (id int PRIMARY KEY, at timestamptz, name varchar(9) NOT NULL)",
        "CREATE VIEW shown AS SELECT id, at FROM small",
        "INSERT INTO items SELECT g, NULL, repeat('x', 7000) FROM generate_series(1, 1500) g",
        "INSERT INTO small VALUES (1, NULL, 'a')",
    )
    tables = {name: _table(name, changes) for name, changes in (("items", Xmin()), ("small", Xmin()), ("shown", Snapshot()))}

    def exact() -> dict[str, str | SourceError]:
        return heads(PostgresReader(source_db.reader_url), dict.fromkeys(tables.values()), exact=True)

    for statement, moved in (
        ("SELECT 1", set()),
        ("UPDATE items SET at = now() WHERE id = 1", {"shop.items"}),
        ("ALTER TABLE small ALTER name TYPE varchar(20)", {"shop.small"}),
        ("ALTER TABLE small ALTER name DROP NOT NULL", {"shop.small"}),
        ("ALTER TABLE small DROP CONSTRAINT small_pkey CASCADE", {"shop.small"}),
        ("DELETE FROM small", {"shop.small"}),
    ):
        before = exact()
        _run(app, statement)
        after = exact()
        assert {name for name in after if after[name] != before[name] and name != "shop.shown"} == moved, statement
        assert after["shop.shown"] != before["shop.shown"] or not moved, "a view may show anything"
