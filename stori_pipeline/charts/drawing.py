"""How a chart is drawn: one look for all, as SVG and as PNG.

Belongs here: from a chart's record and rows to pictures. Does not belong here: choosing rows (`rows`), or keeping pictures (`pictures`).

The same rows give the same bytes. Colours are those of Okabe and Ito, which people with any kind of colour blindness can tell apart;
markers, dashes and hatches say the same without colour. Text stays text in the SVG: it can be searched, selected and read aloud.
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
EMPTY = "There is nothing to draw yet."

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # without the yellow, too pale on white
_GREY = "#8a8a8a"
_INK, _QUIET, _RULE = "#222222", "#5f5f5f", "#dcdcdc"
_MARKERS = "os^Dv*P"
_DASHES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))
_HATCHES = ("", "///", "...", "xx", "\\\\\\", "++", "oo")
_WIDTH = 9.0  # inches, of 100 pixels each
_DPI = 100
_LEFT = 0.14  # inches
_CHARACTERS = 118  # of the description that a line holds
_MARKED = 14  # markers on a line: enough to tell it by, few enough to see it
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
    "text.parse_math": False,  # names come from sources, and a dollar sign in one is a dollar sign
    "xtick.color": _QUIET,
    "ytick.color": _QUIET,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
}
_ONE_AT_A_TIME = threading.Lock()  # matplotlib's settings are the process's


class DrawingError(RuntimeError):
    """A chart cannot be drawn here. The message says what to do."""


@dataclass(frozen=True)
class Pictures:
    """One chart, drawn. `png` has two pixels for each that it is wide on a page; `small` is the same at one, in few colours."""

    svg: bytes
    png: bytes
    small: bytes


def draw(chart: Chart, rows: Rows) -> Pictures:
    """The pictures of a chart.

    Raises:
        DrawingError: matplotlib is not installed.
    """
    svg, png = io.BytesIO(), io.BytesIO()
    with composed(chart, rows) as figure:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.backends.backend_svg import FigureCanvasSVG

        about = {"Title": chart.title, "Description": chart.description, "Creator": None, "Date": None}
        # Not by `savefig`, which goes through the whole figure once more before it draws.
        FigureCanvasSVG(figure).print_svg(svg, metadata=about)  # type: ignore[no-untyped-call]  # matplotlib's types end here
        figure.set_dpi(2 * _DPI)
        FigureCanvasAgg(figure).print_png(png, metadata={"Software": None, "Title": chart.title})  # type: ignore[no-untyped-call]  # the same
    return Pictures(svg.getvalue(), png.getvalue(), _small(png))


@contextmanager
def composed(chart: Chart, rows: Rows) -> Iterator[Figure]:
    """The chart as a figure, laid out, and matplotlib set up to save it. Errors as for `draw`."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise DrawingError(
            f"chart {chart.name}: matplotlib is not installed here; `pip install 'stori-pipeline[charts]'` installs it"
        ) from error
    with _ONE_AT_A_TIME, matplotlib.rc_context(), _whatever_letters():
        matplotlib.rcdefaults()  # not what this machine's matplotlibrc says
        matplotlib.rcParams.update(cast(Any, _STYLE))
        yield _Drawing(chart, rows, Figure).figure()


@contextmanager
def _whatever_letters() -> Iterator[None]:
    """Names may be in a script that matplotlib's font has no letters of. The PNG then shows boxes, and the SVG the letters."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        yield


def _small(png: io.BytesIO) -> bytes:
    """Half as wide, and in few colours: this one is kept in Dagster's event log, once for each run."""
    from PIL import Image

    made = io.BytesIO()
    with Image.open(png) as image:
        small = image.convert("RGB").resize((image.width // 2, image.height // 2), Image.Resampling.BOX)
        small.quantize(24, dither=Image.Dither.NONE).save(made, "PNG", optimize=True)
    return made.getvalue()


class _Drawing:
    """One chart on its way to a figure. All lengths are in inches: what holds text does not grow with the number of panels."""

    def __init__(self, chart: Chart, rows: Rows, figure: type[Figure]) -> None:
        self._chart = chart
        self._rows = rows
        self._new = figure
        self._panels = sorted({each.panel for each in rows.points})
        known = [name for name in chart.series if rows.points]
        found = {each.series for each in rows.points}
        self._series: list[str | None] = [*known, *sorted(name for name in found if name is not None and name not in known)]
        self._series += [None] if None in found else []
        # One or two panels are as wide as the chart, four make a square, and of others three stand in a row.
        self._columns = {0: 1, 1: 1, 2: 1, 4: 2}.get(len(self._panels), 3)
        self._lines = -(-max(len(self._panels), 1) // self._columns)
        self._said_of_numbers: dict[str, None] = {}

    def figure(self) -> Figure:
        from matplotlib.layout_engine import ConstrainedLayoutEngine

        legend, said = self._legend_lines(), textwrap.wrap(self._chart.description, _CHARACTERS)
        top, bottom = 0.50 + 0.19 * len(said) + (0.10 + 0.22 * legend if legend else 0), 0.62
        height = top + bottom + self._lines * (3.0 if self._lines == 1 else 2.3 if self._columns == 1 else 1.9)
        left = _LEFT if self._own_labels() else _LEFT + 0.24
        figure = self._new(figsize=(_WIDTH, height), dpi=_DPI, facecolor="white")
        room = (left / _WIDTH, bottom / height, 1 - (left + _LEFT) / _WIDTH, 1 - (top + bottom) / height)
        engine = ConstrainedLayoutEngine(rect=room, h_pad=0.05, w_pad=0.0, wspace=0.04)
        figure.set_layout_engine(engine)
        axes = figure.subplots(self._lines, self._columns, squeeze=False)
        if not self._panels:
            self._nothing(axes[0][0])
        for number, each in enumerate(axes.flat):
            if number < len(self._panels):
                self._panel(each, self._panels[number])
            elif self._panels:
                each.set_visible(False)
        # One label for all panels, where it is the same for all.
        figure.text(room[0] + room[2] / 2, (bottom - 0.05) / height, self._chart.x_label, size=10, ha="center", va="top")
        if not self._own_labels():
            label = self._chart.y_label.replace(" ({panel})", "")
            figure.text(_LEFT / _WIDTH, room[1] + room[3] / 2, label, size=10, rotation=90, ha="left", va="center")
        self._frame(figure, height, said, legend)
        engine.execute(figure)
        figure.set_layout_engine("none")  # laid out once is enough for all formats
        return figure

    def _own_labels(self) -> bool:
        """Whether each panel's numbers have a unit of their own."""
        return "{panel}" in self._chart.y_label and bool(self._panels)

    # --- around the panels ---

    def _frame(self, figure: Figure, height: float, said: Sequence[str], legend: int) -> None:
        left = _LEFT / _WIDTH
        figure.text(left, 1 - 0.14 / height, self._chart.title, size=14, weight="bold", va="top")
        figure.text(left, 1 - 0.44 / height, "\n".join(said), size=10, color=_QUIET, va="top")
        if legend:
            figure.legend(
                handles=[self._key(each) for each in self._series],
                loc="upper left",
                bbox_to_anchor=(left, 1 - (0.55 + 0.19 * len(said)) / height),
                ncols=self._legend_columns(),
                borderaxespad=0,
                borderpad=0,
                handlelength=2.6,
                columnspacing=1.6,
            )
        figure.text(left, 0.10 / height, self._notes(), size=8.5, color=_QUIET, va="bottom")

    def _legend_columns(self) -> int:
        longest = max(len(self._said(each)) for each in self._series)
        return max(1, min(len(self._series), int((_WIDTH - 0.3) / (0.075 * longest + 0.75))))

    def _legend_lines(self) -> int:
        """None where there is but one series, and always that one."""
        return (
            0 if len(self._series) == len(self._chart.series) < 2 or not self._series else -(-len(self._series) // self._legend_columns())
        )

    def _said(self, series: str | None) -> str:
        return OTHERS if series is None else short(series)

    def _key(self, series: str | None) -> Any:
        from matplotlib.lines import Line2D
        from matplotlib.patches import Patch

        if self._chart.kind == "lines":
            return Line2D([], [], label=self._said(series), **self._line(series))
        return Patch(label=self._said(series), **self._bar(series))

    def _notes(self) -> str:
        notes = [self._reach(), f"Source: {self._chart.relation}"] if self._rows.points else [f"Source: {self._chart.relation}"]
        if self._rows.panels > len(self._panels):
            notes.append(f"{len(self._panels)} of {self._rows.panels:,} panels are drawn")
        named = len({each.series for each in self._rows.points if each.series is not None})
        if None in self._series:
            notes.append(f"“{OTHERS}” are {self._rows.series - named:,} together")
        elif self._rows.series > named and not self._chart.additive:
            notes.append(f"The {named} largest of {self._rows.series:,} are drawn")
        return ". ".join([*notes, *self._said_of_numbers]) + "."

    def _reach(self) -> str:
        days = [each.x for each in self._rows.points]
        months = self._chart.every == "month"
        said = [" ".join(date_labels([day], months=months)[0].split()) for day in (min(days), max(days))]
        return " to ".join(dict.fromkeys(said)) + (", what is older is not drawn" if self._rows.older else "")

    def _nothing(self, axes: Axes) -> None:
        axes.text(0.5, 0.5, EMPTY, size=12, color=_QUIET, ha="center", va="center", transform=axes.transAxes)
        axes.set_xticks([])
        axes.set_yticks([])

    # --- a panel ---

    def _panel(self, axes: Axes, panel: str) -> None:
        days = sorted({each.x for each in self._rows.points})
        by_series = {
            name: {each.x: each.y for each in self._rows.points if (each.panel, each.series) == (panel, name)} for name in self._series
        }
        drawn = (self._lines_of if self._chart.kind == "lines" else self._bars_of)(axes, by_series, days)
        low, high = value_range(*drawn, from_zero=self._chart.kind != "lines", whole=self._chart.counts)
        ticks = number_ticks(low, high, whole=self._chart.counts, most=6 if self._lines > 1 else 7)
        labels, meaning = number_labels(ticks)
        if meaning:
            self._said_of_numbers[meaning] = None
        axes.set_ylim(low, high)
        axes.set_yticks(ticks, labels)
        axes.grid(axis="y", color=_RULE, linewidth=0.8)
        if low < 0 < high:
            axes.axhline(0, color=_QUIET, linewidth=0.9, zorder=1)
        months = self._chart.every == "month"
        dates = date_ticks(days[0], days[-1], months=months, most={1: 13, 2: 7, 3: 5}[self._columns])
        axes.set_xticks([_number(each) for each in dates], date_labels(dates, months=months))
        span, unit = (days[-1] - days[0]).days, 30.0 if months else 1.0
        # Room for a week, or for seven months, at least: a single bar would fill the panel.
        margin = max(unit * 0.62, span * 0.012, (7 * unit - span) / 2)
        axes.set_xlim(_number(days[0]) - margin, _number(days[-1]) + margin)
        axes.tick_params(length=3)
        if len(self._panels) > 1:
            title = short(self._chart.panel_title.replace("{panel}", panel), {1: 90, 2: 44, 3: 28}[self._columns])
            axes.set_title(title, loc="left", size=10.5, weight="bold")
        if self._own_labels():
            axes.set_ylabel(self._chart.y_label.replace("{panel}", short(panel, 12)))

    def _lines_of(self, axes: Axes, by_series: Mapping[str | None, Mapping[date, float]], days: Sequence[date]) -> tuple[float, float]:
        apart = max(1, len(days) // _MARKED)
        values: list[float] = []
        for number, (name, of) in enumerate(by_series.items()):
            if not of:
                continue
            xs = sorted(of)
            look = self._line(name)
            if len(self._series) == 1 and len(xs) > _MARKED:
                look["marker"] = "None"  # there is nothing to tell it from
            # Each line is marked at other places than the next, so that lines on top of each other are seen to be several.
            marks = (number * apart // len(by_series), apart) if len(xs) > _MARKED else None
            axes.plot([_number(x) for x in xs], [of[x] for x in xs], markevery=marks, **look)
            values += of.values()
        return min(values), max(values)

    def _bars_of(self, axes: Axes, by_series: Mapping[str | None, Mapping[date, float]], days: Sequence[date]) -> tuple[float, float]:
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
            axes.bar(at, [of[x] for x in xs], width=width, bottom=bottoms, linewidth=0.4, **self._bar(name))
        return min(below.values()), max(above.values())

    def _place(self, series: str | None) -> int:
        return self._series.index(series)

    def _line(self, series: str | None) -> dict[str, Any]:
        place = self._place(series)
        look = {"color": _GREY, "marker": "X", "linestyle": "-"}
        if series is not None:
            look = {"color": _COLOURS[place % 7], "marker": _MARKERS[place % 7], "linestyle": _DASHES[place % 7]}
        return {**look, "linewidth": 1.6, "markersize": 5, "markeredgecolor": "white", "markeredgewidth": 0.5}

    def _bar(self, series: str | None) -> dict[str, Any]:
        place = self._place(series)
        grey = series is None or series in self._chart.grey
        colour, hatch = (_GREY if grey else _COLOURS[place % 7]), ("--" if series is None else _HATCHES[place % 7])
        return {"facecolor": colour, "hatch": hatch, "edgecolor": "white"}


def _number(day: date) -> float:
    """Where a date is on an axis, in days."""
    return float(day.toordinal())
