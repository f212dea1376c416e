"""Servers whose history changes between two readings: no row is lost, and the reading says why it is a new generation.

Belongs here: restarts, crashes, restored volumes, standbys. Does not belong here: what transactions write (`test_postgres_xmin`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import integer, varchar
from stori_pipeline.readers import PositionLost
from stori_pipeline.readers.postgres import Xmin
from stori_pipeline.readers.postgres.reader import PostgresReader
from stori_pipeline_tests.readers.drained import drained
from stori_pipeline_tests.readers.postgres_servers import Server

SOURCE = Source(name="shop", kind="postgres", description="A shop.")
ITEMS = Table(SOURCE, "items", (Column("id", integer, nullable=False), Column("name", varchar(64))), ("id",), Xmin())


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server.created(tmp_path_factory.mktemp("servers") / "primary")
    server.run(
        "CREATE TABLE items (id int PRIMARY KEY, name varchar(64))",
        "GRANT SELECT ON items TO reader",
        "INSERT INTO items SELECT n, 'old' FROM generate_series(1, 20) n",
        "CHECKPOINT",
    )
    yield server
    server.crash()


def test_rows_written_after_a_volume_was_restored_in_place_are_not_lost(server: Server, tmp_path: Path) -> None:
    """Regression: the server handed out ids again that the position had seen, and 29 of 60 rows never arrived."""
    server.crash()
    copy = server.copied(server.data.with_name("snapshot")).data
    server.start()
    reader = PostgresReader(server.reader_url)
    for number in range(100, 130):
        server.run(f"INSERT INTO items VALUES ({number}, 'lost')")
    until = drained(reader, ITEMS).until
    server.crash()
    server.set_back(copy)
    for number in range(200, 260):
        server.run(f"INSERT INTO items VALUES ({number}, 'new')")
    server.run("SELECT pg_switch_wal()", "INSERT INTO items VALUES (300, 'new')")  # the log is longer than it was, too
    with pytest.raises(PositionLost, match=r"shop\.items: its position is lost: the server recovered from a crash or was restored"):
        drained(reader, ITEMS, until)
    assert len(drained(reader, ITEMS).rows) == 20 + 60 + 1


def test_a_server_that_was_shut_down_and_started_keeps_its_positions(server: Server) -> None:
    reader = PostgresReader(server.reader_url)
    until = drained(reader, ITEMS).until
    server.shut_down()
    server.start()
    server.run("INSERT INTO items VALUES (100, 'new')")
    reading = drained(reader, ITEMS, until)
    assert (reading.kind, reading.values("id")) == ("changes", [100])


def test_a_standby_shows_what_it_replays_and_loses_positions_when_it_lags(server: Server) -> None:
    """Regression: a standby does not count, so its head stayed the same and the sensor saw nothing until the schedule."""
    server.shut_down()
    standby = server.copied(server.data.with_name("standby"))
    server.start()
    standby.follow(server)
    try:
        standby.await_log_of(server)
        reader, of_primary = PostgresReader(standby.reader_url), PostgresReader(server.reader_url)
        first = drained(reader, ITEMS)
        assert len(first.rows) == 20
        for statement in (
            "INSERT INTO items VALUES (100, 'new')",
            "UPDATE items SET name = 'x' WHERE id < 5",
            "DELETE FROM items WHERE id = 7",
        ):
            before = reader.head(ITEMS, first.until)
            server.run(statement)
            standby.await_log_of(server)
            assert reader.head(ITEMS, first.until) != before
        second = drained(reader, ITEMS, first.until)
        assert (second.kind, second.values("id")) == ("changes", [1, 2, 3, 4, 100])
        standby.run("SELECT pg_wal_replay_pause()")
        server.run("INSERT INTO items VALUES (101, 'new')")
        ahead = drained(of_primary, ITEMS, second.until)
        assert ahead.values("id") == [101]
        with pytest.raises(PositionLost, match="is a standby that lags"):
            drained(reader, ITEMS, ahead.until)
        standby.run("SELECT pg_wal_replay_resume()", "SELECT pg_promote()", "INSERT INTO items VALUES (102, 'promoted')")
        with pytest.raises(PositionLost, match="timeline"):
            drained(reader, ITEMS, second.until)
    finally:
        standby.crash()
