"""Business hours: when rows arrive, and how much of a period is business time.

Belongs here: `BusinessHours`, and whether rows are late by them. Does not belong here: the check that uses them (`defs.arrivals`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from stori_pipeline.model.errors import DefinitionError


@dataclass(frozen=True)
class BusinessHours:
    """When rows arrive: between two hours of certain weekdays. Only time within these hours counts towards being late.

    Args:
        column: the column that holds the instant of a row's creation.
        opens: the hour of the day at which business begins, 0 to 24, in `time_zone`.
        closes: the hour at which it ends.
        late_after: a pause of business time that is too long to be chance.
        stopped_after: a pause of business time after which the source must have stopped.
        weekdays: ISO numbers, Monday is 1.

    Raises:
        DefinitionError: the hours, the weekdays, the durations or the time zone make no sense.
    """

    column: str
    opens: int
    closes: int
    late_after: timedelta
    stopped_after: timedelta
    weekdays: tuple[int, ...] = (1, 2, 3, 4, 5)
    time_zone: str = "UTC"

    def __post_init__(self) -> None:
        if not 0 <= self.opens < self.closes <= 24:
            raise DefinitionError(f"business hours: opens and closes are hours of one day, 0 to 24, not {self.opens} and {self.closes}")
        if not self.weekdays or not set(self.weekdays) <= set(range(1, 8)):
            raise DefinitionError(f"business hours: weekdays are ISO numbers, 1 for Monday to 7 for Sunday, not {self.weekdays}")
        if not timedelta(0) < self.late_after <= self.stopped_after:
            raise DefinitionError("business hours: late_after must be above zero, and stopped_after at least as long as late_after")
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise DefinitionError(f"business hours: there is no time zone {self.time_zone!r}; name one such as Europe/London") from error


def business_time(since: datetime, until: datetime, hours: BusinessHours) -> timedelta:
    """The business time between two aware datetimes; zero if `until` is before `since`.

    An hour that a change of the clocks skips does not count, and one that it repeats counts twice.
    """
    zone = ZoneInfo(hours.time_zone)
    since, until = since.astimezone(timezone.utc), until.astimezone(timezone.utc)
    day, last = since.astimezone(zone).date(), until.astimezone(zone).date()
    total = timedelta(0)
    while day <= last:
        if day.isoweekday() in hours.weekdays:
            midnight = datetime.combine(day, time(), zone)
            # In UTC, because the difference of two times in one zone ignores a change of the clocks between them.
            opens, closes = ((midnight + timedelta(hours=hour)).astimezone(timezone.utc) for hour in (hours.opens, hours.closes))
            total += max(min(until, closes) - max(since, opens), timedelta(0))
        day += timedelta(days=1)
    return total


@dataclass(frozen=True)
class Arrivals:
    """Whether rows arrive on time.

    Attributes:
        on_time: no pause is too long.
        waited: the business time since the newest row, such as `5 h 01 min`; "" without any row.
        message: what is wrong; "" if nothing is.
    """

    on_time: bool
    waited: str
    message: str


def judge_arrivals(full_name: str, hours: BusinessHours, newest: datetime | None, now: datetime) -> Arrivals:
    """The verdict on a table whose newest row was created at `newest`, None if it has no rows."""
    if newest is None:
        return Arrivals(False, "", f"{full_name} has no rows")
    open_time = business_time(newest, now, hours)
    waited = in_hours(open_time)
    if open_time <= hours.late_after:
        return Arrivals(True, waited, "")
    message = f"{full_name}: no row for {waited} of open time; rows should arrive every {in_hours(hours.late_after)}"
    if open_time > hours.stopped_after:
        message += ". The source has stopped, or rows no longer reach the pipeline; see whether its application runs"
    return Arrivals(False, waited, message)


def in_hours(duration: timedelta) -> str:
    """`5 h 01 min`."""
    minutes = int(duration.total_seconds()) // 60
    return f"{minutes // 60} h {minutes % 60:02} min"
