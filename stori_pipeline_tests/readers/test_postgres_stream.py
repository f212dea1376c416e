"""Large readings: bounded in memory, in order, and either complete or an error."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator

import psycopg2
import pyarrow as pa
import pytest
from psycopg2 import extensions

from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import integer, super_, varchar
from stori_pipeline.readers import SourceError, SourceUnavailable
from stori_pipeline.readers.postgres import Xmin
from stori_pipeline.readers.postgres.reader import PostgresReader
from stori_pipeline_tests.conftest import SourceDatabase
from stori_pipeline_tests.readers.postgres_events import EVENTS, SOURCE


@pytest.fixture
def app(source_db: SourceDatabase) -> Iterator[extensions.connection]:
    connection = psycopg2.connect(source_db.admin_url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE events (id integer PRIMARY KEY, note text, amount numeric)")
    yield connection
    connection.close()


def fill(app: extensions.connection, rows: int) -> None:
    with app.cursor() as cursor:
        cursor.execute("INSERT INTO events SELECT g, repeat('x', 300), g / 100.0 FROM generate_series(1, %s) g", [rows])


def reading_backends(app: extensions.connection) -> list[int]:
    with app.cursor() as cursor:
        cursor.execute("SELECT pid FROM pg_stat_activity WHERE application_name = 'stori' AND datname = current_database()")
        return [pid for (pid,) in cursor.fetchall()]


def copy_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("copy")]


def test_rows_come_in_order_in_many_chunks(app: extensions.connection, source_db: SourceDatabase) -> None:
    fill(app, 100_000)
    with PostgresReader(source_db.reader_url).read(EVENTS, None) as reading:
        chunks = list(reading)
    ids = pa.Table.from_batches([chunk.rows for chunk in chunks]).column("id").to_pylist()
    assert ids == list(range(1, 100_001))
    assert len(chunks) > 3
    assert copy_threads() == []
    assert _soon_empty(app)


def test_only_the_bad_rows_among_many_are_rejected(app: extensions.connection, source_db: SourceDatabase) -> None:
    fill(app, 60_000)
    with app.cursor() as cursor:
        cursor.execute("UPDATE events SET amount = 0.001 WHERE id % 20000 = 1")
        cursor.execute("UPDATE events SET note = repeat('é', 201) WHERE id = 30000")
    with PostgresReader(source_db.reader_url).read(EVENTS, None) as reading:
        chunks = list(reading)
    rejected = [row for chunk in chunks for row in chunk.rejected.to_pylist()]
    assert {(int(json.loads(row["raw"])["id"]), row["code"]) for row in rejected} == {
        (1, "scale"),
        (20001, "scale"),
        (40001, "scale"),
        (30000, "too_long"),
    }
    assert sum(chunk.rows.num_rows for chunk in chunks) == 60_000 - 4


def test_texts_of_five_megabytes(app: extensions.connection, source_db: SourceDatabase) -> None:
    table = Table(SOURCE, "texts", (Column("id", integer, nullable=False), Column("body", super_)), ("id",), Xmin())
    with app.cursor() as cursor:
        cursor.execute("CREATE TABLE texts (id integer PRIMARY KEY, body text)")
        cursor.execute(r"INSERT INTO texts SELECT g, repeat(E'né\n\\\\ ', 750000) || g FROM generate_series(1, 7) g")
    with PostgresReader(source_db.reader_url).read(table, None) as reading:
        rows = [row for chunk in reading for row in chunk.rows.to_pylist()]
    assert len(rows) == 7
    for row in rows:
        assert json.loads(row["body"]) == "né\n\\\\ " * 750_000 + str(row["id"])


def test_a_connection_that_breaks_in_mid_stream_is_an_error(app: extensions.connection, source_db: SourceDatabase) -> None:
    fill(app, 200_000)
    with PostgresReader(source_db.reader_url).read(EVENTS, None) as reading:
        stream = iter(reading)
        next(stream)
        (pid,) = reading_backends(app)
        with psycopg2.connect(source_db.superuser_url) as superuser, superuser.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
        superuser.close()
        with pytest.raises(SourceUnavailable, match=r"shop\.events: Postgres .* broke off"):
            list(stream)
        with pytest.raises(SourceError, match="before the reading's end"):
            _ = reading.until
    assert copy_threads() == []


def test_a_statement_that_is_cancelled_in_mid_stream_is_an_error(app: extensions.connection, source_db: SourceDatabase) -> None:
    fill(app, 200_000)
    with PostgresReader(source_db.reader_url).read(EVENTS, None) as reading:
        stream = iter(reading)
        next(stream)
        (pid,) = reading_backends(app)
        with psycopg2.connect(source_db.superuser_url) as superuser, superuser.cursor() as cursor:
            cursor.execute("SELECT pg_cancel_backend(%s)", [pid])
        superuser.close()
        with pytest.raises(SourceError, match="canceling statement"):
            list(stream)


def test_an_error_of_the_server_in_mid_stream_is_an_error(app: extensions.connection, source_db: SourceDatabase) -> None:
    """The last of many rows cannot be computed; the rows before it must not be taken for the whole table."""
    table = Table(SOURCE, "broken", (Column("id", integer, nullable=False), Column("ratio", varchar(400))), ("id",), Xmin())
    with app.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE broken (id integer PRIMARY KEY, pad text,"
            " ratio integer GENERATED ALWAYS AS (length(pad) / (100000 - id)) VIRTUAL)"
        )
        cursor.execute("INSERT INTO broken SELECT g, repeat('x', 300) FROM generate_series(1, 100000) g")
    with (
        pytest.raises(SourceError, match="division by zero") as raised,
        PostgresReader(source_db.reader_url).read(table, None) as reading,
    ):
        list(reading)
    assert not isinstance(raised.value, SourceUnavailable)


class Gone(Exception):
    """What a caller may raise."""


def test_a_caller_that_leaves_in_the_middle_leaves_nothing_running(app: extensions.connection, source_db: SourceDatabase) -> None:
    fill(app, 200_000)
    with pytest.raises(Gone), PostgresReader(source_db.reader_url).read(EVENTS, None) as reading:
        for _ in reading:
            raise Gone
    assert copy_threads() == []
    assert _soon_empty(app)


def test_a_caller_that_never_begins_leaves_nothing_running(app: extensions.connection, source_db: SourceDatabase) -> None:
    with PostgresReader(source_db.reader_url).read(EVENTS, None):
        pass
    assert copy_threads() == []
    assert _soon_empty(app)


def _soon_empty(app: extensions.connection) -> bool:
    """Whether the backends end; the server notices an end of a connection a moment later."""
    waiting = threading.Event()
    return any(not reading_backends(app) or waiting.wait(0.1) for _ in range(100))


def test_an_error_of_the_callers_own_database_is_not_translated(app: extensions.connection, source_db: SourceDatabase) -> None:
    with pytest.raises(psycopg2.errors.UndefinedTable), PostgresReader(source_db.reader_url).read(EVENTS, None):
        app.cursor().execute("SELECT * FROM nowhere")


_MEASURE = """
import resource, sys
from stori_pipeline.readers.postgres.reader import PostgresReader
from stori_pipeline_tests.readers.postgres_events import EVENTS
rows = 0
with PostgresReader(sys.argv[1]).read(EVENTS, None) as reading:
    for chunk in reading:
        rows += chunk.rows.num_rows
print(rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_table(app: extensions.connection, source_db: SourceDatabase) -> None:
    peaks: list[float] = []
    total = 0
    for more in (250_000, 300_000):
        total += more
        with app.cursor() as cursor:
            cursor.execute(
                "INSERT INTO events SELECT (SELECT COALESCE(max(id), 0) FROM events) + g, repeat('x', 300), g / 100.0"
                " FROM generate_series(1, %s) g",
                [more],
            )
        done = subprocess.run(
            [sys.executable, "-c", _MEASURE, source_db.reader_url], capture_output=True, text=True, check=True, timeout=120
        )
        rows, kilobytes = map(int, done.stdout.split())
        assert rows == total
        peaks.append(kilobytes / 1024)
    # The second is larger by 95 MB of text, and as much again once parsed. The first already fills every place there is for blocks.
    assert peaks[1] - peaks[0] < 50
