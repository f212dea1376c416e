"""Preparing the database behind the local Redshift."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest

from redshift_local.bootstrap import prepare
from tests.sessions import Connect, ask


@pytest.fixture
def database_url(superuser_url: str) -> Iterator[str]:
    """The address of an empty database in the PostgreSQL behind the local Redshift, for the superuser."""
    with closing(psycopg2.connect(superuser_url)) as connection:
        connection.autocommit = True
        ask(connection, "CREATE DATABASE bare")
        yield superuser_url.rpartition("/")[0] + "/bare"
        ask(connection, "DROP DATABASE bare WITH (FORCE)")


def test_preparing_again_changes_nothing(superuser_url: str, connect: Connect) -> None:
    prepare(superuser_url)
    prepare(superuser_url)
    assert "Redshift" in str(ask(connect(), "SELECT version()"))


def test_a_database_of_an_earlier_version_keeps_its_tables_and_views(database_url: str) -> None:
    prepare(database_url)
    with closing(psycopg2.connect(database_url)) as connection, connection:
        ask(connection, "CREATE TABLE t (a timestamp DEFAULT redshift_local.getdate()); INSERT INTO t DEFAULT VALUES")
        ask(connection, "CREATE VIEW v AS SELECT redshift_local.len('abc') AS n FROM t")
        ask(connection, "ALTER EVENT TRIGGER redshift_local_after_ddl RENAME TO stori_local_after_ddl")
        ask(connection, "ALTER SCHEMA redshift_local RENAME TO stori_local")
    prepare(database_url)
    with closing(psycopg2.connect(database_url)) as connection:
        ask(connection, "INSERT INTO t DEFAULT VALUES")
        assert ask(connection, "SELECT n FROM v") == [(3,), (3,)]
        assert ask(connection, "SELECT evtname FROM pg_event_trigger") == [("redshift_local_after_ddl",)]
        ask(connection, "CREATE TABLE u AS SELECT 'x'::varchar(3) AS c")
        with pytest.raises(psycopg2.errors.CheckViolation):
            ask(connection, "INSERT INTO u VALUES ('\u00e9\u00e9')")
        connection.rollback()
        assert ask(connection, "SELECT to_regnamespace('stori_local')") == [(None,)]
