"""The load: brings new batches into their mirror, in one transaction.

Belongs here: which statements run, in which order. LOCK must be the first statement of the transaction, before its snapshot is taken, or
two loads of one table conflict. Does not belong here: SQL text (`dialect`), connecting (`session`), retries (`transaction`), which batches
are new, or whether they may be loaded (`pipeline.sync`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stori_pipeline.model.table import Table
from stori_pipeline.warehouse import dialect
from stori_pipeline.warehouse.lost_parts import lost_parts_explained
from stori_pipeline.warehouse.reshape import Reshape, columns_of, grants_of, reshape, shadow
from stori_pipeline.warehouse.session import (
    Relations,
    Warehouse,
    WarehouseError,
    WarehouseUnavailable,
    find_relations,
    is_transient,
    newest_load,
    only_value,
)
from stori_pipeline.warehouse.transaction import CANCELLED, bounded_wait, lock, with_retries

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812  (the drivers' classes are lower-case)
    from psycopg2.extensions import cursor as Cursor  # noqa: N812


_log = logging.getLogger(__name__)


class LedgerMoved(WarehouseUnavailable):
    """Another load changed the ledger first. Nothing was loaded; determine the new batches again."""


class _StageNeeded(Exception):
    """A snapshot cannot be copied straight into its mirror. The message says why."""


@dataclass(frozen=True)
class Piece:
    """Consecutive batches that landed with the same columns.

    Args:
        landed: the definition with which they landed.
        names: the columns of the present definition that they have, each with its name there.
        rows: the number of rows that COPY must load.
        url: the COPY manifest of their parts; "" if they have none.
        replaces: whether they begin with a snapshot, so that their rows replace the mirror's.
        is_columns: whether it is a batch of the kind `columns`, with values of `names` for the mirror's rows.
    """

    landed: Table
    names: Mapping[str, str]
    rows: int
    url: str
    replaces: bool
    is_columns: bool


@dataclass(frozen=True)
class Pending:
    """The batches to load: every batch after the ledger's, up to (`generation`, `batch`).

    Args:
        replaces: whether the batches begin with a snapshot, so that their rows replace the mirror's.
        rows: the number of rows that COPY must load.
        url: the COPY manifest of their parts; "" if they have none.
        batch_id: the id of the last of them, for the ledger.
        keeps: whether the mirror's rows that the batches do not have stay nevertheless, unless the mirror must be created again because the
            definition changed.
        pieces: the batches by the columns with which they landed, if those are not all the present ones. `url` is "" then.
        mirrored: the columns of the present definition that the mirror has, each with its name there, if its batches tell.
        is_one_snapshot: whether there is one batch, a snapshot, so that no key should repeat.
    """

    generation: int
    batch: int
    replaces: bool
    rows: int
    url: str
    batch_id: str = ""
    keeps: bool = False
    pieces: tuple[Piece, ...] = ()
    mirrored: Mapping[str, str] | None = None
    is_one_snapshot: bool = False


@dataclass(frozen=True)
class Loaded:
    """The result of a load. `rows_deleted` counts rows that were removed or marked as deleted, not rows replaced by a newer version.

    `rows_more` is by how many rows the mirror grew since it had the batch `after`; None if it was created or filled anew.
    """

    generation: int
    batch: int
    rows_copied: int
    rows_inserted: int
    rows_deleted: int
    rows_more: int | None = None
    after: tuple[int, int] | None = None


def load_batches(warehouse: Warehouse, table: Table, work: Pending, *, after: tuple[int, int] | None, run_id: str) -> Loaded:
    """Brings a mirror up to `work.batch`, and creates its missing views, in one transaction.

    Rows and ledger commit together or not at all, so a load may be repeated. After a conflict with another transaction the whole load is
    tried again, a few times. One snapshot is copied straight into the mirror; if the mirror then proves to have a key twice, the
    transaction is rolled back, and another one goes through the stage, which keeps the newest version.

    Args:
        after: the ledger's entry from which `work` was determined (see `Warehouse.ledger`).

    Raises:
        LedgerMoved: the ledger has another entry by now.
        WarehouseUnavailable: the warehouse cannot be reached, or conflicts persisted.
        WarehouseError: the warehouse refused a statement, or COPY loaded another number of rows than the manifests say.
    """

    def attempt(*, straight: bool) -> Loaded:
        return with_retries(
            warehouse,
            f"load of {table.full_name}",
            lambda connection, cursor: _load(warehouse, connection, cursor, table, work, after, run_id, straight=straight),
        )

    with lost_parts_explained(table):
        return _load_straight_or_staged(table, work, attempt)


def _load_straight_or_staged(table: Table, work: Pending, attempt: Callable[..., Loaded]) -> Loaded:
    if not (work.is_one_snapshot and work.url and not work.keeps and dialect.is_copied_as_is(table)):
        return attempt(straight=False)
    try:
        return attempt(straight=True)
    except _StageNeeded as reason:
        _log.info("%s: batch %d goes through a stage: %s", table.full_name, work.batch, reason)
        return attempt(straight=False)


def _load(
    warehouse: Warehouse,
    connection: Connection,
    cursor: Cursor,
    table: Table,
    work: Pending,
    after: tuple[int, int] | None,
    run_id: str,
    *,
    straight: bool,
) -> Loaded:
    existing = find_relations(cursor, table)
    connection.rollback()
    _prepare(connection, cursor, table, existing)
    widened = existing.mirror and bool(work.pieces) and not work.replaces and _widen(warehouse, connection, cursor, table, work)
    entry, names = None, existing.names if existing.mirror else frozenset()
    if existing.mirror:
        lock(warehouse, connection, cursor, f"load of {table.full_name}", dialect.relation(table))
        entry = newest_load(cursor, table, existing)
    else:
        # In the load's own transaction, because an empty mirror with an old ledger entry would count as loaded.
        cursor.execute(dialect.create_mirror(table))
    cursor.execute("SELECT GETDATE()")
    started_at = only_value(cursor)
    if (entry.order if entry else None) != after:
        raise LedgerMoved(f"load of {table.full_name}: another run loaded it first, so this one loaded nothing; run again")
    same_columns = entry is not None and entry.fingerprint == table.fingerprint
    if entry and not same_columns and not work.replaces and work.mirrored is not None and work.pieces:
        for statement in _reshape(cursor, table, work.mirrored, widened=widened).statements:
            cursor.execute(statement)
        names = find_relations(cursor, table).names
    elif entry and not same_columns and not work.replaces:
        raise WarehouseError(
            f"load of {table.full_name}: its definition has changed since the mirror was created, and the new batches do not begin with a "
            f"snapshot; {table.snapshot_advice}"
        )
    is_new = not existing.mirror or (work.replaces and not same_columns)
    if existing.mirror and is_new:
        cursor.execute(dialect.drop_mirror(table))
        cursor.execute(dialect.create_mirror(table))
        names = frozenset()
    for view in dialect.create_views(table):
        # An existing view stays as it is, because replacing it would lock out its readers.
        if dialect.view_name(view) not in names:
            cursor.execute(view)
    if straight and (is_new or existing.takes_parts):
        loaded = _copy_straight(cursor, table, work, warehouse.copy_role, is_new=is_new)
    else:
        loaded = _merge_all(cursor, table, work, warehouse.copy_role)
        loaded = replace(loaded, rows_more=None) if is_new else loaded
    loaded = replace(loaded, after=after)
    counts = (loaded.rows_copied, loaded.rows_inserted, loaded.rows_deleted)
    last = (work.generation, work.batch, work.batch_id)
    cursor.execute(dialect.INSERT_LEDGER, (table.full_name, *last, table.fingerprint, *counts, run_id, started_at))
    connection.commit()
    return loaded


def _prepare(connection: Connection, cursor: Cursor, table: Table, existing: Relations) -> None:
    """Creates missing schemas and a missing ledger, or its missing column; not in the load's transaction, because they hold no rows."""
    if not existing.ledger:
        cursor.execute("CREATE SCHEMA IF NOT EXISTS pipeline")
        cursor.execute(dialect.CREATE_LEDGER)
    elif not existing.ledger_has_ids:
        cursor.execute(dialect.ADD_BATCH_ID)
    if not existing.mirror:
        cursor.execute(dialect.create_schema(table))
    connection.commit()  # does nothing if no transaction has begun


def _widen(warehouse: Warehouse, connection: Connection, cursor: Cursor, table: Table, work: Pending) -> bool:
    """Widens the VARCHAR columns that Redshift widens in place. Returns whether it widened all of them.

    Each is a transaction of its own, before the load's. After a load that fails, columns are wider than they must be, which harms nothing.
    """
    import psycopg2

    entry = newest_load(cursor, table, find_relations(cursor, table))
    statements = _reshape(cursor, table, work.mirrored, widened=True).widen if entry and work.mirrored is not None else ()
    connection.rollback()
    what = f"load of {table.full_name}"
    for statement in statements if entry and entry.fingerprint != table.fingerprint else ():
        with bounded_wait(warehouse, connection, cursor, what, table.full_name):
            connection.autocommit = True
            try:
                cursor.execute(statement)
            except psycopg2.errors.FeatureNotSupported:
                return False
            finally:
                connection.autocommit = False
    return True


def _reshape(cursor: Cursor, table: Table, names: Mapping[str, str], *, widened: bool) -> Reshape:
    """The statements for a mirror. Unless Redshift widened what it can in place, a shadow table does all."""
    found = reshape(table, columns_of(cursor, table), names)
    if found.is_shadow or (found.widen and not widened):
        return shadow(table, columns_of(cursor, table), names, grants_of(cursor, table))
    return found


def _copy_straight(cursor: Cursor, table: Table, work: Pending, copy_role: str, *, is_new: bool) -> Loaded:
    """Replaces the mirror's rows by those of a snapshot, without a stage.

    Raises:
        _StageNeeded: COPY refused a row, which may be a tombstone, or the mirror has a key twice or a tombstone.
    """
    import psycopg2

    if not is_new:
        cursor.execute(dialect.create_stage_of_keys(table))
        cursor.execute(dialect.delete_all(table))
    try:
        cursor.execute(dialect.copy_mirror(table, work.url, copy_role))
    except psycopg2.Error as error:
        if is_transient(error) or error.pgcode == CANCELLED:
            raise
        raise _StageNeeded(f"COPY into the mirror was refused: {error.diag.message_primary}") from error
    copied = _copied(cursor, table, work)
    cursor.execute(dialect.count_live_keys(table))
    rows, keys = cursor.fetchone() or (0, 0)
    if not int(rows) == int(keys) == copied:
        raise _StageNeeded(f"{rows} rows have {keys} live keys")
    deleted = 0
    if not is_new:
        cursor.execute(dialect.count_vanished_keys(table))
        deleted = int(only_value(cursor))
    return Loaded(work.generation, work.batch, copied, copied, deleted)


def _copied(cursor: Cursor, table: Table, work: Pending) -> int:
    """The number of rows that COPY has just loaded. Raises WarehouseError if the manifests say another one."""
    copied = 0
    if work.url:
        cursor.execute("SELECT pg_last_copy_count()")
        copied = int(only_value(cursor))
    if copied != work.rows:
        raise WarehouseError(
            f"load of {table.full_name}: COPY loaded {copied} rows, but the manifests up to batch {work.batch} say {work.rows}; "
            f"nothing was loaded. Were parts changed or removed by hand? If so, {table.snapshot_advice}"
        )
    return copied


def _merge_all(cursor: Cursor, table: Table, work: Pending, copy_role: str) -> Loaded:
    if not work.pieces:
        return _merge(cursor, table, work, copy_role)
    copied = inserted = deleted = more = 0
    for number, piece in enumerate(work.pieces):
        if number:
            cursor.execute(dialect.drop_stage(table))
        part = replace(work, replaces=piece.replaces, rows=piece.rows, url=piece.url, pieces=())
        loaded = _merge(cursor, table, part, copy_role, piece)
        copied, inserted, deleted = copied + loaded.rows_copied, inserted + loaded.rows_inserted, deleted + loaded.rows_deleted
        more += loaded.rows_more or 0
    return Loaded(work.generation, work.batch, copied, inserted, deleted, more)


def _merge(cursor: Cursor, table: Table, work: Pending, copy_role: str, piece: Piece | None = None) -> Loaded:
    inserted = deleted = removed = 0
    cursor.execute(dialect.create_stage(piece.landed if piece else table))
    if work.url:
        cursor.execute(dialect.copy_stage(table, work.url, copy_role))
    copied = _copied(cursor, table, work)
    if piece and piece.is_columns:
        for name in piece.names:
            cursor.execute(dialect.clear_column(table, name))
        if copied and piece.names:
            cursor.execute(dialect.update_columns(table, piece.landed, piece.names))
        return Loaded(work.generation, work.batch, copied, 0, 0, 0)
    unique, gone = True, 0
    if copied:
        cursor.execute(dialect.count_keys(table))
        rows, keys, gone = map(int, cursor.fetchone() or (0, 0, 0))
        unique = rows == keys
    if work.replaces and not work.keeps:
        cursor.execute(dialect.count_vanished(table))
        deleted = int(only_value(cursor))
        cursor.execute(dialect.delete_all(table))
        removed = cursor.rowcount
    elif copied:
        if gone:
            cursor.execute(dialect.delete_gone(table, unique=unique))
            deleted = cursor.rowcount
        cursor.execute(dialect.delete_replaced(table, unique=unique))
        removed = cursor.rowcount + (0 if table.keep_deleted else deleted)
    if copied:
        landed, names = (piece.landed, piece.names) if piece else (None, None)
        cursor.execute(dialect.insert_winners(table, landed, names, unique=unique))
        inserted = cursor.rowcount
    return Loaded(work.generation, work.batch, copied, inserted, deleted, inserted - removed)
