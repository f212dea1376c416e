"""What the accounts of the local sources may do: the pipeline's reader reads everything and writes nothing."""

from __future__ import annotations

import psycopg2
import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from stori_pipeline_tests.conftest import MongoSource, SourceDatabase
from stori_pipeline_tests.databases import execute


def test_the_reader_role_reads_every_table_and_writes_none(source_db: SourceDatabase) -> None:
    execute(source_db.reader_url, "SELECT 1")
    execute(source_db.admin_url, "CREATE TABLE t (a int); INSERT INTO t VALUES (1); CREATE SEQUENCE s")
    execute(source_db.superuser_url, "CREATE TABLE u (a int)")
    assert execute(source_db.reader_url, "SELECT a FROM t") == [(1,)]
    assert execute(source_db.reader_url, "SELECT a FROM u") == []
    for statement in (
        "INSERT INTO t VALUES (2)",
        "UPDATE t SET a = 3",
        "DELETE FROM t",
        "TRUNCATE t",
        "DROP TABLE t",
        "CREATE TABLE v (a int)",
        "CREATE TEMP TABLE v (a int)",
        "LOCK TABLE t IN ACCESS EXCLUSIVE MODE",
        "SELECT nextval('s')",
        "COPY t FROM PROGRAM 'true'",
        "CREATE SCHEMA v",
        "SELECT pg_read_file('PG_VERSION')",
    ):
        # Read-only by default is a courtesy that a session may take back; the rights are what holds.
        for guard in ("", "SET TRANSACTION READ WRITE; "):
            with pytest.raises((psycopg2.errors.InsufficientPrivilege, psycopg2.errors.ReadOnlySqlTransaction)):
                execute(source_db.reader_url, guard + statement)
    assert execute(source_db.reader_url, "SHOW default_transaction_read_only") == [("on",)]
    assert execute(source_db.reader_url, "SELECT a FROM t") == [(1,)]


def test_the_reader_user_of_mongo_reads_and_writes_nothing(mongo_db: MongoSource) -> None:
    mongo_db.database.trades.insert_one({"_id": 1})
    with MongoClient[dict[str, object]](mongo_db.url) as client:
        database = client[mongo_db.name]
        assert database.trades.find_one() == {"_id": 1}
        with database.trades.watch() as stream:
            mongo_db.database.trades.insert_one({"_id": 2})
            assert stream.next()["documentKey"] == {"_id": 2}
        for write in (
            lambda: database.trades.insert_one({}),
            lambda: database.trades.delete_many({}),
            lambda: database.trades.drop(),
            lambda: client.admin.command("createUser", "x", pwd="x", roles=["root"]),
        ):
            with pytest.raises(OperationFailure, match="not authorized"):
                write()
    assert mongo_db.database.trades.count_documents({}) == 2


def test_sources_speak_logical_replication(source_db: SourceDatabase) -> None:
    assert execute(source_db.superuser_url, "SHOW wal_level") == [("logical",)]
