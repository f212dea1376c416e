"""Helpers that run statements in a session and wait for a limited time.

Belongs here: helpers of more than one test module. Does not belong here: opening a session, which is a fixture.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from psycopg2.extensions import connection as Connection  # noqa: N812

from redshift_local.proxy.server import Server

Connect = Callable[[], Connection]
PATIENCE = 30.0


def at_port(url: str, port: int) -> str:
    """The same address at another port."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{parts.netloc.rpartition(':')[0]}:{port}").geturl()


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """The server, which accepts connections during the block and is stopped after it."""
    with server.serving():
        yield server
    assert not server.is_listening


def ask(connection: Connection, sql: str) -> list[tuple[object, ...]]:
    """Run SQL; returns the rows of the last result, or an empty list."""
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else []


def eventually(holds: Callable[[], bool]) -> bool:
    """Whether the condition becomes true within PATIENCE seconds."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def waits_for_a_lock(connection: Connection, pid: int) -> bool:
    return ask(connection, f"SELECT count(*) FROM pg_catalog.pg_locks WHERE pid = {pid} AND NOT granted") != [(0,)]
