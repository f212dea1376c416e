"""Prepares the database behind the local Redshift with the files in `database/`.

Belongs here: connecting to that database and applying the files. Does not belong here: the functions and views, which the files create.
"""

from __future__ import annotations

from importlib import resources

import psycopg2
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

_FILES = ("schema.sql", "functions.sql", "tables.sql")


def prepare(url: str, patience: float = 30.0) -> None:
    """Apply the files in one transaction. They can be applied repeatedly.

    Args:
        url: the database's address, for a superuser.
        patience: how many seconds to wait for a server that is starting.

    Raises:
        psycopg2.Error: the server did not answer in time, or a statement failed.
    """
    patiently = Retrying(
        retry=retry_if_exception_type(psycopg2.OperationalError), stop=stop_after_delay(patience), wait=wait_fixed(0.1), reraise=True
    )
    connection = patiently(psycopg2.connect, url, connect_timeout=5)
    folder = resources.files("redshift_local") / "database"
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('redshift_local'))")  # another local Redshift may be starting too
            for name in _FILES:
                cursor.execute((folder / name).read_text("utf-8"))
    finally:
        connection.close()
