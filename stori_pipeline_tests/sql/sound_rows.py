"""Correct rows of every mirror and star table that a check reads.

Belongs here: the rows. Does not belong here: errors that a check must find (`planted`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date as day
from datetime import timedelta
from typing import Any

from psycopg2.extensions import cursor as Cursor  # noqa: N812  (the driver's class is lower-case)

from stori_pipeline.model.report import load_reports
from stori_pipeline.project import REPORTS_FOLDER
from stori_pipeline_tests.shipped import STARS, TABLES
from stori_pipeline_tests.sql import mirrors


def fill(cursor: Cursor) -> None:
    """Two sales and a purchase with their transactions, payments, dimensions and versions; an app's user; a trade; an account; and the
    reports over them, as views even where they are tables, so that they follow what a test breaks."""
    mirrors.make(cursor)
    for report in load_reports(REPORTS_FOLDER, TABLES, STARS):
        cursor.execute(f"CREATE VIEW {report.full_name} AS {report.statement}")
    for full_name, rows in _ROWS.items():
        mirrors.insert(cursor, full_name, *rows)
    mirrors.insert(cursor, "star.dim_date", *calendar(day(2024, 1, 1), day(2024, 12, 31)))


def calendar(first: day, last: day) -> Iterable[dict[str, Any]]:
    """Rows of the calendar; only what checks look at is right about them."""
    return [{"date_id": each, "year": each.year} for each in (first + timedelta(days=n) for n in range((last - first).days + 1))]


_SALE = {"units_sold": 1000, "unit_price": "2.50", "agreed_delivery_date": "2024-11-15", "agreed_payment_date": "2024-11-14"}
_PURCHASE = {"item_quantity": 10, "item_unit_price": "99.99", "agreed_delivery_date": "2024-11-29", "agreed_payment_date": "2024-11-16"}
_ROWS: dict[str, list[dict[str, Any]]] = {
    "totesys.currency": [{"currency_id": 1, "currency_code": "GBP"}],
    "totesys.staff": [{"staff_id": 1, "email_address": "deron.o'keefe@terrifictotes.com"}],
    "totesys.payment_type": [
        {"payment_type_id": 1, "payment_type_name": "SALES_RECEIPT"},
        {"payment_type_id": 3, "payment_type_name": "PURCHASE_PAYMENT"},
    ],
    "totesys.sales_order": [{"sales_order_id": 1} | _SALE, {"sales_order_id": 2} | _SALE],
    "totesys.purchase_order": [{"purchase_order_id": 1} | _PURCHASE],
    "totesys.transaction": [
        {"transaction_id": 1, "transaction_type": "SALE", "sales_order_id": 1},
        {"transaction_id": 2, "transaction_type": "SALE", "sales_order_id": 2},
        {"transaction_id": 3, "transaction_type": "PURCHASE", "purchase_order_id": 1},
    ],
    "totesys.payment": [
        {"payment_id": 1, "transaction_id": 1, "payment_amount": "2500.00", "payment_date": "2024-11-14", "paid": True},
        {"payment_id": 2, "transaction_id": 2, "payment_amount": "2500.00", "payment_date": "2024-11-14"},
        {"payment_id": 3, "transaction_id": 3, "payment_amount": "999.90", "payment_date": "2024-11-16", "payment_type_id": 3},
    ],
    "star.dim_staff": [{"staff_id": 1}],
    "star.dim_location": [{"location_id": 1}],
    "star.dim_currency": [{"currency_id": 1, "currency_code": "GBP"}],
    "star.dim_design": [{"design_id": 1}],
    "star.dim_counterparty": [{"counterparty_id": 1}],
    "star.dim_payment_type": [{"payment_type_id": 1}, {"payment_type_id": 3}],
    "star.dim_transaction": [{"transaction_id": 1}, {"transaction_id": 2}, {"transaction_id": 3}],
    # Order 1 was changed once; order 9 is no longer in the source, and nobody misses its design.
    "star.fact_sales_order": [
        {"sales_record_id": 1, "sales_order_id": 1, "design_id": 8},
        {"sales_record_id": 2, "sales_order_id": 2},
        {"sales_record_id": 3, "sales_order_id": 9, "design_id": 8},
        {"sales_record_id": 4, "sales_order_id": 1},
        {"sales_record_id": 5, "sales_order_id": 9, "design_id": 8, "_removed": True},
    ],
    "star.fact_purchase_orders": [{"purchase_record_id": 1, "purchase_order_id": 1}],
    "star.fact_payment": [
        {"payment_record_id": 1, "payment_id": 1, "transaction_id": 1},
        {"payment_record_id": 2, "payment_id": 2, "transaction_id": 2},
        {"payment_record_id": 3, "payment_id": 3, "transaction_id": 3, "payment_type_id": 3},
    ],
    "app.users": [{"id": 1, "email": "Ann.Lee@Example.com"}, {"id": 2}],
    "app.transactions": [
        {"id": 1, "user_id": 1, "amount": "10.00", "transaction_type": "refund"},
        {"id": 2, "amount": "0.01", "transaction_type": "transfer"},
        {"id": 3, "user_id": 2},
    ],
    "events.app_events": [
        {
            "id": "A",
            "event": "submission_success",
            "event_text": "submissionSuccess",
            "context_device_type": "ios",
            "context_device_manufacturer": "Apple",
        }
    ],
    "exchange.trades": [
        {"id": "a", "asks": [110.07, 110.12, 110.3], "bids": [109.9, 109.88, 109.7, 109.5]},
        {"id": "b", "asks": [5, 5], "bids": [4]},
        {"id": "c"},
    ],
    "bank.transactions": [
        {"transaction_no": 1, "account_no": "1196711", "deposit_amt": "10.00", "balance_amt": "10.00"},
        {"transaction_no": 2, "account_no": "1196711", "withdrawal_amt": "4.00", "balance_amt": "6.00"},
    ],
}
