"""Draws a chart as SVG and PNG, all charts in one style. The same rows give the same bytes.

Belongs here: turning a chart's definition and rows into images. Does not belong here: selecting rows (`rows`), and storing images
(`pictures`). The colours are Okabe and Ito's, which people with any kind of colour blindness can tell apart; markers, dashes and hatches
distinguish series without colour. Text stays text in the SVG: a reader can search, select and hear it.
"""

from __future__ import annotations

import io
import textwrap
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, cast

from stori_pipeline.charts.rows import Rows
from stori_pipeline.charts.scales import date_labels, date_ticks, number_labels, number_ticks, short, value_range
from stori_pipeline.model.chart import Chart

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OTHERS = "all others"
EMPTY = "No data yet."

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # without the yellow, too pale on white
_GREY = "#8a8a8a"
_INK, _QUIET, _RULE = "#222222", "#5f5f5f", "#dcdcdc"
_MARKERS = "os^Dv*P"
_DASHES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))
_HATCHES = ("", "///", "...", "xx", "\\\\\\", "++", "oo")
_WIDTH = 9.0  # inches, of 100 pixels each
_DPI = 100
_LEFT = 0.14  # inches
_LINE_CHARACTERS = 118  # characters of the description per line
_MAX_MARKERS = 14  # markers on a line: enough to recognise it, few enough to see it
_STYLE: Mapping[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": _QUIET,
    "axes.labelcolor": _INK,
    "axes.labelsize": 10,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 10,
    "hatch.linewidth": 0.7,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "stori_pipeline",
    "text.color": _INK,
    "text.parse_math": False,  # names come from sources: a dollar sign is a dollar sign, not mathematics
    "xtick.color": _QUIET,
    "ytick.color": _QUIET,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
}
_MATPLOTLIB = threading.Lock()  # matplotlib's settings belong to the whole process


class DrawingError(RuntimeError):
    """A chart cannot be drawn because matplotlib is not installed. The message says what to do."""


@dataclass(frozen=True)
class Pictures:
    """The images of one chart. `png` is 1,800 pixels wide; `small` is a PNG 900 pixels wide, in 24 colours."""

    svg: bytes
    png: bytes
    small: bytes


def draw(chart: Chart, rows: Rows) -> Pictures:
    """Draw a chart.

    Raises:
        DrawingError: matplotlib is not installed.
    """
    svg, png = io.BytesIO(), io.BytesIO()
    with chart_figure(chart, rows) as figure:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.backends.backend_svg import FigureCanvasSVG

        about = {"Title": chart.title, "Description": chart.description, "Creator": None, "Date": None}
        # Not `savefig`, which processes the whole figure a second time before it draws.
        FigureCanvasSVG(figure).print_svg(svg, metadata=about)  # type: ignore[no-untyped-call]  # matplotlib's types end here
        figure.set_dpi(2 * _DPI)
        FigureCanvasAgg(figure).print_png(png, metadata={"Software": None, "Title": chart.title})  # type: ignore[no-untyped-call]  # the same
    return Pictures(svg.getvalue(), png.getvalue(), _small(png))


@contextmanager
def chart_figure(chart: Chart, rows: Rows) -> Iterator[Figure]:
    """The chart as a matplotlib figure, laid out and ready to save during the block. Errors as for `draw`."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise DrawingError(
            f"chart {chart.name}: matplotlib is not installed here; `pip install 'stori-pipeline[charts]'` installs it"
        ) from error
    with _MATPLOTLIB, matplotlib.rc_context(), _any_script():
        matplotlib.rcdefaults()  # ignores this machine's matplotlibrc
        matplotlib.rcParams.update(cast(Any, _STYLE))
        yield _Drawing(chart, rows, Figure).figure()


@contextmanager
def _any_script() -> Iterator[None]:
    """Allow names in scripts that matplotlib's font does not have: the PNG shows boxes, and the SVG shows the letters."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        yield


def _small(png: io.BytesIO) -> bytes:
    """The image at half its width and in few colours, because Dagster's event log stores it once for each run."""
    from PIL import Image

    output = io.BytesIO()
    with Image.open(png) as image:
        small = image.convert("RGB").resize((image.width // 2, image.height // 2), Image.Resampling.BOX)
        small.quantize(24, dither=Image.Dither.NONE).save(output, "PNG", optimize=True)
    return output.getvalue()


class _Drawing:
    """Builds the figure of one chart. Lengths are in inches, so that areas of text do not grow with the number of panels."""

    def __init__(self, chart: Chart, rows: Rows, figure: type[Figure]) -> None:
        self._chart = chart
        self._rows = rows
        self._new = figure
        self._panels = sorted({each.panel for each in rows.points})
        known = [name for name in chart.series if rows.points]
        present = {each.series for each in rows.points}
        self._series: list[str | None] = [*known, *sorted(name for name in present if name is not None and name not in known)]
        self._series += [None] if None in present else []
        # One or two panels are as wide as the chart, four form a square, and any other number has three columns.
        self._columns = {0: 1, 1: 1, 2: 1, 4: 2}.get(len(self._panels), 3)
        self._lines = -(-max(len(self._panels), 1) // self._columns)
        self._suffix_notes: dict[str, None] = {}

    def figure(self) -> Figure:
        from matplotlib.layout_engine import ConstrainedLayoutEngine

        legend, description = self._legend_lines(), textwrap.wrap(self._chart.description, _LINE_CHARACTERS)
        top, bottom = 0.50 + 0.19 * len(description) + (0.10 + 0.22 * legend if legend else 0), 0.62
        height = top + bottom + self._lines * (3.0 if self._lines == 1 else 2.3 if self._columns == 1 else 1.9)
        left = _LEFT if self._own_labels() else _LEFT + 0.24
        figure = self._new(figsize=(_WIDTH, height), dpi=_DPI, facecolor="white")
        room = (left / _WIDTH, bottom / height, 1 - (left + _LEFT) / _WIDTH, 1 - (top + bottom) / height)
        engine = ConstrainedLayoutEngine(rect=room, h_pad=0.05, w_pad=0.0, wspace=0.04)
        figure.set_layout_engine(engine)
        axes = figure.subplots(self._lines, self._columns, squeeze=False)
        if not self._panels:
            self._draw_empty(axes[0][0])
        for number, each in enumerate(axes.flat):
            if number < len(self._panels):
                self._draw_panel(each, self._panels[number])
            elif self._panels:
                each.set_visible(False)
        # Panels with the same label share one.
        figure.text(room[0] + room[2] / 2, (bottom - 0.05) / height, self._chart.x_label, size=10, ha="center", va="top")
        if not self._own_labels():
            label = self._chart.y_label.replace(" ({panel})", "")
            figure.text(_LEFT / _WIDTH, room[1] + room[3] / 2, label, size=10, rotation=90, ha="left", va="center")
        self._draw_frame(figure, height, description, legend)
        engine.execute(figure)
        figure.set_layout_engine("none")  # one layout serves all formats
        return figure

    def _own_labels(self) -> bool:
        """Whether each panel has its own unit."""
        return "{panel}" in self._chart.y_label and bool(self._panels)

    # --- around the panels ---

    def _draw_frame(self, figure: Figure, height: float, description: Sequence[str], legend: int) -> None:
        left = _LEFT / _WIDTH
        figure.text(left, 1 - 0.14 / height, self._chart.title, size=14, weight="bold", va="top")
        figure.text(left, 1 - 0.44 / height, "\n".join(description), size=10, color=_QUIET, va="top")
        if legend:
            figure.legend(
                handles=[self._legend_handle(each) for each in self._series],
                loc="upper left",
                bbox_to_anchor=(left, 1 - (0.55 + 0.19 * len(description)) / height),
                ncols=self._legend_columns(),
                borderaxespad=0,
                borderpad=0,
                handlelength=2.6,
                columnspacing=1.6,
            )
        figure.text(left, 0.10 / height, self._notes(), size=8.5, color=_QUIET, va="bottom")

    def _legend_columns(self) -> int:
        longest = max(len(self._series_label(each)) for each in self._series)
        return max(1, min(len(self._series), int((_WIDTH - 0.3) / (0.075 * longest + 0.75))))

    def _legend_lines(self) -> int:
        """The number of lines of the legend; 0 if the chart always has one and the same series."""
        return (
            0 if len(self._series) == len(self._chart.series) < 2 or not self._series else -(-len(self._series) // self._legend_columns())
        )

    def _series_label(self, series: str | None) -> str:
        return OTHERS if series is None else short(series)

    def _legend_handle(self, series: str | None) -> Any:
        from matplotlib.lines import Line2D
        from matplotlib.patches import Patch

        if self._chart.kind == "lines":
            return Line2D([], [], label=self._series_label(series), **self._line_style(series))
        return Patch(label=self._series_label(series), **self._bar_style(series))

    def _notes(self) -> str:
        notes = [self._period(), f"Source: {self._chart.relation}"] if self._rows.points else [f"Source: {self._chart.relation}"]
        if self._rows.panels > len(self._panels):
            notes.append(f"{len(self._panels)} of {self._rows.panels:,} panels are drawn")
        named = len({each.series for each in self._rows.points if each.series is not None})
        if None in self._series:
            notes.append(f"“{OTHERS}” is the sum of {self._rows.series - named:,} series")
        elif self._rows.series > named and not self._chart.additive:
            notes.append(f"The {named} largest of {self._rows.series:,} series are drawn")
        return ". ".join([*notes, *self._suffix_notes]) + "."

    def _period(self) -> str:
        days = [each.x for each in self._rows.points]
        months = self._chart.every == "month"
        ends = [" ".join(date_labels([day], months=months)[0].split()) for day in (min(days), max(days))]
        return " to ".join(dict.fromkeys(ends)) + (", older values are not drawn" if self._rows.older else "")

    def _draw_empty(self, axes: Axes) -> None:
        axes.text(0.5, 0.5, EMPTY, size=12, color=_QUIET, ha="center", va="center", transform=axes.transAxes)
        axes.set_xticks([])
        axes.set_yticks([])

    # --- a panel ---

    def _draw_panel(self, axes: Axes, panel: str) -> None:
        days = sorted({each.x for each in self._rows.points})
        by_series = {
            name: {each.x: each.y for each in self._rows.points if (each.panel, each.series) == (panel, name)} for name in self._series
        }
        extremes = (self._draw_lines if self._chart.kind == "lines" else self._draw_bars)(axes, by_series, days)
        low, high = value_range(*extremes, from_zero=self._chart.kind != "lines", integers=self._chart.counts)
        ticks = number_ticks(low, high, integers=self._chart.counts, most=6 if self._lines > 1 else 7)
        labels, meaning = number_labels(ticks)
        if meaning:
            self._suffix_notes[meaning] = None
        axes.set_ylim(low, high)
        axes.set_yticks(ticks, labels)
        axes.grid(axis="y", color=_RULE, linewidth=0.8)
        if low < 0 < high:
            axes.axhline(0, color=_QUIET, linewidth=0.9, zorder=1)
        months = self._chart.every == "month"
        dates = date_ticks(days[0], days[-1], months=months, most={1: 13, 2: 7, 3: 5}[self._columns])
        axes.set_xticks([_number(each) for each in dates], date_labels(dates, months=months))
        span, unit = (days[-1] - days[0]).days, 30.0 if months else 1.0
        # At least a week, or seven months, wide: otherwise a single bar would fill the panel.
        margin = max(unit * 0.62, span * 0.012, (7 * unit - span) / 2)
        axes.set_xlim(_number(days[0]) - margin, _number(days[-1]) + margin)
        axes.tick_params(length=3)
        if len(self._panels) > 1:
            title = short(self._chart.panel_title.replace("{panel}", panel), {1: 90, 2: 44, 3: 28}[self._columns])
            axes.set_title(title, loc="left", size=10.5, weight="bold")
        if self._own_labels():
            axes.set_ylabel(self._chart.y_label.replace("{panel}", short(panel, 12)))

    def _draw_lines(self, axes: Axes, by_series: Mapping[str | None, Mapping[date, float]], days: Sequence[date]) -> tuple[float, float]:
        distance = max(1, len(days) // _MAX_MARKERS)
        values: list[float] = []
        for number, (name, of) in enumerate(by_series.items()):
            if not of:
                continue
            xs = sorted(of)
            style = self._line_style(name)
            if len(self._series) == 1 and len(xs) > _MAX_MARKERS:
                style["marker"] = "None"  # a single line needs no markers
            # Each line has its markers at different places, so that lines on top of each other stay visible.
            marks = (number * distance // len(by_series), distance) if len(xs) > _MAX_MARKERS else None
            axes.plot([_number(x) for x in xs], [of[x] for x in xs], markevery=marks, **style)
            values += of.values()
        return min(values), max(values)

    def _draw_bars(self, axes: Axes, by_series: Mapping[str | None, Mapping[date, float]], days: Sequence[date]) -> tuple[float, float]:
        room = 26.0 if self._chart.every == "month" else 0.84
        stacked = self._chart.kind == "stack"
        width = room if stacked else room / len(by_series)
        above, below = dict.fromkeys(days, 0.0), dict.fromkeys(days, 0.0)
        for number, (name, of) in enumerate(by_series.items()):
            shift = 0.0 if stacked else (number + 0.5) * width - room / 2
            xs, bottoms = sorted(of), []
            for x in xs:
                side = above if of[x] >= 0 else below
                bottoms.append(side[x] if stacked else 0.0)
                side[x] = side[x] + of[x] if stacked else (max if of[x] >= 0 else min)(side[x], of[x])
            at = [_number(x) + shift for x in xs]
            axes.bar(at, [of[x] for x in xs], width=width, bottom=bottoms, linewidth=0.4, **self._bar_style(name))
        return min(below.values()), max(above.values())

    def _place(self, series: str | None) -> int:
        return self._series.index(series)

    def _line_style(self, series: str | None) -> dict[str, Any]:
        place = self._place(series)
        style = {"color": _GREY, "marker": "X", "linestyle": "-"}
        if series is not None:
            style = {"color": _COLOURS[place % 7], "marker": _MARKERS[place % 7], "linestyle": _DASHES[place % 7]}
        return {**style, "linewidth": 1.6, "markersize": 5, "markeredgecolor": "white", "markeredgewidth": 0.5}

    def _bar_style(self, series: str | None) -> dict[str, Any]:
        place = self._place(series)
        grey = series is None or series in self._chart.grey
        colour, hatch = (_GREY if grey else _COLOURS[place % 7]), ("--" if series is None else _HATCHES[place % 7])
        return {"facecolor": colour, "hatch": hatch, "edgecolor": "white"}


def _number(day: date) -> float:
    """The position of a date on an axis, in days."""
    return float(day.toordinal())
