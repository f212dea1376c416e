"""The format of `trades.json`: turns a trade into a MongoDB document, or rejects it with a reason.

Belongs here: the formats of the file (`{"data": [...]}`, an array, JSON lines; plain or Extended JSON), and of each value. Does not belong
here: inserting documents (`exchange_import`). The file is read through a window of bounded size, one trade at a time. After a broken trade,
reading continues with the next object that begins a line or follows `},`.
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

from stori_pipeline.local.samples.report import Refusal, Rejected, printable

MAX_TRADE = 1 << 20
"""The maximum length of a trade in characters. A usual trade has about 250."""

_BETWEEN = re.compile(r'[\s,]+|\]\s*\}?|\[|\{\s*"data"\s*:\s*\[|\ufeff')
_NEXT = re.compile(r"(?:\n\s*|\}\s*,\s*)(?=\{)")
_OBJECT_ID = re.compile(r"[0-9a-fA-F]{24}")
_INSTANT = re.compile(r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,6}))?(Z|[+-]\d{2}:?\d{2})", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_INT32 = 1 << 31
_INT64 = 1 << 63


@dataclass(frozen=True)
class Trade:
    """A trade of the file: the line on which it begins, and its document. The trade's id is the field `_id`; there is no field `id`."""

    line: int
    document: dict[str, Any]


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number of JSON")


# Fractions are parsed as decimals, because 110.07 has no exact double.
_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_constant)


class _Window:
    """A window on the text of the file, which always reaches MAX_TRADE characters ahead or to the end, and counts lines."""

    def __init__(self, file: BinaryIO) -> None:
        # Bytes that are not UTF-8 become lone surrogates, so that the error can name the trade and the field.
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
    """Each trade of the file, in order, as a Trade or a Rejected."""
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
                line, "", f"not JSON, or longer than {MAX_TRADE:,} characters: {reason}", printable(window.text[start : start + 300])
            )
            _skip(window)
            continue
        try:
            yield Trade(line, document(value))
        except Refusal as refusal:
            yield Rejected(line, refusal.column, refusal.reason, printable(window.text[start : min(end, start + 300)]))
        window.advance(end)
    if depth > 0:
        yield Rejected(window.line, "", "the file ends inside its array; it was cut off")


def _skip(window: _Window) -> None:
    """Advance to the possible beginning of the next object, or to the end."""
    first = window.position + 1
    while not (following := _NEXT.search(window.text, first)):
        # The last characters are kept, because a separator may reach beyond the window.
        end = max(first, len(window.text) - 64)
        if len(window.text) - window.position < MAX_TRADE:
            window.advance(len(window.text))
            return
        window.advance(end)
        first = window.position
    window.advance(following.end())


def document(trade: object) -> dict[str, Any]:
    """The MongoDB document of a trade of the file.

    Whole numbers become integers, a price with a fraction becomes a Decimal128, quotes become doubles, and `time.date` becomes a date.
    Unknown fields are kept.

    Raises:
        Refusal: a field is missing or invalid.
    """
    if not isinstance(trade, dict):
        raise Refusal("it is not an object")
    fields = {name: _plain(value, name) for name, value in trade.items()}
    own, outer = fields.pop("id", None), fields.pop("_id", None)
    document = {"_id": _object_id(outer if own is None else own), **fields}
    document["price"] = _number(_required(document, "price"), "price")
    shares = _required(document, "shares")
    if isinstance(shares, bool) or not isinstance(shares, int) or not -_INT32 <= shares < _INT32:
        raise Refusal(f"{printable(str(shares))!r} is not a whole number of 32 bits", "shares")
    for name in ("ticker", "ticket"):
        if not isinstance(document.get(name), (str, type(None))):
            raise Refusal(f"{printable(str(document[name]))!r} is not text", name)
    document["details"] = _details(_required(document, "details"))
    document["time"] = _time(_required(document, "time"))
    return {name: _stored(value, name) for name, value in document.items()}


def element(document: Mapping[str, Any]) -> dict[str, Any]:
    """The trade as an element of the array `data`, with its id in the field `id`."""
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
        raise Refusal("it is missing" if value is None else f"{printable(str(value))!r} is not an id of 24 hex digits", "id")
    return ObjectId(value)


def _number(value: object, column: str) -> int | Decimal128:
    """A whole number as an integer, any other number as a Decimal128 of at most 34 digits. A float counts by its shortest text."""
    if isinstance(value, float):
        value = Decimal(repr(value))
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise Refusal(f"{printable(str(value))!r} is not a number", column)
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
    """`{"date": …}`. In Extended JSON the value is `{"$date": …}`, which was turned into an instant before."""
    at = value if isinstance(value, datetime) else _required(value, "date", "time.") if isinstance(value, dict) else None
    if isinstance(at, str):
        at = _instant(at, "time.date")
    if not isinstance(at, datetime):
        raise Refusal("it is not an instant like 2012-03-03T07:03:00.000Z", "time.date")
    return {**value, "date": at} if isinstance(value, dict) else {"date": at}


def _instant(text: str, column: str) -> datetime:
    match = _INSTANT.fullmatch(text)
    if match is None:
        raise Refusal(f"{printable(text)!r} is not an instant like 2012-03-03T07:03:00.000Z", column)
    try:
        zone = "+00:00" if match[4] == "Z" else match[4] if ":" in match[4] else f"{match[4][:3]}:{match[4][3:]}"
        return datetime.fromisoformat(f"{match[1]}T{match[2]}.{(match[3] or '0').ljust(6, '0')}{zone}").astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise Refusal(f"{printable(text)!r} does not exist in the calendar", column) from None


def _plain(value: Any, path: str) -> Any:
    """A value with its Extended JSON resolved, at every depth.

    Raises:
        Refusal: BSON cannot hold a text or the name of a field.
    """
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
            raise Refusal(f"{printable(json.dumps(value, default=str))} is not Extended JSON", path) from None
    for name in value:
        if name.startswith("$") or "\0" in name:
            raise Refusal(f"{printable(name)!r} cannot be a field's name", path)
    return {_text(name, path): _plain(item, f"{path}.{name}") for name, item in value.items()}


def _text(value: str, path: str) -> str:
    if value.isascii() and "\0" not in value:
        return value
    if any("\udc80" <= character <= "\udcff" for character in value):
        raise Refusal("it is not UTF-8", path)
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise Refusal("it has half of a surrogate pair, which is not valid text", path)
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
    """A value as BSON stores it: the remaining fractions, of quotes and unknown fields, become doubles, as in MongoDB's own import."""
    if isinstance(value, list):
        return [_stored(item, path) for item in value]
    if isinstance(value, dict):
        return {name: _stored(item, f"{path}.{name}") for name, item in value.items()}
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        value = Decimal(value)
    if isinstance(value, Decimal):
        if not math.isfinite(double := float(value)):
            raise Refusal("the number is too large for a double", path)
        return double
    return value
