"""Axes: ticks that fit, and labels that differ."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stori_pipeline.charts.scales import date_labels, date_ticks, number_labels, number_ticks, short, value_range

NUMBERS = (
    st.floats(-1e300, 1e300, allow_subnormal=False) | st.integers(-(10**9), 10**9).map(float) | st.floats(-5, 5, allow_subnormal=False)
)


@given(NUMBERS, NUMBERS, st.booleans(), st.booleans(), st.integers(5, 8))
def test_every_axis_of_numbers_shows_its_values_between_few_ticks_that_differ(
    one: float, other: float, from_zero: bool, integers: bool, most: int
) -> None:
    low, high = min(one, other), max(one, other)
    if integers:
        low, high = float(round(low)), float(round(high))
    first, last = value_range(low, high, from_zero=from_zero, integers=integers)
    assert first < last
    assert first <= low <= high <= last
    if from_zero:
        assert first <= 0 <= last
    ticks = number_ticks(first, last, integers=integers, most=most)
    assert 1 <= len(ticks) <= most
    assert ticks == sorted(set(ticks))
    if integers:
        assert all(tick == int(tick) for tick in ticks)
    if last - first > 1e-9 and max(abs(first), abs(last)) < 1e15 and (last - first) / max(abs(first), abs(last)) > 1e-6:
        labels, _ = number_labels(ticks)
        assert len(set(labels)) == len(labels)


@given(st.dates(date(1, 1, 1), date(9999, 12, 31)), st.integers(0, 40) | st.integers(0, 200_000), st.booleans(), st.integers(5, 13))
@example(date(9999, 12, 25), 6, False, 13)
def test_every_axis_of_dates_has_few_ticks_within_it(first: date, days: int, months: bool, most: int) -> None:
    if months:
        first = first.replace(day=1)
    last = first + timedelta(days=min(days, (date.max - first).days))
    ticks = date_ticks(first, last, months=months, most=most)
    assert 1 <= len(ticks) <= most
    assert all(first <= each <= last for each in ticks)
    assert ticks == sorted(set(ticks))
    labels = date_labels(ticks, months=months)
    assert len(labels) == len(ticks)
    assert str(ticks[0].year) in labels[0]


@pytest.mark.parametrize(
    ("ticks", "labels", "meaning"),
    [
        ([0, 500, 1000], ["0", "500", "1,000"], ""),
        ([-2e6, 0, 2e6], ["−2,000,000", "0", "2,000,000"], ""),
        ([0, 2.5e7, 5e7], ["0", "25 M", "50 M"], "M: million"),
        ([0, 1.25e7, 2.5e7], ["0.0", "12.5 M", "25.0 M"], "M: million"),
        ([-2e10, -1e10, 0], ["−20 bn", "−10 bn", "0"], "bn: thousand million"),
        ([0, 1e30], ["0", "1e+30"], ""),
        ([0.2, 0.205, 0.21], ["0.200", "0.205", "0.210"], ""),
    ],
)
def test_numbers_on_axes_are_written_as_people_write_them(ticks: list[float], labels: list[str], meaning: str) -> None:
    assert number_labels(ticks) == (labels, meaning)


def test_dates_say_the_year_once() -> None:
    ticks = date_ticks(date(2024, 11, 20), date(2025, 1, 20), months=False, most=13)
    assert [each.isoweekday() for each in ticks] == [1] * len(ticks)
    texts = date_labels(ticks, months=False)
    assert (texts[0], texts[1].strip(), texts[6].strip()) == ("25 Nov\n2024", "2 Dec", "6 Jan\n2025")
    months = date_ticks(date(2022, 11, 1), date(2024, 11, 1), months=True, most=13)
    assert [each.strip() for each in date_labels(months, months=True)][:3] == ["Nov\n2022", "Jan\n2023", "Mar"]
    years = date_ticks(date(2015, 1, 5), date(2019, 3, 4), months=False, most=5)
    assert date_labels(years, months=False) == ["2016", "2017", "2018", "2019"]


def test_a_long_name_keeps_both_ends_and_no_name_breaks_a_line() -> None:
    assert short("a" * 40 + " of 7", 30) == "a" * 18 + "…" + "aaaaaa of 7"[-11:]
    assert len(short("x" * 3000, 30)) == 30
    assert short("two\nlines\x00\x1b[31m") == "two lines [31m"
    assert short(" \n ") == "(no name)"
