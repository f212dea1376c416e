"""The axes of charts: positions and labels of their ticks.

Belongs here: pure functions from dates and numbers to ticks and labels. Does not belong here: drawing them. Labels are the same on every
machine, whatever its locale.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import date

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONDAY = date(2024, 1, 1)
_DAYS = (1, 2, 7, 14)
_IN_MONTHS = (1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1200)
_SUFFIXES = (
    (1e12, " tn", "tn: million million"),
    (1e9, " bn", "bn: thousand million"),
    (1e6, " M", "M: million"),
)


def date_ticks(first: date, last: date, *, months: bool, most: int) -> list[date]:
    """At least one and at most `most` dates between the two days, at even and round distances.

    Args:
        months: only first days of months.
    """
    if not months:
        for step in _DAYS:
            days = _every_days(first, last, step)
            if len(days) <= most and (step == 1 or len(days) >= 3):
                return [date.fromordinal(each) for each in days]
    for step in _IN_MONTHS:
        ticks = list(_every_months(first, last, step))
        if len(ticks) <= most:
            return ticks or [first]
    return [first]


def _every_days(first: date, last: date, step: int) -> range:
    """As ordinals. Weeks begin on Mondays, and the same days have ticks when a chart moves on by a day."""
    begun = first.toordinal() + -(first - _MONDAY).days % step
    return range(begun, last.toordinal() + 1, step)


def _every_months(first: date, last: date, step: int) -> Iterator[date]:
    begun = first.year * 12 + first.month - 1 + (first.day > 1)
    for month in range(begun + -begun % step, last.year * 12 + last.month, step):
        yield date(month // 12, month % 12 + 1, 1)


def date_labels(ticks: Sequence[date], *, months: bool) -> list[str]:
    """The label of each tick. The year is shown below the first tick and below the first tick of each year."""
    years = all(each.month == 1 and each.day == 1 for each in ticks) and len(ticks) > 1
    by_month = months or (all(each.day == 1 for each in ticks) and len(ticks) > 1)
    labels = []
    for number, each in enumerate(ticks):
        if years:
            labels.append(str(each.year))
            continue
        day = MONTHS[each.month - 1] if by_month else f"{each.day} {MONTHS[each.month - 1]}"
        # Every label has two lines: a label of one line would be drawn a little higher.
        labels.append(f"{day}\n{each.year}" if not number or each.year != ticks[number - 1].year else f"{day}\n ")
    return labels


def value_range(low: float, high: float, *, from_zero: bool, integers: bool) -> tuple[float, float]:
    """The two ends of an axis that shows the values from `low` to `high`, with a margin; the first end is less than the second.

    Args:
        from_zero: include zero, as bars need it. Lines include it only near zero; far from zero they would look flat.
        integers: the values are whole numbers.
    """
    if from_zero or not (0.5 * high < low or high < 0.5 * low):
        low, high = min(low, 0.0), max(high, 0.0)
    margin = high / 20 - low / 20  # divided first, since the difference of huge numbers may overflow
    if integers:
        margin = max(margin, 0.2)
    if margin <= max(abs(low), abs(high)) * 1e-9:
        margin = max(abs(low), abs(high)) / 20 or 0.5
    return (low - margin if low else low), (high + margin if high or not low else high)


def number_ticks(low: float, high: float, *, integers: bool, most: int = 6) -> list[float]:
    """At least one and at most `most` round numbers between `low` and `high`, which differ."""
    rough = high / most - low / most  # divided first, since the difference of huge numbers may overflow
    power = 10.0 ** math.floor(math.log10(rough))
    for factor in (1, 2, 2.5, 5, 10, 20, 25, 50):
        step = factor * power
        if integers and step != int(step):
            continue
        first, last = math.ceil(low / step), math.floor(high / step)
        if last - first < most:
            return [number * step for number in range(first, last + 1)]
    return [float(math.ceil(low))]  # no step of whole numbers fits


def number_labels(ticks: Sequence[float]) -> tuple[list[str], str]:
    """The labels, and the meaning of their suffix or "".

    Commas separate thousands. Ten millions and more get a suffix such as ` M`. All labels have as many decimals as the distance of the
    ticks needs. Numbers beyond every suffix are written as 1e+30.
    """
    largest = max(map(abs, ticks), default=0.0)
    unit, suffix, meaning = next((each for each in _SUFFIXES if largest >= 10 * each[0]), (1.0, "", ""))
    step = abs(ticks[1] - ticks[0]) / unit if len(ticks) > 1 else largest / unit
    decimals = next((n for n in range(12) if abs(round(step, n) - step) <= step * 1e-6), 12)
    if largest >= 1e16 or decimals > 7:
        return [f"{tick:.12g}".replace("-", "−") for tick in ticks], ""
    labels = [f"{tick / unit:,.{decimals}f}".replace("-", "−") + (suffix if tick else "") for tick in ticks]
    return labels, meaning


def short(name: str, most: int = 30) -> str:
    """A name on one line of at most `most` characters, printable characters only. A long name loses its middle, because either end may
    distinguish it from others."""
    line = "".join(character if character.isprintable() else " " for character in name)
    line = " ".join(line.split()) or "(no name)"
    if len(line) <= most:
        return line
    return line[: most * 3 // 5].rstrip() + "…" + line[-(most - most * 3 // 5 - 1) :].lstrip()
