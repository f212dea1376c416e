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
from stori_pipeline.readers import PositionLost, SourceUnavailable
from stori_pipeline.readers.postgres import Xmin, several
from stori_pipeline.readers.postgres.reader import PostgresReader
from stori_pipeline_tests.databases import execute
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
    with pytest.raises(PositionLost, match=r"shop\.items: its position is lost: the server recovered from a crash, was restored"):
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


def test_a_dump_that_was_restored_elsewhere_is_a_new_generation(server: Server) -> None:
    """Its tables may have the same oids, and its transactions the same ids."""
    reader = PostgresReader(server.reader_url)
    until = drained(reader, ITEMS).until
    other = Server.created(server.data.with_name("other"))
    try:
        server.dumped_into(other)
        other.run("DELETE FROM items WHERE id = 1")
        restored = PostgresReader(other.reader_url)
        with pytest.raises(PositionLost, match=r"another server, history, database or table \(system"):
            drained(restored, ITEMS, until)
        with pytest.raises(PositionLost, match="another server"):
            restored.existing(ITEMS, [("1",)], since=until)
        assert drained(restored, ITEMS).values("id") == list(range(2, 21))
        assert restored.head(ITEMS, until) != reader.head(ITEMS, until)
    finally:
        other.crash()


def test_an_upgraded_server_is_a_new_generation(server: Server) -> None:
    """`pg_upgrade` keeps the oids of tables and the ids of transactions."""
    until = drained(PostgresReader(server.reader_url), ITEMS).until
    server.shut_down()
    upgraded = server.upgraded(server.data.with_name("upgraded"))
    try:
        reader = PostgresReader(upgraded.reader_url)
        with pytest.raises(PositionLost, match=r"another server, history, database or table \(system"):
            drained(reader, ITEMS, until)
        assert len(drained(reader, ITEMS).rows) == 20
    finally:
        upgraded.crash()


@pytest.fixture
def standby(server: Server) -> Iterator[Server]:
    """It follows the server."""
    server.shut_down()
    standby = server.copied(server.data.with_name("standby"))
    server.start()
    standby.follow(server)
    standby.await_log_of(server)
    yield standby
    standby.crash()


def test_a_standby_shows_what_it_replays(server: Server, standby: Server) -> None:
    """Regression: a standby does not count, so its head stayed the same and the sensor saw nothing until the schedule."""
    reader = PostgresReader(standby.reader_url)
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


def test_a_standby_is_read_over_several_connections(server: Server, standby: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(several, "LEAST_PAGES", 8)
    server.run("INSERT INTO items SELECT n, repeat('x', 60) FROM generate_series(1000, 9000) n")
    standby.await_log_of(server)
    with PostgresReader(standby.reader_url).read(ITEMS, None) as reading:
        ((count,),) = execute(standby.url, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'stori'")
        assert sum(chunk.rows.num_rows for chunk in reading) == 20 + 8_001
    assert count == 2


def test_a_standby_that_lags_never_takes_a_mirror_back(server: Server, standby: Server) -> None:
    """Regression: a standby behind the position was read as a new generation, which undid what the mirror held; and rows that it had not
    replayed counted as deleted."""
    reader, of_primary = PostgresReader(standby.reader_url), PostgresReader(server.reader_url)
    first = drained(reader, ITEMS)
    standby.run("SELECT pg_wal_replay_pause()")
    server.run("INSERT INTO items VALUES (101, 'new')")
    ahead = drained(of_primary, ITEMS, first.until)
    assert ahead.values("id") == [101]
    with pytest.raises(SourceUnavailable, match=r"shop\.items: the source is a standby that lags behind"):
        drained(reader, ITEMS, ahead.until)
    with pytest.raises(SourceUnavailable, match="a standby that lags behind"):
        reader.existing(ITEMS, [("101",)], since=ahead.until)
    standby.run("SELECT pg_wal_replay_resume()")
    standby.await_log_of(server)
    assert drained(reader, ITEMS, ahead.until).rows == []
    assert reader.existing(ITEMS, [("101",)], since=ahead.until) == {("101",)}


def test_a_standby_that_was_promoted_is_a_new_generation(server: Server, standby: Server) -> None:
    """Regression: what its primary committed last, and it never replayed, would stay in the mirror."""
    reader = PostgresReader(standby.reader_url)
    standby.run("SELECT pg_wal_replay_pause()")
    server.run("INSERT INTO items VALUES (101, 'never replayed')")
    until = drained(PostgresReader(server.reader_url), ITEMS).until
    server.crash()
    before = reader.head(ITEMS, until)
    standby.run("SELECT pg_wal_replay_resume()", "SELECT pg_promote()", "INSERT INTO items VALUES (102, 'promoted')")
    assert reader.head(ITEMS, until) != before
    with pytest.raises(PositionLost, match="timeline"):
        drained(reader, ITEMS, until)
    assert {102, *range(1, 21)} <= set(drained(reader, ITEMS).values("id"))
