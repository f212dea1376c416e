"""The local Redshift for its own tests, in this process, with moto's server as S3.

Belongs here: fixtures of more than one module. Does not belong here: the server, which the plugin starts (`redshift_local.pytest_plugin`).
"""

from __future__ import annotations

import io
import json
import os
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import hypothesis
import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer
from psycopg2.extensions import connection as Connection  # noqa: N812

from redshift_local.instance import LocalRedshift
from tests.copies import Put
from tests.sessions import Connect, ask

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# No deadline, because a busy machine may be slow. The same examples each time, but for `make test-long`: a run shall not fail by chance.
_LONG = bool(os.environ.get("TESTS_LONG"))
hypothesis.settings.register_profile(
    "suite",
    max_examples=1_000 if _LONG else 100,
    derandomize=not _LONG,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("suite")


@pytest.fixture(scope="session")
def aws() -> Iterator[str]:
    """The endpoint of the tests' S3. Credentials for it are set in this process's environment."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def redshift_s3_endpoint(aws: str) -> str:
    return aws


@pytest.fixture(scope="session")
def s3(aws: str) -> Iterator[S3Client]:
    client = boto3.client("s3", endpoint_url=aws)
    yield client
    client.close()


@pytest.fixture
def bucket(s3: S3Client) -> str:
    """The name of an empty bucket. It is lost when the tests' S3 stops."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def put(s3: S3Client, bucket: str) -> Put:
    """A function that writes a table (or bytes, or a dict as JSON) under a key and returns its url."""

    def write(key: str, content: pa.Table | bytes | dict[str, Any], **options: Any) -> str:
        if isinstance(content, pa.Table):
            file = io.BytesIO()
            pq.write_table(content, file, **options)
            content = file.getvalue()
        elif isinstance(content, dict):
            content = json.dumps(content).encode()
        s3.put_object(Bucket=bucket, Key=key, Body=content)
        return f"s3://{bucket}/{key}"

    return write


@pytest.fixture(scope="session")
def url(redshift: LocalRedshift) -> str:
    """The local Redshift's address for its user."""
    return redshift.url


@pytest.fixture(scope="session")
def superuser_url(redshift: LocalRedshift) -> str:
    """The address of the database behind the local Redshift, for the superuser."""
    return redshift.superuser_url


@pytest.fixture(scope="session")
def backend(redshift: LocalRedshift) -> tuple[str, int]:
    """Host and port of the PostgreSQL behind the local Redshift."""
    return "127.0.0.1", redshift.postgres.port


@pytest.fixture
def schema(redshift_schema: str) -> str:
    """The name of an empty schema, which is dropped after the test."""
    return redshift_schema


@pytest.fixture
def connect(url: str, schema: str) -> Iterator[Connect]:
    """A function that opens a connection with the test's schema in its search_path. Each statement is committed. All connections are closed
    after the test."""
    opened: list[Connection] = []

    def open_connection() -> Connection:
        connection = psycopg2.connect(url, options=f"-c search_path={schema},public")
        connection.autocommit = True
        opened.append(connection)
        return connection

    yield open_connection
    for connection in opened:
        connection.close()


@pytest.fixture
def connection(connect: Connect) -> Connection:
    """A connection to a schema with a table `t` of one BIGINT column."""
    opened = connect()
    ask(opened, "CREATE TABLE t (a BIGINT)")
    return opened
