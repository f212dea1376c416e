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


def _leap_day(now: datetime) -> datetime:
    """The first 29 February that is 430 days away or more: further than anything here that counts in days or keeps for a year."""
    first = now.date() + timedelta(days=430)
    year = next(year for year in range(first.year, first.year + 9) if _is_leap(year) and date(year, 2, 29) >= first)
    return datetime(year, 2, 29, 12, tzinfo=timezone.utc)


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


MOMENTS = (
    Moment("on-29-february", _leap_day),
    Moment("before-midnight", lambda now: datetime(now.year + 1, 7, 15, 23, 59, 50, tzinfo=timezone.utc), each=True),
    # The last of January: the next month does not have that day. There it is half an hour into February, and still morning in UTC.
    Moment("a-month-ahead", lambda now: datetime(now.year + 1, 1, 31, 10, 30, tzinfo=timezone.utc), zone="Pacific/Kiritimati"),
)
