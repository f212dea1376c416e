"""The writes of the bank's application to its database, one method for each kind.

Belongs here: the writes, each in its own transaction, and the transaction that commits late. Does not belong here: when and how often they
happen (`workload`). Balances stay continuous under concurrent writers, because a writer locks the account until its transaction ends. Only
`delete` breaks that, on purpose: deleting a movement that is not the newest leaves a gap.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from decimal import Decimal

from psycopg2 import extensions

from stori_pipeline.local.samples.bank import WITHDRAWALS, amount, details, pick
from stori_pipeline.local.samples.bank_import import bank_connection
from stori_pipeline.local.samples.report import SampleError

_BURST = 8


class Bank:
    """The application, on one connection. Each method commits, and returns whether it changed anything."""

    def __init__(self, connection: extensions.connection, rng: random.Random) -> None:
        self._connection, self._rng = connection, rng
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT account_no FROM transactions GROUP BY account_no ORDER BY account_no")
            self._accounts: list[str] = [account_no for (account_no,) in cursor]
        if not self._accounts:
            raise SampleError("the bank has no transactions, so a workload has nothing to change; run `stori seed` first")

    @classmethod
    @contextmanager
    def open(cls, url: str, seed: int) -> Iterator[Bank]:
        """The application on its own connection, which is closed after the block.

        Raises:
            SampleError: the database does not answer, failed, or has no transactions.
        """
        with bank_connection(url) as connection:
            yield cls(connection, random.Random(seed))

    def insert(self) -> bool:
        """Insert a movement that continues its account's balance."""
        with self._connection, self._connection.cursor() as cursor:
            return self._post(cursor, 1)

    def burst(self) -> bool:
        """Insert movements and edit one, all with the same `updated_at`."""
        with self._connection, self._connection.cursor() as cursor:
            return self._post(cursor, _BURST) and self._edit(cursor)

    def update(self) -> bool:
        """Edit a movement, with a new `updated_at`."""
        with self._connection, self._connection.cursor() as cursor:
            return self._edit(cursor)

    def silent_edit(self) -> bool:
        """Edit a movement without changing `updated_at`."""
        with self._connection, self._connection.cursor() as cursor:
            if (number := self._any_row(cursor)) is None:
                return False
            if self._rng.random() < 0.5:
                cursor.execute("UPDATE transactions SET value_date = value_date + 1 WHERE transaction_no = %s", (number,))
            else:
                cursor.execute(
                    "UPDATE transactions SET transaction_details = concat(%s, left(transaction_details, 60)) WHERE transaction_no = %s",
                    (f"CORR  {int(self._rng.random() * 1_000)}/", number),
                )
            return True

    def delete(self) -> bool:
        """Delete the newest movement of an account, so that balances stay continuous; one time in four any movement, which leaves a gap."""
        with self._connection, self._connection.cursor() as cursor:
            if self._rng.random() < 0.25:
                number = self._any_row(cursor)
            else:
                newest = self._newest(cursor, self._lock_account(cursor))
                number = self._some_row(cursor, newest[0], newest[0]) if newest else None
            if number is None:
                return False
            cursor.execute("DELETE FROM transactions WHERE transaction_no = %s", (number,))
            return cursor.rowcount == 1

    @contextmanager
    def late(self, *, commit: bool) -> Iterator[None]:
        """A transaction that posts to an account and edits a row before the block, and commits or rolls back after it.

        After an exception it rolls back. The connection cannot be used for anything else during the block.
        """
        with self._connection.cursor() as cursor:
            self._post(cursor, 3)
            self._edit(cursor)
        try:
            yield
            if commit:
                self._connection.commit()
        finally:
            self._connection.rollback()

    def _lock_account(self, cursor: extensions.cursor) -> str:
        """An account that no open transaction posts to, locked until this one ends."""
        start = int(self._rng.random() * len(self._accounts))
        for account_no in self._accounts[start:] + self._accounts[:start]:
            cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext('transactions'), hashtext(%s))", (account_no,))
            if cursor.fetchone() == (True,):
                return account_no
        raise SampleError("open transactions lock every account of the bank; end the other workload, and try again")

    def _newest(self, cursor: extensions.cursor, account_no: str) -> tuple[int, Decimal, date] | None:
        cursor.execute(
            "SELECT transaction_no, balance_amt, txn_date FROM transactions WHERE account_no = %s ORDER BY transaction_no DESC LIMIT 1",
            (account_no,),
        )
        return cursor.fetchone()

    def _post(self, cursor: extensions.cursor, count: int) -> bool:
        account_no = self._lock_account(cursor)
        newest = self._newest(cursor, account_no)
        balance, day = newest[1:] if newest else (Decimal(0), date(2019, 3, 5))
        for _ in range(count):
            money, out = Decimal(amount(self._rng)).scaleb(-2), self._rng.random() < WITHDRAWALS
            balance += -money if out else money
            day += timedelta(days=pick(self._rng, (0, 0, 0, 1)))
            cursor.execute(
                """
                INSERT INTO transactions (account_no, txn_date, transaction_details, chip_used, value_date,
                                          withdrawal_amt, deposit_amt, balance_amt)
                VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
                """,
                (
                    account_no,
                    day,
                    details(self._rng),
                    self._rng.random() < 0.15,
                    day,
                    money if out else None,
                    None if out else money,
                    balance,
                ),
            )
        return True

    def _edit(self, cursor: extensions.cursor) -> bool:
        if (number := self._any_row(cursor)) is None:
            return False
        cursor.execute(
            "UPDATE transactions SET transaction_details = %s, chip_used = NOT chip_used, updated_at = now() WHERE transaction_no = %s",
            (details(self._rng), number),
        )
        return True

    def _any_row(self, cursor: extensions.cursor) -> int | None:
        cursor.execute("SELECT min(transaction_no), max(transaction_no) FROM transactions")
        least, most = cursor.fetchone() or (None, None)
        return None if least is None else self._some_row(cursor, least + int(self._rng.random() * (most - least + 1)), most)

    def _some_row(self, cursor: extensions.cursor, least: int, most: int) -> int | None:
        """Lock and return the first row of the range that is not locked. Waiting could last for ever, because a late transaction of this
        program may hold the lock."""
        cursor.execute(
            """
            SELECT transaction_no FROM transactions WHERE transaction_no BETWEEN %s AND %s
            ORDER BY transaction_no LIMIT 1 FOR UPDATE SKIP LOCKED
            """,
            (least, most),
        )
        row = cursor.fetchone()
        return row[0] if row else None
