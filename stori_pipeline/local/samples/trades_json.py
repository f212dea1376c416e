"""The format of `trades.json`: a trade of the file into a MongoDB document, or the reason why not.

Belongs here: the shapes the file may have (`{"data": [...]}`, a plain array, JSON lines; plain JSON or Extended JSON) and what
each value becomes. Does not belong here: where documents go (`exchange_import`).

The file is read through a window of bounded size, a trade at a time. A trade that is broken is refused and reading goes on
with the next object that begins on a line of its own or after `},`.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, BinaryIO

from bson import Decimal128, ObjectId

from stori_pipeline.local.samples.report import Rejected, shown

MAX_TRADE = 1 << 20
"""Characters. A trade has some 250; what is longer than this is not a trade."""

_BETWEEN = re.compile(r'[\s,]+|\]\s*\}?|\[|\{\s*"data"\s*:\s*\[|\ufeff')
_NEXT = re.compile(r"(?:\n\s*|\}\s*,\s*)(?=\{)")
_OBJECT_ID = re.compile(r"[0-9a-fA-F]{24}")
_INSTANT = re.compile(r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,6}))?(Z|[+-]\d{2}:?\d{2})", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_INT32 = 1 << 31
_INT64 = 1 << 63


class Refusal(ValueError):
    """Why a trade is not taken; `column` is the path of the field at fault."""

    def __init__(self, reason: str, column: str = "") -> None:
        super().__init__(reason)
        self.reason, self.column = reason, column


@dataclass(frozen=True)
class Trade:
    """A trade of the file: the line it begins on and its document, `_id` being the trade's id and there being no field `id`."""

    line: int
    document: dict[str, Any]


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number of JSON")


# Fractions stay decimal: 110.07 has no exact double.
_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_constant)


class _Window:
    """The file's text as a window that always reaches MAX_TRADE characters ahead, or to the end. Knows the line it is at."""

    def __init__(self, file: BinaryIO) -> None:
        # Undecodable bytes survive as lone surrogates, so that the trade and the field they stand in can be named.
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self.text, self.position, self.line, self._ended = "", 0, 1, False
        self._fill()

    def _fill(self) -> None:
        while not self._ended and len(self.text) - self.position < MAX_TRADE:
            piece = self._file.read(MAX_TRADE)
            self._ended = not piece
            self.text, self.position = self.text[self.position :] + self._decoder.decode(piece, self._ended), 0

    def advance(self, position: int) -> None:
        self.line += self.text.count("\n", self.position, position)
        self.position = position
        self._fill()

    @property
    def at_end(self) -> bool:
        return self.position >= len(self.text)


def read_trades(file: BinaryIO) -> Iterator[Trade | Rejected]:
    """Each trade of the file, in order, as a Trade, or as a Rejected with the line it begins on."""
    window = _Window(file)
    depth = 0
    while not window.at_end:
        if between := _BETWEEN.match(window.text, window.position):
            depth += between[0].endswith("[")
            depth -= between[0].startswith("]")
            window.advance(between.end())
            continue
        line, start = window.line, window.position
        try:
            value, end = _DECODER.raw_decode(window.text, start)
        except (ValueError, RecursionError) as error:
            reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            yield Rejected(
                line, "", f"not JSON, or longer than {MAX_TRADE:,} characters: {reason}", shown(window.text[start : start + 300])
            )
            _skip(window)
            continue
        try:
            yield Trade(line, document(value))
        except Refusal as refusal:
            yield Rejected(line, refusal.column, refusal.reason, shown(window.text[start : min(end, start + 300)]))
        window.advance(end)
    if depth > 0:
        yield Rejected(window.line, "", "the file ends inside its array: it was cut off")


def _skip(window: _Window) -> None:
    """Go on to where the next object may begin, or to the end."""
    first = window.position + 1
    while not (following := _NEXT.search(window.text, first)):
        # The last characters stay: the mark between two objects may reach beyond the window.
        end = max(first, len(window.text) - 64)
        if len(window.text) - window.position < MAX_TRADE:
            window.advance(len(window.text))
            return
        window.advance(end)
        first = window.position
    window.advance(following.end())


def document(trade: object) -> dict[str, Any]:
    """The MongoDB document of a trade as the file has it.

    Whole numbers become integers, a price with a fraction a Decimal128, quotes doubles, `time.date` a date. Fields that are not
    known stay as they are.

    Raises:
        Refusal: a field is missing or is not what it should be.
    """
    if not isinstance(trade, dict):
        raise Refusal("it is not an object")
    fields = {name: _plain(value, name) for name, value in trade.items()}
    own, outer = fields.pop("id", None), fields.pop("_id", None)
    document = {"_id": _object_id(outer if own is None else own), **fields}
    document["price"] = _number(_required(document, "price"), "price")
    shares = _required(document, "shares")
    if isinstance(shares, bool) or not isinstance(shares, int) or not -_INT32 <= shares < _INT32:
        raise Refusal(f"{shown(str(shares))!r} is not a whole number of 32 bits", "shares")
    for name in ("ticker", "ticket"):
        if not isinstance(document.get(name), (str, type(None))):
            raise Refusal(f"{shown(str(document[name]))!r} is not text", name)
    document["details"] = _details(_required(document, "details"))
    document["time"] = _time(_required(document, "time"))
    return {name: _stored(value, name) for name, value in document.items()}


def element(document: Mapping[str, Any]) -> dict[str, Any]:
    """The same trade as an element of a `data` array, where its id is a field."""
    rest = dict(document)
    return {"id": str(rest.pop("_id")), **rest}


def _required(fields: Mapping[str, Any], name: str, parent: str = "") -> Any:
    if fields.get(name) is None:
        raise Refusal("it is missing", parent + name)
    return fields[name]


def _object_id(value: object) -> ObjectId:
    if isinstance(value, ObjectId):
        return value
    if not isinstance(value, str) or not _OBJECT_ID.fullmatch(value):
        raise Refusal("it is missing" if value is None else f"{shown(str(value))!r} is not an id of 24 hex digits", "id")
    return ObjectId(value)


def _number(value: object, column: str) -> int | Decimal128:
    """Whole numbers as integers; others as Decimal128, whose 34 digits must be enough. A float counts as it is written."""
    if isinstance(value, float):
        value = Decimal(repr(value))
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise Refusal(f"{shown(str(value))!r} is not a number", column)
    if isinstance(value, Decimal):
        if not value.is_finite() or len(value.as_tuple().digits) > 34 or not -6_000 < value.adjusted() < 6_000:
            raise Refusal("it is not a number of at most 34 digits", column)
        if abs(value) >= _INT64 or value != value.to_integral_value():
            return Decimal128(value)
    if not -_INT64 <= value < _INT64:
        raise Refusal("it is not a whole number of 64 bits", column)
    return int(value)


def _details(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Refusal("it is not an object", "details")
    for side in ("asks", "bids"):
        quotes = _required(value, side, "details.")
        if not isinstance(quotes, list) or any(isinstance(q, bool) or not isinstance(q, (int, float, Decimal)) for q in quotes):
            raise Refusal("it is not an array of numbers", f"details.{side}")
    return value


def _time(value: object) -> dict[str, Any]:
    """`{"date": …}`; in Extended JSON the instant stands there itself, so `{"$date": …}` has become one already."""
    at = value if isinstance(value, datetime) else _required(value, "date", "time.") if isinstance(value, dict) else None
    if isinstance(at, str):
        at = _instant(at, "time.date")
    if not isinstance(at, datetime):
        raise Refusal("it is not an instant like 2012-03-03T07:03:00.000Z", "time.date")
    return {**value, "date": at} if isinstance(value, dict) else {"date": at}


def _instant(text: str, column: str) -> datetime:
    match = _INSTANT.fullmatch(text)
    if match is None:
        raise Refusal(f"{shown(text)!r} is not an instant like 2012-03-03T07:03:00.000Z", column)
    try:
        zone = "+00:00" if match[4] == "Z" else match[4] if ":" in match[4] else f"{match[4][:3]}:{match[4][3:]}"
        return datetime.fromisoformat(f"{match[1]}T{match[2]}.{(match[3] or '0').ljust(6, '0')}{zone}").astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise Refusal(f"{shown(text)!r} is not an instant of the calendar", column) from None


def _plain(value: Any, path: str) -> Any:
    """Extended JSON resolved, all through a value; text and field names that BSON cannot hold refused."""
    if isinstance(value, str):
        return _text(value, path)
    if isinstance(value, list):
        return [_plain(item, path) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1 and (name := next(iter(value))) in _EXTENDED:
        try:
            return _EXTENDED[name](value[name])
        except (ValueError, TypeError, ArithmeticError):
            raise Refusal(f"{shown(json.dumps(value, default=str))} is not Extended JSON", path) from None
    for name in value:
        if name.startswith("$") or "\0" in name:
            raise Refusal(f"{shown(name)!r} cannot be a field's name", path)
    return {_text(name, path): _plain(item, f"{path}.{name}") for name, item in value.items()}


def _text(value: str, path: str) -> str:
    if value.isascii() and "\0" not in value:
        return value
    if any("\udc80" <= character <= "\udcff" for character in value):
        raise Refusal("it is not UTF-8", path)
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise Refusal("it has half of a surrogate pair, which is no text", path)
    if "\0" in value:
        raise Refusal("it contains a NUL", path)
    return value


def _extended_date(value: object) -> datetime:
    if isinstance(value, dict):
        value = int(value["$numberLong"]) if set(value) == {"$numberLong"} else None
    if isinstance(value, str):
        return _instant(value, "")
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(value)
    return _EPOCH + timedelta(milliseconds=value)


_EXTENDED: dict[str, Any] = {
    "$oid": _object_id,
    "$date": _extended_date,
    "$numberInt": lambda value: int(str(value)),
    "$numberLong": lambda value: int(str(value)),
    "$numberDouble": lambda value: Decimal(str(value)),
    "$numberDecimal": lambda value: Decimal(str(value)),
}


def _stored(value: Any, path: str) -> Any:
    """As BSON has it: fractions that are left (quotes, and fields that are not known) become doubles, as MongoDB's own import does."""
    if isinstance(value, list):
        return [_stored(item, path) for item in value]
    if isinstance(value, dict):
        return {name: _stored(item, f"{path}.{name}") for name, item in value.items()}
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        value = Decimal(value)
    if isinstance(value, Decimal):
        if not math.isfinite(double := float(value)):
            raise Refusal("it is a number beyond any double", path)
        return double
    return value
