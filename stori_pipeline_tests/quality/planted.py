"""What is made wrong in the small world, one thing at a time, and what the check for it must then return.

Belongs here: the cases, as data. Does not belong here: running them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date as day
from decimal import Decimal
from typing import Any

from psycopg2.extensions import cursor as Cursor  # noqa: N812  (the driver's class is lower-case)

from stori_pipeline_tests.quality import small_world

Break = Callable[[Cursor], None]


def sql(*statements: str) -> Break:
    def run(cursor: Cursor) -> None:
        for statement in statements:
            cursor.execute(statement)

    return run


def row(full_name: str, **values: Any) -> Break:
    return lambda cursor: small_world.insert(cursor, full_name, values)


def both(*breaks: Break) -> Break:
    def run(cursor: Cursor) -> None:
        for each in breaks:
            each(cursor)

    return run


def days(first: day, last: day) -> Break:
    return lambda cursor: small_world.insert(cursor, "star.dim_date", *small_world.calendar(first, last))


IN_A_WEEK = "TO_CHAR(DATEADD(day, 7, GETDATE()), 'YYYY-MM-DD')"

CASES: list[tuple[str, str, Break, list[tuple[Any, ...]]]] = [
    # The check, what is broken, how, and the rows that it must return (their first columns).
    ("bank/transactions/one_amount", "both amounts", sql("UPDATE bank.transactions SET deposit_amt = 1 WHERE transaction_no = 2"), [(2,)]),
    ("bank/transactions/one_amount", "neither", sql("UPDATE bank.transactions SET withdrawal_amt = NULL WHERE transaction_no = 2"), [(2,)]),
    (
        "bank/transactions/balance_continuity",
        "a balance",
        sql("UPDATE bank.transactions SET balance_amt = 7 WHERE transaction_no = 2"),
        [("1196711", 2)],
    ),
    ("exchange/trades/asks_ascending", "the first two", row("exchange.trades", id="z", asks=[2, 1, 3]), [("z",)]),
    ("exchange/trades/asks_ascending", "the last two", row("exchange.trades", id="z", asks=[1, 3, 2.5]), [("z",)]),
    ("exchange/trades/bids_descending", "the first two", row("exchange.trades", id="z", bids=[1, 2]), [("z",)]),
    ("exchange/trades/bids_descending", "the middle two", row("exchange.trades", id="z", bids=[9, 7, 8]), [("z",)]),
    ("exchange/trades/bids_descending", "the last two", row("exchange.trades", id="z", bids=[9, 8, 7, 7.5]), [("z",)]),
    ("app/users/email_form", "no domain", row("app.users", id=9, email="ann@localhost"), [(9,)]),
    ("app/users/email_form", "no name", row("app.users", id=9, email="@example.com"), [(9,)]),
    ("app/users/email_form", "a blank", row("app.users", id=9, email="ann lee@example.com"), [(9,)]),
    ("app/transactions/amount_positive", "nothing", row("app.transactions", id=9, amount=0, transaction_type="payment"), [(9,)]),
    ("app/transactions/amount_positive", "less", row("app.transactions", id=9, amount=-1, transaction_type="refund"), [(9,)]),
    (
        "app/transactions/type_known",
        "another case",
        row("app.transactions", id=9, amount=1, transaction_type="Refund"),
        [(9, None, "Refund")],
    ),
    ("app/transactions/user_exists", "nobody", row("app.transactions", id=9, user_id=7, amount=1, transaction_type="refund"), [(9, 7)]),
    ("totesys/currency/code_known", "yen", row("totesys.currency", currency_id=4, currency_code="JPY"), [(4, "JPY")]),
    ("totesys/currency/code_known", "its case", sql("UPDATE totesys.currency SET currency_code = 'gbp'"), [(1, "gbp")]),
    ("totesys/staff/email_address_form", "two addresses", row("totesys.staff", staff_id=2, email_address="a@b.com@c.com"), [(2,)]),
    ("totesys/payment_type/name_known", "a fifth", row("totesys.payment_type", payment_type_id=5, payment_type_name="GIFT"), [(5, "GIFT")]),
    (
        "totesys/transaction/type_known",
        "a third",
        sql("""UPDATE totesys."transaction" SET transaction_type = 'GIFT' WHERE transaction_id = 2"""),
        [(2, "GIFT")],
    ),
    (
        "totesys/sales_order/dates_are_days",
        "no leap year",
        sql("UPDATE totesys.sales_order SET agreed_payment_date = '2023-02-29' WHERE sales_order_id = 2"),
        [(2, "agreed_payment_date", "2023-02-29")],
    ),
    (
        "totesys/sales_order/dates_are_days",
        "another order",
        sql("UPDATE totesys.sales_order SET agreed_delivery_date = '15/11/2024' WHERE sales_order_id = 1"),
        [(1, "agreed_delivery_date", "15/11/2024")],
    ),
    (
        "totesys/sales_order/dates_are_days",
        "both, by a month",
        sql(
            "UPDATE totesys.sales_order SET agreed_delivery_date = '2024-13-01', agreed_payment_date = '2024-1-1' WHERE sales_order_id = 1"
        ),
        [(1, "agreed_delivery_date", "2024-13-01"), (1, "agreed_payment_date", "2024-1-1")],
    ),
    (
        "totesys/purchase_order/dates_are_days",
        "30 days",
        sql("UPDATE totesys.purchase_order SET agreed_delivery_date = '2024-11-31'"),
        [(1, "agreed_delivery_date", "2024-11-31")],
    ),
    (
        "totesys/payment/dates_are_days",
        "nothing",
        sql("UPDATE totesys.payment SET payment_date = '' WHERE payment_id = 3"),
        [(3, "payment_date", "")],
    ),
    (
        "totesys/payment/dates_are_days",
        "far away",
        sql("UPDATE totesys.payment SET payment_date = '9999-12-31' WHERE payment_id = 3"),
        [(3,)],
    ),
    (
        "totesys/sales_order/one_transaction",
        "none",
        sql("""DELETE FROM totesys."transaction" WHERE transaction_id = 2"""),
        [(2, 0, None, None)],
    ),
    (
        "totesys/sales_order/one_transaction",
        "two",
        row("totesys.transaction", transaction_id=7, transaction_type="SALE", sales_order_id=2),
        [(2, 2, 2, 7)],
    ),
    (
        "totesys/purchase_order/one_transaction",
        "none",
        sql("""DELETE FROM totesys."transaction" WHERE transaction_id = 3"""),
        [(1, 0, None, None)],
    ),
    (
        "totesys/purchase_order/one_transaction",
        "two",
        row("totesys.transaction", transaction_id=7, transaction_type="PURCHASE", purchase_order_id=1),
        [(1, 2, 3, 7)],
    ),
    (
        "totesys/sales_order/units_and_price_in_range",
        "too few",
        sql("UPDATE totesys.sales_order SET units_sold = 999 WHERE sales_order_id = 1"),
        [(1, 999)],
    ),
    (
        "totesys/sales_order/units_and_price_in_range",
        "too dear",
        sql("UPDATE totesys.sales_order SET unit_price = 4.01 WHERE sales_order_id = 2"),
        [(2, 1000, Decimal("4.01"))],
    ),
    ("totesys/purchase_order/quantity_and_price_in_range", "none", sql("UPDATE totesys.purchase_order SET item_quantity = 0"), [(1,)]),
    (
        "totesys/purchase_order/quantity_and_price_in_range",
        "for nothing",
        sql("UPDATE totesys.purchase_order SET item_unit_price = 0"),
        [(1,)],
    ),
    (
        "totesys/purchase_order/quantity_and_price_in_range",
        "too dear",
        sql("UPDATE totesys.purchase_order SET item_unit_price = 1000.01"),
        [(1,)],
    ),
    ("totesys/transaction/one_payment", "none", sql("DELETE FROM totesys.payment WHERE payment_id = 3"), [(3, "PURCHASE", 0, None, None)]),
    (
        "totesys/transaction/one_payment",
        "two",
        sql("UPDATE totesys.payment SET transaction_id = 1 WHERE payment_id = 2"),
        [(1, "SALE", 2, 1, 2), (2, "SALE", 0, None, None)],
    ),
    (
        "totesys/transaction/one_order_of_its_type",
        "both",
        sql("""UPDATE totesys."transaction" SET purchase_order_id = 1 WHERE transaction_id = 1"""),
        [(1, "SALE", 1, 1)],
    ),
    (
        "totesys/transaction/one_order_of_its_type",
        "neither",
        sql("""UPDATE totesys."transaction" SET sales_order_id = NULL WHERE transaction_id = 1"""),
        [(1, "SALE", None, None)],
    ),
    (
        "totesys/transaction/one_order_of_its_type",
        "the other",
        sql("""UPDATE totesys."transaction" SET transaction_type = 'PURCHASE' WHERE transaction_id = 1"""),
        [(1, "PURCHASE", 1, None)],
    ),
    ("totesys/transaction/order_exists", "a sale", sql("DELETE FROM totesys.sales_order WHERE sales_order_id = 2"), [(2, "SALE", 2, None)]),
    ("totesys/transaction/order_exists", "a purchase", sql("DELETE FROM totesys.purchase_order"), [(3, "PURCHASE", None, 1)]),
    (
        "totesys/payment/amount_is_order_value",
        "a penny on a sale",
        sql("UPDATE totesys.payment SET payment_amount = 2500.01 WHERE payment_id = 1"),
        [(1, 1, "SALE", 1, Decimal("2500.01"), 1000, Decimal("2.50"), Decimal("2500.00"))],
    ),
    (
        "totesys/payment/amount_is_order_value",
        "a price of a purchase",
        sql("UPDATE totesys.purchase_order SET item_unit_price = 99.98"),
        [(3, 3, "PURCHASE", 1, Decimal("999.90"), 10)],
    ),
    (
        "totesys/payment/agrees_with_order",
        "the counterparty",
        sql("UPDATE totesys.payment SET counterparty_id = 2 WHERE payment_id = 2"),
        [(2, "SALE", 2, 2, 1, 1, 1)],
    ),
    (
        "totesys/payment/agrees_with_order",
        "the currency",
        sql("UPDATE totesys.purchase_order SET currency_id = 3"),
        [(3, "PURCHASE", 1, 1, 1, 1, 3)],
    ),
    (
        "totesys/payment/agrees_with_order",
        "the date",
        sql("UPDATE totesys.payment SET payment_date = '2024-11-15' WHERE payment_id = 1"),
        [(1, "SALE", 1, 1, 1, 1, 1, "2024-11-15", "2024-11-14")],
    ),
    (
        "totesys/payment/type_fits_transaction",
        "a sale",
        sql("UPDATE totesys.payment SET payment_type_id = 3 WHERE payment_id = 1"),
        [(1, 1, "SALE", 3, "PURCHASE_PAYMENT")],
    ),
    (
        "totesys/payment/type_fits_transaction",
        "a purchase",
        sql("UPDATE totesys.payment SET payment_type_id = 1 WHERE payment_id = 3"),
        [(3, 3, "PURCHASE", 1, "SALES_RECEIPT")],
    ),
    (
        "totesys/payment/paid_not_in_future",
        "next week",
        sql(f"UPDATE totesys.payment SET payment_date = {IN_A_WEEK} WHERE payment_id <> 3"),
        [(1, True)],
    ),
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
                sql(f"DROP VIEW star.{fact}_current", f"CREATE VIEW star.{fact}_current AS SELECT * FROM star.{fact} WHERE {of} < 2"),
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
