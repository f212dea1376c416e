"""The rows of a JSON file as a stream: an array, an object per line, or an object that holds the array somewhere in it.

Belongs here: finding the end of each row without having the whole text in memory. Does not belong here: the columns of a row, or whether
an object is a row or holds rows (`formats`).
"""

# All three are one grammar: a file is a sequence of values with white space between them. The rows of an array are its elements, and any
# other value is a row of at most `LONGEST` characters. If the rows are at a path, those of an object are the elements of the array there.
#
# In a file with a value per line, a line that is not JSON is rejected alone, with its number. A last line without a line end is where such
# a file was cut off, and it is refused.

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import IO, Any

from stori_pipeline.contract import Refused

LONGEST = 32_000_000
"""The largest number of characters in a row. A file with a longer one is refused."""

_PIECE = 1 << 20
_SPACE = re.compile(r"[ \t\r\n]*")
_LARGEST_EXPONENT = 400
_RAW_CHARACTERS = 1_000_000


class NotJson(ValueError):
    """The text is not JSON, or ends in the middle of it. The message says where."""


def _number(text: str) -> Decimal:
    try:
        number = Decimal(text)
        is_double = abs(number.adjusted()) <= _LARGEST_EXPONENT
    except ArithmeticError:  # its exponent has too many digits for a Decimal
        is_double = False
    if not is_double:
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
        self._lines_passed = 0
        self._one_line, self._is_by_line = 0, True

    def _more(self) -> bool:
        if self._ended:
            return False
        piece = self._file.read(max(_PIECE, len(self._held) - self._at))  # doubles, so a long row is decoded few times
        self._ended = not piece
        self._passed += self._at
        self._lines_passed += self._held.count("\n", 0, self._at)
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

    def row(self) -> Any:
        """The next value; a Refused for a line that is none, in a file that has a value per line."""
        self.peek()
        start = self._passed + self._at
        try:
            value = self.value()
        except NotJson as error:
            return self._bad_line(error)
        self._is_by_line = self._is_by_line and "\n" not in self._held[start - self._passed : self._at]
        self._one_line += 1
        return value

    def _bad_line(self, error: NotJson) -> Refused:
        """The line that begins here, and moves behind it. Raises the error if the file has no value per line, or ends in the line."""
        if (end := self._line_end()) < 0:
            raise error
        number = self._lines_passed + self._held.count("\n", 0, self._at) + 1
        line, self._at = self._held[self._at : end], end + 1
        if not self._is_by_line or not (self._one_line or self._is_value_in_line()):
            raise error
        what = str(error).rpartition(", at character")[0] or str(error)
        return Refused("line", f"line {number} is not JSON: {what}", json.dumps(line[:_RAW_CHARACTERS], ensure_ascii=False))

    def _line_end(self) -> int:
        """Where the line ends; -1 at the end of the text, and of a line that is too long to be a row."""
        while (end := self._held.find("\n", self._at)) < 0 and len(self._held) - self._at <= LONGEST and self._more():
            pass
        return end

    def _is_value_in_line(self) -> bool:
        """Whether the next line is a value on its own."""
        self.peek()
        end = self._line_end()
        try:
            json.loads(self._held[self._at : end if end >= 0 else None])
        except (ValueError, RecursionError):
            return False
        return True

    def broken(self, what: str) -> NotJson:
        return NotJson(f"{what}, at character {self._passed + self._at}")


def values(file: IO[str], path: Sequence[str] = ()) -> Iterator[Any]:
    """The rows of a text, numbers with a point as exact decimals; a Refused for a line that is not JSON.

    Args:
        path: the names that lead to the array of rows in each object; without them, each object is a row.

    Raises:
        NotJson: the text is not JSON, or an object has no array at the path. Rows before that place have been yielded by then.
    """
    text = _Text(file)
    if not text.peek():
        raise NotJson("it is empty; an array without elements, [], is a file without rows")
    while first := text.peek():
        if first == "[":
            yield from _elements(text)
        elif first == "{" and path:
            found = Envelope()
            yield from _at_path(text, path, found)
            if not found.arrays:
                raise text.broken(f"an object without an array at {'.'.join(path)!r}")
        else:
            yield text.row()


@dataclass
class Envelope:
    """An object that may hold rows: how many arrays it has at a path, the names of its other members, and those of the arrays' elements."""

    arrays: int = 0
    others: set[str] = field(default_factory=set)
    inner: set[str] = field(default_factory=set)


def envelope(file: IO[str], name: str) -> Envelope | None:
    """What the only value of a text holds, if that is an object with an array of that name; None for any other text."""
    text, found = _Text(file), Envelope()
    if text.peek() != "{":
        return None
    try:
        for element in _at_path(text, (name,), found):
            found.inner |= element.keys() if isinstance(element, dict) else set()
        return found if found.arrays and not text.peek() else None
    except NotJson:
        return None  # reading the rows says what is wrong


def _at_path(text: _Text, path: Sequence[str], found: Envelope) -> Iterator[Any]:
    """The elements of the array at a path in the object that begins here."""
    text.take("{")
    more = text.peek() != "}"
    while more:
        name = text.value()
        if not isinstance(name, str):
            raise text.broken("a member without a name")
        text.take(":")
        first = text.peek()
        if name == path[0] and len(path) == 1 and first == "[":
            found.arrays += 1
            yield from _elements(text)
        elif name == path[0] and len(path) > 1 and first == "{":
            yield from _at_path(text, path[1:], found)
        else:
            text.value()
            found.others.add(name)
        more = text.peek() == ","
        if more:
            text.take(",")
    text.take("}")


def _elements(text: _Text) -> Iterator[Any]:
    """The elements of the array that begins here."""
    text.take("[")
    if text.peek() != "]":
        yield text.value()
        while text.peek() == ",":
            text.take(",")
            yield text.value()
    text.take("]")
