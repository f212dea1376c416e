"""Values in the binary format of COPY, written as Postgres writes them in its text format with the settings of `session`.

Belongs here: the text of single values. Does not belong here: rows (`copy_binary`), or what a text means (`copy_text`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

_EPOCH_DAYS = 10_957
"""From 1970, where days count from in Arrow, to 2000, where they do in Postgres."""

_DAY_MICROS = 86_400_000_000

_MINUS_INFINITY, _INFINITY = b"-infinity", b"infinity"


def _integer(value: bytes) -> bytes:
    return b"%d" % int.from_bytes(value, "big", signed=True)


def _boolean(value: bytes) -> bytes:
    return b"t" if value == b"\x01" else b"f"


def _day(days: int) -> tuple[bytes, bytes]:
    """A day since 1970 in the Gregorian calendar, and its era, for any year; Python's `date` has the years 1 to 9999 only."""
    # The years begin in March here, so that a leap day ends one.
    era, of_era = divmod(days + 719_468, 146_097)
    year_of_era = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_from_march = (5 * of_year + 2) // 153
    day = of_year - (153 * month_from_march + 2) // 5 + 1
    month = month_from_march + 3 if month_from_march < 10 else month_from_march - 9
    year = year_of_era + era * 400 + (month <= 2)
    # There is no year 0: the year before 1 is 1 BC.
    return b"%04d-%02d-%02d" % (year if year > 0 else 1 - year, month, day), b"" if year > 0 else b" BC"


def _date(value: bytes) -> bytes:
    days = int.from_bytes(value, "big", signed=True)
    if days == 2**31 - 1:
        return _INFINITY
    if days == -(2**31):
        return _MINUS_INFINITY
    return b"".join(_day(days + _EPOCH_DAYS))


def _timestamptz(value: bytes) -> bytes:
    micros = int.from_bytes(value, "big", signed=True)
    if micros == 2**63 - 1:
        return _INFINITY
    if micros == -(2**63):
        return _MINUS_INFINITY
    days, rest = divmod(micros, _DAY_MICROS)
    day, era = _day(days + _EPOCH_DAYS)
    seconds, fraction = divmod(rest, 1_000_000)
    text = b"%s %02d:%02d:%02d" % (day, seconds // 3600, seconds // 60 % 60, seconds % 60)
    if fraction:
        text += (b".%06d" % fraction).rstrip(b"0")
    return text + b"+00" + era


_NOT_FINITE = {0xC000: b"NaN", 0xD000: b"Infinity", 0xF000: b"-Infinity"}


def _numeric(value: bytes) -> bytes:
    """Digits in base 10,000, the first of which counts 10,000 to the power of `weight`."""
    count, sign, places = (int.from_bytes(value[at : at + 2], "big") for at in (0, 4, 6))
    weight = int.from_bytes(value[2:4], "big", signed=True)
    if sign in _NOT_FINITE:
        return _NOT_FINITE[sign]
    digits = [int.from_bytes(value[8 + 2 * i : 10 + 2 * i], "big") for i in range(count)]

    def digit(power: int) -> int:
        index = weight - power
        return digits[index] if 0 <= index < count else 0

    whole = "".join(f"{digit(power):04d}" for power in range(weight, -1, -1)).lstrip("0") or "0"
    behind = "".join(f"{digit(-1 - i):04d}" for i in range((places + 3) // 4))[:places]
    return f"{'-' if sign else ''}{whole}{'.' if places else ''}{behind}".encode()


_ESCAPES = {b"\\": b"\\\\", b"\n": b"\\n", b"\r": b"\\r", b"\t": b"\\t", b"\b": b"\\b", b"\f": b"\\f", b"\v": b"\\v"}
_SPECIAL = re.compile(rb"[\\\n\r\t\b\f\v]")


def _text(value: bytes) -> bytes:
    return _SPECIAL.sub(lambda match: _ESCAPES[match[0]], value)


RENDERED: Mapping[str, Callable[[bytes], bytes]] = {
    "l": _integer,
    "i": _integer,
    "s": _integer,
    "n": _numeric,
    "b": _boolean,
    "D": _date,
    "T": _timestamptz,
    "t": _text,
}
"""The text of a value in COPY's text format, by the decoder's letter for its column."""
