"""The rows of a JSON file as a stream: an array, an object per line, or an object whose `data` holds the array.

Belongs here: finding the end of each row without having the whole text in memory. Does not belong here: the columns of a row (`formats`).
"""

# All three are one grammar: a file is a sequence of values with white space between them. The rows of an array are its elements, the rows
# of an object whose `data` is an array are the elements of that array, and any other value is a row of at most `LONGEST` characters.

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import IO, Any

LONGEST = 32_000_000
"""The largest number of characters in a row. A file with a longer one is refused."""

_PIECE = 1 << 20
_SPACE = re.compile(r"[ \t\r\n]*")
_DATA = re.compile(r'\{[ \t\r\n]*"data"[ \t\r\n]*:[ \t\r\n]*\[')
_LARGEST_EXPONENT = 400


class NotJson(ValueError):
    """The text is not JSON, or ends in the middle of it. The message says where."""


def _number(text: str) -> Decimal:
    number = Decimal(text)
    if abs(number.adjusted()) > _LARGEST_EXPONENT:
        # Written out, it may take gigabytes of digits.
        raise NotJson(f"the number {text[:40]} is larger or smaller than any double")
    return number


_DECODER = json.JSONDecoder(parse_float=_number)


class _Text:
    """The text from the current place on, of which a part is in memory."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._held, self._at, self._passed = "", 0, 0
        self._ended = False

    def _more(self) -> bool:
        if self._ended:
            return False
        piece = self._file.read(max(_PIECE, len(self._held) - self._at))  # doubles, so a long row is decoded few times
        self._ended = not piece
        self._passed += self._at
        self._held, self._at = self._held[self._at :] + piece, 0
        return not self._ended

    def peek(self) -> str:
        """The next character that is not white space; "" at the end."""
        while True:
            self._at = _SPACE.match(self._held, self._at).end()  # type: ignore[union-attr]  # it matches nothing, too
            if self._at < len(self._held):
                return self._held[self._at]
            if not self._more():
                return ""

    def take(self, expected: str) -> None:
        character = self.peek()
        if character != expected:
            raise self.broken(f"{character or 'the end'}, expected {expected}")
        self._at += 1

    def opens_data(self) -> bool:
        """Whether an object whose first member is the array `data` begins here. If so, moves into that array."""
        while len(self._held) - self._at < 200 and self._more():
            pass
        match = _DATA.match(self._held, self._at)
        if match:
            self._at = match.end()
        return match is not None

    def value(self) -> Any:
        while True:
            self.peek()
            try:
                value, end = _DECODER.raw_decode(self._held, self._at)
            except NotJson:
                raise
            except RecursionError:
                raise self.broken("a value nested too deeply to be read") from None
            except ValueError as error:
                if len(self._held) - self._at > LONGEST:
                    raise self.broken(f"a value of more than {LONGEST} characters, or none at all") from None
                if not self._more():
                    raise self.broken(str(error).partition(":")[0]) from None
                continue
            # A number may continue in the part of the text that is not in memory yet.
            if end < len(self._held) or not self._more():
                self._at = end
                return value

    def broken(self, what: str) -> NotJson:
        return NotJson(f"{what}, at character {self._passed + self._at}")


def values(file: IO[str]) -> Iterator[Any]:
    """The rows of a text, numbers with a point as exact decimals.

    Raises:
        NotJson: the text is not JSON. Rows before that place have been yielded by then.
    """
    text = _Text(file)
    while first := text.peek():
        if first == "[":
            text.take("[")
            yield from _elements(text)
        elif first == "{" and text.opens_data():
            yield from _elements(text)
            while text.peek() == ",":
                text.take(",")
                text.value()
                text.take(":")
                text.value()
            text.take("}")
        else:
            value = text.value()
            rows = value.get("data") if isinstance(value, dict) else None
            yield from rows if isinstance(rows, list) else [value]


def _elements(text: _Text) -> Iterator[Any]:
    """The elements of an array whose opening bracket has been taken."""
    if text.peek() != "]":
        yield text.value()
        while text.peek() == ",":
            text.take(",")
            yield text.value()
    text.take("]")
