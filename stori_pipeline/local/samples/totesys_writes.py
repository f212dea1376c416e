"""What the trading application does to its database: one method per kind of write.

Belongs here: the writes, each a transaction of its own, the transaction that commits late, and the note of what a commit changed. Does
not belong here: when and how often they happen (`workload`, `totesys_days`).
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

_PAID_AT_ONCE = 5


@dataclass(frozen=True)
class Change:
    """One row that a commit changed. `silent` is an update that left `last_updated` where it was."""

    table: str
    key: int
    kind: Literal["insert", "update", "silent"]


Commit = tuple[Change, ...]
"""What one transaction changed: each row once."""


class Totesys:
    """The application, on one connection. Its methods return whether they changed anything; each commits what it did.

    Where a method takes `at`, that is what the rows are stamped with, naive as the application's timestamps are; without it, the time
    in UTC.
    """

    def __init__(self, connection: extensions.connection, rng: random.Random) -> None:
        self.last: Commit = ()
        """What the last transaction changed; nothing where it found nothing to write to."""
        self._connection, self._rng = connection, rng
        self._changes: list[Change] = []
        # No cell goes back to what it was: that would be two changes to whoever looks twice, and none to whoever looks once.
        self._earlier: defaultdict[tuple[str, int, str], set[object]] = defaultdict(set)
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT design_id FROM design ORDER BY design_id")
            self._designs: list[int] = [number for (number,) in cursor]
        if not self._designs:
            raise SampleError("totesys is empty, so there is nothing to work on: `stori seed` fills it")

    @classmethod
    @contextmanager
    def open(cls, url: str, seed: int | str) -> Iterator[Totesys]:
        """The application on a connection of its own, closed at the end.

        Raises:
            SampleError: the database cannot be reached, failed, or holds no past.
        """
        with connected(url, "totesys") as connection:
            yield cls(connection, random.Random(seed))

    def sale(self, at: datetime | None = None) -> bool:
        """A sales order with its transaction and its payment, stamped alike."""
        return self._commit(lambda cursor: self._order(cursor, values.sale(self._rng, at or _now(), pick(self._rng, self._designs))))

    def purchase(self, at: datetime | None = None) -> bool:
        """A purchase order with its transaction and its payment, stamped alike."""
        return self._commit(lambda cursor: self._order(cursor, values.purchase(self._rng, at or _now())))

    def pay(self) -> bool:
        """A few payments that are due by now: first those that a morning's run would have paid, then those it passed over."""
        now = _now()
        query = """
            SELECT payment_id FROM payment WHERE NOT paid AND payment_date <= %s
            ORDER BY extract(isodow FROM payment_date::date) > 5 OR created_at >= payment_date::date, payment_date, payment_id
            LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
        """
        return self._commit(lambda cursor: self._pay(cursor, now, query, (now.date().isoformat(), _PAID_AT_ONCE)))

    def pay_day(self, day: date, at: datetime) -> bool:
        """The morning's run: every payment that is due on this very day, all at one instant."""
        query = "SELECT payment_id FROM payment WHERE NOT paid AND payment_date = %s FOR NO KEY UPDATE SKIP LOCKED"
        return self._commit(lambda cursor: self._pay(cursor, at, query, (day.isoformat(),)))

    def new_design(self, at: datetime | None = None) -> bool:
        """One more design."""

        def write(cursor: extensions.cursor) -> bool:
            self._designs.append(self._insert(cursor, "design", values.design(self._rng, at or _now())))
            return True

        return self._commit(write)

    def silent_edit(self, day: date | None = None) -> bool:
        """An edit of an order or a design, of any age, that leaves `last_updated` where it was."""
        return self._commit(lambda cursor: self._edit(cursor, day or _now().date()))

    def move_department(self, at: datetime | None = None) -> bool:
        """A department in another town, stamped."""

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
        """A transaction that makes a sale, a purchase and a silent edit at the start, and commits (or rolls back) at the end of the block.

        The block is given what it changes. After an exception it never commits. This connection does nothing else meanwhile.
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
        """The new row's number."""
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
        """Any row that no open transaction has changed, held until this one ends: waiting for a late transaction of this same program
        would be waiting for ever. Rows that others only refer to are free: the key stays what it is."""
        names = {"table": sql.Identifier(table), "key": sql.Identifier(f"{table}_id")}
        cursor.execute(sql.SQL("SELECT min({key}), max({key}) FROM {table}").format(**names))
        ((least, most),) = cursor.fetchall()
        if least is None:
            return None
        cursor.execute(
            sql.SQL("SELECT {key} FROM {table} ORDER BY {key} < %s, {key} LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED").format(**names),
            (values.between(self._rng, least, most),),
        )
        found = cursor.fetchone()
        return int(found[0]) if found else None


def _now() -> datetime:
    """To the millisecond, which is as fine as the application keeps it."""
    now = utc_now().replace(tzinfo=None)
    return now.replace(microsecond=now.microsecond // 1_000 * 1_000)
