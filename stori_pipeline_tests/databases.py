"""SQL over a connection of its own: in a source, as its application, or in the warehouse, as another session.

Belongs here: addresses and statements. Does not belong here: databases of one test (`platforms`, `stores`).
"""

from __future__ import annotations

import socket
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import psycopg2


def execute(url: str, *statements: str, parameters: tuple[object, ...] = (), autocommit: bool = False) -> list[tuple[Any, ...]]:
    """Run statements in one transaction, and commit it. With `autocommit`, each is a transaction of its own.

    Returns:
        The rows of the last statement; none where it returns no rows.
    """
    with closing(psycopg2.connect(url, connect_timeout=10)) as connection:
        connection.autocommit = autocommit
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement, parameters or None)
            rows = cursor.fetchall() if cursor.description else []
        if not autocommit:
            connection.commit()
        return rows


def drop_schemas(url: str, *names: str) -> None:
    execute(url, *(f'DROP SCHEMA IF EXISTS "{name}" CASCADE' for name in names))


def closed_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def at_port(url: str, port: int) -> str:
    """The address with another port."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.removesuffix(f":{parts.port}") + f":{port}").geturl()
