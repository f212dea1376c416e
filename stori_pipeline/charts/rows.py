"""The rows of a chart: the newest part of its report, and no more series and panels than a reader can tell apart.

Belongs here: the statement and its result. Does not belong here: how the rows are drawn (`drawing`). The warehouse selects the rows, so
that a report of any size costs the drawing process no more than the chart has room for.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from stori_pipeline.model.chart import Chart
from stori_pipeline.warehouse import Warehouse

MAX_SERIES = 7
"""The number of colours that everybody can tell apart."""

MAX_PANELS = 12

_COUNT_RELATIONS = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'reports' AND table_name = %s"


class Point(NamedTuple):
    """One value. `series` is None for the sum of the series that are not drawn separately."""

    panel: str
    series: str | None
    x: date
    y: float


@dataclass(frozen=True)
class Rows:
    """The points of a chart, ordered by panel, series and x."""

    points: tuple[Point, ...]
    panels: int = 0
    """How many panels the report has; at most `MAX_PANELS` are recent."""
    series: int = 0
    """How many series the report has; at most `MAX_SERIES` are recent."""
    older: bool = False
    """Whether the report also has older values, which are not recent."""

    @property
    def fingerprint(self) -> str:
        """A hash of all of it."""
        return hashlib.sha256(repr(self).encode()).hexdigest()


def statement(chart: Chart) -> str:
    """The SELECT of a chart: panel, series, x, y, the number of panels, the number of series, and 1 if there are older values."""
    others = "" if chart.additive else f"WHERE chosen_series.place <= {MAX_SERIES}\n"
    return f"""\
WITH every_row AS (
{chart.statement}
), reach AS (
SELECT MIN(x) AS oldest, DATEADD(day, -{chart.days}, MAX(x)) AS since FROM every_row WHERE y IS NOT NULL
), recent AS (
SELECT panel, series, x, CAST(y AS DOUBLE PRECISION) AS y, CASE WHEN oldest <= since THEN 1 ELSE 0 END AS older
FROM every_row CROSS JOIN reach WHERE y IS NOT NULL AND x > since
), chosen_series AS (
SELECT series, ROW_NUMBER() OVER (ORDER BY size DESC, series) AS place, COUNT(*) OVER () AS series_count
FROM (SELECT series, SUM(ABS(y)) AS size FROM recent GROUP BY series) AS sizes
), chosen_panels AS (
SELECT panel, ROW_NUMBER() OVER (ORDER BY size DESC, panel) AS place, COUNT(*) OVER () AS panel_count
FROM (SELECT panel, COUNT(*) AS size FROM recent GROUP BY panel) AS sizes
)
SELECT recent.panel, CASE WHEN chosen_series.place <= {MAX_SERIES} THEN recent.series END AS series_drawn, recent.x, SUM(recent.y) AS y,
MAX(panel_count) AS panel_count, MAX(series_count) AS series_count, MAX(recent.older) AS older
FROM recent
JOIN chosen_series ON chosen_series.series = recent.series
JOIN chosen_panels ON chosen_panels.panel = recent.panel AND chosen_panels.place <= {MAX_PANELS}
{others}GROUP BY 1, 2, 3"""


def read(chart: Chart, warehouse: Warehouse) -> Rows | None:
    """The rows of a chart; None if its report does not exist yet.

    Raises:
        WarehouseUnavailable: the warehouse does not answer.
        WarehouseError: the warehouse refused the statement.
    """
    with warehouse.session(f"chart {chart.name}") as connection, connection.cursor() as cursor:
        cursor.execute(_COUNT_RELATIONS, (chart.report,))
        if cursor.fetchone() == (0,):
            return None
        cursor.execute(statement(chart))
        rows = cursor.fetchall()
    points = [Point(str(panel), None if series is None else str(series), x, float(y)) for panel, series, x, y, *_ in rows]
    points.sort(key=lambda each: (each.panel, each.series is None, each.series or "", each.x))
    finite = tuple(each for each in points if math.isfinite(each.y))
    counts = [row[4:] for row in rows]
    return Rows(
        finite,
        max((int(panels) for panels, _, _ in counts), default=0),
        max((int(series) for _, series, _ in counts), default=0),
        any(older for *_, older in counts),
    )
