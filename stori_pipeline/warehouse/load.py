"""The load: new batches into their mirror, in one transaction.

Belongs here: which statements run, in which order. Does not belong here: SQL text (`dialect`), connecting (`session`), which batches are
new, or whether they may be loaded (`pipeline.sync`).

LOCK is the first statement of the transaction, before anything takes its snapshot: otherwise two loads of one table conflict.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stori_pipeline.model.table import Table
from stori_pipeline.warehouse import dialect
from stori_pipeline.warehouse.session import (
    Relations,
    Warehouse,
    WarehouseError,
    WarehouseUnavailable,
    find_relations,
    newest_load,
    only_value,
)

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812  (the drivers' classes are lower-case)
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

_TRIES = 5
_CANCELLED = "57014"


class LedgerMoved(WarehouseUnavailable):
    """Another load changed the ledger meanwhile. Nothing was loaded; ask again which batches are new."""


@dataclass(frozen=True)
class Pending:
    """What a load shall bring: every batch after the ledger's, up to this one.

    `replaces` says that the batches begin with a snapshot, so the mirror's rows give way to theirs. `rows` is how many rows COPY
    must find; `url` is the COPY manifest over their parts, empty where they have none. `keeps` says that what the batches do not have stays
    all the same, as long as the mirror need not be made anew for a changed record.
    """

    generation: int
    batch: int
    replaces: bool
    rows: int
    url: str
    keeps: bool = False


@dataclass(frozen=True)
class Loaded:
    """What a load did. `rows_deleted` counts rows that left the mirror (or were marked), not rows replaced by a newer version."""

    generation: int
    batch: int
    rows_copied: int
    rows_inserted: int
    rows_deleted: int


def load_batches(warehouse: Warehouse, table: Table, work: Pending, *, after: tuple[int, int] | None, run_id: str) -> Loaded:
    """Bring a mirror up to `work.batch`, in one transaction, which also makes those of its views that are missing.

    Rows and ledger commit together or not at all, so a load may be repeated at will. A conflict with another transaction is
    tried again whole, a few times.

    Args:
        after: what the ledger said when `work` was made (see `Warehouse.ledger`).

    Raises:
        LedgerMoved: the ledger says something else by now.
        WarehouseUnavailable: the warehouse is away, or conflicts persisted.
        WarehouseError: it refused a statement, or COPY loaded another number of rows than the manifests say.
    """
    from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

    def conflicted(error: BaseException) -> bool:
        return isinstance(error, WarehouseUnavailable) and getattr(error.__cause__, "pgcode", None) not in (None, _CANCELLED)

    for attempt in Retrying(
        retry=retry_if_exception(conflicted), stop=stop_after_attempt(_TRIES), wait=wait_random_exponential(0.2, max=5), reraise=True
    ):
        with attempt, warehouse.session(f"load of {table.full_name}") as connection, connection.cursor() as cursor:
            return _load(warehouse, connection, cursor, table, work, after, run_id)
    raise AssertionError("unreachable: the last attempt returns or raises")


def _load(
    warehouse: Warehouse,
    connection: Connection,
    cursor: Cursor,
    table: Table,
    work: Pending,
    after: tuple[int, int] | None,
    run_id: str,
) -> Loaded:
    found = find_relations(cursor, table)
    connection.rollback()
    _prepare(connection, cursor, table, found)
    entry, names = None, found.names if found.mirror else frozenset()
    if found.mirror:
        _lock(warehouse, connection, cursor, table)
        entry = newest_load(cursor, table) if found.ledger else None
    else:
        # In the load's own transaction: an empty mirror beside an old ledger entry would count as loaded.
        cursor.execute(dialect.create_mirror(table))
    cursor.execute("SELECT GETDATE()")
    started_at = only_value(cursor)
    if (entry.order if entry else None) != after:
        raise LedgerMoved(f"load of {table.full_name}: another run has loaded it meanwhile, so this one loaded nothing; run again")
    same_columns = entry is not None and entry.fingerprint == table.fingerprint
    if entry and not same_columns and not work.replaces:
        raise WarehouseError(
            f"load of {table.full_name}: its definition has changed since the mirror was made, and the new batches do not begin with a "
            f"snapshot; {table.snapshot_advice}"
        )
    if found.mirror and work.replaces and not same_columns:
        cursor.execute(dialect.drop_mirror(table))
        cursor.execute(dialect.create_mirror(table))
        names = frozenset()
    for view in dialect.create_views(table):
        # An existing view stays as it is, because replacing it would lock its readers out.
        if dialect.view_name(view) not in names:
            cursor.execute(view)
    loaded = _merge(cursor, table, work, warehouse.copy_role)
    counts = (loaded.rows_copied, loaded.rows_inserted, loaded.rows_deleted)
    cursor.execute(dialect.INSERT_LEDGER, (table.full_name, work.generation, work.batch, table.fingerprint, *counts, run_id, started_at))
    connection.commit()
    return loaded


def _prepare(connection: Connection, cursor: Cursor, table: Table, found: Relations) -> None:
    """The schemas and the ledger, made where they are missing: outside the load, because they hold no rows."""
    if not found.ledger:
        cursor.execute("CREATE SCHEMA IF NOT EXISTS pipeline")
        cursor.execute(dialect.CREATE_LEDGER)
    if not found.mirror:
        cursor.execute(dialect.create_schema(table))
    connection.commit()  # does nothing where no transaction was begun


def _lock(warehouse: Warehouse, connection: Connection, cursor: Cursor, table: Table) -> None:
    """Begin a transaction with the mirror to itself, once its readers have finished."""
    import psycopg2

    # Redshift has no lock_timeout. Outside the transaction, since LOCK must be its first statement.
    connection.autocommit = True
    cursor.execute(f"SET statement_timeout TO {int(warehouse.lock_patience * 1000)}")
    connection.autocommit = False
    try:
        cursor.execute(f"LOCK {dialect.relation(table)}")
    except psycopg2.errors.QueryCanceled as error:
        raise WarehouseUnavailable(
            f"load of {table.full_name}: other transactions have held the mirror for {warehouse.lock_patience:g} s, so nothing was loaded; "
            "STV_LOCKS and SVV_TRANSACTIONS show which. An idle session with an open transaction is the usual one: end it"
        ) from error
    cursor.execute("SET statement_timeout TO 0")


def _merge(cursor: Cursor, table: Table, work: Pending, copy_role: str) -> Loaded:
    copied = inserted = deleted = 0
    cursor.execute(dialect.create_stage(table))
    if work.url:
        cursor.execute(dialect.copy_stage(table, work.url, copy_role))
        cursor.execute("SELECT pg_last_copy_count()")
        copied = int(only_value(cursor))
    if copied != work.rows:
        raise WarehouseError(
            f"load of {table.full_name}: COPY brought {copied} rows where the manifests up to batch {work.batch} say {work.rows}; "
            f"nothing was loaded. Have parts been changed or removed by hand? If so, {table.snapshot_advice}"
        )
    if work.replaces and not work.keeps:
        cursor.execute(dialect.count_vanished(table))
        deleted = int(only_value(cursor))
        cursor.execute(dialect.delete_all(table))
    elif copied:
        cursor.execute(dialect.count_gone(table))
        if only_value(cursor):
            cursor.execute(dialect.delete_gone(table))
            deleted = cursor.rowcount
        cursor.execute(dialect.delete_replaced(table))
    if copied:
        cursor.execute(dialect.insert_winners(table))
        inserted = cursor.rowcount
    return Loaded(work.generation, work.batch, copied, inserted, deleted)
