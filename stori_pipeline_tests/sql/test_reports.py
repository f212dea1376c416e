"""The shipped reports: their rows for the report rows, the lineage of their columns, and what they read."""

from __future__ import annotations

import shutil
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from stori_pipeline.model.report import Report, load_reports
from stori_pipeline.project import REPORTS_FOLDER
from stori_pipeline.warehouse import Warehouse
from stori_pipeline.warehouse.reports import make_report
from stori_pipeline_tests.readme import example
from stori_pipeline_tests.shipped import STARS, TABLES


@pytest.fixture(scope="module")
def reports() -> dict[str, Report]:
    return {report.name: report for report in load_reports(REPORTS_FOLDER, TABLES, STARS)}


def day(text: str) -> date:
    return date.fromisoformat(text)


def money(*amounts: str) -> tuple[Decimal, ...]:
    return tuple(map(Decimal, amounts))


JANUARY, FEBRUARY, OCTOBER, NOVEMBER = day("2024-01-01"), day("2024-02-01"), day("2024-10-01"), day("2024-11-01")
AS_OF = day("2024-11-15")
LONG_NAME = "Padberg, Lueilwitz and Johnson"

SAID: dict[str, tuple[str, list[tuple[Any, ...]]]] = {
    "sales_by_month": (
        "month, currency_code, orders, units_sold, sales_value, average_unit_price",
        [
            (JANUARY, "GBP", 2, 4000, *money("11000.00", "2.75")),  # 1000 at 2.00 and 3000 at 3.00
            (JANUARY, "USD", 1, 500, *money("2000.00", "4.00")),
            (FEBRUARY, "3", 1, 10, *money("20.00", "2.00")),
            (FEBRUARY, "GBP", 1, 100, *money("250.00", "2.50")),
        ],
    ),
    "sales_by_design": (
        "design_id, design_name, currency_code, orders, units_sold, sales_value, first_sold, last_sold",
        [
            (1, "Wooden", "GBP", 2, 1100, Decimal("2250.00"), day("2024-01-31"), FEBRUARY),
            (1, "Wooden", "USD", 1, 500, Decimal("2000.00"), day("2024-01-05"), day("2024-01-05")),
            (2, "Wooden", "GBP", 1, 3000, Decimal("9000.00"), day("2024-01-05"), day("2024-01-05")),
            (9, None, "3", 1, 10, Decimal("20.00"), FEBRUARY, FEBRUARY),
        ],
    ),
    "sales_by_location": (
        "location_id, city, country, currency_code, orders, units_sold, sales_value",
        [
            (10, "Leeds", "England", "3", 1, 10, Decimal("20.00")),
            (10, "Leeds", "England", "GBP", 2, 4000, Decimal("11000.00")),
            (11, "Paris", "France", "USD", 1, 500, Decimal("2000.00")),
            (99, None, None, "GBP", 1, 100, Decimal("250.00")),
        ],
    ),
    "purchases_by_department": (
        "department_name, currency_code, orders, staff, items, purchase_value",
        [
            ("Dispatch", "GBP", 2, 2, 11, Decimal("150.00")),
            ("Finance", "USD", 1, 1, 4, Decimal("9.00")),
            (None, "GBP", 1, 1, 2, Decimal("6.00")),
        ],
    ),
    "purchases_by_counterparty": (
        "counterparty_id, counterparty_legal_name, country, currency_code, orders, items, purchase_value, last_ordered",
        [
            (20, LONG_NAME, "Peru", "GBP", 2, 11, Decimal("150.00"), day("2024-03-02")),
            (21, "O'Hara - Sons", "Togo", "USD", 1, 4, Decimal("9.00"), day("2024-01-03")),
            (22, None, None, "GBP", 1, 2, Decimal("6.00"), day("2024-01-04")),
        ],
    ),
    "payments_overdue": (
        "due_month, payment_type, currency_code, as_of, payments_due, amount_due,"
        " unpaid_by_flag, weekend, entered_late, no_run, overdue, amount_unpaid_by_flag, amount_overdue",
        [
            (OCTOBER, "PURCHASE_PAYMENT", "USD", AS_OF, 1, Decimal(5), 1, 0, 0, 1, 0, *money("5", "0")),
            (NOVEMBER, "SALES_RECEIPT", "GBP", AS_OF, 7, Decimal(373), 5, 2, 1, 1, 1, *money("73", "10")),
            (NOVEMBER, "SALES_RECEIPT", "USD", AS_OF, 2, Decimal(10), 1, 0, 0, 0, 1, *money("3", "3")),
        ],
    ),
    "app_users": (
        "id, name, name_lower, email, email_lower, address, address_lower",
        [
            (1, "Ann ÉCOLE", "ann école", "Ann@X.Org", "ann@x.org", "Road 1\nLEEDS", "road 1\nleeds"),
            (2, "Second", "second", None, None, None, None),
            (3, None, None, None, None, None, None),
        ],
    ),
    "app_transactions": (
        "id, user_id, amount, transaction_type",
        [(7, 1, Decimal("11.00"), "refund"), (8, None, Decimal("19.00"), "purchase")],
    ),
    "account_balances_by_day": (
        "account_no, day, closing_balance, movements, deposits, withdrawals",
        [
            ("A", day("2024-01-01"), 70, 2, 100, 30),
            ("A", day("2024-01-02"), 70, 0, 0, 0),
            ("A", day("2024-01-03"), 70, 0, 0, 0),
            ("A", day("2024-01-04"), 76, 2, 6, 0),
            ("A", day("2024-01-05"), 76, 0, 0, 0),
            ("B", day("2024-01-02"), -1, 1, 0, 1),
            ("B", day("2024-01-03"), -1, 0, 0, 0),
            ("B", day("2024-01-04"), -1, 0, 0, 0),
            ("B", day("2024-01-05"), -1, 0, 0, 0),
            ("C", day("2024-01-05"), 1, 1, 1, 0),
        ],
    ),
    "trades_by_ticker_and_day": (
        "ticker, day, trades, shares, shares_to_date, turnover, average_price, lowest_price, highest_price,"
        " quoted_trades, narrowest_spread, average_spread, widest_spread",
        [
            ("abcd", day("2012-03-02"), 2, 300, 300, 33300, 111, 110, 113, 2, *money("-0.5", "-0.165", "0.17")),
            ("abcd", day("2012-03-03"), 1, 50, 350, 5000, 100, 100, 100, 0, None, None, None),
            ("abcd", day("2012-03-04"), 1, 0, 350, 0, None, 5, 5, 0, None, None, None),
            (None, day("2012-03-02"), 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1),
        ],
    ),
}
"""For each report the columns to look at, and the rows worked out by hand from `report_rows`."""


@pytest.mark.parametrize("name", SAID)
def test_a_report_has_the_rows_worked_out_by_hand(name: str, reported: Warehouse, reports: dict[str, Report]) -> None:
    columns, expected = SAID[name]
    rows = make_report(reports[name], reported, run_id="run", reports=list(reports.values()))
    assert rows == (len(expected) if reports[name].materialized == "table" else None)
    actual = reported.query(f"SELECT {columns} FROM reports.{name}")
    assert sorted(actual, key=_in_order) == sorted(expected, key=_in_order)


def _in_order(row: tuple[Any, ...]) -> list[Any]:
    return [(value is None, "" if value is None else str(value)) for value in row[:4]]


def test_every_shipped_report_of_these_sources_has_expected_rows(reports: dict[str, Report]) -> None:
    known = {"star", "app", "bank", "exchange"}
    assert {name for name, report in reports.items() if {read.partition(".")[0] for read in report.reads} <= known} == set(SAID)


READS = {
    "sales_by_month": ("star.dim_currency", "star.fact_sales_order"),
    "sales_by_design": ("star.dim_currency", "star.dim_design", "star.fact_sales_order"),
    "sales_by_location": ("star.dim_currency", "star.dim_location", "star.fact_sales_order"),
    "purchases_by_department": ("star.dim_currency", "star.dim_staff", "star.fact_purchase_orders"),
    "purchases_by_counterparty": ("star.dim_counterparty", "star.dim_currency", "star.fact_purchase_orders"),
    "payments_overdue": ("star.dim_currency", "star.dim_payment_type", "star.fact_payment"),
    "app_users": ("app.users",),
    "app_transactions": ("app.transactions",),
    "account_balances_by_day": ("bank.transactions",),
    "trades_by_ticker_and_day": ("exchange.trades",),
}


@pytest.mark.parametrize("name", READS)
def test_a_report_reads_exactly_the_relations_in_its_definition(name: str, reports: dict[str, Report]) -> None:
    assert reports[name].reads == READS[name]


LINEAGE = {
    ("sales_by_month", "month"): "fact_sales_order.created_date",
    ("sales_by_month", "currency_code"): "dim_currency.currency_code fact_sales_order.currency_id",
    ("sales_by_month", "orders"): "",
    ("sales_by_month", "average_unit_price"): "fact_sales_order.unit_price fact_sales_order.units_sold",
    ("sales_by_design", "design_name"): "dim_design.design_name",
    ("sales_by_design", "last_sold"): "fact_sales_order.created_date",
    ("sales_by_location", "location_id"): "fact_sales_order.agreed_delivery_location_id",
    ("sales_by_location", "country"): "dim_location.country",
    ("purchases_by_department", "department_name"): "dim_staff.department_name",
    ("purchases_by_department", "staff"): "fact_purchase_orders.staff_id",
    ("purchases_by_counterparty", "country"): "dim_counterparty.counterparty_legal_country",
    ("purchases_by_counterparty", "purchase_value"): "fact_purchase_orders.item_quantity fact_purchase_orders.item_unit_price",
    ("payments_overdue", "as_of"): "fact_payment.created_date fact_payment.last_updated_date",
    ("payments_overdue", "amount_due"): "fact_payment.payment_amount",
    ("payments_overdue", "overdue"): "fact_payment.created_date fact_payment.last_updated_date fact_payment.paid fact_payment.payment_date",
    ("app_users", "email"): "app.users.email",
    ("app_users", "email_lower"): "app.users.email",
    ("app_transactions", "amount"): "app.transactions.amount",
    ("account_balances_by_day", "closing_balance"): "bank.transactions.balance_amt",
    ("account_balances_by_day", "day"): "bank.transactions.txn_date",
    ("trades_by_ticker_and_day", "turnover"): "exchange.trades.price exchange.trades.shares",
    ("trades_by_ticker_and_day", "average_spread"): "exchange.trades.asks exchange.trades.bids",
    ("trades_by_ticker_and_day", "shares_to_date"): "exchange.trades.shares exchange.trades.ticker exchange.trades.traded_at",
}
"""Columns that say enough about a report, and what each comes from; a name without a source is one of `star`."""


@pytest.mark.parametrize(("name", "column"), LINEAGE)
def test_a_column_comes_from_where_its_lineage_says(name: str, column: str, reports: dict[str, Report]) -> None:
    expected = [f"star.{each}" if each.count(".") == 1 else each for each in LINEAGE[name, column].split()]
    assert [".".join(origin) for origin in reports[name].lineage[column]] == expected


def test_the_lineage_of_every_report_column_names_existing_columns(reports: dict[str, Report]) -> None:
    own = {table.full_name: {c.name for c in table.columns} for table in (*TABLES, *(each.table for each in STARS.values()))}
    own |= {report.full_name: set(report.columns) for report in reports.values()}
    for report in reports.values():
        assert tuple(report.lineage) == report.columns
        for origins in report.lineage.values():
            assert {(name, column) for name, column in origins if column not in own[name] | {"_batch", "_loaded_at"}} == set()
            assert {name for name, _ in origins} <= set(report.reads)
        assert len(report.description) > 60, f"{report.name} does not say what it shows"


VIEWS = ("fact_sales_order_current", "fact_purchase_orders_current", "fact_payment_current", "fact_purchase_order")


@pytest.mark.parametrize("name", ["star.dim_staff", "star.fact_payment", "app.users", *(f"star.{view}" for view in VIEWS)])
def test_a_star_in_sql_selects_the_columns_of_the_warehouse(name: str, reported: Warehouse, tmp_path: Path) -> None:
    (tmp_path / "x.sql").write_text(f"-- All of it.\nSELECT * FROM {name}")
    (report,) = load_reports(tmp_path, TABLES, STARS)
    with reported.session("columns") as connection, connection.cursor() as cursor:
        cursor.execute(report.statement)
        assert tuple(column.name for column in cursor.description or ()) == report.columns


def test_the_worked_example_of_adding_a_report_works(reported: Warehouse, tmp_path: Path) -> None:
    shutil.copytree(REPORTS_FOLDER, tmp_path, dirs_exist_ok=True)
    (tmp_path / "accounts_by_month.sql").write_text(example("add-a-report"))
    reports = load_reports(tmp_path, TABLES, STARS)
    (report,) = (each for each in reports if each.name == "accounts_by_month")
    assert report.reads == ("reports.account_balances_by_day",)
    assert report.lineage["taken_in"] == [("reports.account_balances_by_day", "deposits")]
    for each in reports:
        if each.full_name in (*report.reads, report.full_name):
            make_report(each, reported, run_id="readme", reports=reports)
    actual = reported.query("SELECT account_no, month, taken_in, paid_out FROM reports.accounts_by_month ORDER BY account_no")
    assert actual == [("A", JANUARY, 106, 30), ("B", JANUARY, 0, 1), ("C", JANUARY, 1, 0)]
