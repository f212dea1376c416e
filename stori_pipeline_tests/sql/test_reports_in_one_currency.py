"""Reports that show amounts in one currency: which day's rate an order gets, and orders without a rate."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import pytest

from stori_pipeline.model.report import load_reports
from stori_pipeline.project import REPORTS_FOLDER, find_table
from stori_pipeline.warehouse import Warehouse
from stori_pipeline.warehouse.dialect import create_mirror
from stori_pipeline.warehouse.reports import make_report
from stori_pipeline_tests.databases import execute
from stori_pipeline_tests.shipped import STARS, TABLES

# Among the sales: 500 at 4.00 in USD on 2024-01-05, and 10 at 2.00 in a currency that has not arrived on 2024-02-01.
_RATES = [
    ("2024-01-02", "GBP", "USD", "1.5"),
    ("2024-01-03", "GBP", "USD", "1.28"),  # the last before the order
    ("2024-01-08", "GBP", "USD", "1.9"),
    ("2024-01-05", "EUR", "USD", "1.1"),
    ("2024-01-05", "GBP", "EUR", "1.2"),
]


@pytest.fixture
def warehouse(reported: Warehouse, warehouse_url: str) -> Iterator[Warehouse]:
    """The report rows, and these rates."""
    execute(warehouse_url, create_mirror(find_table("rates.daily")))
    for rate in _RATES:
        execute(warehouse_url, "INSERT INTO rates.daily VALUES (%s, %s, %s, %s, 1, GETDATE())", parameters=rate)
    yield reported
    execute(warehouse_url, "DROP TABLE rates.daily CASCADE")


def test_sales_in_pounds_use_the_last_rate_before_each_order_and_show_it(warehouse: Warehouse) -> None:
    reports = load_reports(REPORTS_FOLDER, TABLES, STARS)
    (report,) = [each for each in reports if each.name == "sales_by_month_in_gbp"]
    assert report.reads == ("rates.daily", "star.dim_currency", "star.fact_sales_order")
    make_report(report, warehouse, run_id="run", reports=reports)
    names = "month, currency_code, orders, orders_without_rate, sales_value, sales_value_gbp, lowest_rate, highest_rate, oldest_rate_days"
    january, february, one, rate = date(2024, 1, 1), date(2024, 2, 1), Decimal(1), Decimal("1.28")

    def sales() -> list[tuple[object, ...]]:
        return warehouse.query(f"SELECT {names} FROM reports.sales_by_month_in_gbp ORDER BY 1, 2")

    others = [
        (february, "3", 1, 1, Decimal(20), None, None, None, None),
        (february, "GBP", 1, 0, Decimal(250), Decimal(250), one, one, 0),
    ]
    pounds = (january, "GBP", 2, 0, Decimal(11000), Decimal(11000), one, one, 0)
    assert sales() == [pounds, (january, "USD", 1, 0, Decimal(2000), Decimal("1562.50"), rate, rate, 2), *others]
    with warehouse.session("test") as connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM rates.daily WHERE rate_date < '2024-01-05'")
        connection.commit()
    assert sales() == [pounds, (january, "USD", 1, 1, Decimal(2000), None, None, None, None), *others]
