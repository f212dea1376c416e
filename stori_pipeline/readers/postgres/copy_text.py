"""Parses blocks of `COPY … TO STDOUT` in text format into Arrow chunks.

Belongs here: parsing complete rows of that format. Does not belong here: receiving them from a server (`stream`), or which values fit a
definition (`contract`).
"""

# Text format instead of CSV: the server writes it faster, a row never spans lines, and null (`\N`) cannot be confused with a text.
#
# Arrow parses a block with the table's own types. A row that fits needs no Python at all, and Arrow accepts only what the contract would
# accept, with the same value. Arrow refuses decimals with trailing zeros beyond the scale; these are parsed without the zeros. A block that
# holds anything else that may not fit is split, and the pieces concerned go through the contract row by row, so that only the misfits are
# rejected.

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from stori_pipeline.contract import Misfit, conform, rejected_schema
from stori_pipeline.imports import later
from stori_pipeline.model.reading import Chunk
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import MisfitError, Type
from stori_pipeline.model.types.documents import MAX_DEPTH

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv as csv
else:
    pa = later("pyarrow")
    pc = later("pyarrow.compute")
    csv = later("pyarrow.csv")

PIECES = 8
"""The number of pieces into which a block is split if something in it does not fit."""

SMALL = 32 << 10
"""The size in bytes up to which a block is not split any further."""

_SHOWN = 2_000
"""The characters of a text without a form in Unicode that its reason shows. Nothing else keeps it."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@functools.cache
def none_rejected() -> pa.RecordBatch:
    """No rows of quarantine."""
    return pa.RecordBatch.from_pylist([], schema=rejected_schema())


@functools.cache
def _parse_options() -> csv.ParseOptions:
    return csv.ParseOptions(delimiter="\t", quote_char=False, escape_char=False, newlines_in_values=False, ignore_empty_lines=False)


class Doubtful(ValueError):
    """Something in the block may not fit its column."""


class BlockParser:
    """Turns blocks into chunks. Safe to use from several threads."""

    def __init__(self, table: Table, codec: str = "utf-8") -> None:
        """`codec` is Python's name of the encoding of the blocks."""
        self._table = table
        self._codec = codec
        self._names = [column.name for column in table.columns]
        # JSON stays text until its white space is removed, because Arrow edits text only. So do values that only `convert` can check.
        types = {c.name: pa.string() if c.type.is_document or c.type.copy_form is None else c.type.arrow for c in table.columns}
        decimals = [name for name, kind in types.items() if pa.types.is_decimal(kind)]
        # Options for parsing, the fastest first. If the first fail and the second succeed, the first are not tried again: a column that
        # has trailing zeros in one row mostly has them in every row.
        self._options = [_convert(types), _convert(types | dict.fromkeys(decimals, pa.string()))] if decimals else [_convert(types)]

    def parse(self, block: bytes) -> list[Chunk]:
        """The rows of a block, in order. The block must end at the end of a row, and have the table's columns."""
        options = self._options
        for i, convert in enumerate(options):
            with contextlib.suppress(pa.ArrowInvalid, Doubtful, UnicodeDecodeError):
                chunk = Chunk(self._typed(self._in_utf8(block), convert), none_rejected())
                self._options = options[i:]
                return [chunk]
        if len(block) > SMALL and len(pieces := _cut(block)) > 1:
            return [chunk for piece in pieces for chunk in self.parse(piece)]
        return [Chunk(*conform(self._table, map(self._row, block[:-1].split(b"\n"))))]

    def _in_utf8(self, block: bytes) -> bytes:
        return block if self._codec == "utf-8" else block.decode(self._codec).encode()

    def _typed(self, block: bytes, convert: csv.ConvertOptions) -> pa.RecordBatch:
        if block.startswith(_BYTE_ORDER_MARK):
            raise Doubtful  # Arrow would drop it as the mark of a file
        # One block, in this thread: the caller already parses blocks in several threads.
        options = csv.ReadOptions(use_threads=False, block_size=len(block) + 1, column_names=self._names)
        parsed = csv.read_csv(pa.BufferReader(block), options, _parse_options(), convert).combine_chunks()
        arrays = [_checked(parsed.column(i).chunk(0), column) for i, column in enumerate(self._table.columns)]
        return pa.RecordBatch.from_arrays([*arrays, pa.repeat(pa.scalar(False), parsed.num_rows)], schema=self._table.read_schema)

    def _row(self, line: bytes) -> dict[str, object]:
        return dict(zip(self._names, (_unescaped(value, self._codec) for value in line.split(b"\t")), strict=True))


def _convert(types: Mapping[str, pa.DataType]) -> csv.ConvertOptions:
    return csv.ConvertOptions(column_types=types, null_values=["\\N"], strings_can_be_null=True, true_values=["t"], false_values=["f"])


def _cut(block: bytes) -> list[bytes]:
    """The block in pieces of about equal size, each of complete rows."""
    pieces, start = [], 0
    for i in range(1, PIECES + 1):
        end = block.find(b"\n", max(start, len(block) * i // PIECES - 1)) + 1 or len(block)
        if end > start:
            pieces.append(block[start:end])
            start = end
    return pieces


# --- a column that Arrow parsed --------------------------------------------------------------------------------------


def _checked(array: pa.Array, column: Column) -> pa.Array:
    """The column as it lands. Raises Doubtful if the contract must check the rows."""
    kind = column.type
    if pa.types.is_decimal(kind.arrow) and pa.types.is_string(array.type):
        array = pc.replace_substring_regex(array, _ZEROS_AT_THE_END, r"\1")
        if pc.any(pc.match_substring_regex(array, _MORE_PLACES_THAN_ARROW_CASTS)).as_py():
            raise Doubtful
        array = array.cast(kind.arrow)
    if kind.copy_form is None:
        array = _converted(_without_escapes(array), kind)
    elif kind.is_document:
        array = json_column(_without_escapes(array), kind.max_bytes)
    elif kind.copy_form:
        if not pc.all(pc.match_substring_regex(array, kind.copy_form), min_count=0).as_py():
            raise Doubtful
        array = kind.from_texts(array) if kind.from_texts else array
    elif pa.types.is_string(array.type):
        array = _without_escapes(array)
        refuse_longer(pc.max(pc.binary_length(array)).as_py(), kind.max_bytes)
    elif pa.types.is_decimal(array.type):
        array.validate(full=True)  # the parser accepts values that are too large for the column's precision
    elif not kind.fits(array):
        raise Doubtful
    if array.null_count and not column.nullable:
        raise Doubtful
    return array


def _converted(texts: pa.Array, kind: Type) -> pa.Array:
    """A column of a type that can only `convert` single values."""
    try:
        return pa.array([None if text is None else kind.convert(text) for text in texts.to_pylist()], kind.arrow)
    except MisfitError as error:
        raise Doubtful from error


_ZEROS_AT_THE_END = r"^(-?[0-9]+(?:[.][0-9]*[1-9])?)[.]?0*$"

_MORE_PLACES_THAN_ARROW_CASTS = r"[.][0-9]{39}"
"""Arrow's cast turns such a text into another number, mostly zero, instead of refusing it."""


def refuse_longer(longest: int | None, allowed: int | None) -> None:
    if longest is not None and allowed is not None and longest > allowed:
        raise Doubtful


# NUL marks a backslash during the replacements; no text in Postgres can hold a NUL.
_ESCAPES = (("\\\\", "\0"), ("\\n", "\n"), ("\\r", "\r"), ("\\t", "\t"), ("\\b", "\b"), ("\\f", "\f"), ("\\v", "\v"), ("\0", "\\"))


def _without_escapes(texts: pa.Array) -> pa.Array:
    if not pc.any(pc.match_substring(texts, "\\")).as_py():
        return texts
    for escape, character in _ESCAPES:
        texts = pc.replace_substring(texts, escape, character)
    return texts


_SPACE_BETWEEN_TOKENS = r'("(?:[^"\\]|\\.)*")|\s+'


def json_column(texts: pa.Array, max_bytes: int | None) -> pa.Array:
    """jsonb's text in the form of `documents.json_text`, from which it differs by its spaces only; JSON's null as null."""
    if pc.any(pc.starts_with(texts, " ")).as_py():  # `shape` marks what jsonb refuses with a space
        raise Doubtful
    # The document may be too deep, or hold a number beyond any double: the contract checks that exactly.
    if (pc.max(pc.count_substring_regex(texts, r"[\[{]")).as_py() or 0) > MAX_DEPTH or pc.any(_has_long_number(texts)).as_py():
        raise Doubtful
    texts = pc.replace_substring_regex(texts, _SPACE_BETWEEN_TOKENS, r"\1")
    refuse_longer(pc.max(pc.binary_length(texts)).as_py(), max_bytes)
    return pc.if_else(pc.equal(texts, "null"), None, texts).cast(pa.binary())


def _has_long_number(texts: pa.Array) -> pa.Array:
    return pc.match_substring_regex(texts, r"[0-9]{300}")


# --- a row on its way to the contract --------------------------------------------------------------------------------

_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_CHARACTERS = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f", b"v": b"\v"}


def _unescaped(value: bytes, codec: str) -> str | Misfit | None:
    if value == b"\\N":
        return None
    if b"\\" in value:
        value = _ESCAPE.sub(lambda match: _CHARACTERS.get(match[1], match[1]), value)
    try:
        return value.decode(codec)
    except UnicodeDecodeError as error:
        text = value.decode(codec, errors="backslashreplace")[:_SHOWN]
        return Misfit("unicode", f"the text is not {codec.upper()}: {error.reason} at byte {error.start} of '{text}'")
