"""Further functions of the Postgres reader: the head, a past day, a cursor; and its errors."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta, timezone
from typing import Any

import psycopg2
import pytest
from psycopg2 import extensions

from stori_pipeline.model.changes import Changes, Cursor
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import date as date_type
from stori_pipeline.model.types import integer, timestamptz, varchar
from stori_pipeline.readers import Reader, SourceError, SourceUnavailable, reader_for
from stori_pipeline.readers.mongo import ChangeStream
from stori_pipeline.readers.postgres import Xmin
from stori_pipeline.readers.postgres.reader import PostgresReader
from stori_pipeline_tests.conftest import SourceDatabase
from stori_pipeline_tests.readers.drained import drained

SOURCE = Source(name="shop", kind="postgres", description="A shop.")
COLUMNS = (
    Column("id", integer, nullable=False),
    Column("name", varchar(64)),
    Column("at", timestamptz),
    Column("on_day", date_type),
)


def orders(changes: Changes | None = None, *, cursor: str = "at", name: str = "orders") -> Table:
    return Table(SOURCE, name, COLUMNS, ("id",), changes or Xmin(), cursor=cursor)


Execute = Callable[..., None]


@pytest.fixture
def app(source_db: SourceDatabase) -> Iterator[extensions.connection]:
    """The application's connection, in autocommit mode, to a database with an empty table of orders."""
    connection = psycopg2.connect(source_db.admin_url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE orders (id integer PRIMARY KEY, name varchar(64), at timestamptz, on_day date)")
    yield connection
    connection.close()


@pytest.fixture
def reader(source_db: SourceDatabase) -> PostgresReader:
    return PostgresReader(source_db.reader_url)


def run(connection: extensions.connection, *statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def test_it_is_the_reader_of_its_kind(source_db: SourceDatabase, app: extensions.connection) -> None:
    reader: Reader = reader_for("postgres", source_db.reader_url)
    assert drained(reader, orders()).rows == []


# ---- head


def _moved(reader: PostgresReader, table: Table, before: str, since: Any) -> bool:
    """Whether the text changes within the time that it may be late by."""
    end = time.monotonic() + 90
    while time.monotonic() < end:
        if reader.head(table, since) != before:
            return True
        time.sleep(0.2)
    return False


def test_the_head_changes_with_every_kind_of_change_and_only_then(
    app: extensions.connection, source_db: SourceDatabase, reader: PostgresReader
) -> None:
    table = orders()
    run(app, "INSERT INTO orders SELECT g, 'a' FROM generate_series(1, 10) g", "SELECT pg_stat_force_next_flush()")
    until = drained(reader, table).until
    assert reader.head(table, until) != reader.head(table, None), "after the lake is lost, the sensor must ask again"
    for change in (
        "INSERT INTO orders VALUES (11, 'b')",
        "UPDATE orders SET name = 'c' WHERE id = 1",
        "DELETE FROM orders WHERE id = 2",
        "TRUNCATE orders",
    ):
        before = reader.head(table, until)
        assert reader.head(table, until) == before
        with psycopg2.connect(source_db.admin_url) as other:
            run(other, change)
        other.close()
        assert _moved(reader, table, before, until), change


def test_the_head_changes_while_the_backend_that_wrote_stays_connected(app: extensions.connection, reader: PostgresReader) -> None:
    """Its counts come late, but they come: nobody else has to write, and it does not have to end."""
    table = orders()
    run(app, "INSERT INTO orders VALUES (1, 'a')")
    until = drained(reader, table).until
    before = reader.head(table, until)
    run(app, "INSERT INTO orders VALUES (2, 'b')")
    assert _moved(reader, table, before, until)


# ---- a past day


def test_a_day_is_read_again_by_the_cursor_in_utc(app: extensions.connection, reader: PostgresReader) -> None:
    run(
        app,
        "INSERT INTO orders (id, at, on_day) VALUES (1, '2026-11-19 23:59:59.999999+00', '2026-11-19'),"
        " (2, '2026-11-20 00:00:00+00', '2026-11-20'), (3, '2026-11-21 01:00:00+02', '2026-11-20'),"
        " (4, '2026-11-21 00:00:00+00', '2026-11-21'), (5, NULL, NULL)",
    )
    until = drained(reader, orders()).until
    run(app, "INSERT INTO orders (id, at) VALUES (6, '2026-11-20 12:00:00+00')")
    again = drained(reader, orders(), until, day=date(2026, 11, 20))
    assert again.values("id") == [2, 3, 6]
    assert (again.kind, again.until, again.must_land) == ("changes", until, False)
    assert drained(reader, orders(cursor="on_day"), until, day=date(2026, 11, 20)).values("id") == [2, 3]
    run(app, "ALTER TABLE orders ALTER at TYPE timestamp USING at AT TIME ZONE 'UTC'")
    assert drained(reader, orders(), until, day=date(2026, 11, 20)).values("id") == [2, 3, 6]


def test_a_day_is_refused_without_a_position_or_a_cursor(app: extensions.connection, reader: PostgresReader) -> None:
    with pytest.raises(SourceError, match="after the first snapshot of the table"):
        drained(reader, orders(), None, day=date(2026, 11, 20))
    until = drained(reader, orders()).until
    with pytest.raises(SourceError, match=r"shop\.orders: its definition names no cursor"):
        drained(reader, orders(cursor=""), until, day=date(2026, 11, 20))


# ---- Cursor


def test_a_cursor_reads_from_its_bound_and_drops_what_it_has_read(app: extensions.connection, source_db: SourceDatabase) -> None:
    table, reader = orders(Cursor("at", lag=timedelta(minutes=1))), PostgresReader(source_db.reader_url)
    run(app, "INSERT INTO orders (id, at) VALUES (1, now() - interval '1 day'), (2, now())")
    first = drained(reader, table)
    assert (first.kind, first.values("id")) == ("snapshot", [1, 2])
    assert drained(reader, table, first.until).rows == []
    run(app, "INSERT INTO orders (id, at) VALUES (3, now()), (4, NULL)", "UPDATE orders SET name = 'old' WHERE id = 1")
    second = drained(reader, table, first.until)
    assert second.values("id") == [3, 4], "a row far behind the bound is not looked at: that is what a cursor saves"
    assert drained(reader, table, second.until).rows == []


@pytest.mark.parametrize("sees_all", [False, True])
def test_a_cursor_does_not_pass_a_transaction_in_flight(app: extensions.connection, source_db: SourceDatabase, sees_all: bool) -> None:
    """`now()` is the transaction's start: a row committed late lies behind everything read meanwhile."""
    # No lag at all where others can be seen: the oldest of them is the bound.
    table = orders(Cursor("at", lag=timedelta(0) if sees_all else timedelta(hours=1)))
    reader = PostgresReader(source_db.reader_url if not sees_all else source_db.superuser_url)
    slow = psycopg2.connect(source_db.admin_url)
    try:
        run(slow, "INSERT INTO orders (id, at) VALUES (1, now())")
        run(app, "INSERT INTO orders (id, at) VALUES (2, now())")
        first = drained(reader, table)
        assert first.values("id") == [2]
        bound = datetime.fromisoformat(first.until["bound"])
        with slow.cursor() as cursor:
            cursor.execute("SELECT now()")
            (began,) = cursor.fetchall()[0]
        assert bound < began
        assert bound.utcoffset() == timedelta(0)
        slow.commit()
    finally:
        slow.close()
    assert drained(reader, table, first.until).values("id") == [1]


def test_a_cursor_over_a_column_without_time_is_refused(app: extensions.connection, reader: PostgresReader) -> None:
    until = drained(reader, orders(Cursor("at"))).until
    with pytest.raises(SourceError, match=r"shop\.orders: 'name' is character varying\(64\)"):
        drained(reader, orders(Cursor("name")), until)


# ---- what cannot be read


def test_a_missing_table_is_an_error(app: extensions.connection, reader: PostgresReader) -> None:
    with pytest.raises(SourceError, match=r"shop\.refunds: there is no table 'refunds'"):
        drained(reader, orders(name="refunds"))


def test_all_missing_columns_are_named(app: extensions.connection, reader: PostgresReader) -> None:
    run(app, "ALTER TABLE orders DROP name, ALTER at TYPE text USING at::text")
    with pytest.raises(SourceError) as raised:
        drained(reader, orders(cursor="on_day"))
    assert "column 'name' is missing" in str(raised.value)
    assert "column 'at' is text; the definition says timestamptz" in str(raised.value)


def test_a_view_is_refused(app: extensions.connection, reader: PostgresReader) -> None:
    run(app, "CREATE VIEW seen AS SELECT * FROM orders")
    with pytest.raises(SourceError, match="is a view"):
        drained(reader, orders(name="seen"))


def test_a_change_stream_is_refused_with_the_strategies_of_postgres(app: extensions.connection, reader: PostgresReader) -> None:
    with pytest.raises(SourceError, match=r"ChangeStream.*use Xmin"):
        drained(reader, orders(ChangeStream()))


def test_without_the_privilege_the_grant_to_run_is_named(app: extensions.connection, reader: PostgresReader) -> None:
    run(app, "REVOKE SELECT ON orders FROM reader")
    for ask in (lambda: drained(reader, orders()), lambda: reader.key_range(orders())):
        with pytest.raises(SourceError, match=r'GRANT SELECT ON "orders" TO "reader"') as raised:
            ask()
        assert not isinstance(raised.value, SourceUnavailable)


def test_rows_hidden_by_a_policy_are_an_error_and_not_a_smaller_table(app: extensions.connection, reader: PostgresReader) -> None:
    run(app, "ALTER TABLE orders ENABLE ROW LEVEL SECURITY", "CREATE POLICY few ON orders FOR SELECT USING (id < 10)")
    with pytest.raises(SourceError, match="BYPASSRLS"):
        drained(reader, orders())


def test_an_unreachable_server_is_transient_and_its_password_stays_secret() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    reader = PostgresReader(f"postgresql://reader:s3cr3t@127.0.0.1:{port}/bank")
    with pytest.raises(SourceUnavailable, match=f"Postgres 127.0.0.1:{port}/bank cannot be reached") as raised:
        drained(reader, orders())
    assert "s3cr3t" not in f"{raised.value} {raised.value.__cause__} {reader!r}"


def test_a_wrong_password_is_not_worth_retrying(source_db: SourceDatabase) -> None:
    head, _, tail = source_db.reader_url.partition("@")
    reader = PostgresReader(f"{head.rpartition(':')[0]}:wr0ng@{tail}")
    with pytest.raises(SourceError, match="refuses the connection") as raised:
        drained(reader, orders())
    assert not isinstance(raised.value, SourceUnavailable)
    assert "wr0ng" not in str(raised.value)


def test_a_malformed_source_address_is_refused_without_quoting_it() -> None:
    with pytest.raises(SourceError, match="malformed") as raised:
        PostgresReader("reader s3cr3t nonsense")
    assert "s3cr3t" not in str(raised.value)


@pytest.mark.clock
def test_a_reading_is_iterated_once_and_has_no_position_before_its_end(app: extensions.connection, reader: PostgresReader) -> None:
    run(app, "INSERT INTO orders VALUES (1, 'a')")
    with reader.read(orders(), None) as reading:
        with pytest.raises(SourceError, match="before the reading's end"):
            _ = reading.until
        assert sum(chunk.rows.num_rows for chunk in reading) == 1
        with pytest.raises(SourceError, match="once"):
            next(iter(reading))
        assert reading.until["kind"] == "postgres"
        assert abs(datetime.now(timezone.utc) - reading.taken_at) < timedelta(minutes=5)


# ---- rows


def test_nulls_in_a_column_without_nulls_are_rejected_one_by_one(app: extensions.connection, reader: PostgresReader) -> None:
    run(app, "CREATE TABLE notes (id int PRIMARY KEY, value text)", "INSERT INTO notes VALUES (1, 'a'), (2, NULL), (3, 'b')")
    columns = (Column("id", integer, nullable=False), Column("value", varchar(10), nullable=False))
    result = drained(reader, Table(SOURCE, "notes", columns, ("id",), Xmin()))
    assert result.values("value") == ["a", "b"]
    assert [(r["code"], r["column"]) for r in result.rejected] == [("missing", "value")]


def test_a_single_column_of_empty_texts_is_not_read_as_empty_lines(app: extensions.connection, reader: PostgresReader) -> None:
    run(app, "CREATE TABLE notes (value text)", "INSERT INTO notes VALUES (''), ('a'), ('')")
    table = Table(SOURCE, "notes", (Column("value", varchar(10), nullable=False),), ("value",), Xmin())
    assert drained(reader, table).values("value") == ["", "", "a"]


def test_columns_may_have_any_name_in_the_source(app: extensions.connection, reader: PostgresReader) -> None:
    run(app, 'CREATE TABLE notes ("ID" int PRIMARY KEY, "Odd ""%s"" name" int)', "INSERT INTO notes VALUES (1, 2)")
    columns = (Column("id", integer, nullable=False, path="ID"), Column("value", integer, path='Odd "%s" name'))
    result = drained(reader, Table(SOURCE, "notes", columns, ("id",), Xmin()))
    assert result.rows == [{"id": 1, "value": 2, "_deleted": False}]
