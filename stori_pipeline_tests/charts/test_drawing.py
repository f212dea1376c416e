"""Every chart, drawn from given rows: its texts, that nothing overlaps, and that the same rows give the same picture."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import combinations
from typing import Any
from xml.etree import ElementTree

import pytest
from PIL import Image

from stori_pipeline.catalog.charts import CHARTS
from stori_pipeline.charts.drawing import EMPTY, OTHERS, chart_figure, draw
from stori_pipeline.charts.rows import MAX_PANELS, MAX_SERIES, Point, Rows, read
from stori_pipeline.model.chart import Chart
from stori_pipeline.model.report import load_reports, tables_of
from stori_pipeline.project import REPORTS_FOLDER
from stori_pipeline_tests.charts.conftest import COLUMNS, Reports
from stori_pipeline_tests.shipped import STARS, TABLES

BY_NAME = {chart.name: chart for chart in CHARTS}
FIRST = date(2024, 10, 1)
BERLIN = "Europe/Berlin"


def days(count: int, step: int = 1) -> list[date]:
    return [FIRST + timedelta(days=number * step) for number in range(count)]


FEW: dict[str, list[tuple[Any, ...]]] = {
    "events_by_day": [
        (BERLIN, FIRST, "ios", 5, 2),
        (BERLIN, FIRST, "android", 7, 3),
        ("UTC", FIRST, "ios", 50, 20),
        (BERLIN, date(2024, 10, 3), "ios", 1, 0),
    ],
    "sales_by_month": [(FIRST, "GBP", "1000.50"), (FIRST, "USD", "20"), (date(2024, 11, 1), "GBP", "3000")],
    "payments_overdue": [(FIRST, "SALES_RECEIPT", 10, 4, 1), (FIRST, "SALES_RECEIPT", 5, 0, 0), (FIRST, "PURCHASE_PAYMENT", 1, 1, 1)],
    "account_balances_by_day": [("409000611074", FIRST, "70"), ("409000611074", date(2024, 10, 2), "-5.5"), ("1196711", FIRST, "1")],
    "trades_by_ticker_and_day": [("abcd", FIRST, "0.17"), ("wxyz", FIRST, "-0.5"), (None, date(2024, 10, 2), "1"), ("none", FIRST, None)],
}
WHAT_IS_DRAWN: dict[str, list[tuple[str, str, date, float]]] = {
    "registrations": [("android", "", FIRST, 7), ("ios", "", FIRST, 5), ("ios", "", date(2024, 10, 3), 1)],
    "submissions": [("android", "", FIRST, 3), ("ios", "", FIRST, 2), ("ios", "", date(2024, 10, 3), 0)],
    "sales_by_month": [("Sales", "GBP", FIRST, 1000.5), ("Sales", "GBP", date(2024, 11, 1), 3000), ("Sales", "USD", FIRST, 20)],
    "payments_due": [
        ("Not known", "Purchase Payment", FIRST, 0),
        ("Overdue", "Purchase Payment", FIRST, 1),
        ("Paid", "Purchase Payment", FIRST, 0),
        ("Not known", "Sales Receipt", FIRST, 3),
        ("Overdue", "Sales Receipt", FIRST, 1),
        ("Paid", "Sales Receipt", FIRST, 11),
    ],
    "account_balances": [
        ("Closing balance", "1196711", FIRST, 1),
        ("Closing balance", "409000611074", FIRST, 70),
        ("Closing balance", "409000611074", date(2024, 10, 2), -5.5),
    ],
    "trade_spread": [("abcd", "", FIRST, 0.17), ("no ticker", "", date(2024, 10, 2), 1), ("wxyz", "", FIRST, -0.5)],
}


def texts(svg: bytes) -> list[str]:
    """All texts in the picture."""
    root = ElementTree.fromstring(svg)  # noqa: S314  (our own)
    return [" ".join("".join(each.itertext()).split()) for each in root.iter("{http://www.w3.org/2000/svg}text")]


@dataclass(frozen=True)
class Look:
    """What a person would see: all texts, one per line, and the texts that overlap others or leave the picture."""

    words: str
    overlapping: list[tuple[str, str]]


def look(chart: Chart, rows: Rows) -> Look:
    from matplotlib.text import Text

    with chart_figure(chart, rows) as figure:
        figure.draw_without_rendering()  # only then a legend knows where its texts are
        texts = [each for each in figure.findobj(Text) if isinstance(each, Text) and each.get_visible() and each.get_text().strip()]
        boxes = [(each.get_text(), box) for each in texts if (box := each.get_window_extent()).width > 0]
        edge = figure.bbox
        bad = [(each, "outside") for each, box in boxes if box.x0 < 0 or box.y0 < 0 or box.x1 > edge.x1 or box.y1 > edge.y1]
        for (one, first), (other, second) in combinations(boxes, 2):
            wide = min(first.x1, second.x1) - max(first.x0, second.x0)
            high = min(first.y1, second.y1) - max(first.y0, second.y0)
            if wide > 1 and high > 3:  # pixels; the second, empty line of a tick's label may touch what is below it
                bad.append((one, other))
    return Look("\n".join(" ".join(each.split()) for each, _ in boxes), bad)


def test_charts_read_their_own_report_and_columns_that_it_has() -> None:
    known = {report.name: report for report in load_reports(REPORTS_FOLDER, TABLES, STARS)}
    for chart in CHARTS:
        assert tables_of(chart.statement, [star.table for star in STARS.values()]) == {chart.relation}
        assert {column.split()[0] for column in COLUMNS[chart.report].split(", ")} <= set(known[chart.report].columns)


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_a_chart_says_what_it_shows(chart: Chart, reports: Reports) -> None:
    rows = reports.read(chart, FEW[chart.report])
    panels = {panel for _, panel, *_ in WHAT_IS_DRAWN[chart.name]}
    series_points = [(each.series, each.panel if panels != {""} else "", each.x, each.y) for each in rows.points]
    assert series_points == WHAT_IS_DRAWN[chart.name]
    assert look(chart, rows).overlapping == []
    pictures = draw(chart, rows)
    words = "\n".join(texts(pictures.svg))
    assert chart.title in words
    assert chart.x_label in words
    assert chart.relation in words
    for panel in panels:
        assert chart.y_label.replace("{panel}", panel) in words
        assert chart.panel_title.replace("{panel}", panel) in words
    if len(chart.series) != 1:
        assert all(str(each.series) in words for each in rows.points)
    with Image.open(io.BytesIO(pictures.png)) as large, Image.open(io.BytesIO(pictures.small)) as small:
        assert (large.width, small.width) == (1800, 900)
        assert len(large.convert("RGB").getcolors(1 << 24) or []) > 10
    assert draw(chart, rows) == pictures


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_a_chart_without_rows_says_so_and_a_single_value_is_drawn(chart: Chart, reports: Reports) -> None:
    nothing = reports.read(chart, [])
    assert nothing.points == ()
    seen = look(chart, nothing)
    assert {EMPTY, chart.x_label} <= set(seen.words.split("\n"))
    assert seen.overlapping == []
    single = reports.read(chart, FEW[chart.report][:1])
    assert len({each.x for each in single.points}) == 1
    seen = look(chart, single)
    assert "Oct 2024" in seen.words
    assert len(chart.series) == 1 or {str(each.series) for each in single.points} <= set(seen.words.split("\n"))
    assert seen.overlapping == []


def test_a_chart_of_a_missing_report_is_not_drawn(reports: Reports) -> None:
    assert read(CHARTS[0], reports.warehouse) is None


MANY: dict[str, tuple[str, Sequence[tuple[Any, ...]]]] = {
    "many accounts on many days": (
        "account_balances",
        [(f"{40900000000 + n}", day, Decimal(n * 10**11 + k * 10**9)) for n in range(20) for k, day in enumerate(days(12, 150))],
    ),
    "many tickers": ("trade_spread", [(f"t{n:02}", day, Decimal(n) / 100) for n in range(12) for day in days(80)]),
    "long names": ("trade_spread", [(f"{'long ' * 60}{n}", day, Decimal("0.2")) for n in range(9) for day in days(3)]),
    "odd names": (
        "trade_spread",
        [(name, day, Decimal("0.2")) for name in ("$\\frac{a}$ $", "a_b^c%", "<b>&\"'", "\x01\x1f\n", "日本") for day in days(2)],
    ),
    "many platforms": ("registrations", [(BERLIN, day, f"platform {n}", n + 1, 0) for n in range(10) for day in days(61)]),
    "many currencies": ("sales_by_month", [(date(2000 + n // 12, n % 12 + 1, 1), f"{c:03}", 10**30) for c in range(14) for n in range(30)]),
    "losses": ("sales_by_month", [(date(2024, n + 1, 1), "GBP", 3 - 2 * n) for n in range(4)]),
}


@pytest.mark.parametrize("case", MANY)
def test_no_text_overlaps_with_any_number_of_values(case: str, reports: Reports) -> None:
    name, report_rows = MANY[case]
    rows = reports.read(BY_NAME[name], report_rows)
    assert len(rows.points) > 3
    assert look(BY_NAME[name], rows).overlapping == []


def test_too_many_panels_or_series_are_left_out_with_a_note(reports: Reports) -> None:
    accounts = reports.read(BY_NAME["account_balances"], MANY["many accounts on many days"][1])
    assert (len({each.panel for each in accounts.points}), accounts.panels) == (MAX_PANELS, 20)
    assert f"{MAX_PANELS} of 20 panels are drawn" in look(BY_NAME["account_balances"], accounts).words

    tickers = reports.read(BY_NAME["trade_spread"], MANY["many tickers"][1])
    assert sorted({str(each.series) for each in tickers.points}) == [f"t{n:02}" for n in range(5, 12)]  # those of the widest spread
    words = look(BY_NAME["trade_spread"], tickers).words
    assert f"The {MAX_SERIES} largest of 12 series are drawn" in words
    assert "31 Oct 2024" not in words
    assert "older values are not drawn" in words
    assert max(each.x for each in tickers.points) - min(each.x for each in tickers.points) == timedelta(days=60)

    platforms = reports.read(BY_NAME["registrations"], MANY["many platforms"][1])
    assert [each for each in platforms.points if each.series is None and each.x == FIRST] == [
        Point("registrations", None, FIRST, 1 + 2 + 3)
    ]
    words = look(BY_NAME["registrations"], platforms).words
    assert OTHERS in words.split("\n")
    assert f"“{OTHERS}” is the sum of 3 series" in words
    assert "older" not in words


def test_amounts_of_two_currencies_are_never_added(reports: Reports) -> None:
    chart = BY_NAME["sales_by_month"]
    rows = reports.read(chart, [(FIRST, "GBP", 600), (FIRST, "USD", 70)])
    with chart_figure(chart, rows) as figure:
        heights = [[bar.get_height() for container in axes.containers for bar in container] for axes in figure.axes]
        labels = [axes.get_ylabel() for axes in figure.axes]
    assert (heights, labels) == ([[600], [70]], ["Value (GBP)", "Value (USD)"])


def test_stacked_states_add_up_to_what_fell_due(reports: Reports) -> None:
    chart = BY_NAME["payments_due"]
    with chart_figure(chart, reports.read(chart, [(FIRST, "SALES_RECEIPT", 10, 4, 1)])) as figure:
        bars = [(bar.get_y(), bar.get_height()) for container in figure.axes[0].containers for bar in container]
    assert bars == [(0, 6), (6, 1), (7, 3)]  # paid, overdue, not known


def test_names_from_a_source_are_drawn_as_plain_text(reports: Reports) -> None:
    rows = reports.read(BY_NAME["trade_spread"], MANY["odd names"][1])
    words = texts(draw(BY_NAME["trade_spread"], rows).svg)
    assert {"$\\frac{a}$ $", "a_b^c%", "<b>&\"'", "(no name)", "日本"} <= set(words)
