"""What of a report a chart draws: its newest part, and no more series and panels than an eye can tell apart.

Belongs here: the statement that asks for it, and what it answers. Does not belong here: what it looks like (`drawing`).

The warehouse chooses, so that a report of any size costs the process that draws no more than the chart has room for.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from stori_pipeline.model.chart import Chart
from stori_pipeline.warehouse import Warehouse

SERIES = 7
"""As many as there are colours that everybody can tell apart."""

PANELS = 12

_IS_THERE = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'reports' AND table_name = %s"


class Point(NamedTuple):
    """One value. `series` is None for the sum of those that are not drawn by themselves."""

    panel: str
    series: str | None
    x: date
    y: float


@dataclass(frozen=True)
class Rows:
    """What is drawn, in the order of panel, series and x; how many panels and series there are, and whether older x are left out."""

    points: tuple[Point, ...]
    panels: int = 0
    series: int = 0
    older: bool = False

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(repr(self).encode()).hexdigest()


def statement(chart: Chart) -> str:
    """The SELECT behind a chart: panel, series, x, y, and how many panels and series and whether older x there are."""
    others = "" if chart.additive else f"WHERE chosen_series.place <= {SERIES}\n"
    return f"""\
WITH every_row AS (
{chart.statement}
), reach AS (
SELECT MIN(x) AS oldest, DATEADD(day, -{chart.days}, MAX(x)) AS since FROM every_row WHERE y IS NOT NULL
), drawn AS (
SELECT panel, series, x, CAST(y AS DOUBLE PRECISION) AS y, CASE WHEN oldest <= since THEN 1 ELSE 0 END AS older
FROM every_row CROSS JOIN reach WHERE y IS NOT NULL AND x > since
), chosen_series AS (
SELECT series, ROW_NUMBER() OVER (ORDER BY size DESC, series) AS place, COUNT(*) OVER () AS series_there
FROM (SELECT series, SUM(ABS(y)) AS size FROM drawn GROUP BY series) AS sizes
), chosen_panels AS (
SELECT panel, ROW_NUMBER() OVER (ORDER BY size DESC, panel) AS place, COUNT(*) OVER () AS panels_there
FROM (SELECT panel, COUNT(*) AS size FROM drawn GROUP BY panel) AS sizes
)
SELECT drawn.panel, CASE WHEN chosen_series.place <= {SERIES} THEN drawn.series END AS series_drawn, drawn.x, SUM(drawn.y) AS y,
MAX(panels_there) AS panels_there, MAX(series_there) AS series_there, MAX(drawn.older) AS older
FROM drawn
JOIN chosen_series ON chosen_series.series = drawn.series
JOIN chosen_panels ON chosen_panels.panel = drawn.panel AND chosen_panels.place <= {PANELS}
{others}GROUP BY 1, 2, 3"""


def read(chart: Chart, warehouse: Warehouse) -> Rows | None:
    """The rows of a chart; None where its report has not been made yet.

    Raises:
        WarehouseUnavailable: the warehouse is away.
        WarehouseError: it refused the statement.
    """
    with warehouse.session(f"chart {chart.name}") as connection, connection.cursor() as cursor:
        cursor.execute(_IS_THERE, (chart.report,))
        if cursor.fetchone() == (0,):
            return None
        cursor.execute(statement(chart))
        found = cursor.fetchall()
    points = [Point(str(panel), None if series is None else str(series), x, float(y)) for panel, series, x, y, *_ in found]
    points.sort(key=lambda each: (each.panel, each.series is None, each.series or "", each.x))
    drawn = tuple(each for each in points if math.isfinite(each.y))
    counted = [row[4:] for row in found]
    return Rows(
        drawn,
        max((int(panels) for panels, _, _ in counted), default=0),
        max((int(series) for _, series, _ in counted), default=0),
        any(older for *_, older in counted),
    )
