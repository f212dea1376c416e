"""A running COPY: cancelled, after its client or its backend has disconnected, beside other sessions, and without S3."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from redshift_local.load.s3 import Store
from redshift_local.proxy import wire
from redshift_local.proxy.server import Server
from tests.client import Client, error, rows
from tests.copies import ROLE, Put, entry, ints
from tests.sessions import Connect, ask, at_port, eventually, serving, waits_for_a_lock

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture
def slow_copy(connect: Connect, put: Put, s3: S3Client) -> str:
    """A COPY into `t` that takes some seconds, because it reads one file 1,500 times."""
    ask(connect(), "CREATE TABLE t (a BIGINT)")
    manifest = {"entries": [entry(s3, put("x.parquet", ints(*range(200))))] * 1_500}
    return f"COPY t FROM '{put('m.json', manifest)}' {ROLE} FORMAT AS PARQUET MANIFEST"


def pid_of(client: Client) -> int:
    return int(struct.unpack_from("!I", client.key)[0])


def activity(connection: Connection, pid: int) -> str:
    """The last statement of the backend with that pid; empty if it has ended."""
    result = ask(connection, f"SELECT query FROM pg_catalog.pg_stat_activity WHERE pid = {pid}")
    return str(result[0][0]) if result else ""


def cancel(url: str, key: bytes) -> None:
    with Client(url, start=False) as canceller:
        canceller.send(struct.pack("!II", 8 + len(key), wire.CANCEL_REQUEST) + key)
        with pytest.raises(wire.Gone):
            canceller.stream.message()  # the server closes the connection after it has forwarded the request


def test_cancel_stops_a_load_and_keeps_the_session(slow_copy: str, url: str, schema: str, connect: Connect) -> None:
    watcher = connect()
    with Client(url, options=f"-c search_path={schema}") as client:
        client.send(wire.query(slow_copy))
        assert eventually(lambda: activity(watcher, pid_of(client)).startswith("COPY"))
        cancel(url, client.key)
        assert error(client.until(b"Z"))["C"] == "57014"
        client.send(wire.query("SELECT count(*) FROM t"))
        assert rows(client.until(b"Z")) == [["0"]]


def test_cancel_stops_a_load_that_waits_for_a_lock(connection: Connection, put: Put, url: str, schema: str, connect: Connect) -> None:
    watcher = connect()
    connection.autocommit = False
    ask(connection, "LOCK t")
    with Client(url, options=f"-c search_path={schema}") as client:
        client.send(wire.query(f"COPY t FROM '{put('t.parquet', ints(1))}' {ROLE} FORMAT AS PARQUET"))
        assert eventually(lambda: waits_for_a_lock(watcher, pid_of(client)))
        cancel(url, client.key)
        assert error(client.until(b"Z"))["C"] == "57014"
    connection.rollback()


def test_a_client_that_disconnects_during_a_load_loads_nothing(slow_copy: str, url: str, schema: str, connect: Connect) -> None:
    watcher = connect()
    with Client(url, options=f"-c search_path={schema}") as client:
        client.send(wire.query(slow_copy))
        assert eventually(lambda: activity(watcher, pid_of(client)).startswith("COPY"))
        pid = pid_of(client)
    assert eventually(lambda: activity(watcher, pid) == "")
    assert ask(watcher, "SELECT count(*) FROM t") == [(0,)]


def test_the_client_gets_an_error_if_its_backend_ends_during_a_load(
    slow_copy: str, url: str, schema: str, connect: Connect, superuser_url: str
) -> None:
    watcher = connect()
    with Client(url, options=f"-c search_path={schema}") as client, closing(psycopg2.connect(superuser_url)) as superuser:
        client.send(wire.query(slow_copy))
        assert eventually(lambda: activity(watcher, pid_of(client)).startswith("COPY"))
        ask(superuser, f"SELECT pg_terminate_backend({pid_of(client)})")
        fields = error([client.stream.message()])
        assert (fields["S"], fields["C"]) == ("FATAL", "57P01")
    assert ask(watcher, "SELECT count(*) FROM t") == [(0,)]


def test_other_sessions_work_while_one_loads(slow_copy: str, connect: Connect) -> None:
    loader, other = connect(), connect()
    pid = loader.info.backend_pid
    thread = threading.Thread(target=ask, args=(loader, slow_copy))
    thread.start()
    assert eventually(lambda: activity(other, pid).startswith("COPY"))
    ask(other, "CREATE TABLE u (a INT); INSERT INTO u VALUES (1)")
    assert ask(other, "SELECT a FROM u") == [(1,)]
    assert activity(other, pid).startswith("COPY")
    thread.join(60)
    assert ask(other, "SELECT count(*) FROM t") == [(300_000,)]


@pytest.fixture
def without_s3(backend: tuple[str, int], aws: str, url: str) -> Iterator[str]:
    """The address of a local Redshift whose S3 does not answer."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with serving(Server(0, backend, Store(f"http://127.0.0.1:{port}"))) as server:
        yield at_port(url, server.port)


@pytest.mark.parametrize("manifest", ["", " MANIFEST"])
def test_s3_that_does_not_answer_is_an_error_and_the_session_goes_on(without_s3: str, schema: str, manifest: str) -> None:
    with closing(psycopg2.connect(without_s3)) as connection:
        ask(connection, f"CREATE TABLE {schema}.t (a BIGINT)")
        connection.commit()
        with pytest.raises(psycopg2.Error) as caught:
            ask(connection, f"COPY {schema}.t FROM 's3://b/k' {ROLE} FORMAT AS PARQUET{manifest}")
        assert "S3ServiceException:" in str(caught.value.diag.message_primary)
        assert "does not answer" in str(caught.value.diag.message_primary)
        connection.rollback()
        assert ask(connection, "SELECT 1") == [(1,)]
