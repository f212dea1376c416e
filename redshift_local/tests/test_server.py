"""The command with `--backend`: its start, its memory, SIGTERM, and its errors."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from redshift_local.load.s3 import Store
from redshift_local.proxy import wire
from redshift_local.proxy.server import Server
from tests.client import Client
from tests.sessions import ask, at_port, serving

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MB = 1024 * 1024


@pytest.fixture
def process(superuser_url: str, aws: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The process, which listens on a free port, and the port."""
    command = [sys.executable, "-m", "redshift_local", "--port", "0", "--backend", superuser_url, "--s3-endpoint", aws]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        line = server.stdout.readline()
        address = re.match(r"redshift-local listens at 127\.0\.0\.1:(\d+); ", line)
        assert address, line
        yield server, int(address[1])
        server.kill()


def test_sigterm_ends_it_and_tells_the_clients(process: tuple[subprocess.Popen[str], int], url: str) -> None:
    program, port = process
    with closing(psycopg2.connect(at_port(url, port))) as connection:
        assert ask(connection, "SELECT 1") == [(1,)]
        program.send_signal(signal.SIGTERM)
        assert program.wait(20) == 0
        with pytest.raises(psycopg2.OperationalError):
            ask(connection, "SELECT 1")
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(at_port(url, port))


def test_the_client_gets_an_error_if_the_backend_cannot_be_reached(aws: str, url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    unreachable = pytest.raises(psycopg2.OperationalError, match="the database behind the local Redshift cannot be reached")
    with serving(Server(0, ("127.0.0.1", port), Store(aws))) as server, unreachable:
        psycopg2.connect(at_port(url, server.port))


def test_the_error_of_a_backend_that_does_not_answer_has_no_password() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "redshift_local",
        "--patience",
        "0.2",
        "--backend",
        f"postgresql://u:secret@127.0.0.1:{port}/dev",
    ]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 1
    assert f"127.0.0.1:{port}/dev could not be prepared" in ran.stderr
    assert "secret" not in ran.stderr


def test_a_port_that_is_in_use_is_an_error(superuser_url: str, aws: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "redshift_local", "--port", port, "--backend", superuser_url, "--s3-endpoint", aws]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 1
    assert f"cannot listen at 127.0.0.1:{port}: Address already in use" in ran.stderr


@pytest.fixture
def large(s3: S3Client, bucket: str, tmp_path: Path) -> str:
    """The url of a Parquet file of about 200 MB, in 20 row groups that do not compress."""
    path = tmp_path / "large.parquet"
    schema = pa.schema([("a", pa.int64()), ("b", pa.string())])
    with pq.ParquetWriter(path, schema, compression="none", use_dictionary=False) as writer:
        for group in range(20):
            text = [os.urandom(5000).hex() for _ in range(1000)]
            writer.write_table(pa.table({"a": pa.array(range(group * 1000, group * 1000 + 1000), pa.int64()), "b": text}, schema))
    s3.upload_file(str(path), bucket, "large.parquet")
    return f"s3://{bucket}/large.parquet"


def test_memory_is_bounded_for_large_loads_and_results(
    process: tuple[subprocess.Popen[str], int], url: str, schema: str, large: str
) -> None:
    program, port = process
    with Client(at_port(url, port), options=f"-c search_path={schema}") as client:
        for sql in ("CREATE TABLE t (a BIGINT, b VARCHAR(20000))", "SELECT a, b FROM t"):
            client.send(wire.query(sql))
            client.until(b"Z")
        with sampled(program.pid) as sizes:
            client.send(wire.query(f"COPY t FROM '{large}' IAM_ROLE default FORMAT AS PARQUET"))
            assert (b"C", b"COPY\x00") in client.until(b"Z")
        # Much less than the file: a row group, a batch, the queue, and the memory of the libraries.
        assert max(sizes) - sizes[0] < 120 * MB
        with sampled(program.pid) as sizes:
            client.send(wire.query("SELECT a, b FROM t"))
            count = 0
            for kind, _ in iter(client.stream.message, (b"Z", b"I")):
                count += kind == b"D"
        assert count == 20_000
        assert max(sizes) - sizes[0] < 10 * MB


@contextmanager
def sampled(pid: int) -> Iterator[list[int]]:
    """Samples of the process's memory in bytes, taken during the block."""
    process, done = psutil.Process(pid), threading.Event()
    sizes = [process.memory_info().rss]

    def sample() -> None:
        while not done.wait(0.01):
            sizes.append(process.memory_info().rss)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield sizes
    finally:
        done.set()
        thread.join(10)
