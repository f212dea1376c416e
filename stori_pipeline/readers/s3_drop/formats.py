"""The rows of a file, by the table's columns, in any of the formats.

Belongs here: recognizing formats, and reading each as a stream. Does not belong here: files as objects in a bucket (`bucket`), which files
are read (`position`), or which column a path names (`headers`).
"""

# Columns with these paths hold facts about the file: `$key` (the object's key), `$line` (the row's number in the file, from 1, without the
# header), `$etag` and `$modified` (when it was dropped). Rows without a natural key can use (`$key`, `$line`).
#
# A file is accepted in full or not at all. A file that is cut off, lacks a column that may not be null, or is not of the format that its
# name says, is refused (`BrokenFile`), and none of its rows lands.

from __future__ import annotations

import csv
import gzip
import io
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import IO, Any

import pyarrow as pa

from stori_pipeline.contract import RAW_CHARACTERS, raw_text
from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import bigint, varchar
from stori_pipeline.model.types.documents import json_text
from stori_pipeline.readers.json_rows import as_document, literal, steps, value_or_misfit
from stori_pipeline.readers.s3_drop import json_values, parquet_values
from stori_pipeline.readers.s3_drop.bucket import Dropped
from stori_pipeline.readers.s3_drop.headers import folded, labels, own_places

Row = Mapping[str, object]

FACTS = ("$key", "$line", "$etag", "$modified")
_ENDINGS = {".json": "json", ".jsonl": "json", ".ndjson": "json", ".csv": "csv", ".parquet": "parquet"}
FORMATS = ("json", "csv", "parquet")
FILE_COLUMNS = (Column("file", varchar(1024), nullable=False, path="$key"), Column("line", bigint, nullable=False, path="$line"))
"""A key for rows that have none."""

_GZIP = b"\x1f\x8b"
_MOST_BYTES = 20_000_000_000  # the limit for an unpacked gzip file

# The module's own limit, 128 kB, is shorter than a document may be.
csv.field_size_limit(64_000_000)


class BrokenFile(ValueError):
    """A file that is refused. The message gives the reason to the person who dropped it."""


def format_of(table: Table, declared: str, file: Dropped) -> str:
    """The format that the definition declares, else that of the ending of the file's name.

    Raises:
        DefinitionError: the definition declares a format that does not exist.
        BrokenFile: no format has the name's ending.
    """
    if declared:
        if declared not in FORMATS:
            raise DefinitionError(
                f"table {table.full_name}: there is no format {declared!r} of dropped files; there are {', '.join(FORMATS)}"
            )
        return declared
    name = file.key.lower().removesuffix(".gz")
    for ending, file_format in _ENDINGS.items():
        if name.endswith(ending):
            return file_format
    raise BrokenFile(f"its name ends with none of {', '.join(_ENDINGS)}, so its format is not known; declare it in the definition")


@contextmanager
def unzipped(file: IO[bytes]) -> Iterator[IO[bytes]]:
    """The file, unpacked if it begins with gzip's magic number, whatever its name is."""
    begin = file.read(2)
    file.seek(0)
    if begin != _GZIP:
        yield file
        return
    with tempfile.TemporaryFile(prefix="stori-drop-") as plain:
        try:
            with gzip.open(file) as source:
                while piece := source.read(1 << 20):
                    plain.write(piece)
                    if plain.tell() > _MOST_BYTES:
                        raise BrokenFile(f"unpacked, it has more than {_MOST_BYTES} bytes")
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise BrokenFile(f"as gzip it is broken or cut off: {error}") from error
        plain.seek(0)
        yield plain


def rows(table: Table, kind: str, file: IO[bytes], dropped: Dropped, delimiter: str = ",") -> Iterator[Row]:
    """The file's rows, with a value for each of the table's columns. May be called again for the same file.

    Args:
        delimiter: the character between the fields of a line of CSV.

    Raises:
        BrokenFile: the file is broken. Rows before the broken place have been yielded by then.
    """
    file.seek(0)
    own = facts(table, dropped, 0)
    numbered = [column.name for column in table.columns if column.source_path == "$line"]
    with complete():
        for line, row in enumerate(_READ[kind](table, file, delimiter), start=1):
            # A value that is not an object is yielded as it is; the contract rejects it.
            kept = {"_raw": partial(_kept, dropped, line, kind, row)}
            yield {**row, **own, **dict.fromkeys(numbered, line), **kept} if isinstance(row, dict) else row


def facts(table: Table, dropped: Dropped, line: int) -> dict[str, object]:
    """The values of the columns that hold facts about a row's file."""
    known = {"$key": dropped.key, "$etag": dropped.etag.strip('"'), "$modified": dropped.modified, "$line": line}
    return {column.name: known[column.source_path] for column in table.columns if column.source_path in known}


def _kept(dropped: Dropped, line: int, kind: str, row: Mapping[str, Any]) -> str:
    """A row as quarantine keeps it: see `quarantined`."""
    known = {"$key": dropped.key, "$etag": dropped.etag.strip('"'), "$modified": dropped.modified, "$line": line, "$format": kind}
    raw = row.get("_raw")
    return f'{raw_text(known)[:-1]}, "row": {raw() if callable(raw) else raw_text(row)}}}'


@contextmanager
def complete() -> Iterator[None]:
    """Translates the libraries' errors about a broken file into BrokenFile."""
    try:
        yield
    except json_values.NotJson as error:
        raise BrokenFile(f"as JSON it is broken or cut off: {error}") from error
    except UnicodeDecodeError as error:
        raise BrokenFile(f"it is not UTF-8: {error.reason}") from error
    except csv.Error as error:
        raise BrokenFile(f"as CSV it is broken or cut off: {error}") from error
    except (pa.ArrowException, OSError) as error:
        raise BrokenFile(f"as Parquet it is broken or cut off: {str(error).splitlines()[0][:200]}") from error


def fields(table: Table) -> list[Column]:
    """The columns that come from the files' rows, without the facts about the file."""
    return [column for column in table.columns if column.source_path not in FACTS]


# --- JSON ------------------------------------------------------------------------------------------------------------


def _json(table: Table, file: IO[bytes], _: str) -> Iterator[Any]:
    paths = [(column.name, steps(column.source_path), column.type.is_document) for column in fields(table)]
    for value in json_values.values(text_of(file)):
        if not isinstance(value, dict):
            yield value
            continue
        row: dict[str, object] = {"_raw": partial(_raw, value)}
        for name, path, document in paths:
            member = value_or_misfit(value, path)
            row[name] = as_document(member) if document else member
        yield row


def _raw(value: Any) -> str:
    """An object as JSON with exact numbers, so that it can be read again."""
    try:
        text = json_text(value)
        text.encode()
    except (RecursionError, UnicodeEncodeError):
        return raw_text(value)
    return text if len(text) <= RAW_CHARACTERS else raw_text(value)


def text_of(file: IO[bytes]) -> IO[str]:
    """The file as text. The file stays open when the text is closed."""
    # TextIOWrapper closes what it wraps, so it wraps an object whose `close` does not close the file.
    unclosed: Any = _Unclosed(file)  # the type checker requires more methods than TextIOWrapper uses
    return io.TextIOWrapper(unclosed, encoding="utf-8-sig", newline="")


class _Unclosed(io.BufferedIOBase):
    """A file that stays open when its reader is done."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        return self._file.read(-1 if size is None else size)

    def read1(self, size: int = -1, /) -> bytes:
        return self._file.read(size if size > 0 else 1 << 16)


# --- CSV and Parquet -------------------------------------------------------------------------------------------------


def matched(table: Table, names: Sequence[str]) -> list[tuple[int, Column]]:
    """The table's columns that the file has, each with its index in the file.

    Raises:
        BrokenFile: two columns of the file match the same column, or a column that may not be null is missing.
    """
    columns = []
    labelled = labels(names)
    paths = {column.name: literal(parquet_values.plain_path(column)) for column in fields(table)}
    own = own_places(paths.values(), labelled)
    owned = set(own.values())
    unclear: dict[str, list[int]] = {}
    for place, (name, label) in enumerate(zip(names, labelled, strict=True)):
        for each in {folded(name), folded(label)} if place not in owned and label.isprintable() else ():
            unclear.setdefault(each, []).append(place)
    for column in fields(table):
        path = paths[column.name]
        matches = [*([own[path]] if path in own else []), *unclear.get(folded(path), [])]
        if len(matches) > 1:
            raise BrokenFile(
                f"it has more than one column {column.source_path!r}; name each of them exactly, as in {labelled[matches[1]]!r}"
            )
        if matches:
            columns.append((matches[0], column))
        elif not column.nullable:
            raise BrokenFile(f"it has no column {column.source_path!r}; it has {', '.join(map(repr, names))[:500]}")
    return columns


def lines(file: IO[bytes], delimiter: str) -> Iterator[list[str]]:
    """The header of a file of CSV, then the fields of each row; blank lines are left out.

    Raises:
        BrokenFile: a row has more or fewer fields than the header.
    """
    found = csv.reader(text_of(file), strict=True, delimiter=delimiter)
    header = next(found, [])
    yield header
    for cells in found:
        if cells and len(cells) != len(header):
            raise BrokenFile(f"line {found.line_num} has {len(cells)} fields, but the header has {len(header)}")
        if cells:
            yield cells


def cell(text: str, *, verbatim: bool) -> str | None:
    """A field of CSV. CSV has no null, so an empty one is null. Numbers and dates may be padded; texts are `verbatim`."""
    return (text if verbatim else text.strip()) or None


def _csv(table: Table, file: IO[bytes], delimiter: str) -> Iterator[Any]:
    found = lines(file, delimiter)
    header = next(found)
    columns = [(place, column.name, column.type.is_text) for place, column in matched(table, header)]
    for cells in found:
        row: dict[str, object] = {"_raw": partial(raw_text, dict(zip(header, cells, strict=True)))}
        for place, name, verbatim in columns:
            row[name] = cell(cells[place], verbatim=verbatim)
        yield row


def _parquet(table: Table, file: IO[bytes], _: str) -> Iterator[Any]:
    with parquet_values.opened(file) as source:
        columns = matched(table, source.names)
        for values in source.batches([(source.names[place], column) for place, column in columns]):
            yield from values


_READ: dict[str, Callable[[Table, IO[bytes], str], Iterator[Any]]] = {"json": _json, "csv": _csv, "parquet": _parquet}
