"""Preparing the database behind the local Redshift with `bootstrap.sql`.

Belongs here: connecting to that database and applying the file. Does not belong here: the functions and views, which are in the file.
"""

from __future__ import annotations

from importlib import resources

import psycopg2
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed


def prepare(url: str, patience: float = 30.0) -> None:
    """Apply `bootstrap.sql`, which may be applied again and again. Waits up to `patience` seconds for a backend that is starting."""
    patiently = Retrying(
        retry=retry_if_exception_type(psycopg2.OperationalError), stop=stop_after_delay(patience), wait=wait_fixed(0.1), reraise=True
    )
    connection = patiently(psycopg2.connect, url, connect_timeout=5)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('redshift_local'))")  # another local Redshift may be starting too
            cursor.execute(resources.files("redshift_local").joinpath("bootstrap.sql").read_text("utf-8"))
    finally:
        connection.close()
