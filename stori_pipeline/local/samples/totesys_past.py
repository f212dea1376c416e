"""The history of totesys: every row at the end of a day.

Belongs here: the events of each day, and the rows that result. Does not belong here: random values (`totesys_values`, `totesys_edits`), and
any database. Each day has its own random numbers. So a history that ends later has the same rows, except those that were paid or edited in
between.
"""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import date, datetime, timedelta
from typing import Any

from stori_pipeline.local.samples import totesys_values as values
from stori_pipeline.local.samples.bank import pick
from stori_pipeline.local.samples.totesys_edits import new_value, some_column
from stori_pipeline.local.samples.totesys_values import Design, Payment, Purchase, Sale, Transaction

_EDITS_A_DAY = (0,) * 7 + (1,) * 10 + (2,) * 3
"""The number of edits on a business day, chosen at random. About two in three business days have an edit."""


class Past:
    """The rows at the end of a day. The first row of each list has number 1."""

    def __init__(self, until: date, *, seed: int) -> None:
        """Raises ValueError if `until` is before the first day."""
        if until < values.FIRST_DAY:
            raise ValueError(f"totesys begins on {values.FIRST_DAY}; it has no rows up to {until}; choose a later day")
        self.designs: list[Design] = []
        self.sales: list[Sale] = []
        self.purchases: list[Purchase] = []
        self.transactions: list[Transaction] = []
        self.payments: list[Payment] = []
        self._due: dict[str, list[int]] = defaultdict(list)  # indexes of unpaid payments by due day
        self._begin(values.generator(seed, values.FIRST_DAY))
        for number in range(values.FIRST_DAY.toordinal() + 1, until.toordinal() + 1):
            day = date.fromordinal(number)
            if values.is_business_day(day):
                self._add_business_day(values.generator(seed, day), day)

    def _begin(self, rng: random.Random) -> None:
        """Add the first day. Its orders arrived at the same time, and not in the order of their numbers."""
        sales, purchases, designs = values.volumes(values.FIRST_DAY)
        self.designs += [values.design(rng, values.STATIC_AT) for _ in range(designs)]
        kinds = _shuffled(rng, sales, purchases)
        first = [values.FIRST_ORDERS_AT + timedelta(milliseconds=values.between(rng, 0, 4)) for _ in kinds]
        first[0] = values.FIRST_ORDERS_AT + timedelta(milliseconds=4)
        for kind, at in zip(kinds, first, strict=True):
            self._order(rng, kind, at)

    def _add_business_day(self, rng: random.Random, day: date) -> None:
        self._pay(values.batch_at(rng, day), day)
        sales, purchases, designs = values.arriving(day)
        kinds = _shuffled(rng, sales, purchases)
        for kind, at in zip(kinds, values.moments(rng, day, len(kinds)), strict=True):
            self._order(rng, kind, at)
        # A new design is sold from the next day on.
        self.designs += [values.design(rng, at) for at in values.moments(rng, day, designs)]
        for _ in range(pick(rng, _EDITS_A_DAY)):
            self._edit(rng, day)

    def _order(self, rng: random.Random, kind: str, at: datetime) -> None:
        order: Sale | Purchase
        if kind == "sale":
            order = values.sale(rng, at, values.between(rng, 1, len(self.designs)))
            self.sales.append(order)
            order_id = len(self.sales)
        else:
            order = values.purchase(rng, at)
            self.purchases.append(order)
            order_id = len(self.purchases)
        self.transactions.append(values.transaction(order, order_id))
        self.payments.append(values.payment(rng, order, len(self.transactions)))
        self._due[order.agreed_payment_date].append(len(self.payments) - 1)

    def _pay(self, at: datetime, day: date) -> None:
        """The morning's run: pay the payments that are due on this day. A payment is never paid if it is due on a weekend, or if it is
        entered after the run of the day on which it is due."""
        for i in self._due.pop(day.isoformat(), ()):
            self.payments[i] = self.payments[i]._replace(paid=True, last_updated=at)

    def _edit(self, rng: random.Random, day: date) -> None:
        table, column = some_column(rng)
        tables: dict[str, list[Any]] = {"design": self.designs, "sales_order": self.sales, "purchase_order": self.purchases}
        rows = tables[table]
        i = values.between(rng, 0, len(rows) - 1)
        value = new_value(rng, column, getattr(rows[i], column), day, range(1, len(self.designs) + 1))
        if value is not None:
            rows[i] = rows[i]._replace(**{column: value})

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """All rows by table, with columns in the table's order. A table comes after the tables that it refers to."""
        static, companies = (values.STATIC_AT,) * 2, (values.COMPANIES_AT,) * 2
        staff = [(first, last, department, f"{first}.{last}@terrifictotes.com".lower()) for first, last, department in values.STAFF]
        tables: dict[str, list[tuple[Any, ...]]] = {
            "address": [(*row, *static) for row in values.ADDRESSES],
            "currency": [(name, *static) for name in values.CURRENCIES],
            "department": [(*row, *static) for row in values.DEPARTMENTS],
            "payment_type": [(name, *static) for name in values.PAYMENT_TYPES],
            "counterparty": [(*row, *companies) for row in values.COUNTERPARTIES],
            "staff": [(*row, *companies) for row in staff],
            "design": list(self.designs),
            "sales_order": list(self.sales),
            "purchase_order": list(self.purchases),
            "transaction": list(self.transactions),
            "payment": list(self.payments),
        }
        return {table: [(number, *row) for number, row in enumerate(rows, start=1)] for table, rows in tables.items()}


def _shuffled(rng: random.Random, sales: int, purchases: int) -> list[str]:
    """`sales` times "sale" and `purchases` times "purchase", shuffled."""
    kinds = ["sale"] * sales + ["purchase"] * purchases
    for i in range(len(kinds) - 1, 0, -1):
        j = values.between(rng, 0, i)
        kinds[i], kinds[j] = kinds[j], kinds[i]
    return kinds
