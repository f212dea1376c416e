"""What the app does to its database: one method per kind of write.

Belongs here: the writes, each a transaction of its own, and the transaction that commits late. Does not belong here: when and how
often they happen (`workload`). The trigger stamps every update, so there is no silent edit here; what hides changes are equal
stamps and late commits.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg2 import extensions

from stori_pipeline.local.samples.app import TYPES, address, amount, app_connection, person
from stori_pipeline.local.samples.bank import pick
from stori_pipeline.local.samples.report import SampleError

_TIED = 4
"""How many rows are inserted at one instant by `tie`."""


class App:
    """The app's server, on one connection. Its methods return whether they changed anything; each commits what it did."""

    def __init__(self, connection: extensions.connection, rng: random.Random) -> None:
        self._connection, self._rng = connection, rng
        with connection, connection.cursor() as cursor:
            cursor.execute("SET TimeZone TO 'UTC'")  # what CURRENT_TIMESTAMP writes into the naive created_at
            cursor.execute("SELECT EXISTS (SELECT FROM users)")
            if cursor.fetchone() != (True,):
                raise SampleError("the app's users are empty, so there is nothing to work on: `stori seed` fills them")

    @classmethod
    @contextmanager
    def open(cls, url: str, seed: int) -> Iterator[App]:
        """The app on a connection of its own, closed at the end.

        Raises:
            SampleError: the database cannot be reached, failed, or holds no users.
        """
        with app_connection(url) as connection:
            yield cls(connection, random.Random(seed))

    def register(self) -> bool:
        """A new user, at times with the e-mail address of another."""
        with self._connection, self._connection.cursor() as cursor:
            name, email = person(self._rng)
            if self._rng.random() < 0.1 and (other := self._some_row(cursor, "users")) is not None:
                cursor.execute(
                    "INSERT INTO users (name, email, address) SELECT %s, email, %s FROM users WHERE id = %s",
                    (name, address(self._rng), other),
                )
            else:
                cursor.execute("INSERT INTO users (name, email, address) VALUES (%s, %s, %s)", (name, email, address(self._rng)))
            return True

    def transact(self) -> bool:
        """A new transaction of some user."""
        with self._connection, self._connection.cursor() as cursor:
            self._insert(cursor)
            return True

    def change_email(self) -> bool:
        """A user's e-mail address."""
        with self._connection, self._connection.cursor() as cursor:
            return self._change_email(cursor, self._some_row(cursor, "users"))

    def correct_amount(self) -> bool:
        """A transaction's amount."""
        with self._connection, self._connection.cursor() as cursor:
            return self._correct(cursor, self._some_row(cursor, "transactions"))

    def fix_type(self) -> bool:
        """A transaction's type by another."""
        with self._connection, self._connection.cursor() as cursor:
            if (number := self._some_row(cursor, "transactions")) is None:
                return False
            types = list(TYPES)
            cursor.execute("SELECT transaction_type FROM transactions WHERE id = %s", (number,))
            (was,) = cursor.fetchone() or (None,)
            if was in types:
                types.remove(was)
            cursor.execute("UPDATE transactions SET transaction_type = %s WHERE id = %s", (pick(self._rng, types), number))
            return True

    def delete(self) -> bool:
        """A transaction is gone, and no trace of it."""
        with self._connection, self._connection.cursor() as cursor:
            if (number := self._some_row(cursor, "transactions")) is None:
                return False
            cursor.execute("DELETE FROM transactions WHERE id = %s", (number,))
            return True

    def tie(self) -> bool:
        """Rows inserted, and one row updated twice, all with the same `updated_at`."""
        with self._connection, self._connection.cursor() as cursor:
            for _ in range(_TIED):
                self._insert(cursor)
            number = self._some_row(cursor, "transactions")
            return self._correct(cursor, number) and self._correct(cursor, number)

    @contextmanager
    def late(self, *, commit: bool) -> Iterator[None]:
        """A transaction that inserts into and updates both tables at the start, and commits (or rolls back) at the end of the block.
        After an exception it never commits. This connection does nothing else meanwhile."""
        with self._connection.cursor() as cursor:
            name, email = person(self._rng)
            cursor.execute("INSERT INTO users (name, email) VALUES (%s, %s) RETURNING id", (name, email))
            (user,) = cursor.fetchone() or (None,)
            self._insert(cursor, user)
            self._change_email(cursor, self._some_row(cursor, "users"))
            self._correct(cursor, self._some_row(cursor, "transactions"))
        try:
            yield
            if commit:
                self._connection.commit()
        finally:
            self._connection.rollback()

    def _insert(self, cursor: extensions.cursor, user: int | None = None) -> None:
        cursor.execute(
            "INSERT INTO transactions (user_id, amount, transaction_type) VALUES (%s, %s, %s)",
            (self._some_row(cursor, "users") if user is None else user, amount(self._rng), pick(self._rng, TYPES)),
        )

    def _change_email(self, cursor: extensions.cursor, number: int | None) -> bool:
        cursor.execute("UPDATE users SET email = %s WHERE id = %s", (person(self._rng)[1], number))
        return cursor.rowcount == 1

    def _correct(self, cursor: extensions.cursor, number: int | None) -> bool:
        cursor.execute("UPDATE transactions SET amount = %s WHERE id = %s", (amount(self._rng), number))
        return cursor.rowcount == 1

    def _some_row(self, cursor: extensions.cursor, table: str) -> int | None:
        """Some row that no open transaction has locked, locked until this one ends: waiting for a late transaction of this same
        program would be waiting for ever."""
        cursor.execute(f"SELECT min(id), max(id) FROM {table}")
        least, most = cursor.fetchone() or (None, None)
        if least is None:
            return None
        cursor.execute(
            f"SELECT id FROM {table} WHERE id BETWEEN %s AND %s ORDER BY id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED",
            (least + int(self._rng.random() * (most - least + 1)), most),
        )
        found = cursor.fetchone()
        return found[0] if found else None
