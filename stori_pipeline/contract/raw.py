"""The form in which a rejected row is kept: the row as it was read, in JSON, and back.

Belongs here: writing it, and reading it again where it is a mapping of the definition's columns. Does not belong here: a form of a kind's
own (`readers.ReadsQuarantine`), or which rows are rejected (`rows`).
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from stori_pipeline.model.types.misfit import CODES, VAST_BITS, Misfit

RAW_CHARACTERS = 32_000_000
"""The largest number of characters for which `raw` holds the whole row: twice the size of the largest MongoDB document. Of a larger row it
holds the beginning of each value, and `SHORTENED`."""

SHORTENED = "$shortened"
"""The member that says that a row was too large, so that it cannot be read again. Whoever restores its values removes it."""

_MOST_DIGITS = 400
"""Decimal numbers with more digits on either side of the point become texts."""

_BYTES = "$base64"
"""The member that stands for bytes as the value of a column, which as a text would be another value."""

_MISFIT, _REASON = "$misfit", "$reason"
"""The members that stand for a value that its reader could not pass on. Whoever edits the row puts a value in their place."""


def raw_of(row: Mapping[str, object]) -> str:
    """The row as its reader has it (`_raw`), else by the columns of its definition."""
    raw = row.get("_raw")
    if raw is None:
        return raw_text({name: {_BYTES: _base64(value)} if isinstance(value, bytes) else value for name, value in row.items()})
    return str(raw() if callable(raw) else raw)


def raw_text(value: object) -> str:
    """A row as it was read, in JSON, with every digit. Numbers that JSON cannot hold, instants and bytes (base64) become texts."""
    try:
        text = _raw_text(value)
    except RecursionError:
        text = json.dumps(f"a {type(value).__name__} nested too deeply to be written")
    return text


def parsed_raw(raw: str) -> Any:
    """The value of a text of `raw`, with exact numbers; None if it is no JSON, as an edited one may be, or too large to be kept whole."""
    try:
        value = json.loads(raw, parse_float=Decimal)
    except (ValueError, RecursionError):
        return None
    return None if isinstance(value, dict) and SHORTENED in value else value


def row_of_raw(raw: str) -> dict[str, object] | None:
    """The row of a text that `raw_text` wrote of the definition's columns; None if it is none."""
    value = parsed_raw(raw)
    if not isinstance(value, dict):
        return None
    return {name: _value(each) for name, each in value.items()}


def _value(value: object) -> object:
    if isinstance(value, dict) and value.get(_MISFIT) in CODES:
        return Misfit(str(value[_MISFIT]), str(value.get(_REASON, "")))
    if isinstance(value, dict) and value.keys() == {_BYTES}:
        return base64.b64decode(str(value[_BYTES]))
    return value


def _raw_text(value: object) -> str:
    text = _json(value)
    if len(text) > RAW_CHARACTERS:
        shortened = _shortened(value)
        text = _json(shortened | {SHORTENED: True} if isinstance(shortened, dict) else shortened)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which an escape can express
        text = "".join(each if not "\ud800" <= each <= "\udfff" else f"\\u{ord(each):04x}" for each in text)
    return text


def _shortened(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(name): _shortened(inner) for name, inner in value.items()}
    text = value if isinstance(value, str) else _json(value)
    return text if len(text) <= 1000 else f"{text[:1000]}… ({len(text)} characters)"


def _json(value: object) -> str:
    """JSON with every digit of decimal numbers, which `json` has no way to write, and members in their own order."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(str(name), ensure_ascii=False)}: {_json(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_json, value)) + "]"
    if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) < _MOST_DIGITS:
        return format(value, "f")
    if isinstance(value, Misfit):
        return _json({_MISFIT: value.code, _REASON: value.reason})
    return json.dumps(_scalar(value), ensure_ascii=False)


def _scalar(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    if isinstance(value, int) and value.bit_length() > VAST_BITS:
        return hex(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _base64(value)
    return str(value)


def _base64(value: bytes | bytearray | memoryview) -> str:
    return base64.b64encode(value).decode()
