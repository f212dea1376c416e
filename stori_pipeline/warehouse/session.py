"""Sessions with the warehouse, its errors, and queries of one SELECT.

Belongs here: connecting, translating the driver's errors, reading the ledger, and the warehouse as a comparable. Does not belong here: SQL
text (`dialect`), or changing rows (`load`, `reports`).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, NamedTuple

from stori_pipeline.model.row_checksum import (
    HASH_RANGE,
    Digest,
    KeyRange,
    digests_sql,
    has_integer_key,
    key_range_sql,
    row_checksums_sql,
    texts_sql,
)
from stori_pipeline.model.table import Table
from stori_pipeline.settings import foreign, secrets
from stori_pipeline.settings.addresses import ESCAPES, is_unescaped
from stori_pipeline.warehouse import dialect

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812  (the drivers' classes are lower-case)
    from psycopg2.extensions import cursor as Cursor  # noqa: N812


_log = logging.getLogger(__name__)


class WarehouseError(RuntimeError):
    """The warehouse refused a statement. The message says which table, what and why; the transaction was rolled back."""


class WarehouseUnavailable(WarehouseError):
    """The warehouse cannot be reached, or a conflict persisted; worth a retry."""


class Relations(NamedTuple):
    """Which tables exist in the warehouse."""

    ledger: bool
    ledger_has_ids: bool
    """Whether the ledger has ids of batches; one from before version 0.3 does not until its next load."""
    mirror: bool
    names: frozenset[str]
    """The tables and views in the mirror's schema."""
    takes_parts: bool
    """Whether the mirror has the columns of a part; one from before version 0.3 does not."""


class MirrorRow(NamedTuple):
    """One row of a mirror, as texts: its key, and of each column the canonical text and the text that people see, None for NULL."""

    key: tuple[str, ...]
    canonical: tuple[str, ...]
    seen: tuple[str | None, ...]


class LedgerEntry(NamedTuple):
    """The ledger's newest entry for a mirror."""

    generation: int
    batch: int
    fingerprint: str = ""
    batch_id: str = ""
    """`Manifest.id` of that batch; "" if the ledger did not keep ids when it was loaded."""

    @property
    def order(self) -> tuple[int, int]:
        return self.generation, self.batch


class NewestLoad(NamedTuple):
    """The newest load of a table in the ledger: its entry, and when it ended, in UTC."""

    entry: LedgerEntry
    at: datetime


class NewestLoads(NamedTuple):
    """The newest load of each table in the ledger, and the tables and views that exist, all by full name."""

    loads: dict[str, NewestLoad]
    relations: frozenset[str]

    def of_mirrors(self) -> dict[str, LedgerEntry]:
        """The entries that count: a mirror that was dropped holds no rows."""
        return {name: load.entry for name, load in self.loads.items() if name in self.relations}


_MISSING = ("42P01", "3F000")
_TRANSIENT = {"40001", "40P01", "57P01", "57P02", "57P03", "53300", "08000", "08003", "08006", "08001", "08004"}
# "Already exists": two first loads at the same time create it. IF NOT EXISTS does not prevent that.
_TRANSIENT |= {"42P06", "42P07", "42710", "23505"}
_CONFLICT = re.compile(r"\b1023\b|\b1018\b|conflict with concurrent transaction", re.IGNORECASE)


def is_transient(error: Any) -> bool:
    """Whether the whole transaction is worth a retry: after a conflict or a lost connection."""
    import psycopg2

    if error.pgcode is None:
        return isinstance(error, (psycopg2.OperationalError, psycopg2.InterfaceError))
    return error.pgcode in _TRANSIENT or (error.pgcode == "XX000" and bool(_CONFLICT.search(str(error))))


def connect(url: str, what: str = "connection") -> Connection:
    """A connection to the warehouse at `url`. Requires TLS and verifies the server's name, except on loopback. Errors name `what`.

    Raises:
        WarehouseUnavailable: the warehouse cannot be reached.
        WarehouseError: `url` is malformed.
    """
    import psycopg2
    from psycopg2.extensions import make_dsn, parse_dsn

    # Without a quotation of the address, and of the driver's message, which quotes it.
    malformed = f"{what}: the warehouse's address is malformed; it should look like postgresql://loader:…@cluster:5439/dev; {ESCAPES}"
    if is_unescaped(url):
        raise WarehouseError(malformed)
    try:
        dsn = parse_dsn(url)
    except psycopg2.ProgrammingError:
        raise WarehouseError(malformed) from None
    if dsn.get("host", "") not in ("127.0.0.1", "localhost", "::1"):
        dsn = {"sslmode": "verify-full", "sslrootcert": "system"} | dsn
    _log.debug("%s: connecting to the warehouse at %s:%s as %s", what, dsn.get("host"), dsn.get("port"), dsn.get("user"))
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
        secrets.forget()  # its password may have been rotated
        where = f"the warehouse at {dsn.get('host')}:{dsn.get('port')}"
        raise WarehouseUnavailable(f"{what}: {where} cannot be reached: {str(error).strip()}{foreign.hint('postgres', error)}") from error


class Warehouse:
    """The Redshift at `url`. `copy_role` is the ARN of the role with which COPY reads S3; SQL never contains keys.

    Every call opens and closes a session of its own, so threads may share a Warehouse.
    """

    def __init__(self, url: str, copy_role: str, *, lock_patience: float = 300.0) -> None:
        """`lock_patience` is the number of seconds for which a load waits for the transactions that read its mirror."""
        self._url = url
        self.copy_role = copy_role
        self.lock_patience = lock_patience

    @contextmanager
    def session(self, what: str) -> Iterator[Connection]:
        """A connection for one unit of work. Changes that are not committed are rolled back. Errors name `what`."""
        import psycopg2

        connection = connect(self._url, what)
        try:
            yield connection
        except psycopg2.Error as error:
            kind = WarehouseUnavailable if is_transient(error) else WarehouseError
            detail = error.diag.message_detail
            message = error.diag.message_primary or str(error).strip() or type(error).__name__
            if error.pgcode in _MISSING:
                message += "; `stori sync` creates what is missing, if the project defines it"
            raise kind(f"{what}: {message}" + (f" ({detail})" if detail and detail not in message else "")) from error
        finally:
            connection.close()

    def query(self, statement: str, parameters: tuple[Any, ...] = (), *, what: str = "query") -> list[tuple[Any, ...]]:
        """The rows of one SELECT, read into memory: for small results."""
        with self.session(what) as connection, connection.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return cursor.fetchall()

    def ledger(self, table: Table) -> tuple[int, int] | None:
        """The (generation, batch) up to which the mirror is loaded; None if nothing is loaded yet."""
        entry = self.ledger_entry(table)
        return entry.order if entry else None

    def ledger_entry(self, table: Table) -> LedgerEntry | None:
        """The ledger's newest entry for the mirror; None if nothing is loaded yet."""
        with self.session(f"ledger of {table.full_name}") as connection, connection.cursor() as cursor:
            existing = find_relations(cursor, table)
            return newest_load(cursor, table, existing) if existing.mirror else None

    def newest_loads(self) -> NewestLoads:
        """The newest load of every table in the ledger, and which tables and views exist, for whoever asks about all tables."""
        with self.session("ledger of all tables") as connection, connection.cursor() as cursor:
            cursor.execute(dialect.SELECT_ALL_TABLES)
            found = set(cursor.fetchall())
            relations = frozenset(f"{schema}.{name}" for schema, name in found)
            if "pipeline.loads" not in relations:
                return NewestLoads({}, relations)
            cursor.execute(dialect.select_newest_loads(has_ids=("pipeline.loads", "batch_id") in found))
            return NewestLoads({str(target): _newest_load(*row) for target, *row in cursor}, relations)

    def last_loads(self, full_name: str) -> list[tuple[int, int, int]]:
        """The (generation, batch, rows copied) of the two newest loads of a mirror, the newest first."""
        rows = self.query(dialect.SELECT_LAST_LOADS, (full_name,), what=f"ledger of {full_name}")
        return [(int(generation), int(batch), int(copied)) for generation, batch, copied in rows]

    # --- the warehouse as a `Comparable` ---

    def key_range(self, table: Table) -> tuple[int, KeyRange]:
        """See `Comparable.key_range`."""
        statement = key_range_sql(table, dialect.live(table), dialect.DIALECT)
        ((rows, low, high),) = self.query(statement, what=f"comparison of {table.full_name}")
        if not has_integer_key(table):
            return int(rows), HASH_RANGE
        return int(rows), KeyRange(int(low), int(high) + 1) if rows else KeyRange(0, 0)

    def digests(self, table: Table, key_range: KeyRange, width: int, *, keys_only: bool = False) -> dict[int, Digest]:
        """See `Comparable.digests`. Redshift computes them."""
        statement = digests_sql(table, dialect.live(table), dialect.DIALECT, key_range, width, keys_only=keys_only)
        rows = self.query(statement, what=f"comparison of {table.full_name}")
        return {int(bucket): Digest(int(count), int(total)) for bucket, count, total in rows}

    def checksums(self, table: Table, *ranges: KeyRange) -> dict[tuple[str, ...], int]:
        """See `Comparable.checksums`."""
        rows = self.query(row_checksums_sql(table, dialect.live(table), dialect.DIALECT, *ranges), what=f"comparison of {table.full_name}")
        return {tuple(map(str, key)): int(bits) for *key, bits in rows}

    def texts(self, table: Table, keys: Sequence[tuple[str, ...]]) -> list[MirrorRow]:
        """The mirror's rows of a few keys, given as texts (`row_checksum.key_text`)."""
        statement = texts_sql(table, dialect.live(table), dialect.DIALECT, len(keys))
        rows = self.query(statement, tuple(text for key in keys for text in key), what=f"comparison of {table.full_name}")
        width = len(table.key)
        return [MirrorRow(tuple(row[:width]), tuple(row[width::2]), tuple(row[width + 1 :: 2])) for row in rows]


def find_relations(cursor: Cursor, table: Table) -> Relations:
    """Which of the ledger and the mirror exist. A query of its own, because Redshift's catalog cannot be joined with a table."""
    cursor.execute(dialect.SELECT_TABLES, (table.source.name, table.source.name, table.name))
    relations = set(cursor.fetchall())
    names = frozenset(name for schema, name in relations if schema == table.source.name)
    has_ids, takes_parts = ("pipeline.loads", "batch_id") in relations, ("mirror", "_seq") in relations
    return Relations(("pipeline", "loads") in relations, has_ids, table.name in names, names, takes_parts)


def newest_load(cursor: Cursor, table: Table, existing: Relations) -> LedgerEntry | None:
    """The ledger's newest entry for a table; None without a ledger. It counts only if the mirror exists: a dropped mirror holds no rows."""
    if not existing.ledger:
        return None
    cursor.execute(dialect.select_ledger(has_ids=existing.ledger_has_ids), (table.full_name,))
    row = cursor.fetchone()
    return LedgerEntry(int(row[0]), int(row[1]), str(row[2]), row[3] or "") if row else None


def _newest_load(generation: int, batch: int, fingerprint: str, batch_id: str | None, at: datetime, _rows: int) -> NewestLoad:
    return NewestLoad(LedgerEntry(int(generation), int(batch), str(fingerprint), batch_id or ""), at.astimezone(timezone.utc))


def only_value(cursor: Cursor) -> Any:
    """The first column of the one row that the last query must have returned."""
    row = cursor.fetchone()
    if row is None:
        raise WarehouseError("a query of the warehouse returned no rows; expected one")
    return row[0]
