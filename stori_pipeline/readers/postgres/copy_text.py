"""Blocks of `COPY … TO STDOUT` in its text form, turned into Arrow chunks, exactly.

Belongs here: parsing whole rows of that form. Does not belong here: getting them from a server (`stream`), or what fits a definition
(`contract`).
"""

# The text form, not CSV: the server writes it faster, a row never spans lines, and null (`\N`) cannot be mistaken for a text.
#
# A block is parsed by Arrow with the table's own types; a row that fits needs no Python at all, and what is taken here the contract would
# have taken with the same value. Decimals that Arrow does not take as they are written, because of zeros at their end, are parsed without
# those. A block in which anything else may not fit is cut into pieces, and the pieces concerned go through the contract row by row, so
# that only the rows at fault are rejected.

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv

from stori_pipeline.contract import REJECTED, Misfit, conform
from stori_pipeline.model.reading import Chunk
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import MisfitError, Type
from stori_pipeline.model.types.documents import MAX_DEPTH

_PIECES = 8
"""Into so many pieces a block is cut in which something does not fit."""

_SMALL = 32 << 10
"""A block of up to so many bytes is not cut any further."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_NONE_REJECTED = pa.RecordBatch.from_pylist([], schema=REJECTED)

_PARSE = csv.ParseOptions(delimiter="\t", quote_char=False, escape_char=False, newlines_in_values=False, ignore_empty_lines=False)


class _Doubtful(ValueError):
    """Something in the block may not fit its column."""


class BlockParser:
    """Turns blocks into chunks. Safe to use from several threads."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._names = [column.name for column in table.columns]
        # JSON stays text until its white space is out, since Arrow edits text only; and so does what is judged value by value.
        types = {c.name: pa.string() if c.type.is_document or c.type.copy_form is None else c.type.arrow for c in table.columns}
        decimals = [name for name, kind in types.items() if pa.types.is_decimal(kind)]
        # Ways to parse, the quickest first. A column that is written with zeros once mostly is in every row, so what failed where the next
        # helped is not tried again.
        self._ways = [_convert(types), _convert(types | dict.fromkeys(decimals, pa.string()))] if decimals else [_convert(types)]

    def parse(self, block: bytes) -> list[Chunk]:
        """The rows of a block, in order. It ends with the end of a row, and its columns are the table's."""
        ways = self._ways
        for i, way in enumerate(ways):
            with contextlib.suppress(pa.ArrowInvalid, _Doubtful):
                chunk = Chunk(self._typed(block, way), _NONE_REJECTED)
                self._ways = ways[i:]
                return [chunk]
        if len(block) > _SMALL and len(pieces := _cut(block)) > 1:
            return [chunk for piece in pieces for chunk in self.parse(piece)]
        return [Chunk(*conform(self._table, map(self._row, block[:-1].split(b"\n"))))]

    def _typed(self, block: bytes, way: csv.ConvertOptions) -> pa.RecordBatch:
        if block.startswith(_BYTE_ORDER_MARK):
            raise _Doubtful  # Arrow would take it for the file's own mark, and drop it
        # Read in one go, in this thread: threads take whole blocks here.
        options = csv.ReadOptions(use_threads=False, block_size=len(block) + 1, column_names=self._names)
        parsed = csv.read_csv(pa.BufferReader(block), options, _PARSE, way).combine_chunks()
        arrays = [_checked(parsed.column(i).chunk(0), column) for i, column in enumerate(self._table.columns)]
        return pa.RecordBatch.from_arrays([*arrays, pa.repeat(pa.scalar(False), parsed.num_rows)], schema=self._table.read_schema)

    def _row(self, line: bytes) -> dict[str, object]:
        values = [_unescaped(value) for value in line.split(b"\t")]
        row: dict[str, object] = dict(zip(self._names, values, strict=True))
        if any(isinstance(value, Misfit) for value in values):  # a database in SQL_ASCII may hold any bytes
            row["_raw"] = json.dumps(line.decode(errors="backslashreplace"), ensure_ascii=False)
        return row


def _convert(types: Mapping[str, pa.DataType]) -> csv.ConvertOptions:
    return csv.ConvertOptions(column_types=types, null_values=["\\N"], strings_can_be_null=True, true_values=["t"], false_values=["f"])


def _cut(block: bytes) -> list[bytes]:
    """The block in about equal pieces of whole rows."""
    pieces, start = [], 0
    for i in range(1, _PIECES + 1):
        end = block.find(b"\n", max(start, len(block) * i // _PIECES - 1)) + 1 or len(block)
        if end > start:
            pieces.append(block[start:end])
            start = end
    return pieces


# --- a column that Arrow parsed --------------------------------------------------------------------------------------


def _checked(array: pa.Array, column: Column) -> pa.Array:
    """The column as it lands, or _Doubtful where the contract must judge."""
    kind = column.type
    if pa.types.is_decimal(kind.arrow) and pa.types.is_string(array.type):
        array = pc.replace_substring_regex(array, _ZEROS_AT_THE_END, r"\1")
        if pc.any(pc.match_substring_regex(array, _MORE_PLACES_THAN_ARROW_CASTS)).as_py():
            raise _Doubtful
        array = array.cast(kind.arrow)
    if kind.copy_form is None:
        array = _judged(_without_escapes(array), kind)
    elif kind.is_document:
        array = _json(array, kind.max_bytes)
    elif kind.copy_form:
        if not pc.all(pc.match_substring_regex(array, kind.copy_form), min_count=0).as_py():
            raise _Doubtful
        array = kind.from_texts(array) if kind.from_texts else array
    elif pa.types.is_string(array.type):
        array = _without_escapes(array)
        _refuse(pc.max(pc.binary_length(array)).as_py(), kind.max_bytes)
    elif pa.types.is_decimal(array.type):
        array.validate(full=True)  # the parser lets values through that are too large once they have the column's scale
    elif not kind.fits(array):
        raise _Doubtful
    if array.null_count and not column.nullable:
        raise _Doubtful
    return array


def _judged(texts: pa.Array, kind: Type) -> pa.Array:
    """A column whose type says no more than `convert`."""
    try:
        return pa.array([None if text is None else kind.convert(text) for text in texts.to_pylist()], kind.arrow)
    except MisfitError as error:
        raise _Doubtful from error


_ZEROS_AT_THE_END = r"^(-?[0-9]+(?:[.][0-9]*[1-9])?)[.]?0*$"

_MORE_PLACES_THAN_ARROW_CASTS = r"[.][0-9]{39}"
"""Of such a text Arrow's cast makes another number, mostly zero, instead of refusing it."""


def _refuse(longest: int | None, allowed: int | None) -> None:
    if longest is not None and allowed is not None and longest > allowed:
        raise _Doubtful


# NUL stands in for a backslash meanwhile; no text in Postgres can hold one.
_ESCAPES = (("\\\\", "\0"), ("\\n", "\n"), ("\\r", "\r"), ("\\t", "\t"), ("\\b", "\b"), ("\\f", "\f"), ("\\v", "\v"), ("\0", "\\"))


def _without_escapes(texts: pa.Array) -> pa.Array:
    if not pc.any(pc.match_substring(texts, "\\")).as_py():
        return texts
    for written, meant in _ESCAPES:
        texts = pc.replace_substring(texts, written, meant)
    return texts


_SPACE_BETWEEN_TOKENS = r'("(?:[^"\\]|\\.)*")|\s+'


def _json(texts: pa.Array, max_bytes: int | None) -> pa.Array:
    """jsonb's text in the one form of `digest.json_text`, which it has but for its spaces; JSON's null as null."""
    texts = _without_escapes(texts)
    if pc.any(pc.starts_with(texts, " ")).as_py():  # how `shape` marks what jsonb would not take
        raise _Doubtful
    # Perhaps too deep, perhaps a number beyond any double: the contract counts exactly.
    if (pc.max(pc.count_substring_regex(texts, r"[\[{]")).as_py() or 0) > MAX_DEPTH or pc.any(_has_long_number(texts)).as_py():
        raise _Doubtful
    texts = pc.replace_substring_regex(texts, _SPACE_BETWEEN_TOKENS, r"\1")
    _refuse(pc.max(pc.binary_length(texts)).as_py(), max_bytes)
    return pc.if_else(pc.equal(texts, "null"), None, texts).cast(pa.binary())


def _has_long_number(texts: pa.Array) -> pa.Array:
    return pc.match_substring_regex(texts, r"[0-9]{300}")


# --- a row on its way to the contract --------------------------------------------------------------------------------

_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_MEANT = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f", b"v": b"\v"}


def _unescaped(value: bytes) -> str | Misfit | None:
    if value == b"\\N":
        return None
    if b"\\" in value:
        value = _ESCAPE.sub(lambda match: _MEANT.get(match[1], match[1]), value)
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        return Misfit("unicode", f"the text is not UTF-8: {error.reason} at byte {error.start}")
