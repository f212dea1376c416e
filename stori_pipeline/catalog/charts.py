"""The charts of the shipped project. Each shows one of its reports.

Belongs here: definitions. Does not belong here: what a definition means (`model.chart`), or drawing (`charts`).
"""

from __future__ import annotations

from stori_pipeline.model.chart import Chart


def _events_by_day(name: str, title: str, description: str) -> Chart:
    return Chart(
        name=name,
        title=title,
        description=description,
        report="events_by_day",
        # The report counts every event in two time zones; the business uses this one.
        statement=f"""\
SELECT '{name}' AS panel, NVL(platform, 'unknown') AS series, day AS x, {name} AS y
FROM reports.events_by_day WHERE time_zone = 'Europe/Berlin'""",
        kind="bars",
        every="day",
        x_label="Day (Europe/Berlin)",
        y_label="Events (number)",
        additive=True,
        counts=True,
    )


CHARTS = (
    _events_by_day(
        "registrations", "Registrations by day and platform", "Registrations that were started. Late events still change past days."
    ),
    _events_by_day("submissions", "Submissions by day and platform", "Submissions that succeeded. Late events still change past days."),
    Chart(
        name="sales_by_month",
        title="Sales by month",
        description="The value of each month's orders, by currency. The newest month may be incomplete.",
        report="sales_by_month",
        statement="SELECT currency_code AS panel, 'Sales' AS series, month AS x, sales_value AS y FROM reports.sales_by_month",
        kind="bars",
        every="month",
        x_label="Month of the order's entry",
        y_label="Value ({panel})",
        series=("Sales",),
        days=1_125,  # three years and the current month
    ),
    Chart(
        name="payments_due",
        title="Payments due, and overdue",
        description="Payments by the month in which they fell due. Not known: the source never sets the paid flag of these payments.",
        report="payments_overdue",
        statement="""\
WITH due AS (
SELECT INITCAP(REPLACE(payment_type, '_', ' ')) AS panel, due_month AS x, SUM(payments_due) AS due, SUM(unpaid_by_flag) AS unpaid,
SUM(overdue) AS overdue
FROM reports.payments_overdue GROUP BY 1, 2
)
SELECT panel, 'Paid' AS series, x, due - unpaid AS y FROM due
UNION ALL
SELECT panel, 'Overdue', x, overdue FROM due
UNION ALL
SELECT panel, 'Not known', x, unpaid - overdue FROM due""",
        kind="stack",
        every="month",
        x_label="Month of the payment date",
        y_label="Payments (number)",
        series=("Paid", "Overdue", "Not known"),
        grey=("Not known",),
        additive=True,
        counts=True,
        days=1_125,
    ),
    Chart(
        name="account_balances",
        title="Account balances by day",
        description="The closing balance of each account on each day. Each account has its own scale.",
        report="account_balances_by_day",
        statement="""\
SELECT account_no AS panel, 'Closing balance' AS series, day AS x, closing_balance AS y FROM reports.account_balances_by_day""",
        kind="lines",
        every="day",
        x_label="Day",
        y_label="Closing balance (the bank's currency)",
        panel_title="Account {panel}",
        series=("Closing balance",),
        days=1_827,  # five years
    ),
    Chart(
        name="trade_spread",
        title="Bid-ask spread of trades",
        description="Best ask minus best bid at the time of a trade; average by ticker and day.",
        report="trades_by_ticker_and_day",
        statement="""\
SELECT 'All' AS panel, NVL(ticker, 'no ticker') AS series, day AS x, average_spread AS y FROM reports.trades_by_ticker_and_day""",
        kind="lines",
        every="day",
        x_label="Day (UTC)",
        y_label="Average spread (price units)",
    ),
)
