"""Several connections that read one table: exactly the rows that one connection reads, or an error.

Belongs here: what becomes of a reading over several connections, and when one must do. Does not belong here: dividing pages
(`test_postgres_ranges`).
"""

from __future__ import annotations

import threading
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from psycopg2 import errors

from stori_pipeline.lake import Lake
from stori_pipeline.model.changes import Cursor
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import integer, timestamptz, varchar
from stori_pipeline.pipeline import sync
from stori_pipeline.readers import SourceError, SourceUnavailable
from stori_pipeline.readers.postgres import ROW, Snapshot, Xmin, several, shape
from stori_pipeline.readers.postgres.reader import PostgresReader
from stori_pipeline.readers.postgres.session import Address, begin_snapshot
from stori_pipeline_tests.conftest import SourceDatabase
from stori_pipeline_tests.databases import at_port, execute
from stori_pipeline_tests.readers.drained import drained, mirrored
from stori_pipeline_tests.readers.pooler import Pooler

SOURCE = Source("shop", "postgres", "A shop.")
COLUMNS = (Column("id", integer, nullable=False), Column("note", varchar(400)))
ITEMS = Table(SOURCE, "items", COLUMNS, ("id",), Xmin())
ROWS = 40_000
CREATE = (
    "CREATE TABLE items (id integer PRIMARY KEY, note text)",
    f"INSERT INTO items SELECT n, repeat(n::text, 10) FROM generate_series(1, {ROWS}) n",
)


@pytest.fixture(autouse=True)
def _small_tables_are_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(several, "LEAST_PAGES", 8)
    monkeypatch.setenv("STORI_READ_CONNECTIONS", "4")


@pytest.fixture
def items(source_db: SourceDatabase) -> SourceDatabase:
    execute(source_db.admin_url, *CREATE)
    return source_db


def backends(database: SourceDatabase) -> list[int]:
    """The processes that read, in the order in which they began."""
    query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'stori' AND datname = current_database() ORDER BY backend_start"
    return [pid for (pid,) in execute(database.superuser_url, query)]


def are_gone(database: SourceDatabase) -> bool:
    waiting = threading.Event()
    return any(not backends(database) or waiting.wait(0.1) for _ in range(100))


def connections_for(database: SourceDatabase, table: Table, since: Any = None, **more: Any) -> int:
    """How many connections read the table; every row must come. Waits until those of the reading before are gone."""
    assert are_gone(database)
    with PostgresReader(database.reader_url).read(table, since, **more) as reading:
        count = len(backends(database))
        for _ in reading:
            pass
    return count


# ---- the same rows


def test_whatever_is_written_meanwhile_the_rows_are_those_of_the_snapshot(items: SourceDatabase) -> None:
    with PostgresReader(items.reader_url).read(ITEMS, None) as reading:
        assert len(backends(items)) == 4
        execute(
            items.admin_url,
            "UPDATE items SET note = 'later' WHERE id % 3 = 0",
            "DELETE FROM items WHERE id % 7 = 0",
            f"INSERT INTO items SELECT n, 'later' FROM generate_series({ROWS + 1}, {ROWS + 9000}) n",
            "VACUUM items",
            autocommit=True,
        )
        rows = [row for chunk in reading for row in chunk.rows.to_pylist()]
        until = reading.until
    assert {row["id"]: row["note"] for row in rows} == {n: str(n) * 10 for n in range(1, ROWS + 1)}
    assert len(rows) == ROWS
    changes = drained(PostgresReader(items.reader_url), ITEMS, until)
    assert len(changes.rows) == len({row["id"] for row in changes.rows})
    assert {row["note"] for row in changes.rows} == {"later"}
    assert are_gone(items)


def test_readings_over_several_connections_add_up_to_the_table(items: SourceDatabase) -> None:
    reader = PostgresReader(items.reader_url)
    readings = [drained(reader, ITEMS)]
    for statement in (
        "UPDATE items SET note = note || 'x' WHERE id % 100 = 1",
        f"INSERT INTO items SELECT n, 'new' FROM generate_series({ROWS + 1}, {ROWS + 2000}) n",
        "UPDATE items SET note = NULL WHERE id < 5",
    ):
        execute(items.admin_url, statement)
        assert connections_for(items, ITEMS, readings[-1].until) == 4
        readings.append(drained(reader, ITEMS, readings[-1].until))
    assert mirrored("note", *readings) == dict(execute(items.admin_url, "SELECT id, note FROM items"))
    assert [len(each.rows) for each in readings[1:]] == [400, 2000, 4]


def test_partitions_and_children_of_any_size_are_divided(source_db: SourceDatabase) -> None:
    execute(
        source_db.admin_url,
        "CREATE TABLE items (id integer PRIMARY KEY, note text) PARTITION BY RANGE (id)",
        "CREATE TABLE few PARTITION OF items FOR VALUES FROM (0) TO (100)",
        "CREATE TABLE many PARTITION OF items FOR VALUES FROM (100) TO (100000)",
        "CREATE TABLE more PARTITION OF items FOR VALUES FROM (100000) TO (200000) PARTITION BY RANGE (id)",
        "CREATE TABLE empty PARTITION OF more FOR VALUES FROM (100000) TO (150000)",
        "CREATE TABLE last PARTITION OF more FOR VALUES FROM (150000) TO (200000)",
        "INSERT INTO items SELECT n, 'old' FROM generate_series(1, 40000) n",
        "INSERT INTO items SELECT n, 'old' FROM generate_series(150001, 155000) n",
        "CREATE TABLE parent (id integer, note text)",
        "CREATE TABLE child () INHERITS (parent)",
        "INSERT INTO parent SELECT n, 'parent' FROM generate_series(1, 5000) n",
        "INSERT INTO child SELECT n, 'child' FROM generate_series(5001, 30000) n",
    )
    parent = Table(SOURCE, "parent", COLUMNS, ("id",), Xmin())
    assert connections_for(source_db, ITEMS) == connections_for(source_db, parent) == 4
    reader = PostgresReader(source_db.reader_url)
    first = drained(reader, ITEMS)
    assert first.values("id") == [*range(1, 40_001), *range(150_001, 155_001)]
    assert drained(reader, parent).values("id") == list(range(1, 30_001))
    # What joined is read whole, over several connections, too, and no row of the others with it.
    execute(
        source_db.admin_url,
        "CREATE TABLE joined (id integer NOT NULL, note text)",
        "INSERT INTO joined SELECT n, 'joined' FROM generate_series(200000, 230000) n",
        "ALTER TABLE items ATTACH PARTITION joined FOR VALUES FROM (200000) TO (300000)",
    )
    assert drained(reader, ITEMS, first.until).values("id") == list(range(200_000, 230_001))


# ---- errors


@pytest.mark.parametrize("which", [0, 2])
def test_a_connection_that_breaks_is_an_error_and_nothing_lands(items: SourceDatabase, lake: Lake, which: int) -> None:
    """Whichever it is: the others' rows must not be taken for the whole table."""
    ended = False

    def end(_: int) -> None:
        nonlocal ended
        if not ended:
            ended = True
            execute(items.superuser_url, f"SELECT pg_terminate_backend({backends(items)[which]})")

    execute(items.admin_url, f"INSERT INTO items SELECT n, repeat('x', 400) FROM generate_series({ROWS + 1}, 300000) n")
    with pytest.raises(SourceUnavailable, match=r"shop\.items: Postgres .* broke off"):
        sync.land(ITEMS, PostgresReader(items.reader_url), lake, run_id="r", progress=end)
    assert ended
    assert lake.newest(ITEMS) is None
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("copy")]
    assert are_gone(items)


def test_an_error_in_one_range_is_the_readings_error(items: SourceDatabase) -> None:
    execute(
        items.admin_url,
        f"ALTER TABLE items ADD COLUMN ratio integer GENERATED ALWAYS AS (length(note) / ({ROWS} - 10 - id)) VIRTUAL",
        "GRANT SELECT ON items TO reader",
    )
    table = Table(SOURCE, "items", (*COLUMNS, Column("ratio", varchar(40))), ("id",), Xmin())
    with pytest.raises(SourceError, match="division by zero") as raised, PostgresReader(items.reader_url).read(table, None) as reading:
        list(reading)
    assert not isinstance(raised.value, SourceUnavailable)


class Gone(Exception):
    """What a caller may raise."""


def test_a_caller_that_leaves_ends_all_connections(items: SourceDatabase) -> None:
    with pytest.raises(Gone), PostgresReader(items.reader_url).read(ITEMS, None) as reading:
        for _ in reading:
            raise Gone
    with PostgresReader(items.reader_url).read(ITEMS, None):
        pass  # and one that never begins
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("copy")]
    assert are_gone(items)


def test_no_connection_lets_the_table_be_truncated(items: SourceDatabase) -> None:
    """Under the snapshot of before, a truncated table is empty."""
    with PostgresReader(items.reader_url).read(ITEMS, None) as reading:
        execute(items.superuser_url, f"SELECT pg_terminate_backend({backends(items)[0]})")
        with pytest.raises(errors.LockNotAvailable):
            execute(items.admin_url, "SET lock_timeout = '200ms'", "TRUNCATE items")
        with pytest.raises(SourceUnavailable):
            list(reading)


# ---- one connection, or fewer


def test_one_connection_reads_what_has_no_pages_of_its_own(items: SourceDatabase) -> None:
    execute(
        items.admin_url,
        "CREATE VIEW shown AS SELECT * FROM items",
        "CREATE MATERIALIZED VIEW kept AS SELECT * FROM items",
        "GRANT SELECT ON shown, kept TO reader",
        "ALTER TABLE items ADD COLUMN at timestamptz NOT NULL DEFAULT now()",
        "CREATE INDEX ON items (at)",
    )
    keyless = Table(SOURCE, "items", (Column("row_id", varchar(64), nullable=False, path=ROW), *COLUMNS), ("row_id",), Xmin())
    for table in (
        Table(SOURCE, "shown", COLUMNS, ("id",), Snapshot()),
        Table(SOURCE, "kept", COLUMNS, ("id",), Xmin()),
        keyless,
    ):
        assert connections_for(items, table) == 1, table.name
        assert len(drained(PostgresReader(items.reader_url), table).rows) == ROWS
    # Its changes are found by the index, once.
    by_cursor = Table(SOURCE, "items", (*COLUMNS, Column("at", timestamptz)), ("id",), Cursor("at"))
    until = drained(PostgresReader(items.reader_url), by_cursor).until
    assert connections_for(items, by_cursor) == 4
    assert connections_for(items, by_cursor, {**until, "bound": "2001-01-01T00:00:00+00:00"}) == 1


def test_a_small_table_or_a_setting_of_one_takes_one_connection(items: SourceDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    ((pages,),) = execute(items.admin_url, "SELECT pg_relation_size('items') / 8192")
    for least, count in ((pages, 1), (pages // 2, 2), (pages // 3, 3)):
        monkeypatch.setattr(several, "LEAST_PAGES", least)
        assert connections_for(items, ITEMS) == count
    # Pages are looked through for changes faster than their rows are sent.
    until = drained(PostgresReader(items.reader_url), ITEMS).until
    for least, count in ((pages // 4, 1), (pages // 8, 2), (pages // 12, 3)):
        monkeypatch.setattr(several, "LEAST_PAGES", least)
        assert connections_for(items, ITEMS, until) == count
    monkeypatch.setattr(several, "LEAST_PAGES", 8)
    monkeypatch.setenv("STORI_READ_CONNECTIONS", "1")
    assert connections_for(items, ITEMS) == 1


def test_no_more_connections_are_opened_than_half_of_what_is_left(items: SourceDatabase) -> None:
    for limit, count in ((1, 1), (2, 1), (3, 2), (5, 3), (40, 4)):
        execute(items.superuser_url, f'ALTER DATABASE "{items.name}" CONNECTION LIMIT {limit}')
        with PostgresReader(items.reader_url).read(ITEMS, None) as reading:
            execute(items.superuser_url, f'ALTER DATABASE "{items.name}" CONNECTION LIMIT -1')
            assert (limit, len(backends(items))) == (limit, count)
            assert sum(chunk.rows.num_rows for chunk in reading) == ROWS
        assert are_gone(items)


def test_a_role_that_may_not_share_its_snapshot_reads_over_one_connection(items: SourceDatabase) -> None:
    execute(items.superuser_url, "REVOKE EXECUTE ON FUNCTION pg_export_snapshot() FROM PUBLIC")
    assert connections_for(items, ITEMS) == 1
    assert len(drained(PostgresReader(items.reader_url), ITEMS).rows) == ROWS


def test_a_server_that_exports_no_snapshot_is_read_over_one_connection(items: SourceDatabase) -> None:
    """The failure ends the transaction, so another one begins, with the lock."""
    execute(
        items.superuser_url,
        "CREATE SCHEMA shadow",
        "CREATE FUNCTION shadow.pg_export_snapshot() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'not here'; END $$",
        "GRANT USAGE ON SCHEMA shadow TO reader",
        f'ALTER ROLE reader IN DATABASE "{items.name}" SET search_path = shadow, pg_catalog, public',
    )
    with PostgresReader(items.reader_url).read(ITEMS, None) as reading:
        assert len(backends(items)) == 1
        with pytest.raises(errors.LockNotAvailable):
            execute(items.admin_url, "SET lock_timeout = '200ms'", "TRUNCATE items")
        assert sum(chunk.rows.num_rows for chunk in reading) == ROWS


def test_through_a_pooler_one_connection_reads(items: SourceDatabase) -> None:
    """A pooler may give the second connection no session before the first has ended: that would wait for ever."""
    with Pooler(items.reader_url) as pooler, PostgresReader(at_port(items.reader_url, pooler.port)).read(ITEMS, None) as reading:
        assert len(backends(items)) == 1
        assert sum(chunk.rows.num_rows for chunk in reading) == ROWS


def test_a_snapshot_of_that_name_on_another_server_is_not_taken_for_it(items: SourceDatabase) -> None:
    address = Address(items.reader_url)
    with closing(address.connect()) as first, first.cursor() as cursor:
        relation = shape.find(cursor, "items")
        assert relation
        begin_snapshot(first, relation.lock)
        exported = several._exported(first, relation)
        assert exported
        name, (snapshot, started) = exported
        execute(items.admin_url, "INSERT INTO items VALUES (0, 'later')")
        several._joined(address, relation, name, (snapshot, started)).close()
        for other in (("1:1:", started), (snapshot, "2001-01-01 00:00:00+00")):
            with pytest.raises(SourceError, match="leads to several servers"):
                several._joined(address, relation, name, other)
        with pytest.raises(psycopg2.Error, match="snapshot"):
            several._joined(address, relation, "00000001-00000001-1", (snapshot, started))
    assert are_gone(items)
