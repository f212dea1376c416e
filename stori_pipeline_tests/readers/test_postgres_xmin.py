"""Reading Postgres by xmin: no row is missed, whatever transactions do; none is read twice without need."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2 import extensions

from stori_pipeline.model.reading import Position
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import integer, varchar
from stori_pipeline.readers import PositionLost
from stori_pipeline.readers.postgres import Xmin, xmin
from stori_pipeline.readers.postgres.reader import PostgresReader
from stori_pipeline_tests.conftest import SourceDatabase
from stori_pipeline_tests.extent import extent
from stori_pipeline_tests.readers.drained import drained

SOURCE = Source(name="shop", kind="postgres", description="A shop.")
ITEMS = Table(SOURCE, "items", (Column("id", integer, nullable=False), Column("name", varchar(64))), ("id",), Xmin())

Connect = Callable[[], extensions.connection]


@contextmanager
def _connections(url: str) -> Iterator[Connect]:
    opened: list[extensions.connection] = []

    def connect() -> extensions.connection:
        opened.append(psycopg2.connect(url))
        return opened[-1]

    try:
        yield connect
    finally:
        for each in opened:
            each.close()


def _run(connection: extensions.connection, *statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _committed(connection: extensions.connection, *statements: str) -> None:
    _run(connection, *statements)
    connection.commit()


@pytest.fixture
def connect(source_db: SourceDatabase) -> Iterator[Connect]:
    """Connections as the application, which owns an empty table of items."""
    with _connections(source_db.admin_url) as connect:
        _committed(connect(), "CREATE TABLE items (id integer PRIMARY KEY, name varchar(64))")
        yield connect


@pytest.fixture
def reader(source_db: SourceDatabase) -> PostgresReader:
    return PostgresReader(source_db.reader_url)


def _ids(reader: PostgresReader, since: Position | None) -> tuple[list[Any], Position]:
    result = drained(reader, ITEMS, since)
    assert result.rejected == []
    assert result.kind == ("snapshot" if since is None else "changes")
    return result.values("id"), result.until


def test_an_empty_table_is_an_empty_snapshot_with_a_position(connect: Connect, reader: PostgresReader) -> None:
    ids, until = _ids(reader, None)
    assert ids == []
    _committed(connect(), "INSERT INTO items VALUES (1, 'a')")
    assert _ids(reader, until)[0] == [1]


def test_only_rows_inserted_or_updated_since_are_read(connect: Connect, reader: PostgresReader) -> None:
    app = connect()
    _committed(app, "INSERT INTO items SELECT g, 'a' FROM generate_series(1, 5) g")
    ids, first = _ids(reader, None)
    assert ids == [1, 2, 3, 4, 5]
    assert _ids(reader, first)[0] == []
    _committed(app, "UPDATE items SET name = 'b' WHERE id = 2", "INSERT INTO items VALUES (6, 'a')", "DELETE FROM items WHERE id = 3")
    ids, second = _ids(reader, first)
    assert ids == [2, 6]
    assert _ids(reader, second)[0] == []


def test_a_transaction_that_commits_after_later_ones_is_not_missed(connect: Connect, reader: PostgresReader) -> None:
    slow, quick = connect(), connect()
    _run(slow, "INSERT INTO items VALUES (1, 'slow')")
    _committed(quick, "INSERT INTO items VALUES (2, 'quick')")
    ids, first = _ids(reader, None)
    assert ids == [2]
    _committed(quick, "INSERT INTO items VALUES (3, 'quick')")
    ids, second = _ids(reader, first)
    assert ids == [3]
    assert _ids(reader, second)[0] == [], "rows of finished transactions come again while an older one is in progress"
    slow.commit()
    ids, third = _ids(reader, second)
    assert ids == [1]
    assert _ids(reader, third)[0] == []


def test_rows_written_under_savepoints_of_a_running_transaction_are_not_missed(connect: Connect, reader: PostgresReader) -> None:
    """The rows of a savepoint have an id of their own, which the snapshot's list of running transactions omits."""
    slow, quick = connect(), connect()
    _run(slow, "INSERT INTO items VALUES (1, 'top')", "SAVEPOINT a", "INSERT INTO items VALUES (2, 'sub')", "SAVEPOINT b")
    _run(slow, "INSERT INTO items VALUES (3, 'subsub')", "ROLLBACK TO b", "INSERT INTO items VALUES (4, 'sub again')", "RELEASE a")
    # Only now a later transaction ends, which puts the bound of every snapshot past all the ids above.
    _committed(quick, "INSERT INTO items VALUES (5, 'quick')")
    ids, first = _ids(reader, None)
    assert ids == [5]
    _committed(quick, "INSERT INTO items VALUES (6, 'quick')")
    ids, second = _ids(reader, first)
    assert ids == [6]
    slow.commit()
    ids, third = _ids(reader, second)
    assert ids == [1, 2, 4]
    assert _ids(reader, third)[0] == []


def test_rows_of_more_savepoints_than_fit_shared_memory_are_not_missed(connect: Connect, reader: PostgresReader) -> None:
    slow, quick = connect(), connect()
    for i in range(200):
        _run(slow, f"SAVEPOINT s{i}", f"INSERT INTO items VALUES ({i}, 'sub')", f"RELEASE s{i}")
    _committed(quick, "INSERT INTO items VALUES (1000, 'quick')")
    ids, first = _ids(reader, None)
    assert ids == [1000]
    slow.commit()
    ids, second = _ids(reader, first)
    assert ids == list(range(200))
    assert _ids(reader, second)[0] == []


def test_a_rolled_back_transaction_is_not_read(connect: Connect, reader: PostgresReader) -> None:
    app, other = connect(), connect()
    _run(app, "INSERT INTO items VALUES (1, 'x')")
    _committed(other, "INSERT INTO items VALUES (2, 'y')")
    first = _ids(reader, None)[1]
    app.rollback()
    ids, second = _ids(reader, first)
    assert ids == []
    assert _ids(reader, second)[0] == []


def test_copied_rows_are_read_and_locked_rows_are_not(connect: Connect, reader: PostgresReader) -> None:
    """COPY inserts rows; a row that is only locked has not changed."""
    import io

    app, locker, other = connect(), connect(), connect()
    first = _ids(reader, None)[1]
    with app.cursor() as cursor:
        cursor.copy_expert("COPY items FROM STDIN", io.StringIO("1\ta\n2\tb\n"))
    app.commit()
    ids, second = _ids(reader, first)
    assert ids == [1, 2]
    _run(locker, "SELECT * FROM items FOR SHARE")
    _run(other, "SELECT * FROM items FOR KEY SHARE")
    assert _ids(reader, second)[0] == []
    locker.commit()
    other.commit()
    assert _ids(reader, second)[0] == []


@pytest.mark.parametrize("maintenance", ["VACUUM (FREEZE) items", "VACUUM (FULL, FREEZE) items", "CLUSTER items USING items_pkey"])
def test_rows_frozen_since_are_read_and_older_ones_are_not_read_again(
    connect: Connect, reader: PostgresReader, source_db: SourceDatabase, maintenance: str
) -> None:
    app = connect()
    _committed(app, "INSERT INTO items VALUES (1, 'old')")
    first = _ids(reader, None)[1]
    _committed(app, "INSERT INTO items VALUES (2, 'new')")
    app.autocommit = True
    _run(app, maintenance)
    ids, second = _ids(reader, first)
    assert ids == [2]
    assert _ids(reader, second)[0] == []


def test_a_rewritten_table_loses_no_row(connect: Connect, reader: PostgresReader) -> None:
    app = connect()
    _committed(app, "ALTER TABLE items ADD note integer", "INSERT INTO items VALUES (1, 'old')")
    first = _ids(reader, None)[1]
    _committed(app, "INSERT INTO items VALUES (2, 'new')")
    _committed(app, "ALTER TABLE items ALTER note TYPE bigint")
    ids, second = _ids(reader, first)
    assert 2 in ids
    assert _ids(reader, second)[0] == []


def test_a_truncate_during_the_reading_waits_instead_of_emptying_it(connect: Connect, reader: PostgresReader) -> None:
    app = connect()
    _committed(app, "INSERT INTO items SELECT g, 'a' FROM generate_series(1, 1000) g")
    with reader.read(ITEMS, None) as reading:
        _run(app, "SET lock_timeout = '50ms'")
        with pytest.raises(psycopg2.errors.LockNotAvailable):
            _run(app, "TRUNCATE items")
        assert sum(chunk.rows.num_rows for chunk in reading) == 1000


def test_partitions_are_read_through_their_parent(connect: Connect, reader: PostgresReader) -> None:
    app = connect()
    _committed(
        app,
        "DROP TABLE items",
        "CREATE TABLE items (id integer PRIMARY KEY, name varchar(64)) PARTITION BY HASH (id)",
        "CREATE TABLE items_0 PARTITION OF items FOR VALUES WITH (MODULUS 2, REMAINDER 0)",
        "CREATE TABLE items_1 PARTITION OF items FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
        "INSERT INTO items SELECT g, 'a' FROM generate_series(1, 10) g",
    )
    ids, first = _ids(reader, None)
    assert ids == list(range(1, 11))
    head = reader.head(ITEMS, first)
    _committed(app, "UPDATE items SET name = 'b' WHERE id IN (3, 4)")
    app.close()  # a backend that ends reports what it counted
    assert _ids(reader, first)[0] == [3, 4]
    assert reader.head(ITEMS, first) != head


# ---- positions that no longer count


def test_a_recreated_table_loses_its_position(connect: Connect, reader: PostgresReader) -> None:
    first = _ids(reader, None)[1]
    _committed(connect(), "DROP TABLE items", "CREATE TABLE items (id integer PRIMARY KEY, name varchar(64))")
    with pytest.raises(PositionLost, match=r"shop\.items.*table changed"):
        _ids(reader, first)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"system": "1"}, "system changed"),
        ({"timeline": 7}, "timeline changed"),
        ({"database": 1}, "database changed"),
        ({"next": 1 << 40}, "set back"),
        ({"kind": "mongo"}, "mongo"),
        ({"open": 3}, "not one of a Postgres table"),
        ({"next": None}, "not one of a Postgres table"),
    ],
)
def test_a_position_from_elsewhere_is_refused(connect: Connect, reader: PostgresReader, change: dict[str, Any], why: str) -> None:
    first = _ids(reader, None)[1]
    with pytest.raises(PositionLost, match=why):
        _ids(reader, {**first, **change})


def _aged(position: Position, transactions: int) -> Position:
    return {**position, "next": position["next"] - transactions}


def test_an_old_position_is_renewed_and_a_very_old_one_refused(connect: Connect, reader: PostgresReader) -> None:
    first = _ids(reader, None)[1]
    assert not drained(reader, ITEMS, _aged(first, xmin.RENEW - 1000)).must_land
    old = drained(reader, ITEMS, _aged(first, xmin.RENEW + 1))
    assert old.must_land
    assert not drained(reader, ITEMS, old.until).must_land
    with pytest.raises(PositionLost, match=r"2,1\d\d,\d\d\d,\d\d\d transactions old"):
        _ids(reader, _aged(first, xmin.OLDEST + 1))


def test_a_position_is_renewed_up_to_the_oldest_transaction_that_still_runs(connect: Connect, reader: PostgresReader) -> None:
    slow, quick = connect(), connect()
    _run(slow, "INSERT INTO items VALUES (1, 'slow')")
    _committed(quick, "INSERT INTO items VALUES (2, 'quick')")
    first = _ids(reader, None)[1]
    low = first["open"][0][0]
    old = drained(reader, ITEMS, {**first, "next": low - xmin.RENEW - 9, "open": []})
    assert old.must_land
    assert old.until["open"][0][0] == low


# ---- everything at once

_STEPS = st.lists(
    st.tuples(st.sampled_from(["write", "write", "savepoint", "release", "undo", "commit", "rollback", "read"]), st.integers(0, 2)),
    min_size=15,
    max_size=50,
)


@settings(max_examples=extent(25, 150), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(_STEPS)
def test_readings_between_any_transactions_add_up_to_the_table(
    connect: Connect, source_db: SourceDatabase, reader: PostgresReader, steps: list[tuple[str, int]]
) -> None:
    """Three connections with savepoints, interleaved with readings: the last version of each row wins, and that is the table. A reading
    while nothing happened is empty, whoever is still in a transaction."""
    with _connections(source_db.admin_url) as another:
        connections = [another(), another(), another()]
        _committed(connections[0], "TRUNCATE items")
        savepoints = [0, 0, 0]
        mirror: dict[int, str] = {}
        position: Position | None = None
        for number, (step, who) in enumerate([*steps, ("read", 0), ("commit", 0), ("commit", 1), ("commit", 2), ("read", 0)]):
            app = connections[who]
            if step == "write":
                # Each connection has its own ids: they must not wait for one another.
                _run(
                    app,
                    f"INSERT INTO items VALUES ({who * 10 + number % 4}, 'v{number}') ON CONFLICT (id) DO UPDATE SET name = excluded.name",
                )
            elif step == "savepoint":
                savepoints[who] += 1
                _run(app, f"SAVEPOINT s{savepoints[who]}")
            elif step in ("release", "undo") and savepoints[who]:
                _run(app, f"{'RELEASE' if step == 'release' else 'ROLLBACK TO'} s{savepoints[who]}")
                savepoints[who] -= step == "release"
            elif step in ("commit", "rollback"):
                app.commit() if step == "commit" else app.rollback()
                savepoints[who] = 0
            elif step == "read":
                result = drained(reader, ITEMS, position)
                mirror.update({row["id"]: row["name"] for row in result.rows})
                position = result.until
                assert drained(reader, ITEMS, position).rows == []
        with connections[0].cursor() as cursor:
            cursor.execute("SELECT id, name FROM items")
            assert mirror == dict(cursor.fetchall())
