"""Transactions that are tried again after a conflict, and that wait only so long for a lock.

Belongs here: when to try again, and the bounds. Does not belong here: what a transaction does (`load`, `reports`, `frames`), or connecting
(`session`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from stori_pipeline.warehouse.session import Warehouse, WarehouseUnavailable

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812  (the driver's classes are lower-case)
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

Result = TypeVar("Result")

_TRIES = 5
CANCELLED = "57014"
"""The SQLSTATE of a statement that was cancelled, or that ran into its timeout."""


class Overtaken(WarehouseUnavailable):
    """Another transaction changed first what this one is about to replace."""


def with_retries(warehouse: Warehouse, what: str, attempt: Callable[[Connection, Cursor], Result]) -> Result:
    """Calls `attempt` in a session of its own, and again, in another session, after a conflict: at most five times. Errors name `what`.

    Raises:
        WarehouseUnavailable: the warehouse cannot be reached, a lock was not released in time, or conflicts persisted.
        WarehouseError: the warehouse refused a statement.
    """
    from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

    for each in Retrying(
        retry=retry_if_exception(_is_conflict), stop=stop_after_attempt(_TRIES), wait=wait_random_exponential(0.2, max=5), reraise=True
    ):
        with each, warehouse.session(what) as connection, connection.cursor() as cursor:
            return attempt(connection, cursor)
    raise AssertionError("unreachable: the last attempt returns or raises")


def _is_conflict(error: BaseException) -> bool:
    refused = isinstance(error, WarehouseUnavailable) and getattr(error.__cause__, "pgcode", None) not in (None, CANCELLED)
    return refused or isinstance(error, Overtaken)


@contextmanager
def bounded_wait(warehouse: Warehouse, connection: Connection, cursor: Cursor, what: str, relation: str) -> Iterator[None]:
    """Limits the wait for transactions that use a relation, `schema.name`: a timeout per statement, because Redshift has no lock_timeout.

    Raises:
        WarehouseUnavailable: a statement of the block waited for longer than `warehouse.lock_patience`.
    """
    import psycopg2

    connection.autocommit = True  # not in a transaction, because LOCK must be the first statement of the next one
    cursor.execute(f"SET statement_timeout TO {int(warehouse.lock_patience * 1000)}")
    connection.autocommit = False
    try:
        yield
    except psycopg2.errors.QueryCanceled as error:
        raise WarehouseUnavailable(
            f"{what}: other transactions have held {relation} for {warehouse.lock_patience:g} s, so nothing was changed; STV_LOCKS and "
            "SVV_TRANSACTIONS show which. It is usually an idle session with an open transaction: end it"
        ) from error


def lock(warehouse: Warehouse, connection: Connection, cursor: Cursor, what: str, relation: str) -> None:
    """Begins a transaction and locks a relation, `"schema"."name"`, after the transactions that use it have ended.

    Raises:
        WarehouseUnavailable: they did not end within `warehouse.lock_patience`.
    """
    with bounded_wait(warehouse, connection, cursor, what, relation.replace('"', "")):
        cursor.execute(f"LOCK {relation}")
    cursor.execute("SET statement_timeout TO 0")
