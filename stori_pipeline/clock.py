"""The clock, in UTC. Code whose result depends on the day takes a `Clock` as a parameter.

Belongs here: the present moment and its day. Does not belong here: durations (`time.monotonic`), and other time zones (`defs.arrivals`).
Such code reads the clock once and passes the day on: between two readings it may be midnight.
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
