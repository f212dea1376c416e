"""The local Redshift for its own tests: in this process, before the stack's Postgres and S3, and for some as a process of its own.

Belongs here: fixtures of more than one module here. Everybody else's tests use `warehouse_url`.
"""

from __future__ import annotations

import io
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from redshift_local.bootstrap import prepare
from redshift_local.load.s3 import Store
from redshift_local.proxy.server import Server
from stori_pipeline.local.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Connect = Callable[[], Connection]
PATIENCE = 30.0
Put = Callable[..., str]
ROLE = "IAM_ROLE 'arn:aws:iam::123456789012:role/stori-copy'"


def at_port(url: str, port: int) -> str:
    """The same address at another port."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{parts.netloc.rpartition(':')[0]}:{port}").geturl()


@pytest.fixture(scope="session")
def aws(s3: S3Client, idle_stack: Stack) -> Iterator[str]:
    """The endpoint of the local S3, with its credentials in this process's environment."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in idle_stack.client_environ().items():
            patch.setenv(name, value)
        yield idle_stack.client_environ()["AWS_ENDPOINT_URL"]


@pytest.fixture(scope="session")
def behind(platform_url: str) -> tuple[str, int]:
    """Where the backing Postgres listens, with its database prepared."""
    prepare(platform_url)
    parts = urlsplit(platform_url)
    return str(parts.hostname), int(parts.port or 0)


def serving(server: Server) -> Iterator[Server]:
    thread = threading.Thread(target=server.serve)
    thread.start()
    yield server
    server.stop()
    thread.join(10)
    server.store.client.close()
    assert not thread.is_alive()


@pytest.fixture(scope="session")
def server(behind: tuple[str, int], aws: str) -> Iterator[Server]:
    yield from serving(Server("127.0.0.1", 0, behind, Store(aws)))


@pytest.fixture(scope="session")
def url(server: Server, idle_stack: Stack) -> str:
    """The local Redshift's address, as `loader`."""
    return at_port(idle_stack.postgres_url("platform", "loader", "dev"), server.port)


@pytest.fixture
def schema(url: str) -> Iterator[str]:
    """An empty schema, gone after the test."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {name}")
        yield name
        cursor.execute(f"DROP SCHEMA {name} CASCADE")
    connection.close()


@pytest.fixture
def connect(url: str, schema: str) -> Iterator[Connect]:
    """Opens connections that find their tables in the test's schema; all closed after the test, each autocommitting until told else."""
    opened: list[Connection] = []

    def one_more() -> Connection:
        connection = psycopg2.connect(url, options=f"-c search_path={schema},public")
        connection.autocommit = True
        opened.append(connection)
        return connection

    yield one_more
    for connection in opened:
        connection.close()


def ask(connection: Connection, sql: str) -> list[tuple[object, ...]]:
    """Run this and return the rows of its last result; none where it has none."""
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else []


def eventually(holds: Callable[[], bool]) -> bool:
    """Whether this comes true within the bound."""
    until = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def waits_for_a_lock(connection: Connection, pid: int) -> bool:
    return ask(connection, f"SELECT count(*) FROM pg_catalog.pg_locks WHERE pid = {pid} AND NOT granted") != [(0,)]


@pytest.fixture
def put(s3: S3Client, bucket: str) -> Put:
    """Writes a table (or bytes, or a dict as JSON) under a key and returns its url."""

    def written(key: str, content: pa.Table | bytes | dict[str, Any], **options: Any) -> str:
        if isinstance(content, pa.Table):
            file = io.BytesIO()
            pq.write_table(content, file, **options)
            content = file.getvalue()
        elif isinstance(content, dict):
            content = json.dumps(content).encode()
        s3.put_object(Bucket=bucket, Key=key, Body=content)
        return f"s3://{bucket}/{key}"

    return written


def copied(connection: Connection, url: str, *, into: str = "t", options: str = "") -> str:
    """Run this COPY; its command tag."""
    with connection.cursor() as cursor:
        before, after = (f" {part}" if part else "" for part in (options.partition("|")[0], options.partition("|")[2]))
        cursor.execute(f"COPY {into} FROM '{url}' {ROLE} FORMAT AS PARQUET{after}{before}")
        return str(cursor.statusmessage)


def refused(connection: Connection, url: str, **options: Any) -> psycopg2.Error:
    with pytest.raises(psycopg2.Error) as caught:
        copied(connection, url, **options)
    return caught.value


def entry(s3: S3Client, url: str, **more: Any) -> dict[str, Any]:
    bucket, key = url.removeprefix("s3://").split("/", 1)
    size = s3.head_object(Bucket=bucket, Key=key)["ContentLength"]
    return {"url": url, "mandatory": True, "meta": {"content_length": size}} | more


def ints(*values: int | None) -> pa.Table:
    return pa.table({"a": pa.array(values, pa.int64())})


@pytest.fixture
def connection(connect: Connect) -> Connection:
    """A session that has a table `t` of one BIGINT column."""
    opened = connect()
    ask(opened, "CREATE TABLE t (a BIGINT)")
    return opened


def detail(error: psycopg2.Error) -> str:
    return str(error.diag.message_detail)
