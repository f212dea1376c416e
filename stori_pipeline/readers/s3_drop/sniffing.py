"""How a CSV or JSON file seems to be written: its encoding, delimiter, decimal character, and the lines before its header.

Belongs here: guesses from the beginning of a file, for a suggested definition that a person reads. Does not belong here: reading a file by
the options of a definition (`csv_values`, `json_values`).
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import islice
from typing import IO

from stori_pipeline.readers.s3_drop import Objects
from stori_pipeline.readers.s3_drop.decoding import text_of

_DELIMITERS = ",;\t|"
_BEGINNING = 1 << 16
_MOST_LINES_BEFORE = 20
_SHARE = 0.9
"""The share of the lines that have as many fields as the header; the others may be bad lines."""

_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_WITH_COMMA, _WITH_POINT = re.compile(r"\s*[+-]?\d+,\d+\s*"), re.compile(r"\s*[+-]?\d+\.\d+\s*")


def encoding_of(file: IO[bytes], declared: str) -> str:
    """The encoding of a file: the declared one if it knows every byte, else UTF-16 by its mark, else that of Windows; "" for plain ASCII,
    which every encoding knows."""
    file.seek(0)
    if mark := _MARKS.get(file.read(2)):
        return mark
    file.seek(0)
    is_ascii = all(piece.isascii() for piece in iter(lambda: file.read(1 << 20), b""))
    if is_ascii:
        return ""
    for each in (declared, "cp1252"):
        try:
            text = text_of(file, each)
            while text.read(1 << 20):
                pass
        except UnicodeDecodeError:
            continue
        return each
    return "latin-1"


def with_layout(file: IO[bytes], objects: Objects) -> Objects:
    """The options with the delimiter that parts the file's lines into fields, as many in each, and the line of the header; as they are if
    none does."""
    text = text_of(file, objects.encoding).read(_BEGINNING)
    whole = text[: text.rfind("\n") + 1] if len(text) == _BEGINNING else text
    delimiters = dict.fromkeys((objects.delimiter, *_DELIMITERS))
    counts = {each: len(_header(whole, each)) for each in delimiters}
    best = max(counts.values())
    if best > 1:
        return replace(objects, delimiter=next(each for each, count in counts.items() if count == best), decimal=".")
    pieces = whole.splitlines(keepends=True)
    for before in range(1, min(_MOST_LINES_BEFORE, len(pieces) - 2)):
        rest = "".join(pieces[before:])
        for each in delimiters if pieces[before].strip() else ():
            if _is_header(_header(rest, each)):
                return replace(objects, delimiter=each, header_line=before + 1, decimal=".")
    return objects


def _header(text: str, delimiter: str) -> Sequence[str]:
    """The fields of the first line; none if the other lines have not as many."""
    try:
        found = [cells for cells in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if cells]
    except csv.Error:
        return []
    if not found:
        return []
    alike = sum(len(cells) == len(found[0]) for cells in found)
    return found[0] if alike >= _SHARE * len(found) and len(Counter(map(len, found))) <= max(1, len(found) // 10) + 1 else []


def _is_header(cells: Sequence[str]) -> bool:
    """Whether the fields look like names of columns, and not like the rows that a text of one column may look like."""
    names = [cell.strip() for cell in cells]
    return len(names) > 1 and all(names) and len(set(names)) == len(names) and not any(re.fullmatch(r"[\d.,:/-]+", name) for name in names)


def decimal_of(columns: Collection[Sequence[str | None]], delimiter: str) -> str:
    """The character before the places of the numbers in these columns; "" if no column has such numbers."""
    some = [list(islice(filter(None, texts), 1_000)) for texts in columns]
    if delimiter != "," and any(texts and all(map(_WITH_COMMA.fullmatch, texts)) for texts in some):
        return ","
    return "." if any(texts and all(map(_WITH_POINT.fullmatch, texts)) for texts in some) else ""
