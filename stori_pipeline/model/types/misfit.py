"""Why a value does not fit its column: the stable codes of quarantine, and the error that carries one.

Belongs here: codes and reasons. Does not belong here: which values fit (each type says that), or rows (`contract`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stori_pipeline.model.types.type import Type

CODES = {
    "missing": "a column that may not be null is null",
    "key_missing": "a key column is null, so the row cannot be told from others",
    "type": "the value is of another kind than the column",
    "range": "the value lies outside what the column holds",
    "scale": "the value has more places behind the point than the column keeps",
    "not_finite": "NaN or an infinity, for which the column has no value",
    "too_long": "the text or document is longer than the column, in bytes of UTF-8",
    "nul": "the text has a NUL character, which neither Postgres nor Redshift can hold",
    "unicode": "the text is not valid Unicode: half of a surrogate pair, or bytes that stand for no character",
    "bad_date": "the text is not a date or an instant, or a date would lose its time of day",
    "bad_json": "the text is not JSON",
    "too_deep": "the document is nested deeper than is taken",
    "ambiguous": "the row, or its key, can be read in two ways, and each would give another value",
    "document": "what was read is not a row at all",
    "file": "a whole file is broken, cut off, empty, or not what its name says",
    "line": "a line of a file cannot be read, although the lines around it can",
    "day": "a day is missing from a source that knows later ones, or its answer has no rows where each day has some",
    "implausible": "the number cannot be true: not above zero where it must be, or too far from the last plausible one",
    "delete_unresolved": "a document went, and the source no longer says which rows it held",
}
"""The stable codes of quarantine, each with its meaning."""

VAST_BITS = 4_096
"""Integers with more bits fit no type. Python refuses to write integers of more than about 14,000 bits in decimal."""


@dataclass(frozen=True)
class Misfit:
    """Why a value does not fit: a code of `CODES`, and the reason. A reader that finds a misfit puts one in place of the value."""

    code: str
    reason: str


class MisfitError(ValueError):
    """Raised by a conversion; carries the Misfit."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.misfit = Misfit(code, reason)


def shown(value: object) -> str:
    """The value in a reason: its beginning, because quarantine keeps the whole value beside the reason."""
    if isinstance(value, int) and value.bit_length() > VAST_BITS:
        return f"a number of {value.bit_length()} bits"
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def wrong_type(value: object, kind: Type | str) -> MisfitError:
    return MisfitError("type", f"{shown(value)} ({type(value).__name__}) is not a {kind}")
