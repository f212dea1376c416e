"""Tests at other moments: what depends on the day must be true on any day.

Belongs here: which moments there are, and how the tests that are marked `clock` run at each of them (`make test-clock`). Does not
belong here: any test. A test module that reads the time must mark a test (`test_house` checks this).

The Python processes of a run, including servers and child processes, have a shifted clock (`sitecustomize`). Postgres keeps the true
clock, so a test that compares it with another one fails here; in production two clocks may differ, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone

OFFSET = "TESTS_CLOCK_OFFSET"
"""The environment variable that says by how many seconds a process's clock is set off."""

EACH_AT = "TESTS_BEGIN_AT"
"""The environment variable that says, in seconds since 1970, at which moment every single test begins."""


@dataclass(frozen=True)
class Moment:
    """A moment to test at.

    Attributes:
        at: gives it for the true present; it is later than that.
        zone: the local time zone of the processes.
        each: whether every test begins at it, instead of the first one.
    """

    name: str
    at: Callable[[datetime], datetime]
    zone: str = "UTC"
    each: bool = False


def _next_leap_day(now: datetime) -> datetime:
    year = next(year for year in range(now.year, now.year + 9) if _is_leap(year) and date(year, 2, 29) > now.date())
    return datetime(year, 2, 29, 12, tzinfo=timezone.utc)


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


MOMENTS = (
    Moment("in-430-days", lambda now: now + timedelta(days=430)),
    Moment("on-29-february", _next_leap_day),
    # The last of January: the next month does not have that day.
    Moment("last-of-a-month", lambda now: datetime(now.year + 1, 1, 31, 18, tzinfo=timezone.utc)),
    Moment("before-midnight", lambda now: datetime(now.year + 1, 7, 15, 23, 59, 50, tzinfo=timezone.utc), each=True),
    # Half an hour into the next day there, while it is still morning in UTC.
    Moment("14-hours-ahead", lambda now: datetime(now.year + 1, 9, 10, 10, 30, tzinfo=timezone.utc), zone="Pacific/Kiritimati"),
)
