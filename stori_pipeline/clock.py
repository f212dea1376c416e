"""The clock, in UTC. Code whose result depends on the day takes a `Clock` as a parameter.

Belongs here: the present moment and its day. Such code reads the clock once and passes the day on, because midnight may be between two
readings. Does not belong here: durations (`time.monotonic`), and other time zones (`model.business_hours`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timezone

Clock = Callable[[], datetime]
"""Returns the present moment, with its time zone."""


def utc_now() -> datetime:
    """The system's clock."""
    return datetime.now(timezone.utc)


def utc_day(moment: datetime) -> date:
    """The day in UTC of a moment that has a time zone."""
    return moment.astimezone(timezone.utc).date()
