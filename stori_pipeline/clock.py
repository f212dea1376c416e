"""What time it is, in UTC.

Belongs here: the clock that code is given where a day matters, and the day that it shows. Does not belong here: how long something
takes (`time.monotonic`), and any zone but UTC: a business's own hours are in `defs.arrivals`.

Code that decides by the day takes a `Clock` as a parameter with `utc_now` as its default, and reads it once for each decision.
A day that was decided is passed on and never asked for again: between two readings it may be midnight.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timezone

Clock = Callable[[], datetime]
"""Gives the present moment, with its zone."""


def utc_now() -> datetime:
    """The system's clock."""
    return datetime.now(timezone.utc)


def utc_day(moment: datetime) -> date:
    """The day in UTC on which a moment with a zone lies."""
    return moment.astimezone(timezone.utc).date()
