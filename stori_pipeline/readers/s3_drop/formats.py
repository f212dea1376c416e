"""What is in a file: its rows, by the table's columns, in whichever format.

Belongs here: telling formats apart, and reading each as a stream. Does not belong here: files as objects in a bucket (`bucket`), or
which of them are read (`position`).
"""

# Names. In CSV and Parquet a column is found by its name whatever the case, with white space around it, and with white space,
# underscores and dots taken for the same: ` WITHDRAWAL AMT ` is `withdrawal_amt`. In JSON a `path` leads through objects by exact names.
#
# A file's own facts are columns by these paths: `$key` (the object's key), `$line` (the row's number in the file, from 1, a
# header not counted), `$etag` and `$modified` (when it was dropped). Rows without a natural key have one in (`$key`, `$line`).
#
# A file is whole or it is nothing: one that ends too early, lacks a column that may not be null, or is not what its name says, is
# refused as a whole (`BrokenFile`), and none of its rows is taken.

from __future__ import annotations

import csv
import gzip
import io
import re
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from stori_pipeline.contract import RAW_CHARACTERS, raw_text
from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import bigint, varchar
from stori_pipeline.model.types.documents import json_text
from stori_pipeline.readers.json_rows import as_document, value_or_misfit
from stori_pipeline.readers.s3_drop import json_values
from stori_pipeline.readers.s3_drop.bucket import Dropped

Row = Mapping[str, object]

FACTS = ("$key", "$line", "$etag", "$modified")
_ENDINGS = {".json": "json", ".jsonl": "json", ".ndjson": "json", ".csv": "csv", ".parquet": "parquet"}
FORMATS = ("json", "csv", "parquet")
FILE_COLUMNS = (Column("file", varchar(1024), nullable=False, path="$key"), Column("line", bigint, nullable=False, path="$line"))
"""A key for rows that have none."""

_GZIP = b"\x1f\x8b"
_MOST_BYTES = 20_000_000_000  # of what a gzipped file may unfold to
_PARQUET_ROWS = 5_000


class BrokenFile(ValueError):
    """A file that is not taken. The message says why, for whoever dropped it."""


def format_of(table: Table, declared: str, file: Dropped) -> str:
    """The format that the definition declares, else the one that the file's name ends with.

    Raises:
        DefinitionError: the definition declares one that does not exist.
        BrokenFile: the name says none.
    """
    if declared:
        if declared not in FORMATS:
            raise DefinitionError(
                f"table {table.full_name}: there is no format {declared!r} of dropped files; there are {', '.join(FORMATS)}"
            )
        return declared
    name = file.key.lower().removesuffix(".gz")
    for ending, found in _ENDINGS.items():
        if name.endswith(ending):
            return found
    raise BrokenFile(f"its name ends with none of {', '.join(_ENDINGS)}, so its format is not known; declare it in the definition")


def folded(name: str) -> str:
    """A column's name as names are compared."""
    return re.sub(r"[\s_.]+", "_", name.strip().casefold())


@contextmanager
def unzipped(file: IO[bytes]) -> Iterator[IO[bytes]]:
    """The file itself, or what is in it where it begins as gzip does, whatever it is called."""
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
                        raise BrokenFile(f"it unfolds to more than {_MOST_BYTES} bytes")
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise BrokenFile(f"as gzip it is broken or cut off: {error}") from error
        plain.seek(0)
        yield plain


def rows(table: Table, kind: str, file: IO[bytes], dropped: Dropped) -> Iterator[Row]:
    """The file's rows, with a value for each of the table's columns. May be called again for the same file.

    Raises:
        BrokenFile: where it turns out to be broken; rows before that place have been given by then.
    """
    file.seek(0)
    facts = {"$key": dropped.key, "$etag": dropped.etag.strip('"'), "$modified": dropped.modified}
    own = {column.name: facts[column.source_path] for column in table.columns if column.source_path in facts}
    numbered = [column.name for column in table.columns if column.source_path == "$line"]
    with complete():
        for line, row in enumerate(_READ[kind](table, file), start=1):
            # What is no object at all goes on as it is: the contract rejects it by itself.
            yield {**row, **own, **dict.fromkeys(numbered, line)} if isinstance(row, dict) else row


@contextmanager
def complete() -> Iterator[None]:
    """What the libraries raise about a broken file, as BrokenFile."""
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
    """The columns that are in the files' rows, and not facts about the file."""
    return [column for column in table.columns if column.source_path not in FACTS]


# --- JSON ------------------------------------------------------------------------------------------------------------


def _json(table: Table, file: IO[bytes]) -> Iterator[Any]:
    paths = [(column.name, column.source_path.split("."), column.type.is_document) for column in fields(table)]
    for value in json_values.values(text_of(file)):
        if not isinstance(value, dict):
            yield value
            continue
        row: dict[str, object] = {"_raw": partial(_raw, value)}
        for name, path, document in paths:
            found = value_or_misfit(value, path)
            row[name] = as_document(found) if document else found
        yield row


def _raw(value: Any) -> str:
    """An object as the file has it: numbers stay numbers, with every digit, so that it can be read again."""
    try:
        text = json_text(value)
        text.encode()
    except (RecursionError, UnicodeEncodeError):
        return raw_text(value)
    return text if len(text) <= RAW_CHARACTERS else raw_text(value)


def text_of(file: IO[bytes]) -> IO[str]:
    """The file as text; it stays open when that is done with."""
    # A copy of the file's handle would be closed with the wrapper, and the file with it; so what is wrapped is never closed here.
    unclosed: Any = _Unclosed(file)  # the type checker asks for more of a buffer than a reader of text does
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


def _columns(table: Table, names: Sequence[str]) -> list[tuple[int, Column]]:
    """Where in the file each of the table's columns is.

    Raises:
        BrokenFile: two columns of the file are one of the table's, or one that may not be null is missing.
    """
    found = []
    places: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        places.setdefault(folded(name), []).append(place)
    for column in fields(table):
        matches = places.get(folded(column.source_path), [])
        if len(matches) > 1:
            raise BrokenFile(f"it has more than one column {column.source_path!r}")
        if matches:
            found.append((matches[0], column))
        elif not column.nullable:
            raise BrokenFile(f"it has no column {column.source_path!r}; it has {', '.join(map(repr, names))[:500]}")
    return found


def _csv(table: Table, file: IO[bytes]) -> Iterator[Any]:
    lines = csv.reader(text_of(file), strict=True)
    header = next(lines, [])
    columns = [(place, column.name, column.type.is_text) for place, column in _columns(table, header)]
    for cells in lines:
        if not cells:
            continue  # a blank line
        if len(cells) != len(header):
            raise BrokenFile(f"line {lines.line_num} has {len(cells)} fields, and the header {len(header)}")
        row: dict[str, object] = {"_raw": partial(raw_text, dict(zip(header, cells, strict=True)))}
        for place, name, verbatim in columns:
            # CSV has no null: what is empty is that. Numbers and dates may have been padded.
            row[name] = (cells[place] if verbatim else cells[place].strip()) or None
        yield row


def _parquet(table: Table, file: IO[bytes]) -> Iterator[Any]:
    # Opened by what is read of it and not mapped: a broken file must raise, not fault.
    with pq.ParquetFile(file) as opened:
        columns = _columns(table, opened.schema_arrow.names)
        for batch in opened.iter_batches(_PARQUET_ROWS, columns=[opened.schema_arrow.names[place] for place, _ in columns]):
            names = {folded(name): place for place, name in enumerate(batch.schema.names)}
            values = {column.name: _natives(batch.column(names[folded(column.source_path)])) for _, column in columns}
            for index in range(batch.num_rows):
                yield {name: column[index] for name, column in values.items()}


def _natives(array: pa.Array) -> list[Any]:
    if pa.types.is_timestamp(array.type) and array.type.unit == "ns":
        try:
            array = array.cast(pa.timestamp("us", array.type.tz))
        except pa.ArrowInvalid:
            array = array.cast(pa.string())  # with all its digits, which the contract judges
    values: list[Any] = array.to_pylist()  # a text in a super column is JSON, for which Parquet has no type of its own
    return values


_READ: dict[str, Callable[[Table, IO[bytes]], Iterator[Any]]] = {"json": _json, "csv": _csv, "parquet": _parquet}
