"""A connection to the Postgres database of an application, for the sample data.

Belongs here: how long it waits, what its errors say, and whether there is anything yet. Does not belong here: what is done on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import psycopg2
from psycopg2 import extensions, sql

from stori_pipeline.local.samples.report import SampleError


@contextmanager
def connected(url: str, whose: str) -> Iterator[extensions.connection]:
    """A connection to the database of `whose` ("the bank"), closed at the end; nothing on it waits for ever.

    Raises:
        SampleError: the database cannot be reached, or failed. What was not committed is undone.
    """
    try:
        options = "-c statement_timeout=120s -c lock_timeout=30s"
        with closing(psycopg2.connect(url, connect_timeout=10, options=options, client_encoding="UTF8")) as connection:
            yield connection
    except psycopg2.Error as error:
        advice = "is it up? `stori up` starts it" if isinstance(error, psycopg2.OperationalError) else "what was not committed is undone"
        raise SampleError(f"{whose}'s database: {str(error).strip()} ({advice})") from error


def holds_rows(url: str, whose: str, tables: Sequence[str]) -> bool:
    """Whether any of those tables, which exist, has a row.

    Raises:
        SampleError: the database cannot be reached, or failed.
    """
    with connected(url, whose) as connection, connection, connection.cursor() as cursor:
        any_row = [sql.SQL("EXISTS (SELECT FROM {})").format(sql.Identifier(table)) for table in tables]
        cursor.execute(sql.SQL("SELECT ") + sql.SQL(" OR ").join(any_row))
        return cursor.fetchone() == (True,)
