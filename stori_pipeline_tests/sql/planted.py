"""Errors planted in sources' mirrors and in reports, one at a time, and the rows that the check for each must return.

Belongs here: the cases, as data. Does not belong here: running them, or errors in star tables (`planted_stars`).
"""

from __future__ import annotations

from datetime import date as day
from decimal import Decimal

from stori_pipeline_tests.sql.breaks import Case, both, row, sql, view

IN_A_WEEK = "TO_CHAR(DATEADD(day, 7, GETDATE()), 'YYYY-MM-DD')"

CASES: list[Case] = [
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
        "reports/sales_by_month/adds_up",
        "every version counts",
        view("reports.sales_by_month", "SELECT COUNT(*) AS orders, SUM(units_sold) AS units_sold FROM star.fact_sales_order"),
        [(5, 2, 5, 2)],
    ),
    (
        "reports/sales_by_month/adds_up",
        "a currency is twice in the dimension",
        row("star.dim_currency", currency_id=1, currency_code="GBP"),
        [(4, 2, 4, 2)],
    ),
    (
        "reports/account_balances_by_day/one_balance_a_day",
        "two balances on a day",
        view("reports.account_balances_by_day", "SELECT account_no, txn_date AS day FROM bank.transactions"),
        [("1196711", 2, 1)],
    ),
    (
        "reports/account_balances_by_day/one_balance_a_day",
        "no balance where nothing moved",
        both(
            sql("UPDATE bank.transactions SET txn_date = '2024-11-20' WHERE transaction_no = 2"),
            view("reports.account_balances_by_day", "SELECT account_no, txn_date AS day FROM bank.transactions"),
        ),
        [("1196711", 2, 2, day(2024, 11, 13), day(2024, 11, 20))],
    ),
    (
        "reports/payments_overdue/every_unpaid_payment_explained",
        "an unpaid one without a reason",
        view(
            "reports.payments_overdue",
            "SELECT NULL::DATE AS due_month, 'x' AS payment_type, 'GBP' AS currency_code, 0 AS payments_due, 1 AS unpaid_by_flag,"
            " 0 AS weekend, 0 AS entered_late, 0 AS no_run, 0 AS overdue",
        ),
        [(None, "x", "GBP", 0, 1, 0)],
    ),
    (
        "reports/payments_overdue/every_unpaid_payment_explained",
        "a payment type is twice in the dimension",
        both(
            sql("UPDATE star.fact_payment SET last_updated_date = '2024-11-18', payment_date = '2024-11-14'"),
            row("star.dim_payment_type", payment_type_id=3),
        ),
        [(None, "all of them", None, 4, None, 3)],
    ),
    (
        "events/app_events/text_is_the_event",
        "another",
        row("events.app_events", id="z", event="submission_success", event_text="submitted"),
        [("z",)],
    ),
    ("events/app_events/known_platform", "a third", row("events.app_events", id="z", context_device_type="web"), [("z", "web")]),
    (
        "events/app_events/known_platform",
        "another maker's",
        row("events.app_events", id="z", context_device_type="ios", context_device_manufacturer="Google"),
        [("z", "ios")],
    ),
    (
        "events/app_events/known_platform",
        "the maker of the other",
        row("events.app_events", id="z", context_device_type="android", context_device_manufacturer="Apple"),
        [("z", "android")],
    ),
    (
        "events/app_events/in_order",
        "by the device's clock",
        row("events.app_events", id="z", original_timestamp="2024-11-13 10:20:12+00"),
        [("z",)],
    ),
    (
        "events/app_events/in_order",
        "by the corrected clock",
        row("events.app_events", id="z", timestamp="2024-11-13 10:20:12+00"),
        [("z",)],
    ),
    ("events/app_events/in_order", "sent after it came", row("events.app_events", id="z", sent_at="2024-11-13 10:20:12+00"), [("z",)]),
]
