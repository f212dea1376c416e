"""The payments of the trading system in the API: two addresses, and two sections of the page.

Belongs here: their statements, models and addresses. Does not belong here: sessions and guards (`api`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from stori_pipeline.api.extension import AsOf, Extension, Section
from stori_pipeline.api.page import grid
from stori_pipeline.api.store import Store
from stori_pipeline.clock import Clock, utc_day

_PAYMENT = """\
SELECT p.payment_id, p.payment_date, p.paid, t.payment_type_name AS payment_type, c.counterparty_legal_name AS counterparty,
       p.payment_amount AS amount, y.currency_code AS currency
FROM star.fact_payment_current AS p
LEFT JOIN star.dim_counterparty AS c ON c.counterparty_id = p.counterparty_id
LEFT JOIN star.dim_currency AS y ON y.currency_id = p.currency_id
LEFT JOIN star.dim_payment_type AS t ON t.payment_type_id = p.payment_type_id
"""
_LAST = _PAYMENT + "WHERE p.paid AND p.payment_date <= %s ORDER BY p.payment_date DESC, p.payment_id DESC LIMIT 5"
# Overdue payments are left out: the source never sets the flag of payments that fell due on a weekend.
_NEXT = _PAYMENT + "WHERE NOT p.paid AND p.payment_date >= %s ORDER BY p.payment_date, p.payment_id LIMIT 5"


class Payment(BaseModel):
    """One payment, in the currency of its order. The amount is a decimal, written as text so that no digit is lost."""

    payment_id: int
    payment_date: date = Field(description="The agreed day of payment.")
    paid: bool = Field(description="The source's flag. The source never sets it for a payment that fell due on a weekend.")
    payment_type: str | None = Field(description="Such as SALES_RECEIPT; null until the row of its dimension has arrived.")
    counterparty: str | None = Field(description="The legal name; null until the row of its dimension has arrived.")
    amount: Decimal
    currency: str | None = Field(description="ISO 4217 code, such as GBP; null until the row of its dimension has arrived.")


def last_payments(store: Store, day: date) -> list[Payment]:
    """The five payments made last, up to and including `day`, the latest first."""
    return [Payment(**row) for row in store.rows(_LAST, (day,))]


def next_payments(store: Store, day: date) -> list[Payment]:
    """The next five payments that are not paid yet, from `day` on, by date and number."""
    return [Payment(**row) for row in store.rows(_NEXT, (day,))]


def extension(store: Store, clock: Clock) -> Extension:
    """The addresses and the sections of the page."""
    router = APIRouter(prefix="/payments", tags=["payments"])

    @router.get("/last5")
    def last5(as_of: AsOf = None) -> list[Payment]:
        """The five payments made last, up to and including a day, the latest first."""
        return last_payments(store, as_of or utc_day(clock()))

    @router.get("/next5")
    def next5(as_of: AsOf = None) -> list[Payment]:
        """The next five payments that are not paid yet, from a day on, by date and number."""
        return next_payments(store, as_of or utc_day(clock()))

    def sections(day: date) -> Sequence[Section]:
        return (
            Section(f"Payments made last, up to {day}", _html(last_payments(store, day))),
            Section(f"Payments due next, from {day}", _html(next_payments(store, day))),
        )

    return Extension(router, sections)


def _html(payments: Sequence[Payment]) -> str:
    if not payments:
        return "<p>No payments.</p>"
    return grid(
        ["Date", "Counterparty", "Kind", ("Amount", "n")],
        (
            (
                f"{p.payment_date}",
                p.counterparty or "",
                (p.payment_type or "").replace("_", " ").lower(),
                f"{p.amount:,} {p.currency or ''}",
            )
            for p in payments
        ),
    )
