"""What becomes of one value: the verdict for every kind of value in every column type.

Belongs here: turning one value into what its column holds, exactly or not at all. Does not belong here: rows and batches
(the package above), or where a value came from (the readers).

A value is a Python native or a text in the form Postgres writes it. It is kept only if nothing of it is lost; the one
exception is `double`, whose values are approximations to begin with. `docs/types.md` lists the verdicts, and a test holds
that page to this code.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import ROUND_HALF_EVEN, Context, Decimal, Inexact, InvalidOperation
from typing import Any
from uuid import UUID

from stori_pipeline import model
from stori_pipeline.model.row_checksum import json_text
from stori_pipeline.model.types import Type

CODES = {
    "missing": "a column that may not be null is null",
    "key_missing": "a key column is null, so the row cannot be told from others",
    "type": "the value is of another kind than the column",
    "range": "the value lies outside what the column holds",
    "scale": "the value has more places behind the point than the column keeps",
    "not_finite": "NaN or an infinity, for which the column has no value",
    "too_long": "the text or document is longer than the column, in bytes of UTF-8",
    "nul": "the text has a NUL character, which neither Postgres nor Redshift can hold",
    "unicode": "the text is not valid Unicode: half of a surrogate pair, or bytes that are not UTF-8",
    "bad_date": "the text is not a date or an instant, or a date would lose its time of day",
    "bad_json": "the text is not JSON",
    "too_deep": "the document is nested deeper than is taken",
    "document": "what was read is not a row at all",
    "file": "a whole file is broken, cut off, or not what its name says",
    "day": "a day is missing from a source that knows later ones",
    "implausible": "the number cannot be true: not above zero where it must be, or tenfold off what it was before",
    "delete_unresolved": "a document went, and the source no longer says which rows it held",
}
"""The stable codes of quarantine, each with its meaning."""

MAX_DEPTH = 200
"""How deep a document may be nested. Redshift takes 1000 levels, MongoDB 100; Python's own stack, which parses and writes them,
lies between, and a limit that moved with the caller's depth would be none."""

MAX_DOUBLE = 1e28
"""Doubles are compared with the source as DECIMAL(38,10), which ends here."""


VAST_BITS = 4_096
"""Integers of more bits fit nowhere, and Python itself refuses to write those of more than some 14,000 bits in decimal."""


@dataclass(frozen=True)
class Misfit:
    """Why a value does not fit: a code of `CODES`, and the reason in words. A reader that finds out by itself puts one in
    the value's place."""

    code: str
    reason: str


class MisfitError(ValueError):
    """Raised by a conversion; carries the Misfit."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.misfit = Misfit(code, reason)


def _shown(value: object) -> str:
    """The value as it stands in a reason: its beginning will do, quarantine keeps all of it beside the reason."""
    if isinstance(value, int) and value.bit_length() > VAST_BITS:
        return f"a number of {value.bit_length()} bits"
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _wrong_type(value: object, kind: Type) -> MisfitError:
    return MisfitError("type", f"{_shown(value)} ({type(value).__name__}) is not a {kind}")


_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,5})?", re.ASCII)
_NOT_FINITE = {"nan", "inf", "-inf", "+inf", "infinity", "-infinity", "+infinity"}


def _number(value: object, kind: Type) -> int | Decimal:
    """The exact number that an int, Decimal, float or text stands for; a float stands for its shortest decimal form."""
    if isinstance(value, bool):
        raise _wrong_type(value, kind)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        exact = Decimal(repr(float(value)))
    elif isinstance(value, Decimal):
        exact = value
    elif isinstance(value, str):
        if value.lower() in _NOT_FINITE:
            raise MisfitError("not_finite", f"{value} has no place in a {kind}")
        if not _NUMBER.fullmatch(value):
            raise _wrong_type(value, kind)
        exact = Decimal(value)
    else:
        raise _wrong_type(value, kind)
    if not exact.is_finite():
        raise MisfitError("not_finite", f"{value} has no place in a {kind}")
    return exact


def _integer(kind: Type) -> Callable[[Any], int]:
    bits = kind.arrow.bit_width
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1

    def convert(value: object) -> int:
        number = _number(value, kind)
        # The size comes first: making an int of 1E+6000 would take its digits one by one.
        if isinstance(number, Decimal) and number and number.adjusted() > 19:
            raise MisfitError("range", f"{_shown(value)} is outside {low} to {high}")
        if number != (whole := int(number)):
            raise MisfitError("scale", f"{_shown(value)} is not a whole number")
        if not low <= whole <= high:
            raise MisfitError("range", f"{_shown(value)} is outside {low} to {high}")
        return whole

    return convert


def _decimal(kind: Type) -> Callable[[Any], Decimal]:
    precision, scale = kind.arrow.precision, kind.arrow.scale
    step = Decimal(1).scaleb(-scale)
    exactly = Context(prec=80, rounding=ROUND_HALF_EVEN, traps=[Inexact, InvalidOperation])

    def convert(value: object) -> Decimal:
        number = _number(value, kind)
        if isinstance(number, int) and number.bit_length() > 128:
            raise MisfitError("range", f"{_shown(value)} has more than {precision - scale} digits before the point")
        exact = Decimal(number)
        if exact and exact.adjusted() >= precision - scale:
            raise MisfitError("range", f"{_shown(value)} has more than {precision - scale} digits before the point")
        try:
            return exact.quantize(step, context=exactly)
        except Inexact:
            raise MisfitError("scale", f"{_shown(value)} has more than {scale} places behind the point") from None

    return convert


def _double(value: object) -> float:
    kind = model.double
    if isinstance(value, str) and value.lower() not in _NOT_FINITE and not _NUMBER.fullmatch(value):
        raise _wrong_type(value, kind)
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal, str)):
        raise _wrong_type(value, kind)
    try:
        number = float(value)
    except (OverflowError, ValueError):  # an int beyond any double; a signalling NaN
        number = math.nan if isinstance(value, Decimal) else math.inf
    if math.isnan(number) or (math.isinf(number) and (isinstance(value, float) or str(value).lower() in _NOT_FINITE)):
        raise MisfitError("not_finite", f"{value} has no place in a {kind}")
    if abs(number) >= MAX_DOUBLE:
        raise MisfitError("range", f"{_shown(value)} is beyond {MAX_DOUBLE:g}, where doubles can no longer be compared with the source")
    return number


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value in ("t", "true", "f", "false"):
        return value in ("t", "true")
    raise _wrong_type(value, model.boolean)


# A day, optionally a time, a zone and an era, as Postgres writes them; also ISO 8601 with T and Z.
_INSTANT = re.compile(
    r"(\d{4,7})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?)?\s?(Z|[+-]\d\d(?::?\d\d(?::?\d\d)?)?)?( BC)?", re.ASCII
)


def _offset(zone: str) -> timedelta:
    digits = zone[1:].replace(":", "").ljust(6, "0")
    size = timedelta(hours=int(digits[:2]), minutes=int(digits[2:4]), seconds=int(digits[4:6]))
    return -size if zone[0] == "-" else size


def _parsed_instant(text: str, kind: Type) -> datetime:
    if text in ("infinity", "-infinity"):
        raise MisfitError("not_finite", f"{text} has no place in a {kind}")
    match = _INSTANT.fullmatch(text)
    if match is None:
        raise MisfitError("bad_date", f"{_shown(text)} is not a {kind}")
    year, month, day, hour, minute, second, fraction, zone, era = match.groups()
    if era or len(year) > 4 or year == "0000":
        raise MisfitError("range", f"{text} is outside the years 1 to 9999")
    if fraction and fraction[6:].strip("0"):
        raise MisfitError("scale", f"{text} is finer than a microsecond")
    micros = int((fraction or "0")[:6].ljust(6, "0"))
    try:
        local = datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), micros, tzinfo=timezone.utc)
    except ValueError as error:
        raise MisfitError("bad_date", f"{text}: {error}") from None
    try:
        return local if zone in (None, "Z") else local - _offset(zone)
    except OverflowError:
        raise MisfitError("range", f"{text} is outside the years 1 to 9999 in UTC") from None


def _timestamptz(value: object) -> datetime:
    if isinstance(value, str):
        return _parsed_instant(value, model.timestamptz)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            return value.replace(tzinfo=timezone.utc)
        try:
            return value.astimezone(timezone.utc)
        except OverflowError:
            raise MisfitError("range", f"{value} is outside the years 1 to 9999 in UTC") from None
    if isinstance(value, date):
        return datetime.combine(value, time(), tzinfo=timezone.utc)
    raise _wrong_type(value, model.timestamptz)


def _date(value: object) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if not isinstance(value, (str, datetime)):
        raise _wrong_type(value, model.date)
    instant = _parsed_instant(value, model.date) if isinstance(value, str) else _timestamptz(value)
    if instant.time() != time():
        raise MisfitError("bad_date", f"{value} has a time of day in UTC, which a date would lose")
    return instant.date()


_TIME = re.compile(r"(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?", re.ASCII)


def _time(value: object) -> str:
    """A time of day, with six places behind the point of its seconds."""
    if isinstance(value, time) and value.tzinfo is None:
        return value.isoformat("microseconds")
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise _wrong_type(value, model.time)
    hour, minute, second, fraction = match.groups()
    if fraction and fraction[6:].strip("0"):
        raise MisfitError("scale", f"{value} is finer than a microsecond")
    try:
        whole = time(int(hour), int(minute), int(second or 0), int((fraction or "0")[:6].ljust(6, "0")))
    except ValueError as error:
        raise MisfitError("range", f"{value}: {error}") from None
    return whole.isoformat("microseconds")


def _varchar(kind: Type) -> Callable[[Any], str]:
    def convert(value: object) -> str:
        text = _as_text(value, kind)
        if "\0" in text:
            raise MisfitError("nul", f"{_shown(text)} has a NUL character")
        try:
            length = len(text.encode())
        except UnicodeEncodeError as error:
            raise MisfitError("unicode", f"{_shown(text)} is not valid Unicode: {error.reason}") from None
        if kind.max_bytes is not None and length > kind.max_bytes:
            raise MisfitError("too_long", f"{length} bytes, where {kind} holds {kind.max_bytes}")
        return text

    return convert


def _as_text(value: object, kind: Type) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if value.bit_length() <= VAST_BITS else hex(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() and abs(value.adjusted()) < 100 else str(value)
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, (dict, list, tuple)):
        return _document_text(value)
    raise _wrong_type(value, kind)


# --- documents -------------------------------------------------------------------------------------------------------


def _refuse_deep(value: object) -> None:
    """Walks level by level: a document nested ten thousand times must not exhaust Python's own stack."""
    level, depth = [value], 0
    while level := [inner for inner in level if isinstance(inner, (dict, list, tuple))]:
        depth += 1
        if depth > MAX_DEPTH:
            raise MisfitError("too_deep", f"the document is nested deeper than {MAX_DEPTH} levels")
        level = [inner for outer in level for inner in (outer.values() if isinstance(outer, dict) else outer)]


def _scalar(value: object) -> object:
    """A value inside a document as JSON knows it: instants, days, UUIDs and bytes (base64) become texts."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise MisfitError("not_finite", f"the document holds {value}, which JSON does not know")
        return value
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise MisfitError("not_finite", f"the document holds {value}, which JSON does not know")
        if abs(value.adjusted()) > 400:
            raise MisfitError("range", f"the document holds {value}, larger or smaller than any double")
        return value
    if isinstance(value, int) and value.bit_length() > VAST_BITS:
        raise MisfitError("range", f"the document holds {_shown(value)}")
    if isinstance(value, (str, int, type(None))):
        return value
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode()
    if isinstance(value, Misfit):
        raise MisfitError(value.code, f"the document holds a value that does not fit: {value.reason}")
    raise MisfitError("type", f"the document holds {_shown(value)} ({type(value).__name__}), which JSON does not know")


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return _scalar(value)


_QUICK = {int, float, bool, type(None)}
_compact = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def _document_text(value: object) -> str:
    """The JSON text of a document. An array of plain numbers, by far the most frequent, takes a short way to the same text."""
    if isinstance(value, list) and set(map(type, value)) <= _QUICK:
        try:
            text = _compact(value)
        except ValueError:
            text = "e"
        if "e" not in text:  # an exponent, the words true and false, and what JSON does not know: those go the long way
            return text
    _refuse_deep(value)
    try:
        return json_text(_plain(value))
    except RecursionError:
        raise MisfitError("too_deep", "the document is nested too deeply to be written") from None


def _refused_constant(name: str) -> None:
    raise MisfitError("not_finite", f"the document holds {name}, which JSON does not know")


def _parsed_document(text: str) -> object:
    try:
        # Numbers keep every digit: 1.10 stays 1.10.
        return json.loads(text, parse_float=Decimal, parse_constant=_refused_constant)
    except MisfitError:
        raise
    except RecursionError:
        raise MisfitError("too_deep", "the document is nested too deeply to be read") from None
    except ValueError as error:
        raise MisfitError("bad_json", f"{_shown(text)} is not JSON: {error}") from None


def _super(value: object) -> bytes | None:
    """JSON in UTF-8, in the one form of `digest.json_text`. A str or bytes is JSON text itself, not a JSON string."""
    kind = model.super_
    if isinstance(value, (bytes, bytearray, memoryview)):
        try:
            value = bytes(value).decode()
        except UnicodeDecodeError as error:
            raise MisfitError("unicode", f"the document is not UTF-8: {error.reason} at byte {error.start}") from None
    text = _document_text(_parsed_document(value) if isinstance(value, str) else value)
    if text == "null":
        return None
    # JSON writes NUL as an escape; a backslash before it may itself be escaped, so the suspicion is checked on the values.
    if "\\u0000" in text and "\0" in "".join(_strings(json.loads(text))):
        raise MisfitError("nul", "the document has a NUL character in a text")
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        raise MisfitError("unicode", f"the document is not valid Unicode: {error.reason}") from None
    if kind.max_bytes is not None and len(data) > kind.max_bytes:
        raise MisfitError("too_long", f"{len(data)} bytes of JSON, where {kind} holds {kind.max_bytes}")
    return data


def _strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [*value, *(text for inner in value.values() for text in _strings(inner))]
    return [text for inner in value for text in _strings(inner)] if isinstance(value, list) else []


_CONVERSIONS: dict[Type, Callable[[Any], Any]] = {
    model.bigint: _integer(model.bigint),
    model.integer: _integer(model.integer),
    model.smallint: _integer(model.smallint),
    model.boolean: _boolean,
    model.date: _date,
    model.timestamptz: _timestamptz,
    model.double: _double,
    model.time: _time,
    model.super_: _super,
}


def conversion(kind: Type) -> Callable[[Any], Any]:
    """The function that turns one value (never None) into what a column of this type holds, or raises MisfitError."""
    if (known := _CONVERSIONS.get(kind)) is not None:
        return known
    return _decimal(kind) if kind.name.startswith("decimal") else _varchar(kind)
