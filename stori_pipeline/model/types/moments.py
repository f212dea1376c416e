"""Days, instants and times of day.

Belongs here: those types. Instants are microseconds in UTC, because Redshift cannot read a naive Parquet timestamp and reads wrong values
from nanoseconds. Does not belong here: business hours (`model.business_hours`).
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Callable
from datetime import timedelta, timezone
from typing import TYPE_CHECKING

from stori_pipeline.imports import later
from stori_pipeline.model.types.misfit import MisfitError, shown, wrong_type
from stori_pipeline.model.types.type import Engine, SuggestedFor, Type, register

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.compute as pc
else:
    pa = later("pyarrow")
    pc = later("pyarrow.compute")

# A day, optionally a time, a zone and an era, as Postgres writes them; also ISO 8601 with T and Z, and a zone that is written UTC.
_INSTANT = re.compile(
    r"(\d{4,7})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?)?\s?(Z|UTC|[+-]\d\d(?::?\d\d(?::?\d\d)?)?)?( BC)?",
    re.ASCII,
)


def _offset(zone: str) -> timedelta:
    """The offset of a zone.

    Raises:
        ValueError: no zone has it. Postgres takes less than sixteen hours.
    """
    digits = zone[1:].replace(":", "").ljust(6, "0")
    if int(digits[:2]) > 15 or int(digits[2:4]) > 59 or int(digits[4:6]) > 59:
        raise ValueError(f"there is no offset {zone}")
    size = timedelta(hours=int(digits[:2]), minutes=int(digits[2:4]), seconds=int(digits[4:6]))
    return -size if zone[0] == "-" else size


def _parsed_instant(text: str, kind: str) -> dt.datetime:
    if text in ("infinity", "-infinity"):
        raise MisfitError("not_finite", f"{text} has no place in a {kind}")
    match = _INSTANT.fullmatch(text)
    if match is None:
        raise MisfitError("bad_date", f"{shown(text)} is not a {kind}")
    year, month, day, hour, minute, second, fraction, zone, era = match.groups()
    if era or len(year) > 4 or year == "0000":
        raise MisfitError("range", f"{text} is outside the years 1 to 9999")
    if fraction and fraction[6:].strip("0"):
        raise MisfitError("scale", f"{text} is finer than a microsecond")
    micros = int((fraction or "0")[:6].ljust(6, "0"))
    try:
        local = dt.datetime(
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), micros, tzinfo=timezone.utc
        )
    except ValueError as error:
        raise MisfitError("bad_date", f"{text}: {error}") from None
    try:
        return local if zone in (None, "Z", "UTC") else local - _offset(zone)
    except OverflowError:
        raise MisfitError("range", f"{text} is outside the years 1 to 9999 in UTC") from None
    except ValueError as error:
        raise MisfitError("bad_date", f"{text}: {error}") from None


def _timestamptz(value: object) -> dt.datetime:
    if isinstance(value, str):
        return _parsed_instant(value, "timestamptz")
    if isinstance(value, dt.datetime):
        if value.tzinfo is None:
            return value.replace(tzinfo=timezone.utc)
        try:
            return value.astimezone(timezone.utc)
        except OverflowError:
            raise MisfitError("range", f"{value} is outside the years 1 to 9999 in UTC") from None
    if isinstance(value, dt.date):
        return dt.datetime.combine(value, dt.time(), tzinfo=timezone.utc)
    raise wrong_type(value, "timestamptz")


def _date(value: object) -> dt.date:
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value
    if not isinstance(value, (str, dt.datetime)):
        raise wrong_type(value, "date")
    instant = _parsed_instant(value, "date") if isinstance(value, str) else _timestamptz(value)
    if instant.time() != dt.time():
        raise MisfitError("bad_date", f"{value} has a time of day in UTC, which a date would lose")
    return instant.date()


_TIME = re.compile(r"(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?", re.ASCII)


def _time(value: object) -> str:
    """A time of day, with six decimal places of seconds."""
    if isinstance(value, dt.time) and value.tzinfo is None:
        return value.isoformat("microseconds")
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise wrong_type(value, "time")
    hour, minute, second, fraction = match.groups()
    if fraction and fraction[6:].strip("0"):
        raise MisfitError("scale", f"{value} is finer than a microsecond")
    try:
        time_of_day = dt.time(int(hour), int(minute), int(second or 0), int((fraction or "0")[:6].ljust(6, "0")))
    except ValueError as error:
        raise MisfitError("range", f"{value}: {error}") from None
    return time_of_day.isoformat("microseconds")


_TIME_FORM = r"^([01][0-9]|2[0-3])(:[0-5][0-9]){2}([.][0-9]{1,6})?$"
"""Times with seconds as Postgres writes them, without trailing zeros. Postgres also has 24:00, which is not accepted."""


def _to_six_places(texts: pa.Array) -> pa.Array:
    with_point = pc.if_else(pc.match_substring(texts, "."), texts, pc.binary_join_element_wise(texts, ".", ""))
    return pc.utf8_rpad(with_point, 15, "0")


def _within(first: dt.date, last: dt.date, kind: Callable[[], pa.DataType]) -> Callable[[pa.Array], bool]:
    @functools.cache
    def ends() -> tuple[int, int]:
        return pa.scalar(first, kind()).value, pa.scalar(last, kind()).value

    def fits(array: pa.Array) -> bool:
        """Whether every day or instant is within Python's years in UTC; Arrow's range is larger."""
        low, high = ends()
        least_and_most = pc.min_max(array)
        least, most = least_and_most["min"].value, least_and_most["max"].value
        return least is None or bool(low <= least and most <= high)

    return fits


def _beyond_python(kind: str) -> Callable[[str], str]:
    """The condition that a day or an instant of Postgres is infinite or outside the years 1 to 9999. `TO_CHAR` would write some of them
    like another one, or like NULL."""
    zone = " 00:00Z" if kind == "timestamptz" else ""
    return lambda x: f"{x} < {kind} '0001-01-01{zone}' OR {x} >= {kind} '10000-01-01{zone}'"


def _day_text(x: str, engine: Engine) -> str:
    # Postgres casts a day five times as fast as it formats it. Sessions of the reader have the style ISO. How Redshift casts is its own.
    return f"CAST({x} AS TEXT)" if engine == "postgres" else f"TO_CHAR({x}, 'YYYY-MM-DD')"


def _instant_text(x: str, engine: Engine) -> str:
    if engine != "postgres":
        return f"TO_CHAR({x} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')"
    # Likewise; a cast writes no zeros at the end, and most instants have none.
    text = f"CAST({x} AT TIME ZONE 'UTC' AS TEXT)"
    return f"CASE OCTET_LENGTH({text}) WHEN 26 THEN {text} WHEN 19 THEN {text} || '.000000' ELSE RPAD({text}, 26, '0') END"


def _day() -> pa.DataType:
    return pa.date32()


def _instant_us() -> pa.DataType:
    return pa.timestamp("us", tz="UTC")


date = register(
    Type(
        name="date",
        arrow=_day,
        redshift="DATE",
        convert=_date,
        natives=frozenset({dt.date}),
        text_form=r"^[0-9]{4}-",
        fits=_within(dt.date.min, dt.date.max, _day),
        copy_form="",
        canonical=dt.date.isoformat,
        canonical_sql=_day_text,
        roles=frozenset({"key", "sortkey", "distkey", "cursor"}),
        postgres={"date": "{x}"},
        postgres_unfit=_beyond_python("date"),
        of_arrow=lambda arrow: () if arrow == pa.date32() else None,
        suggested_for=SuggestedFor(
            postgres={"date": "date"},
            arrow=lambda arrow: "date" if pa.types.is_date(arrow) else "",
            natives={dt.date: "date"},
            texts={r"\s*\d{4}-\d\d-\d\d\s*": "date"},
        ),
        unfit_code="bad_date",
        docs="a day, in the years 1 to 9999",
    )
)

timestamptz = register(
    Type(
        name="timestamptz",
        arrow=_instant_us,
        redshift="TIMESTAMPTZ",
        convert=_timestamptz,
        natives=frozenset({dt.datetime}),
        text_form=r"^[0-9]{4}-.*([Z]|[+-][0-9:]+)$",
        fits=_within(dt.datetime.min.replace(tzinfo=timezone.utc), dt.datetime.max.replace(tzinfo=timezone.utc), _instant_us),
        copy_form="",
        canonical=lambda value: value.astimezone(timezone.utc).isoformat(" ", "microseconds")[:26],
        canonical_sql=_instant_text,
        roles=frozenset({"key", "sortkey", "distkey", "cursor", "arrivals"}),
        postgres={
            "timestamp with time zone": "{x}",
            "timestamp without time zone": "({x} AT TIME ZONE 'UTC')",
            "date": "({x}::timestamp AT TIME ZONE 'UTC')",
        },
        postgres_unfit=_beyond_python("timestamptz"),
        of_arrow=lambda arrow: () if pa.types.is_timestamp(arrow) and arrow.tz is not None else None,
        suggested_for=SuggestedFor(
            postgres={"timestamp with time zone": "timestamptz", "timestamp without time zone": "timestamptz"},
            arrow=lambda arrow: "timestamptz" if pa.types.is_timestamp(arrow) else "",
            natives={dt.datetime: "timestamptz"},
            texts={r"\s*\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*": "timestamptz"},
        ),
        catalog_name="timestamp with time zone",
        docs="an instant, in microseconds in UTC; a naive one is read as UTC",
    )
)

# A time of day as text, `07:55:00.000000`: COPY does not load Parquet's own times.
time = register(
    Type(
        name="time",
        arrow=lambda: pa.string(),
        redshift="TIME",
        stage="VARCHAR(15)",
        load="CAST({} AS TIME)",
        max_bytes=15,
        convert=_time,
        text_form=_TIME_FORM,
        from_texts=_to_six_places,
        copy_form=_TIME_FORM,
        canonical=str,
        # Added to a day, because TO_CHAR takes no time. Both engines add a date and a time to an instant.
        canonical_sql=lambda x, _: f"TO_CHAR(DATE '2000-01-01' + {x}, 'HH24:MI:SS.US')",
        roles=frozenset({"key", "sortkey", "distkey"}),
        postgres={"time without time zone": "{x}"},
        postgres_unfit=lambda x: f"{x} = time '24:00'",
        suggested_for=SuggestedFor(
            arrow=lambda arrow: "time" if pa.types.is_time(arrow) else "",
            natives={dt.time: "time"},
        ),
        catalog_name="time without time zone",
        in_frames=lambda: pa.time64("us"),
        docs="a time of day, in microseconds",
    )
)
