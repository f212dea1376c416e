"""Rows for the shipped reports, few enough to work out by hand what each report must show.

Belongs here: the rows. Does not belong here: the expected rows of the reports.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg2.extensions import cursor as Cursor  # noqa: N812  (the driver's class is lower-case)

from stori_pipeline_tests.sql import mirrors

Rows = Mapping[str, tuple[tuple[str, ...], Sequence[tuple[Any, ...]]]]

DIMENSIONS: Rows = {
    "star.dim_currency": (("currency_id", "currency_code"), [(1, "GBP"), (2, "USD")]),  # 3 has not arrived yet
    "star.dim_design": (("design_id", "design_name"), [(1, "Wooden"), (2, "Wooden"), (3, "Never sold")]),
    "star.dim_location": (("location_id", "city", "country"), [(10, "Leeds", "England"), (11, "Paris", "France")]),
    "star.dim_staff": (("staff_id", "department_name"), [(1, "Dispatch"), (2, "Dispatch"), (3, "Finance")]),
    "star.dim_counterparty": (
        ("counterparty_id", "counterparty_legal_name", "counterparty_legal_country"),
        [(20, "Padberg, Lueilwitz and Johnson", "Peru"), (21, "O'Hara - Sons", "Togo")],
    ),
    "star.dim_payment_type": (("payment_type_id", "payment_type_name"), [(1, "SALES_RECEIPT"), (3, "PURCHASE_PAYMENT")]),
}

_SALE = ("sales_record_id", "sales_order_id", "created_date", "units_sold", "unit_price", "currency_id", "design_id")
SALES: Rows = {
    "star.fact_sales_order": (
        (*_SALE, "agreed_delivery_location_id", "_removed"),
        [
            (1, 1, "2024-01-31", 1000, "2.00", 1, 2, 11, False),  # before it was corrected: another design, another place
            (2, 2, "2024-01-05", 3000, "3.00", 1, 2, 10, False),
            (3, 3, "2024-01-05", 500, "4.00", 2, 1, 11, False),
            (4, 4, "2024-02-01", 100, "2.50", 1, 1, 99, False),
            (5, 5, "2024-02-01", 10, "2.00", 3, 9, 10, False),
            (6, 6, "2024-02-01", 99999, "4.00", 1, 1, 10, False),
            (7, 1, "2024-01-31", 1000, "2.00", 1, 1, 10, False),
            (8, 6, "2024-02-01", 99999, "4.00", 1, 1, 10, True),  # and gone
        ],
    )
}

_PURCHASE = ("purchase_record_id", "purchase_order_id", "created_date", "staff_id", "counterparty_id", "currency_id")
PURCHASES: Rows = {
    "star.fact_purchase_orders": (
        (*_PURCHASE, "item_quantity", "item_unit_price"),
        [
            (1, 1, "2024-01-02", 1, 20, 1, 10, "5.00"),
            (2, 2, "2024-03-02", 2, 20, 1, 1, "100.00"),
            (3, 3, "2024-01-03", 3, 21, 2, 4, "2.25"),
            (4, 4, "2024-01-04", 4, 22, 1, 2, "3.00"),
        ],
    )
}

_PAYMENT = ("payment_record_id", "payment_id", "created_date", "last_updated_date", "payment_type_id", "currency_id")
PAYMENTS: Rows = {
    # 2024-11-15 is a Friday, and the newest day that is written; 2024-11-09 and 10 are a weekend.
    "star.fact_payment": (
        (*_PAYMENT, "payment_amount", "paid", "payment_date"),
        [
            (1, 1, "2024-11-08", "2024-11-11", 1, 1, 100, True, "2024-11-11"),
            (2, 2, "2024-11-08", "2024-11-08", 1, 1, 10, False, "2024-11-11"),  # the run of that day left it: overdue
            (3, 3, "2024-11-07", "2024-11-07", 1, 1, 1, False, "2024-11-09"),  # Saturday
            (4, 4, "2024-11-10", "2024-11-10", 1, 1, 2, False, "2024-11-10"),  # Sunday, and entered then: counted as weekend
            (5, 5, "2024-11-12", "2024-11-12", 1, 1, 20, False, "2024-11-12"),  # entered on its day
            (6, 6, "2024-11-11", "2024-11-12", 1, 2, 7, True, "2024-11-12"),
            (7, 7, "2024-11-11", "2024-11-11", 1, 1, 40, False, "2024-11-13"),  # no payment of that day was flagged
            (8, 8, "2024-11-12", "2024-11-12", 1, 1, 1000, False, "2024-11-15"),  # due today, so not past
            (9, 9, "2024-11-15", "2024-11-15", 1, 1, 1000, False, "2024-11-18"),
            (10, 10, "2024-10-28", "2024-10-28", 3, 2, 5, False, "2024-10-31"),  # before the first run there was
            (11, 11, "2024-11-07", "2024-11-07", 1, 1, 200, False, "2024-11-11"),
            (12, 12, "2024-11-11", "2024-11-11", 1, 2, 3, False, "2024-11-12"),  # overdue
            (13, 11, "2024-11-07", "2024-11-11", 1, 1, 200, True, "2024-11-11"),  # the newer version
        ],
    )
}

_WHEN = "2024-05-0{} 10:00+00"
APP: Rows = {
    "app.users": (
        ("id", "name", "email", "address", "updated_at", "_batch"),
        [
            (1, "Old", "old@x.org", None, _WHEN.format(9), 1),
            (1, "Ann ÉCOLE", "Ann@X.Org", "Road 1\nLEEDS", _WHEN.format(2), 2),  # the later batch wins, whatever updated_at says
            (2, "First", None, None, _WHEN.format(3), 2),
            (2, "Second", None, None, _WHEN.format(4), 2),
            (3, None, None, None, _WHEN.format(1), 1),
        ],
    ),
    "app.transactions": (
        ("id", "user_id", "amount", "transaction_type", "updated_at", "_batch"),
        [
            (7, 1, "10.00", "refund", _WHEN.format(1), 1),
            (7, 1, "11.00", "refund", _WHEN.format(1), 2),
            (8, None, "20.00", "purchase", _WHEN.format(1), 1),
            (8, None, "19.00", "purchase", _WHEN.format(2), 1),
        ],
    ),
}

BANK: Rows = {
    "bank.transactions": (
        ("transaction_no", "account_no", "txn_date", "deposit_amt", "withdrawal_amt", "balance_amt"),
        [
            (1, "A", "2024-01-01", 100, None, 100),
            (2, "A", "2024-01-01", None, 30, 70),
            (3, "B", "2024-01-02", None, 1, -1),
            (4, "A", "2024-01-04", 1, None, 71),
            (5, "A", "2024-01-04", 5, None, 76),
            (6, "C", "2024-01-05", 1, None, 1),
        ],
    )
}

TRADES: Rows = {
    "exchange.trades": (
        ("id", "ticker", "traded_at", "price", "shares", "asks", "bids"),
        [
            ("a", "abcd", "2012-03-02 22:00+00", 110, 200, [110.07, 110.12, 110.3], [109.9, 109.88]),
            ("b", "abcd", "2012-03-02 23:30+00", 113, 100, [112, 113], [112.5, 112]),  # crossed
            ("c", "abcd", "2012-03-03 00:30+00", 100, 50, None, None),
            ("d", "abcd", "2012-03-04 07:00+00", 5, 0, [], [4.9]),
            ("e", None, "2012-03-02 07:00+00", 1, 1, [2], [1]),
        ],
    )
}

_EVERYTHING = (DIMENSIONS, SALES, PURCHASES, PAYMENTS, APP, BANK, TRADES)


def fill(cursor: Cursor) -> None:
    """Mirrors that hold the rows above; nothing else is there."""
    mirrors.make(cursor, [mirrors.definition(name) for part in _EVERYTHING for name in part])
    for part in _EVERYTHING:
        for name, (columns, given) in part.items():
            mirrors.insert(cursor, name, *(dict(zip(columns, row, strict=True)) for row in given))
