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

# A version holds from the source's own time on; a later one that did not change that time, from when it was observed. If the first version
# of a payment is later than the day, everything but the flag is taken from it: the source changes nothing else.
_PAYMENT = """\
WITH version AS (
  SELECT v.*, v.last_updated_date + v.last_updated_time AS updated,
         LAG(v.last_updated_date + v.last_updated_time) OVER (PARTITION BY v.payment_id ORDER BY v.payment_record_id) AS before
  FROM star.fact_payment AS v
), dated AS (
  SELECT v.*, CASE WHEN v.before IS NULL OR v.updated > v.before THEN v.updated ELSE v._observed_at AT TIME ZONE 'UTC' END
           < CAST(%(day)s AS DATE) + 1 AS is_known
  FROM version AS v
  WHERE v.created_date <= %(day)s
), ranked AS (
  SELECT d.*, ROW_NUMBER() OVER (
    PARTITION BY d.payment_id
    ORDER BY d.is_known DESC, CASE WHEN d.is_known THEN -d.payment_record_id ELSE d.payment_record_id END
  ) AS rank
  FROM dated AS d
)
SELECT p.payment_id, p.payment_date, CASE WHEN p.is_known THEN p.paid END AS paid, t.payment_type_name AS payment_type,
       c.counterparty_legal_name AS counterparty, p.payment_amount AS amount, y.currency_code AS currency
FROM ranked AS p
LEFT JOIN star.dim_counterparty AS c ON c.counterparty_id = p.counterparty_id
LEFT JOIN star.dim_currency AS y ON y.currency_id = p.currency_id
LEFT JOIN star.dim_payment_type AS t ON t.payment_type_id = p.payment_type_id
WHERE p.rank = 1 AND NOT p._removed
"""
# By schedule, and not by the flag, which the source never sets for a payment that fell due on a weekend.
_LAST = _PAYMENT + "AND p.payment_date <= %(day)s ORDER BY p.payment_date DESC, p.payment_id DESC LIMIT 5"
_NEXT = _PAYMENT + "AND p.payment_date > %(day)s ORDER BY p.payment_date, p.payment_id LIMIT 5"


class Payment(BaseModel):
    """One payment, in the currency of its order. The amount is a decimal, written as text so that no digit is lost."""

    payment_id: int
    payment_date: date = Field(description="The agreed day of payment.")
    paid: bool | None = Field(
        description="The source's flag at the end of the day; null if that is not known, because the payment was changed later and"
        " first read after that. The source never sets it for a payment that fell due on a weekend."
    )
    payment_type: str | None = Field(description="Such as SALES_RECEIPT; null until the row of its dimension has arrived.")
    counterparty: str | None = Field(description="The legal name; null until the row of its dimension has arrived.")
    amount: Decimal
    currency: str | None = Field(description="ISO 4217 code, such as GBP; null until the row of its dimension has arrived.")


def last_payments(store: Store, day: date) -> list[Payment]:
    """The last five scheduled payments up to and including `day`, the latest first, as they were at its end."""
    return [Payment(**row) for row in store.rows(_LAST, {"day": day})]


def next_payments(store: Store, day: date) -> list[Payment]:
    """The next five scheduled payments after `day`, by date and number, as they were at its end."""
    return [Payment(**row) for row in store.rows(_NEXT, {"day": day})]


def extension(store: Store, clock: Clock) -> Extension:
    """The addresses and the sections of the page."""
    router = APIRouter(prefix="/payments", tags=["payments"])

    @router.get("/last5")
    def last5(as_of: AsOf = None) -> list[Payment]:
        """The last five scheduled payments up to and including a day, the latest first, as they were at its end."""
        return last_payments(store, as_of or utc_day(clock()))

    @router.get("/next5")
    def next5(as_of: AsOf = None) -> list[Payment]:
        """The next five scheduled payments after a day, by date and number, as they were at its end."""
        return next_payments(store, as_of or utc_day(clock()))

    def sections(day: date) -> Sequence[Section]:
        return (
            Section(f"Last scheduled payments, up to {day}", _html(last_payments(store, day))),
            Section(f"Next scheduled payments, after {day}", _html(next_payments(store, day))),
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
