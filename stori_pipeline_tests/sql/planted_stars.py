"""Errors planted in star tables, one at a time, and the rows that the check for each must return.

Belongs here: the cases, as data. Does not belong here: running them, or errors elsewhere (`planted`).
"""

from __future__ import annotations

from datetime import date as day

from stori_pipeline_tests.sql.breaks import Case, both, days, row, sql, view

CASES: list[Case] = [
    (
        "star/dim_date/gapless",
        "a day",
        sql("DELETE FROM star.dim_date WHERE date_id = '2024-11-13'"),
        [(day(2024, 11, 12), day(2024, 11, 14), 1)],
    ),
    ("star/dim_date/gapless", "a year", days(day(2026, 1, 1), day(2026, 12, 31)), [(day(2024, 12, 31), day(2026, 1, 1), 365)]),
    ("star/dim_date/years_whole", "the last day", sql("DELETE FROM star.dim_date WHERE date_id = '2024-12-31'"), [(2024, 365, 365)]),
    ("star/dim_date/years_whole", "the first day", sql("DELETE FROM star.dim_date WHERE date_id = '2024-01-01'"), [(2024, 365, 365)]),
    (
        "star/dim_date/years_whole",
        "a day twice",
        both(days(day(2024, 5, 1), day(2024, 5, 1)), sql("DELETE FROM star.dim_date WHERE date_id = '2024-06-01'")),
        [(2024, 366, 365)],
    ),
    (
        "star/dim_date/covers_facts",
        "a date of two versions",
        sql("UPDATE star.fact_sales_order SET agreed_delivery_date = '2025-01-01' WHERE sales_order_id = 1"),
        [("fact_sales_order", "agreed_delivery_date", day(2025, 1, 1), 2)],
    ),
    (
        "star/dim_date/covers_facts",
        "no calendar",
        sql("DELETE FROM star.dim_date", "DELETE FROM star.fact_sales_order", "DELETE FROM star.fact_purchase_orders"),
        [
            ("fact_payment", "created_date", day(2024, 11, 13), 3),
            ("fact_payment", "last_updated_date", day(2024, 11, 13), 3),
            ("fact_payment", "payment_date", day(2024, 11, 13), 3),
        ],
    ),
    (
        "star/fact_sales_order/every_row_of_the_source",
        "a fact",
        sql("DELETE FROM star.fact_sales_order WHERE sales_order_id = 2"),
        [(2, "in the source only")],
    ),
    (
        "star/fact_sales_order/every_row_of_the_source",
        "an order",
        sql("DELETE FROM totesys.sales_order WHERE sales_order_id = 1"),
        [(1, "in the fact only")],
    ),
    (
        "star/fact_purchase_orders/every_row_of_the_source",
        "a fact",
        sql("UPDATE star.fact_purchase_orders SET _removed = TRUE"),
        [(1, "in the source only")],
    ),
    (
        "star/fact_payment/every_row_of_the_source",
        "both",
        sql("UPDATE star.fact_payment SET payment_id = 8 WHERE payment_id = 2"),
        [(2, "in the source only"), (8, "in the fact only")],
    ),
]
for fact, of, number, count in (
    ("fact_sales_order", "sales_order_id", "sales_record_id", 5),
    ("fact_purchase_orders", "purchase_order_id", "purchase_record_id", 1),
    ("fact_payment", "payment_id", "payment_record_id", 3),
):
    CASES += [
        (f"star/{fact}/record_ids_dense", "from 0", sql(f"UPDATE star.{fact} SET {number} = {number} - 1"), [(count, count, 0, count - 1)]),
        (
            f"star/{fact}/record_ids_dense",
            "a gap",
            row(f"star.{fact}", **{number: count + 2, of: 1}),
            [(count + 1, count + 1, 1, count + 2)],
        ),
        (f"star/{fact}/record_ids_dense", "twice", row(f"star.{fact}", **{number: count, of: 1}), [(count + 1, count, 1, count)]),
        (
            f"star/{fact}/one_current_version",
            "a view that holds all versions",
            both(
                row(f"star.{fact}", **{number: 90, of: 1}),
                view(f"star.{fact}_current", f"SELECT * FROM star.{fact} WHERE {of} < 2"),
            ),
            [(1, 3 if fact == "fact_sales_order" else 2, 1, 90)],
        ),
    ]
REFERENCES = """
fact_sales_order dim_staff sales_staff_id
fact_sales_order dim_counterparty counterparty_id
fact_sales_order dim_currency currency_id
fact_sales_order dim_design design_id
fact_sales_order dim_location agreed_delivery_location_id
fact_purchase_orders dim_staff staff_id
fact_purchase_orders dim_counterparty counterparty_id
fact_purchase_orders dim_currency currency_id
fact_purchase_orders dim_location agreed_delivery_location_id
fact_payment dim_transaction transaction_id
fact_payment dim_counterparty counterparty_id
fact_payment dim_currency currency_id
fact_payment dim_payment_type payment_type_id
"""
PRESENT = {"fact_sales_order": 2, "fact_purchase_orders": 1, "fact_payment": 3}
"""How many rows of each are present; their ids count up from 1."""
for fact, dimension, column in map(str.split, REFERENCES.strip().splitlines()):
    CASES.append(
        (
            f"star/{fact}/references_exist",
            dimension,
            sql(f"UPDATE star.{fact} SET {column} = 77"),
            [(dimension, 77, PRESENT[fact], 1, PRESENT[fact])],
        )
    )
for fact, count in PRESENT.items():
    CASES.append(
        (
            f"star/{fact}/references_exist",
            "two of them",
            sql(f"UPDATE star.{fact} SET counterparty_id = 78", "DELETE FROM star.dim_currency"),
            [("dim_counterparty", 78, count, 1, count), ("dim_currency", 1, count, 1, count)],
        )
    )
for fact, dates in (
    ("fact_sales_order", ("created_date", "last_updated_date", "agreed_payment_date", "agreed_delivery_date")),
    ("fact_purchase_orders", ("created_date", "last_updated_date", "agreed_payment_date", "agreed_delivery_date")),
    ("fact_payment", ("created_date", "last_updated_date", "payment_date")),
):
    CASES += [
        (
            "star/dim_date/covers_facts",
            f"{fact}.{date}",
            sql(f"UPDATE star.{fact} SET {date} = '2021-12-31'"),
            [(fact, date, day(2021, 12, 31))],
        )
        for date in dates
    ]
