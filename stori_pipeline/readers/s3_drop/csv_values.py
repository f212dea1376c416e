"""The lines of a CSV file: its header, the fields of each row, and lines that cannot be read.

Belongs here: what the options of `Objects` say of CSV. Does not belong here: which column a name is (`headers`), or rows of a table
(`formats`).
"""

# A line that cannot be read is rejected alone, with its number. Three things are of the whole file: an end in the middle of a line or of a
# quoted field, because the file was cut off; a header that nothing matches; and no line that can be read at all.

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING

from stori_pipeline.contract import Misfit, Refused
from stori_pipeline.imports import later
from stori_pipeline.model.types import Type
from stori_pipeline.readers.s3_drop import Objects
from stori_pipeline.readers.s3_drop.broken import BrokenFile
from stori_pipeline.readers.s3_drop.decoding import text_of

if TYPE_CHECKING:
    import pyarrow as pa
else:
    pa = later("pyarrow")

# The module's own limit, 128 kB, is shorter than a document may be.
csv.field_size_limit(64_000_000)

_RAW_CHARACTERS = 1_000_000


class _Lines:
    """The lines of a text, of which those since the last `forget` are kept."""

    def __init__(self, text: IO[str]) -> None:
        self._text = text
        self.number = 0
        self.kept: list[str] = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = next(self._text)
        self.number += 1
        self.kept.append(line)
        return line

    def forget(self) -> None:
        self.kept.clear()

    @property
    def place(self) -> str:
        first = self.number - len(self.kept) + 1
        return f"line {self.number}" if first >= self.number else f"lines {first} to {self.number}"

    @property
    def is_cut_off(self) -> bool:
        """Whether the last line that was read ends without a line end, as the last of a file that was cut off does."""
        return bool(self.kept) and not self.kept[-1].endswith(("\n", "\r"))


def lines(file: IO[bytes], objects: Objects) -> Iterator[list[str] | Refused]:
    """The names of the columns, then the fields of each row, as many as there are names; a Refused for a line that cannot be read. Blank
    lines are left out.

    Raises:
        BrokenFile: the file is cut off, or no line can be read.
    """
    source = _Lines(text_of(file, objects.encoding))
    for _ in range(objects.header_line - 1):
        next(source, "")
    source.forget()
    found = csv.reader(source, strict=True, delimiter=objects.delimiter)
    header = next(found, None)
    if not header:
        raise BrokenFile(f"it has no line {objects.header_line}, where the names of its columns should be")
    if objects.header_line == 0:
        yield [""] * len(header)
        yield header
    else:
        yield header
    yield from _rows(found, source, len(header))


def _rows(found: Iterator[list[str]], source: _Lines, count: int) -> Iterator[list[str] | Refused]:
    good, bad, first_bad = 0, 0, ""
    while True:
        source.forget()
        try:
            cells = next(found)
            reason = f"has {len(cells)} fields, but the header has {count}" if cells and len(cells) != count else ""
        except StopIteration:
            break
        except csv.Error as error:
            cells, reason = [], f"cannot be read: {error}"
            if source.is_cut_off or "unexpected end" in str(error):
                raise BrokenFile(f"{source.place}: it is cut off, or a quoted field is never closed") from error
        if reason and source.is_cut_off:
            raise BrokenFile(f"{source.place} {reason}; the file is cut off there")
        if reason:
            bad, first_bad = bad + 1, first_bad or f"{source.place} {reason}"
            raw = json.dumps("".join(source.kept)[:_RAW_CHARACTERS], ensure_ascii=False)
            yield Refused("line", f"{source.place} {reason}", raw)
        elif cells:
            good += 1
            yield cells
    if first_bad and not good:
        raise BrokenFile(first_bad + ("; no other line can be read either" if bad > 1 else ""))


def cell(text: str, kind: Type, decimal: str = ".") -> object:
    """A field of CSV for a column of that type. CSV has no null, so an empty one is null. Numbers and dates may be padded; texts are kept
    as they are."""
    if kind.is_text:
        return text or None
    text = text.strip()
    if decimal == "," and text and _is_number(kind):
        if "." in text:
            return Misfit("type", f"{text[:60]!r} has a point, although the definition says decimal=','")
        text = text.replace(",", ".")
    return text or None


def _is_number(kind: Type) -> bool:
    return bool(pa.types.is_integer(kind.arrow) or pa.types.is_floating(kind.arrow) or pa.types.is_decimal(kind.arrow))
