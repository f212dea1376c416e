"""Turns blocks of `COPY … TO STDOUT` in binary format into Arrow chunks, where the package `copy_decoder` is installed.

Belongs here: which tables and columns are read so, and rows in text format for values that may not fit. Does not belong here: the format's
bytes (`copy_decoder`), receiving them (`binary_stream`), or the text format (`copy_text`).
"""

# A block whose values all fit needs no Python at all. Every other block is split, and the pieces concerned are written in text format, as
# the server would write them, and parsed as such: so both formats have one set of rules, and the same raw texts in quarantine.

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

from stori_pipeline.imports import later
from stori_pipeline.model.reading import Chunk
from stori_pipeline.model.table import Column, Table
from stori_pipeline.readers.postgres.copy_text import PIECES, SMALL, BlockParser, Doubtful, json_column, none_rejected, refuse_longer
from stori_pipeline.readers.postgres.rendering import RENDERED

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.compute as pc
else:
    pa = later("pyarrow")
    pc = later("pyarrow.compute")

_log = logging.getLogger(__name__)

_FORMS = {
    "bigint": ("l", "int8"),
    "integer": ("i", "int8"),  # int8, because a definition may be narrower than its source
    "smallint": ("s", "int8"),
    "decimal": ("n", "numeric"),
    "boolean": ("b", "boolean"),
    "date": ("D", "date"),
    "timestamptz": ("T", "timestamptz"),
    # The server's text of a double is not always the shortest, so only the server can write it.
    "double": ("t", "text"),
    "varchar": ("t", "text"),
    "super": ("t", "text"),
    "time": ("t", "text"),
}
"""The decoder's letter for a type, and the type of Postgres that is sent for it."""


class Rows(NamedTuple):
    """Complete rows in binary format: `data` from `start` to `end`."""

    data: bytes
    start: int
    end: int


@cache
def decoder() -> ModuleType | None:
    """The package `copy_decoder`; None where it is not installed, which is logged once."""
    try:
        import copy_decoder
    except ImportError:
        _log.info("copy-decoder is not installed, so Postgres is read in text format, which takes twice the processor time")
        return None
    return copy_decoder


def is_decodable(table: Table) -> bool:
    """Whether every column has a type that this module knows; a project's own type is read in text format, which is its `copy_form`."""
    return all(column.type.base in _FORMS for column in table.columns)


def in_known_types(table: Table, query: str) -> str:
    """A query with the definition's columns, in the types that the decoder expects."""
    names = [f"c{i}" for i in range(len(table.columns))]
    casts = ", ".join(f"{name}::{_FORMS[column.type.base][1]}" for name, column in zip(names, table.columns, strict=True))
    return f"SELECT {casts} FROM ({query}) AS rows ({', '.join(names)})"


class BinaryParser:
    """Turns blocks into chunks, as `BlockParser` does. Safe to use from several threads."""

    def __init__(self, table: Table, decoder: ModuleType) -> None:
        self._table = table
        self._decoder = decoder
        self._text = BlockParser(table)
        letters = "".join(_FORMS[column.type.base][0] for column in table.columns)
        decimals = [c.type.arrow if pa.types.is_decimal(c.type.arrow) else None for c in table.columns]
        self._layout = (
            letters.encode(),
            bytes(each.precision if each else 0 for each in decimals),
            bytes(each.scale if each else 0 for each in decimals),
        )
        self._render: list[Callable[[bytes], bytes]] = [RENDERED[letter] for letter in letters]

    def parse(self, rows: Rows) -> list[Chunk]:
        """The rows, in order.

        Raises:
            ValueError: they are not in binary format, or have other columns.
        """
        decoded = self._decoder.decode(*rows, *self._layout)
        if decoded is not None:
            with contextlib.suppress(pa.ArrowInvalid, Doubtful):
                return [Chunk(self._batch(*decoded), none_rejected())]
        if rows.end - rows.start > SMALL:
            cuts = self._decoder.cut(*rows, len(self._table.columns), PIECES)
            if cuts:
                ends = zip([rows.start, *cuts], [*cuts, rows.end], strict=True)
                return [chunk for start, end in ends for chunk in self.parse(Rows(rows.data, start, end))]
        return self._text.parse(b"".join(self._lines(rows)))

    def _batch(self, rows: int, nulls: list[int], buffers: list[tuple[bytes, bytes, bytes | None]]) -> pa.RecordBatch:
        columns = zip(self._table.columns, nulls, buffers, strict=True)
        arrays = [_checked(_array(column, rows, null_count, parts), column) for column, null_count, parts in columns]
        return pa.RecordBatch.from_arrays([*arrays, pa.repeat(pa.scalar(False), rows)], schema=self._table.read_schema)

    def _lines(self, rows: Rows) -> Iterator[bytes]:
        """The rows in text format."""
        data, at, _ = rows
        while at < rows.end:
            at += 2
            values = []
            for render in self._render:
                length = int.from_bytes(data[at : at + 4], "big", signed=True)
                at += 4
                values.append(b"\\N" if length < 0 else render(data[at : at + length]))
                at += max(length, 0)
            yield b"\t".join(values) + b"\n"


def _array(column: Column, rows: int, nulls: int, buffers: tuple[bytes, bytes, bytes | None]) -> pa.Array:
    validity, data, offsets = buffers
    is_text = offsets is not None
    parts = [pa.py_buffer(validity) if nulls else None, *([pa.py_buffer(offsets)] if is_text else []), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.string() if is_text else column.type.arrow, rows, parts, nulls)


def _checked(array: pa.Array, column: Column) -> pa.Array:
    """The column as it lands. Raises Doubtful, or ArrowInvalid, if the contract must check the rows."""
    kind = column.type
    if pa.types.is_string(array.type):
        array.validate(full=True)  # that it is UTF-8
    if kind.is_document:
        array = json_column(array, kind.max_bytes)
    elif kind.copy_form:
        if not pc.all(pc.match_substring_regex(array, kind.copy_form), min_count=0).as_py():
            raise Doubtful
        array = kind.from_texts(array) if kind.from_texts else array
    elif kind.is_text:
        refuse_longer(pc.max(pc.binary_length(array)).as_py(), kind.max_bytes)
    else:
        array = array if array.type == kind.arrow else array.cast(kind.arrow)
        if not kind.fits(array):
            raise Doubtful
    if array.null_count and not column.nullable:
        raise Doubtful
    return array
