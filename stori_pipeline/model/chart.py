"""What a chart is: a SELECT on one report, and how its rows are drawn.

Belongs here: the definition of a chart. Does not belong here: any chart (a project has those), or drawing (`charts`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.names import NAME


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
        every: the period that an x stands for. The x of a `month` is its first day.
        x_label: the label of the x axis.
        y_label: the label of the y axis, with the unit. `{panel}` in it is the panel's name, for a scale that has a unit of its own.
        panel_title: `{panel}` in it is the panel's name.
        series: names of series in the order in which they are drawn. Other series come after them, in the order of their names.
        grey: the series that are drawn in grey, so that they do not catch the eye.
        additive: whether the sum of several series has a meaning. If so, series that are too many to draw are drawn as one.
        counts: whether y counts things, so that the axis has whole numbers only.
        days: how many days before its newest x the chart begins.

    Raises:
        DefinitionError: the name is not a name, a text is missing, or `days` is below 1.
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
        if not NAME.fullmatch(self.name):
            raise DefinitionError(f"chart {self.name!r}: a name is lower-case letters, digits and underscores, and starts with a letter")
        texts = (self.title, self.description, self.x_label, self.y_label)
        if not all(text.strip() for text in texts):
            raise DefinitionError(f"chart {self.name}: it needs a title, a description and a label for each axis")
        if self.days < 1:
            raise DefinitionError(f"chart {self.name}: days is {self.days}; it must be at least 1")

    @property
    def full_name(self) -> str:
        """The name in commands and messages: `charts.sales_by_month`."""
        return f"charts.{self.name}"

    @property
    def relation(self) -> str:
        """The full name of its report."""
        return f"reports.{self.report}"
