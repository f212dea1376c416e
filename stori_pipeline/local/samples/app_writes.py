"""The writes of the app to its database, one method for each kind.

Belongs here: the writes, each in its own transaction, and the transaction that commits late. Does not belong here: when and how often they
happen (`workload`). A trigger stamps every update, so the app has no silent edits; changes are hidden by equal stamps and late commits.
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
"""The number of rows that `tie` inserts at one instant."""


class App:
    """The app, on one connection. Each method commits, and returns whether it changed anything."""

    def __init__(self, connection: extensions.connection, rng: random.Random) -> None:
        self._connection, self._rng = connection, rng
        with connection, connection.cursor() as cursor:
            cursor.execute("SET TimeZone TO 'UTC'")  # what CURRENT_TIMESTAMP writes into the naive created_at
            cursor.execute("SELECT EXISTS (SELECT FROM users)")
            if cursor.fetchone() != (True,):
                raise SampleError("the app has no users, so a workload has nothing to change; run `stori seed` first")

    @classmethod
    @contextmanager
    def open(cls, url: str, seed: int) -> Iterator[App]:
        """The app on its own connection, which is closed after the block.

        Raises:
            SampleError: the database does not answer, failed, or has no users.
        """
        with app_connection(url) as connection:
            yield cls(connection, random.Random(seed))

    def register(self) -> bool:
        """Insert a user, sometimes with the e-mail address of another."""
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
        """Insert a transaction of a random user."""
        with self._connection, self._connection.cursor() as cursor:
            self._insert(cursor)
            return True

    def change_email(self) -> bool:
        """Change a user's e-mail address."""
        with self._connection, self._connection.cursor() as cursor:
            return self._change_email(cursor, self._some_row(cursor, "users"))

    def correct_amount(self) -> bool:
        """Change a transaction's amount."""
        with self._connection, self._connection.cursor() as cursor:
            return self._correct(cursor, self._some_row(cursor, "transactions"))

    def fix_type(self) -> bool:
        """Change a transaction's type."""
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
        """Delete a transaction."""
        with self._connection, self._connection.cursor() as cursor:
            if (number := self._some_row(cursor, "transactions")) is None:
                return False
            cursor.execute("DELETE FROM transactions WHERE id = %s", (number,))
            return True

    def tie(self) -> bool:
        """Insert rows and update one row twice, all with the same `updated_at`."""
        with self._connection, self._connection.cursor() as cursor:
            for _ in range(_TIED):
                self._insert(cursor)
            number = self._some_row(cursor, "transactions")
            return self._correct(cursor, number) and self._correct(cursor, number)

    @contextmanager
    def late(self, *, commit: bool) -> Iterator[None]:
        """A transaction that inserts and updates rows of both tables before the block, and commits or rolls back after it.

        After an exception it rolls back. The connection cannot be used for anything else during the block.
        """
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
        """Lock and return a random row that is not locked. A late transaction of this program may hold a lock, so
        waiting for it could last for ever."""
        cursor.execute(f"SELECT min(id), max(id) FROM {table}")
        least, most = cursor.fetchone() or (None, None)
        if least is None:
            return None
        cursor.execute(
            f"SELECT id FROM {table} WHERE id BETWEEN %s AND %s ORDER BY id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED",
            (least + int(self._rng.random() * (most - least + 1)), most),
        )
        row = cursor.fetchone()
        return row[0] if row else None
