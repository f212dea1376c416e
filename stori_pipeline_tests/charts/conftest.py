"""A warehouse whose reports hold few or many rows that tests give."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from stori_pipeline.charts.rows import Rows, read
from stori_pipeline.model.chart import Chart
from stori_pipeline.warehouse import Warehouse

COLUMNS = {
    "events_by_day": "time_zone VARCHAR(20), day DATE, platform VARCHAR(64), registrations BIGINT, submissions BIGINT",
    "sales_by_month": "month DATE, currency_code VARCHAR(64), sales_value DECIMAL(38,2)",
    "payments_overdue": "due_month DATE, payment_type VARCHAR(64), payments_due BIGINT, unpaid_by_flag BIGINT, overdue BIGINT",
    "account_balances_by_day": "account_no VARCHAR(400), day DATE, closing_balance DECIMAL(18,2)",
    "trades_by_ticker_and_day": "ticker VARCHAR(400), day DATE, average_spread DECIMAL(18,6)",
}
"""Those columns of the reports that charts read, in the order in which tests give them."""


@dataclass(frozen=True)
class Reports:
    """The reports, each a table."""

    warehouse: Warehouse

    def hold(self, report: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Replaces the rows of the report."""
        with self.warehouse.session("set-up") as connection, connection.cursor() as cursor:
            cursor.execute("CREATE SCHEMA IF NOT EXISTS reports")
            cursor.execute(f"DROP TABLE IF EXISTS reports.{report}")
            cursor.execute(f"CREATE TABLE reports.{report} ({COLUMNS[report]})")
            for start in range(0, len(rows), 500):
                some = rows[start : start + 500]
                places = ", ".join("(" + ", ".join(["%s"] * len(row)) + ")" for row in some)
                cursor.execute(f"INSERT INTO reports.{report} VALUES {places}", [value for row in some for value in row])
            connection.commit()

    def read(self, chart: Chart, rows: Sequence[tuple[Any, ...]]) -> Rows:
        """The values of the chart if its report holds these rows."""
        self.hold(chart.report, rows)
        found = read(chart, self.warehouse)
        assert found is not None
        return found


def _empty(warehouse: Warehouse) -> None:
    with warehouse.session("clean-up") as connection, connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA IF EXISTS reports CASCADE")
        connection.commit()


@pytest.fixture
def reports(warehouse_url: str) -> Iterator[Reports]:
    warehouse = Warehouse(warehouse_url, "arn:x")
    _empty(warehouse)
    yield Reports(warehouse)
    _empty(warehouse)
