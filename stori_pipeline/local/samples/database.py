"""A connection to an application's Postgres database, for the sample data.

Belongs here: timeouts, errors, and whether tables have rows. Does not belong here: statements of any application.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import psycopg2
from psycopg2 import extensions, sql

from stori_pipeline.local.samples.report import SampleError


@contextmanager
def connected(url: str, whose: str) -> Iterator[extensions.connection]:
    """A connection with timeouts, which is closed after the block.

    Args:
        whose: names the database in errors, such as "the bank".

    Raises:
        SampleError: the database does not answer, or failed. Uncommitted changes are rolled back.
    """
    try:
        options = "-c statement_timeout=120s -c lock_timeout=30s"
        with closing(psycopg2.connect(url, connect_timeout=10, options=options, client_encoding="UTF8")) as connection:
            yield connection
    except psycopg2.Error as error:
        advice = "`stori up` starts it" if isinstance(error, psycopg2.OperationalError) else "uncommitted changes are rolled back"
        raise SampleError(f"{whose}'s database: {str(error).strip()} ({advice})") from error


def holds_rows(url: str, whose: str, tables: Sequence[str]) -> bool:
    """Whether any of these existing tables has a row.

    Raises:
        SampleError: the database does not answer, or failed.
    """
    with connected(url, whose) as connection, connection, connection.cursor() as cursor:
        any_row = [sql.SQL("EXISTS (SELECT FROM {})").format(sql.Identifier(table)) for table in tables]
        cursor.execute(sql.SQL("SELECT ") + sql.SQL(" OR ").join(any_row))
        return cursor.fetchone() == (True,)
