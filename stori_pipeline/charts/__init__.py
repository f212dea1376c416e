"""Charts of reports: which there are, and what each shows.

Belongs here: the record of a chart, and the charts. Does not belong here: what of a report is drawn where it is too much (`rows`), how a
chart looks (`drawing`, `scales`), and where its pictures are kept (`pictures`).

A chart is a SELECT on one report. Amounts in different currencies stand in panels of their own, each with its own scale: no number of a
chart is a sum across currencies.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from stori_pipeline.spec import SpecError

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True)
class Chart:
    """One chart.

    Args:
        name: of its asset and of its pictures.
        title: what it shows, in a line.
        description: how to read it.
        report: the name of the one report that `statement` reads.
        statement: a SELECT of the columns `panel`, `series` (text, not null), `x` (a date) and `y` (a number), one row per panel, series
            and x. Rows without x or y are not drawn.
        kind: `bars` beside each other for each x, `stack` for bars on top of each other, `lines` for a line per series.
        every: what an x stands for. A `month` is told by its first day.
        x_label, y_label: of the axes, with units. `{panel}` in the latter is the panel's name, for a scale that has a unit of its own.
        panel_title: `{panel}` in it is the panel's name.
        series: names in the order in which they are drawn, where they are known. Others come after them, in the order of their names.
        grey: those of them that shall not catch the eye.
        additive: whether the sum of several series means something: then those too many to draw are drawn as one.
        counts: whether y is a number of things, so that halves make no sense.
        days: how far back the chart reaches from its newest x.
    """

    name: str
    title: str
    description: str
    report: str
    statement: str
    kind: Literal["bars", "stack", "lines"]
    every: Literal["day", "month"]
    x_label: str
    y_label: str
    panel_title: str = "{panel}"
    series: tuple[str, ...] = ()
    grey: tuple[str, ...] = ()
    additive: bool = False
    counts: bool = False
    days: int = 61

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise SpecError(f"chart {self.name!r}: a name is lower-case letters, digits and underscores, and starts with a letter")
        said = (self.title, self.description, self.x_label, self.y_label)
        if not all(each.strip() for each in said):
            raise SpecError(f"chart {self.name}: it needs a title, a description and a label for each axis")
        if self.days < 1:
            raise SpecError(f"chart {self.name}: days={self.days} leaves nothing to draw")

    @property
    def full_name(self) -> str:
        """`charts.sales_by_month`: the name people say."""
        return f"charts.{self.name}"

    @property
    def relation(self) -> str:
        """The full name of its report."""
        return f"reports.{self.report}"


def _events_by_day(name: str, title: str, description: str) -> Chart:
    return Chart(
        name=name,
        title=title,
        description=description,
        report="events_by_day",
        # The report has every event twice, once for each time zone; this is the one that the business lives in.
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
        "registrations", "Registrations by day and platform", "How often a registration was begun. Late events still add to past days."
    ),
    _events_by_day(
        "submissions", "Submissions by day and platform", "How often a submission succeeded. Late events still add to past days."
    ),
    Chart(
        name="sales_by_month",
        title="Sales by month",
        description="What the orders of each month are worth, in each currency. The newest month may not be over yet.",
        report="sales_by_month",
        statement="SELECT currency_code AS panel, 'Sales' AS series, month AS x, sales_value AS y FROM reports.sales_by_month",
        kind="bars",
        every="month",
        x_label="Month in which the order was entered",
        y_label="Value ({panel})",
        series=("Sales",),
        days=1_125,  # three years and the month under way
    ),
    Chart(
        name="payments_due",
        title="Payments due, and overdue",
        description="Payments that fell due in each month. Not known: paid or not, the source never sets its flag for them.",
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
        description="The closing balance of each account on each day. Each account has a scale of its own.",
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
        description="Best ask less best bid at the time of each trade, averaged by ticker and day.",
        report="trades_by_ticker_and_day",
        statement="""\
SELECT 'All' AS panel, NVL(ticker, 'no ticker') AS series, day AS x, average_spread AS y FROM reports.trades_by_ticker_and_day""",
        kind="lines",
        every="day",
        x_label="Day (UTC)",
        y_label="Average spread (price units)",
    ),
)
