"""The axes of charts: where their ticks are, and what these say.

Belongs here: pure functions of dates and numbers to ticks and labels. Does not belong here: drawing them.

Labels are the same on every machine, whatever its locale.
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
    """At most so many dates, at even distances a person would choose, from the first to the last day; at least one.

    With `months`, only first days of months.
    """
    if not months:
        for step in _DAYS:
            days = _every_days(first, last, step)
            if len(days) <= most and (step == 1 or len(days) >= 3):
                return [date.fromordinal(each) for each in days]
    for step in _IN_MONTHS:
        found = list(_every_months(first, last, step))
        if len(found) <= most:
            return found or [first]
    return [first]


def _every_days(first: date, last: date, step: int) -> range:
    """As ordinals. Weeks begin on Mondays, and every other day stays the same one when a chart moves on by a day."""
    begun = first.toordinal() + -(first - _MONDAY).days % step
    return range(begun, last.toordinal() + 1, step)


def _every_months(first: date, last: date, step: int) -> Iterator[date]:
    begun = first.year * 12 + first.month - 1 + (first.day > 1)
    for month in range(begun + -begun % step, last.year * 12 + last.month, step):
        yield date(month // 12, month % 12 + 1, 1)


def date_labels(ticks: Sequence[date], *, months: bool) -> list[str]:
    """What is said below each: the year stands below the first tick and below the first of each year."""
    years = all(each.month == 1 and each.day == 1 for each in ticks) and len(ticks) > 1
    by_month = months or (all(each.day == 1 for each in ticks) and len(ticks) > 1)
    labels = []
    for number, each in enumerate(ticks):
        if years:
            labels.append(str(each.year))
            continue
        said = MONTHS[each.month - 1] if by_month else f"{each.day} {MONTHS[each.month - 1]}"
        # A second line for each, or those without a year would stand a little higher than the others.
        labels.append(f"{said}\n{each.year}" if not number or each.year != ticks[number - 1].year else f"{said}\n ")
    return labels


def value_range(low: float, high: float, *, from_zero: bool, whole: bool) -> tuple[float, float]:
    """From where to where an axis goes that shows these values, with some air; the first is less than the second.

    Bars need the zero that they stand on. Lines do where their values are near it; far from it they would lie flat.
    """
    if from_zero or not (0.5 * high < low or high < 0.5 * low):
        low, high = min(low, 0.0), max(high, 0.0)
    air = high / 20 - low / 20  # apart, since the difference of huge numbers may be too huge
    if whole:
        air = max(air, 0.2)
    if air <= max(abs(low), abs(high)) * 1e-9:
        air = max(abs(low), abs(high)) / 20 or 0.5
    return (low - air if low else low), (high + air if high or not low else high)


def number_ticks(low: float, high: float, *, whole: bool, most: int = 6) -> list[float]:
    """Round numbers from `low` to `high`, which differ; one at least, and at most so many."""
    rough = high / most - low / most  # apart, since the difference of huge numbers may be none
    power = 10.0 ** math.floor(math.log10(rough))
    for factor in (1, 2, 2.5, 5, 10, 20, 25, 50):
        step = factor * power
        if whole and step != int(step):
            continue
        first, last = math.ceil(low / step), math.floor(high / step)
        if last - first < most:
            return [number * step for number in range(first, last + 1)]
    return [float(math.ceil(low))]  # whole numbers are wanted, and there is hardly one


def number_labels(ticks: Sequence[float]) -> tuple[list[str], str]:
    """Thousands apart by commas, tens of millions and more by a suffix, all with as many decimals as their distance needs; and what the
    suffix means, where there is one. What is beyond all measure is written as 1e+30."""
    largest = max(map(abs, ticks), default=0.0)
    unit, suffix, meaning = next((each for each in _SUFFIXES if largest >= 10 * each[0]), (1.0, "", ""))
    step = abs(ticks[1] - ticks[0]) / unit if len(ticks) > 1 else largest / unit
    decimals = next((n for n in range(12) if abs(round(step, n) - step) <= step * 1e-6), 12)
    if largest >= 1e16 or decimals > 7:
        return [f"{tick:.12g}".replace("-", "−") for tick in ticks], ""
    labels = [f"{tick / unit:,.{decimals}f}".replace("-", "−") + (suffix if tick else "") for tick in ticks]
    return labels, meaning


def short(name: str, most: int = 30) -> str:
    """A name on one line, without what cannot be printed; a long one loses its middle, since both of its ends may tell it from others."""
    line = "".join(character if character.isprintable() else " " for character in name)
    line = " ".join(line.split()) or "(no name)"
    if len(line) <= most:
        return line
    return line[: most * 3 // 5].rstrip() + "…" + line[-(most - most * 3 // 5 - 1) :].lstrip()
