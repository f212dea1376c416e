"""Business time: the part of a period that is in business hours, in any time zone."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stori_pipeline.model.business_hours import BusinessHours, business_time
from stori_pipeline.model.errors import DefinitionError

pytestmark = pytest.mark.clock

HOURS = BusinessHours("created_at", 8, 19, timedelta(hours=5), timedelta(hours=11))
LONDON = replace(HOURS, time_zone="Europe/London")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


INSTANTS = st.datetimes(datetime(2022, 1, 1), datetime(2027, 1, 1), timezones=st.just(timezone.utc))  # noqa: DTZ001  (hypothesis adds the zone)
CLOCKS = st.sampled_from([HOURS, LONDON, replace(HOURS, time_zone="America/St_Johns", closes=24), replace(HOURS, opens=0, weekdays=(6, 7))])


@pytest.mark.parametrize(
    ("since", "until", "hours", "open_time"),
    [
        ("2024-11-13T10:00", "2024-11-13T10:45", HOURS, timedelta(minutes=45)),
        ("2024-11-13T18:50", "2024-11-14T08:20", HOURS, timedelta(minutes=30)),  # over a night
        ("2024-11-15T18:59", "2024-11-18T08:01", HOURS, timedelta(minutes=2)),  # over a weekend
        ("2024-11-15T19:00", "2024-11-18T08:00", HOURS, timedelta(0)),
        ("2024-11-13T03:00", "2024-11-13T23:00", HOURS, timedelta(hours=11)),
        ("2024-11-11T08:00", "2024-11-25T08:00", HOURS, timedelta(hours=110)),  # ten days of eleven hours
        ("2024-11-13T12:00", "2024-11-13T11:00", HOURS, timedelta(0)),  # a clock that is ahead of ours
        ("2024-07-01T06:30", "2024-07-01T07:30", LONDON, timedelta(minutes=30)),  # there it is an hour later in summer
        ("2024-01-01T07:30", "2024-01-01T08:30", LONDON, timedelta(minutes=30)),
        (
            "2024-03-31T00:00",
            "2024-03-31T23:00",
            replace(LONDON, opens=0, closes=24, weekdays=(7,)),
            timedelta(hours=23),
        ),  # clocks go forward
        ("2024-10-26T23:00", "2024-10-28T00:00", replace(LONDON, opens=0, closes=24, weekdays=(7,)), timedelta(hours=25)),  # and back
    ],
)
def test_only_business_time_counts(since: str, until: str, hours: BusinessHours, open_time: timedelta) -> None:
    assert business_time(at(since), at(until), hours) == open_time


@given(st.lists(INSTANTS, min_size=3, max_size=3).map(sorted), CLOCKS)
def test_business_time_adds_up_and_is_never_longer_than_time(instants: list[datetime], hours: BusinessHours) -> None:
    first, second, third = instants
    assert business_time(first, second, hours) + business_time(second, third, hours) == business_time(first, third, hours)
    assert timedelta(0) <= business_time(first, third, hours) <= third - first


@given(INSTANTS, st.timedeltas(timedelta(0), timedelta(hours=13)))
def test_no_business_time_passes_at_night_or_over_a_weekend(day: datetime, later: timedelta) -> None:
    evening = day.replace(hour=19, minute=0, second=0, microsecond=0)
    assert business_time(evening, evening + later, HOURS) == timedelta(0)
    friday = evening + timedelta(days=(5 - evening.isoweekday()) % 7)
    assert business_time(friday, friday + timedelta(days=2) + later, HOURS) == timedelta(0)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"opens": 19}, "hours of one day"),
        ({"closes": 25}, "hours of one day"),
        ({"weekdays": ()}, "ISO numbers"),
        ({"weekdays": (0, 1)}, "ISO numbers"),
        ({"stopped_after": timedelta(hours=1)}, "at least as long as late_after"),
        ({"time_zone": "Europe/Atlantis"}, "no time zone 'Europe/Atlantis'"),
    ],
)
def test_hours_that_make_no_sense_are_refused(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(DefinitionError, match=says):
        replace(HOURS, **wrong)  # type: ignore[arg-type]  # whatever the case is about
