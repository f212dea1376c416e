"""The writes of the trading application to its database, one method for each kind.

Belongs here: the writes, each in its own transaction, the transaction that commits late, and the list of what each commit changed. Does not
belong here: when and how often they happen (`workload`, `totesys_days`).
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from psycopg2 import extensions, sql

from stori_pipeline.clock import utc_now
from stori_pipeline.local.samples import totesys_values as values
from stori_pipeline.local.samples.bank import pick
from stori_pipeline.local.samples.database import connected
from stori_pipeline.local.samples.report import SampleError
from stori_pipeline.local.samples.totesys_edits import new_value, some_column
from stori_pipeline.local.samples.totesys_values import Design, Payment, Purchase, Sale, Transaction

_MAX_PAYMENTS = 5


@dataclass(frozen=True)
class Change:
    """One row that a commit changed. A `silent` update does not change `last_updated`."""

    table: str
    key: int
    kind: Literal["insert", "update", "silent"]


Commit = tuple[Change, ...]
"""The changes of one transaction, one per row."""


class Totesys:
    """The application, on one connection. Each method commits, and returns whether it changed anything.

    The parameter `at` is the timestamp of the rows, without a time zone like the application's own; by default the present in UTC.
    """

    def __init__(self, connection: extensions.connection, rng: random.Random) -> None:
        self.last: Commit = ()
        """The changes of the last transaction; empty if it changed nothing."""
        self._connection, self._rng = connection, rng
        self._changes: list[Change] = []
        # A value never changes back: a reader that reads in between would see two changes, and one that does not would see none.
        self._earlier: defaultdict[tuple[str, int, str], set[object]] = defaultdict(set)
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT design_id FROM design ORDER BY design_id")
            self._designs: list[int] = [number for (number,) in cursor]
        if not self._designs:
            raise SampleError("totesys has no rows, so a workload has nothing to change; run `stori seed` first")

    @classmethod
    @contextmanager
    def open(cls, url: str, seed: int | str) -> Iterator[Totesys]:
        """The application on its own connection, which is closed after the block.

        Raises:
            SampleError: the database does not answer, failed, or has no rows.
        """
        with connected(url, "totesys") as connection:
            yield cls(connection, random.Random(seed))

    def sale(self, at: datetime | None = None) -> bool:
        """Insert a sales order, its transaction and its payment, with the same timestamps."""
        return self._commit(lambda cursor: self._order(cursor, values.sale(self._rng, at or _now(), pick(self._rng, self._designs))))

    def purchase(self, at: datetime | None = None) -> bool:
        """Insert a purchase order, its transaction and its payment, with the same timestamps."""
        return self._commit(lambda cursor: self._order(cursor, values.purchase(self._rng, at or _now())))

    def pay(self) -> bool:
        """Pay up to five payments that are due: first those that a morning's run would have paid, then those that it skips."""
        now = _now()
        query = """
            SELECT payment_id FROM payment WHERE NOT paid AND payment_date <= %s
            ORDER BY extract(isodow FROM payment_date::date) > 5 OR created_at >= payment_date::date, payment_date, payment_id
            LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
        """
        return self._commit(lambda cursor: self._pay(cursor, now, query, (now.date().isoformat(), _MAX_PAYMENTS)))

    def pay_day(self, day: date, at: datetime) -> bool:
        """The morning's run: pay every payment that is due on this day, with one timestamp."""
        query = "SELECT payment_id FROM payment WHERE NOT paid AND payment_date = %s FOR NO KEY UPDATE SKIP LOCKED"
        return self._commit(lambda cursor: self._pay(cursor, at, query, (day.isoformat(),)))

    def new_design(self, at: datetime | None = None) -> bool:
        """Insert a design."""

        def write(cursor: extensions.cursor) -> bool:
            self._designs.append(self._insert(cursor, "design", values.design(self._rng, at or _now())))
            return True

        return self._commit(write)

    def silent_edit(self, day: date | None = None) -> bool:
        """Edit an order or a design of any age without changing `last_updated`."""
        return self._commit(lambda cursor: self._edit(cursor, day or _now().date()))

    def move_department(self, at: datetime | None = None) -> bool:
        """Move a department to another town, with a new `last_updated`."""

        def write(cursor: extensions.cursor) -> bool:
            if (number := self._some_row(cursor, "department")) is None:
                return False
            cursor.execute("SELECT location FROM department WHERE department_id = %s", (number,))
            ((old,),) = cursor.fetchall()
            town = pick(self._rng, [town for town in values.TOWNS if town != old])
            cursor.execute("UPDATE department SET location = %s, last_updated = %s WHERE department_id = %s", (town, at or _now(), number))
            self._changes.append(Change("department", number, "update"))
            return True

        return self._commit(write)

    @contextmanager
    def late(self, *, commit: bool = True, at: datetime | None = None) -> Iterator[Commit]:
        """A transaction that writes a sale, a purchase and a silent edit before the block, and commits or rolls back after it.

        The block receives its changes. After an exception it rolls back. The connection cannot be used for anything else during the block.
        """
        stamp = at or _now()
        self._changes = []
        try:
            with self._connection.cursor() as cursor:
                self._order(cursor, values.sale(self._rng, stamp, pick(self._rng, self._designs)))
                self._order(cursor, values.purchase(self._rng, stamp))
                self._edit(cursor, stamp.date())
            changes = tuple(self._changes)
            yield changes
            if commit:
                self._connection.commit()
                self.last = changes
        finally:
            self._connection.rollback()

    def _commit(self, write: Callable[[extensions.cursor], bool]) -> bool:
        self._changes, self.last = [], ()
        with self._connection, self._connection.cursor() as cursor:
            done = write(cursor)
        self.last = tuple(self._changes)
        return done

    def _insert(self, cursor: extensions.cursor, table: str, row: Design | Sale | Purchase | Transaction | Payment) -> int:
        """Insert a row; returns its number."""
        statement = sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING {}").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, row._fields)),
            sql.SQL(", ").join([sql.Placeholder()] * len(row)),
            sql.Identifier(f"{table}_id"),
        )
        cursor.execute(statement, tuple(row))
        ((number,),) = cursor.fetchall()
        self._changes.append(Change(table, number, "insert"))
        return int(number)

    def _order(self, cursor: extensions.cursor, order: Sale | Purchase) -> bool:
        order_id = self._insert(cursor, "sales_order" if isinstance(order, Sale) else "purchase_order", order)
        transaction_id = self._insert(cursor, "transaction", values.transaction(order, order_id))
        self._insert(cursor, "payment", values.payment(self._rng, order, transaction_id))
        return True

    def _pay(self, cursor: extensions.cursor, at: datetime, query: str, parameters: tuple[object, ...]) -> bool:
        cursor.execute(query, parameters)
        due = sorted(number for (number,) in cursor.fetchall())
        cursor.execute("UPDATE payment SET paid = true, last_updated = %s WHERE payment_id = ANY(%s)", (at, due))
        self._changes += [Change("payment", number, "update") for number in due]
        return bool(due)

    def _edit(self, cursor: extensions.cursor, day: date) -> bool:
        table, column = some_column(self._rng)
        if (number := self._some_row(cursor, table)) is None:
            return False
        names = {"table": sql.Identifier(table), "column": sql.Identifier(column), "key": sql.Identifier(f"{table}_id")}
        cursor.execute(sql.SQL("SELECT {column} FROM {table} WHERE {key} = %s").format(**names), (number,))
        ((old,),) = cursor.fetchall()
        earlier = self._earlier[table, number, column]
        value = new_value(self._rng, column, old, day, self._designs, earlier)
        if value is None:
            return False
        earlier.add(old)
        cursor.execute(sql.SQL("UPDATE {table} SET {column} = %s WHERE {key} = %s").format(**names), (value, number))
        self._changes.append(Change(table, number, "silent"))
        return True

    def _some_row(self, cursor: extensions.cursor, table: str) -> int | None:
        """Lock and return a random row that is not locked. A late transaction of this program may hold a lock, so waiting for it could last
        for ever. The lock allows references to the row, because its key does not change."""
        names = {"table": sql.Identifier(table), "key": sql.Identifier(f"{table}_id")}
        cursor.execute(sql.SQL("SELECT min({key}), max({key}) FROM {table}").format(**names))
        ((least, most),) = cursor.fetchall()
        if least is None:
            return None
        cursor.execute(
            sql.SQL("SELECT {key} FROM {table} ORDER BY {key} < %s, {key} LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED").format(**names),
            (values.between(self._rng, least, most),),
        )
        row = cursor.fetchone()
        return int(row[0]) if row else None


def _now() -> datetime:
    """The present in UTC, to the millisecond, as precise as the application's timestamps."""
    now = utc_now().replace(tzinfo=None)
    return now.replace(microsecond=now.microsecond // 1_000 * 1_000)
