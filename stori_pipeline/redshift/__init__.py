"""The warehouse: the load, which is one transaction, and the mirror's half of a comparison.

Belongs here: which statements run, in which order, and what their failures mean. Does not belong here: the statements
themselves (`statements`), which batches are pending (the caller asks the lake), and anything about a laptop: the local
Redshift takes these very calls.

LOCK comes first in its transaction, before anything takes the snapshot: otherwise two loads of one table end in a conflict.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from stori_pipeline.digest import HASHED, Digest, Span, digests_sql, has_integer_places, rows_sql, span_sql
from stori_pipeline.redshift import statements
from stori_pipeline.spec import Table

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812  (the drivers' classes are lower-case)
    from psycopg2.extensions import cursor as Cursor  # noqa: N812


class WarehouseError(RuntimeError):
    """The warehouse refused something. The message says which table, what and why; nothing of that load was kept."""


class WarehouseUnavailable(WarehouseError):
    """The warehouse cannot be reached, or gave up on a conflict; worth trying again."""


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


Ask = Callable[["tuple[int, int] | None"], "Pending | None"]
"""Given the (generation, batch) that the ledger holds, or None, says what is pending, or None."""


class _There(NamedTuple):
    """Which tables a load finds."""

    ledger: bool
    mirror: bool
    names: frozenset[str]
    """Of the tables and views in the mirror's schema."""


_TRIES = 5
_CANCELLED = "57014"
_NOT_THERE = ("42P01", "3F000")
_TRANSIENT = {"40001", "40P01", "57P01", "57P02", "57P03", "53300", "08000", "08003", "08006", "08001", "08004"}
# Already there, although it was not a moment ago: two first loads at once. IF NOT EXISTS does not prevent it.
_TRANSIENT |= {"42P06", "42P07", "42710", "23505"}
_CONFLICT = re.compile(r"\b1023\b|\b1018\b|conflict with concurrent transaction", re.IGNORECASE)


def _is_transient(error: Any) -> bool:
    """Whether the whole transaction is worth another try: a conflict, or a connection that went away."""
    import psycopg2

    if error.pgcode is None:
        return isinstance(error, (psycopg2.OperationalError, psycopg2.InterfaceError))
    return error.pgcode in _TRANSIENT or (error.pgcode == "XX000" and bool(_CONFLICT.search(str(error))))


def connect(url: str, what: str = "connection") -> Connection:
    """A session of the warehouse at `url`. Off loopback TLS is required and the server's name is verified. Errors name `what`.

    Raises:
        WarehouseUnavailable: the warehouse cannot be reached.
        WarehouseError: `url` is no address.
    """
    import psycopg2
    from psycopg2.extensions import make_dsn, parse_dsn

    try:
        dsn = parse_dsn(url)
    except psycopg2.ProgrammingError:
        # The driver's message quotes the address, password included; ours does not.
        raise WarehouseError(
            f"{what}: the warehouse's address is none that the driver understands; it should look like "
            "postgresql://loader:…@cluster:5439/dev, with special characters in the password escaped"
        ) from None
    if dsn.get("host", "") not in ("127.0.0.1", "localhost", "::1"):
        dsn = {"sslmode": "verify-full", "sslrootcert": "system"} | dsn
    try:
        return psycopg2.connect(
            make_dsn(**dsn),
            connect_timeout=10,
            application_name="stori",
            keepalives_idle=30,
            keepalives_interval=10,
            keepalives_count=3,
        )
    except psycopg2.OperationalError as error:
        raise WarehouseUnavailable(f"{what}: the warehouse at {dsn.get('host')}:{dsn.get('port')} cannot be reached: {error}") from error


class Warehouse:
    """The Redshift at `url`. `copy_role` is the ARN of the role that COPY reads S3 with; keys never appear in SQL.

    Every call opens a session of its own and closes it, so a Warehouse may be shared between threads.
    """

    def __init__(self, url: str, copy_role: str, *, lock_patience: float = 300.0) -> None:
        """`lock_patience` is how many seconds a load waits for the transactions that read its mirror."""
        self._url = url
        self._copy_role = copy_role
        self._lock_patience = lock_patience

    @contextmanager
    def session(self, what: str) -> Iterator[Connection]:
        """A connection for one unit of work; whatever it did and did not commit is rolled back. Errors name `what`."""
        import psycopg2

        connection = connect(self._url, what)
        try:
            yield connection
        except psycopg2.Error as error:
            kind = WarehouseUnavailable if _is_transient(error) else WarehouseError
            detail = error.diag.message_detail
            said = error.diag.message_primary or str(error).strip() or type(error).__name__
            if error.pgcode in _NOT_THERE:
                said += "; `stori sync` makes what is missing"
            raise kind(f"{what}: {said}" + (f" ({detail})" if detail and detail not in said else "")) from error
        finally:
            connection.close()

    def query(self, statement: str, parameters: tuple[Any, ...] = (), *, what: str = "query") -> list[tuple[Any, ...]]:
        """The rows of one SELECT, read whole: for answers that are small by nature."""
        with self.session(what) as connection, connection.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return cursor.fetchall()

    def ledger(self, table: Table) -> tuple[int, int] | None:
        """The (generation, batch) that the mirror holds; None where it holds nothing yet."""
        with self.session(f"ledger of {table.full_name}") as connection, connection.cursor() as cursor:
            known = self._known(cursor, table) if all(self._there(cursor, table)[:2]) else None
            return known[:2] if known else None

    def load(self, table: Table, pending: Ask, *, run_id: str, views: Sequence[str] = ()) -> Loaded | None:
        """Bring the mirror up to what is pending, in one transaction; None where nothing is.

        Rows and ledger commit together or not at all, so a load may be repeated at will. A conflict with another transaction is
        tried again whole, a few times.

        Args:
            views: statements of `statements.create_views`. Those whose view is missing are run in the same transaction; a view that is
                there stays as it is, since replacing it would keep its readers out.

        Raises:
            WarehouseUnavailable: the warehouse is away, or conflicts persisted.
            WarehouseError: it refused a statement, or COPY brought another number of rows than the manifests say.
        """
        from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

        def conflicted(error: BaseException) -> bool:
            return isinstance(error, WarehouseUnavailable) and getattr(error.__cause__, "pgcode", None) not in (None, _CANCELLED)

        for attempt in Retrying(
            retry=retry_if_exception(conflicted), stop=stop_after_attempt(_TRIES), wait=wait_random_exponential(0.2, max=5), reraise=True
        ):
            with attempt, self.session(f"load of {table.full_name}") as connection, connection.cursor() as cursor:
                return self._load(connection, cursor, table, pending, run_id, views)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _load(self, connection: Connection, cursor: Cursor, table: Table, pending: Ask, run_id: str, views: Sequence[str]) -> Loaded | None:
        # Asked first without a lock: LOCK keeps readers out, and most ticks have nothing to load.
        there = self._there(cursor, table)
        before = self._known(cursor, table) if there.ledger and there.mirror else None
        work = pending(before[:2] if before else None)
        if work is None:
            return None
        connection.rollback()
        self._prepare(connection, cursor, table, there)
        known = None
        names = there.names if there.mirror else frozenset()
        if there.mirror:
            self._lock(connection, cursor, table)
            known = self._known(cursor, table) if there.ledger else None
        else:
            # In the load's own transaction: an empty mirror beside an old ledger entry would count as loaded.
            cursor.execute(statements.create_mirror(table))
        cursor.execute("SELECT GETDATE()")
        started_at = _only(cursor)
        if known != before:  # another load was faster
            work = pending(known[:2] if known else None)
            if work is None:
                return None
        if known and known[2] != table.fingerprint and not work.replaces:
            raise WarehouseError(
                f"load of {table.full_name}: its record has changed since the mirror was made, and the pending batches do not begin with a "
                f"snapshot; land one with `stori sync --full {table.full_name}`"
            )
        if there.mirror and work.replaces and (known is None or known[2] != table.fingerprint):
            cursor.execute(statements.drop_mirror(table))
            cursor.execute(statements.create_mirror(table))
            names = frozenset()
        for view in views:
            if statements.view_name(view) not in names:
                cursor.execute(view)
        loaded = self._merge(cursor, table, work)
        cursor.execute(
            statements.INSERT_LEDGER,
            (
                table.full_name,
                work.generation,
                work.batch,
                table.fingerprint,
                loaded.rows_copied,
                loaded.rows_inserted,
                loaded.rows_deleted,
                run_id,
                started_at,
            ),
        )
        connection.commit()
        return loaded

    def _lock(self, connection: Connection, cursor: Cursor, table: Table) -> None:
        """Begin a transaction with the mirror to itself, once its readers have finished."""
        import psycopg2

        # Redshift has no lock_timeout. Outside the transaction, since LOCK must be its first statement.
        connection.autocommit = True
        cursor.execute(f"SET statement_timeout TO {int(self._lock_patience * 1000)}")
        connection.autocommit = False
        try:
            cursor.execute(f"LOCK {statements.relation(table)}")
        except psycopg2.errors.QueryCanceled as error:
            raise WarehouseUnavailable(
                f"load of {table.full_name}: other transactions have held the mirror for {self._lock_patience:g} s, so nothing was loaded; "
                "STV_LOCKS and SVV_TRANSACTIONS show which. An idle session with an open transaction is the usual one: end it"
            ) from error
        cursor.execute("SET statement_timeout TO 0")

    def _merge(self, cursor: Cursor, table: Table, work: Pending) -> Loaded:
        copied = inserted = deleted = 0
        cursor.execute(statements.create_stage(table))
        if work.url:
            cursor.execute(statements.copy_stage(table, work.url, self._copy_role))
            cursor.execute("SELECT pg_last_copy_count()")
            copied = int(_only(cursor))
        if copied != work.rows:
            raise WarehouseError(
                f"load of {table.full_name}: COPY brought {copied} rows where the manifests up to batch {work.batch} say {work.rows}; "
                "nothing was loaded. Have parts been changed or removed by hand? `stori sync --full` lands a new snapshot"
            )
        if work.replaces and not work.keeps:
            cursor.execute(statements.count_vanished(table))
            deleted = int(_only(cursor))
            cursor.execute(statements.delete_all(table))
        elif copied:
            cursor.execute(statements.count_gone(table))
            if _only(cursor):
                cursor.execute(statements.delete_gone(table))
                deleted = cursor.rowcount
            cursor.execute(statements.delete_replaced(table))
        if copied:
            cursor.execute(statements.insert_winners(table))
            inserted = cursor.rowcount
        return Loaded(work.generation, work.batch, copied, inserted, deleted)

    def _prepare(self, connection: Connection, cursor: Cursor, table: Table, there: _There) -> None:
        """The schemas and the ledger, made where they are missing: outside the load, because they hold no rows."""
        if not there.ledger:
            cursor.execute("CREATE SCHEMA IF NOT EXISTS pipeline")
            cursor.execute(statements.CREATE_LEDGER)
        if not there.mirror:
            cursor.execute(statements.create_schema(table))
        connection.commit()  # does nothing where no transaction was begun

    @staticmethod
    def _there(cursor: Cursor, table: Table) -> _There:
        """Asked together and apart from the ledger: a query of Redshift's catalog cannot be joined with one of a table."""
        cursor.execute(statements.SELECT_TABLES, (table.source.name,))
        found = set(cursor.fetchall())
        names = frozenset(name for schema, name in found if schema == table.source.name)
        return _There(("pipeline", "loads") in found, table.name in names, names)

    @staticmethod
    def _known(cursor: Cursor, table: Table) -> tuple[int, int, str] | None:
        """What the ledger says. Worth nothing unless the mirror is there: one that was dropped holds nothing, whatever it says."""
        cursor.execute(statements.SELECT_LEDGER, (table.full_name,))
        row = cursor.fetchone()
        return (int(row[0]), int(row[1]), str(row[2])) if row else None

    # --- the mirror's half of a comparison; the reader's half has the same three functions ---

    def span(self, table: Table) -> tuple[int, Span]:
        """How many rows the mirror has, and the span that all their places lie in."""
        statement = span_sql(table, statements.live(table), statements.DIALECT)
        ((rows, low, high),) = self.query(statement, what=f"comparison of {table.full_name}")
        if not has_integer_places(table):
            return int(rows), HASHED
        return int(rows), Span(int(low), int(high) + 1) if rows else Span(0, 0)

    def digests(self, table: Table, span: Span, width: int, *, keys_only: bool = False) -> dict[int, Digest]:
        """The digest of each bucket of `width` places in the span that has rows, computed by Redshift."""
        statement = digests_sql(table, statements.live(table), statements.DIALECT, span, width, keys_only=keys_only)
        rows = self.query(statement, what=f"comparison of {table.full_name}")
        return {int(bucket): Digest(int(count), int(total)) for bucket, count, total in rows}

    def checksums(self, table: Table, *spans: Span) -> dict[tuple[str, ...], int]:
        """The checksum of every row in one or more (small) spans, by its key's texts; the sum, where a key occurs more than once."""
        rows = self.query(rows_sql(table, statements.live(table), statements.DIALECT, *spans), what=f"comparison of {table.full_name}")
        return {tuple(map(str, key)): int(bits) for *key, bits in rows}


def _only(cursor: Cursor) -> Any:
    row = cursor.fetchone()
    if row is None:
        raise WarehouseError("the warehouse gave no row where one was due")
    return row[0]
