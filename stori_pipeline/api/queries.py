"""The statements of the API, and the models of their rows.

Belongs here: what the API reads from the warehouse. Does not belong here: sessions (`store`), and addresses (`routes`).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from stori_pipeline.api.answers import Freshness, Payment, TableFreshness
from stori_pipeline.api.store import Store
from stori_pipeline.model.names import quoted
from stori_pipeline.warehouse.dialect import SELECT_NEWEST_LOADS

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


def last_payments(store: Store, day: date) -> list[Payment]:
    """The five payments made last, up to and including `day`, the latest first."""
    return [Payment(**row) for row in store.rows(_LAST, (day,))]


def next_payments(store: Store, day: date) -> list[Payment]:
    """The next five payments that are not paid yet, from `day` on, by date and number."""
    return [Payment(**row) for row in store.rows(_NEXT, (day,))]


def freshness(store: Store, now: datetime) -> Freshness:
    """When each table was last loaded, and how many seconds before `now`."""

    def of_table(row: dict[str, Any]) -> TableFreshness:
        lag = max(0, int((now - row["loaded_at"]).total_seconds()))
        return TableFreshness(table=row["target"], loaded_at=row["loaded_at"], lag_seconds=lag, rows_loaded=row["rows_loaded"])

    return Freshness(as_of=now, tables=[of_table(row) for row in store.rows(SELECT_NEWEST_LOADS)])


def row_counts(store: Store) -> dict[str, int]:
    """The number of rows of every table in the ledger, in one statement. Table names come from the ledger and are quoted."""
    counts = [
        "SELECT '{}' AS name, COUNT(*) AS rows FROM {}".format(name.replace("'", "''"), ".".join(map(quoted, name.split(".", 1))))
        for name in (row["target"] for row in store.rows(SELECT_NEWEST_LOADS))
    ]
    statement = " UNION ALL ".join(counts) or "SELECT '' AS name, 0 AS rows WHERE 1 = 0"
    return {row["name"]: row["rows"] for row in store.rows(statement)}
