"""A small warehouse in which everything is as it should be: hand-made mirrors and star tables, their views, and the reports.

Belongs here: making it, and rows for it. Does not belong here: what a check finds when something is not as it should be.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date as day
from datetime import timedelta
from typing import Any

from psycopg2.extensions import cursor as Cursor  # noqa: N812  (the driver's class is lower-case)

from stori_pipeline import star
from stori_pipeline.catalog import TABLES
from stori_pipeline.model.report import load_reports
from stori_pipeline.model.table import Table
from stori_pipeline.model.types import super_
from stori_pipeline.project import REPORTS_FOLDER, find_table
from stori_pipeline.star import STARS
from stori_pipeline.warehouse.dialect import create_mirror, create_views, quoted, relation

MIRRORED: tuple[Table, ...] = (*TABLES, *(star.table for star in STARS.values()))
SCHEMAS = sorted({table.source.name for table in MIRRORED})
REPORTS = "reports"

DEFAULTS: dict[str, Any] = {
    "integer": 1,
    "bigint": 1,
    "smallint": 1,
    "boolean": False,
    "date": "2024-11-13",
    "time": "10:20:09.123",
    "timestamptz": "2024-11-13 10:20:09.123+00",
    "double": 1.0,
}
"""What a column of that type holds where a row does not say."""


def record(full_name: str) -> Table:
    return STARS[full_name.removeprefix("star.")].table if full_name.startswith("star.") else find_table(full_name)


def insert(cursor: Cursor, full_name: str, *rows: dict[str, Any]) -> None:
    """Rows of a mirror; whatever one does not name has its type's default, or is null where that may be."""
    table = record(full_name)
    values = [
        {c.name: row[c.name] if c.name in row else None if c.nullable else _default(str(c.type)) for c in table.columns} for row in rows
    ]
    if unknown := {name for row in rows for name in row} - {c.name for c in table.columns}:
        raise KeyError(f"{full_name} has no {', '.join(sorted(unknown))}")
    names = [c.name for c in table.columns]
    places = ", ".join("JSON_PARSE(%s)" if c.type == super_ else f"CAST(%s AS {c.type.redshift})" for c in table.columns)
    marks = "FALSE, " if table.keep_deleted else ""
    columns = ", ".join(map(quoted, [*names, *(["_deleted"] if table.keep_deleted else []), "_batch", "_loaded_at"]))
    each = f"SELECT {places}, {marks}1, GETDATE()"
    cursor.execute(
        f"INSERT INTO {relation(table)} ({columns}) " + " UNION ALL ".join([each] * len(values)),
        [_given(table, name, row[name]) for row in values for name in names],
    )


def _default(kind: str) -> Any:
    return DEFAULTS.get(kind, 1 if kind.startswith("decimal") else "x")


def _given(table: Table, name: str, value: Any) -> Any:
    return json.dumps(value) if table[name].type == super_ and value is not None else value


def make(cursor: Cursor) -> None:
    """All mirrors, those of the star tables included, and the views of the facts' present rows."""
    drop(cursor)
    for schema in SCHEMAS:
        cursor.execute(f"CREATE SCHEMA {schema}")
    for table in MIRRORED:
        cursor.execute(create_mirror(table))
    for each in star.STARS.values():
        for statement in create_views(each.table, each.aliases):
            cursor.execute(statement)
    cursor.execute(f"CREATE SCHEMA {REPORTS}")
    for report in load_reports(REPORTS_FOLDER, TABLES, star.STARS):
        cursor.execute(f"CREATE VIEW {report.full_name} AS {report.statement}")  # tables too, so that they follow what a test breaks


def drop(cursor: Cursor) -> None:
    for schema in (*SCHEMAS, REPORTS):
        cursor.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")


def fill(cursor: Cursor) -> None:
    """Two sales and a purchase with their transactions, payments, dimensions and versions; an app's user; a trade; an account."""
    for full_name, rows in _WORLD.items():
        insert(cursor, full_name, *rows)
    insert(cursor, "star.dim_date", *calendar(day(2024, 1, 1), day(2024, 12, 31)))


def calendar(first: day, last: day) -> Iterable[dict[str, Any]]:
    """Rows of the calendar; only what checks look at is right about them."""
    return [{"date_id": each, "year": each.year} for each in (first + timedelta(days=n) for n in range((last - first).days + 1))]


_SALE = {"units_sold": 1000, "unit_price": "2.50", "agreed_delivery_date": "2024-11-15", "agreed_payment_date": "2024-11-14"}
_PURCHASE = {"item_quantity": 10, "item_unit_price": "99.99", "agreed_delivery_date": "2024-11-29", "agreed_payment_date": "2024-11-16"}
_WORLD: dict[str, list[dict[str, Any]]] = {
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
