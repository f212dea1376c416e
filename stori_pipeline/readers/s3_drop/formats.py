"""The rows of a file, by the table's columns, in any of the formats.

Belongs here: recognizing formats, and what a path means in each. Does not belong here: files as objects in a bucket (`bucket`), which files
are read (`position`), which column a name is (`headers`), or each format's values (`csv_values`, `json_values`, `parquet_values`).
"""

# Columns with these paths hold facts about the file: `$key` (the object's key), `$line` (the row's number in the file, from 1, without the
# header), `$etag` and `$modified` (when it was dropped). Rows without a natural key can use (`$key`, `$line`).
#
# A path means the same in every format: `address.country` is a member of an object, a field of a Parquet struct, or a column or member with
# that flat name. A column that a file does not have is null, unless it may not be; a file that has none of a table's columns is refused.
#
# A file is read to its end before a row of it is used. A file that is cut off, lacks a column that may not be null, or is not of the format
# that its name says, is refused (`BrokenFile`), and none of its rows lands. A line of CSV or JSON that cannot be read is rejected alone.

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import IO, Any

from stori_pipeline.contract import RAW_CHARACTERS, Refused, raw_text
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import bigint, varchar
from stori_pipeline.model.types.documents import json_text
from stori_pipeline.readers.json_rows import as_document, literal, steps, value_or_misfit
from stori_pipeline.readers.s3_drop import Objects, csv_values, json_values, parquet_values
from stori_pipeline.readers.s3_drop.broken import BrokenFile, complete
from stori_pipeline.readers.s3_drop.bucket import Dropped
from stori_pipeline.readers.s3_drop.decoding import text_of
from stori_pipeline.readers.s3_drop.headers import labels, own_places
from stori_pipeline.readers.suggested_columns import has_path

Row = Mapping[str, object]

FACTS = ("$key", "$line", "$etag", "$modified")
_ENDINGS = {".json": "json", ".jsonl": "json", ".ndjson": "json", ".csv": "csv", ".parquet": "parquet"}
FILE_COLUMNS = (Column("file", varchar(1024), nullable=False, path="$key"), Column("line", bigint, nullable=False, path="$line"))
"""A key for rows that have none."""

ENVELOPE = "data"
"""The member of an object that may hold a file's rows, if the definition does not say which."""


def format_of(declared: str, file: Dropped) -> str:
    """The format that the definition declares, else that of the ending of the file's name.

    Raises:
        BrokenFile: the file is empty, or no format has the name's ending.
    """
    if not file.size:
        raise BrokenFile("it is empty: it has no bytes")
    if declared:
        return declared
    name = file.key.lower().removesuffix(".gz")
    for ending, file_format in _ENDINGS.items():
        if name.endswith(ending):
            return file_format
    raise BrokenFile(f"its name ends with none of {', '.join(_ENDINGS)}, so its format is not known; declare it in the definition")


def rows(table: Table, kind: str, file: IO[bytes], dropped: Dropped, objects: Objects) -> Iterator[Row | Refused]:
    """The file's rows, with a value for each of the table's columns, and a Refused for each line that cannot be read. May be called again
    for the same file.

    Args:
        kind: the file's format.

    Raises:
        BrokenFile: the file is broken. Rows before the broken place have been yielded by then.
    """
    file.seek(0)
    own = facts(table, dropped, 0)
    numbered = [column.name for column in table.columns if column.source_path == "$line"]
    with complete():
        for line, row in enumerate(_READ[kind](table, file, objects), start=1):
            # A value that is not an object is yielded as it is; the contract rejects it.
            if isinstance(row, Refused):
                yield replace(row, raw=_kept(dropped, line, kind, row.raw))
                continue
            kept = {"_raw": partial(_kept_row, dropped, line, kind, row)}
            yield {**row, **own, **dict.fromkeys(numbered, line), **kept} if isinstance(row, dict) else row


def facts(table: Table, dropped: Dropped, line: int) -> dict[str, object]:
    """The values of the columns that hold facts about a row's file."""
    known = {"$key": dropped.key, "$etag": dropped.etag.strip('"'), "$modified": dropped.modified, "$line": line}
    return {column.name: known[column.source_path] for column in table.columns if column.source_path in known}


def _kept_row(dropped: Dropped, line: int, kind: str, row: Mapping[str, Any]) -> str:
    raw = row.get("_raw")
    return _kept(dropped, line, kind, raw() if callable(raw) else raw_text(row))


def _kept(dropped: Dropped, line: int, kind: str, row: str) -> str:
    """A row, or a line that cannot be read, as quarantine keeps it: see `quarantined`."""
    known = {"$key": dropped.key, "$etag": dropped.etag.strip('"'), "$modified": dropped.modified, "$line": line, "$format": kind}
    return f'{raw_text(known)[:-1]}, "row": {row}}}'


def fields(table: Table) -> list[Column]:
    """The columns that come from the files' rows, without the facts about the file."""
    return [column for column in table.columns if column.source_path not in FACTS]


# --- JSON ------------------------------------------------------------------------------------------------------------


def _json(table: Table, file: IO[bytes], objects: Objects) -> Iterator[Any]:
    columns = fields(table)
    paths = [(column.name, steps(column.source_path), column.type.is_document) for column in columns]
    is_known, other = not columns, ""
    rows_at = _rows_at(table, file, objects)
    for value in json_values.values(text_of(file, objects.encoding), rows_at):
        if not isinstance(value, dict):
            yield value
            continue
        row: dict[str, object] = {"_raw": partial(_raw, value)}
        for name, path, document in paths:
            member = value_or_misfit(value, path)
            row[name] = as_document(member) if document else member
        if not is_known:
            is_known = any(_has(value, path) for _, path, _ in paths)
            other = other or next(filter(has_path, value), "")
        yield row
    if other and not is_known:
        raise BrokenFile(f"no object in it has any of {_shown(columns)}; one has {other!r}. Does the definition say where its rows are?")


def _has(value: dict[str, Any], path: Sequence[str]) -> bool:
    return path[0] in value or ".".join(path) in value


def _rows_at(table: Table, file: IO[bytes], objects: Objects) -> tuple[str, ...]:
    """The path of the rows in each object of the file; empty if each object is a row.

    Raises:
        BrokenFile: its only object may be a row and may hold rows, and the definition does not say which.
    """
    if objects.rows_at is not None:
        return steps(objects.rows_at) if objects.rows_at else ()
    columns = fields(table)
    names = {steps(column.source_path)[0] for column in columns}
    found = json_values.envelope(text_of(file, objects.encoding), ENVELOPE) if ENVELOPE not in names else None
    if found is None:
        return ()
    keys = {steps(column.source_path)[0] for column in columns if column.name in table.key}
    is_row = keys <= found.others if keys else bool(names & found.others)
    holds_rows = keys <= found.inner if keys else bool(names & found.inner)
    if is_row and holds_rows:
        raise BrokenFile(
            f"its only object has what a row has, and so have the elements of its {ENVELOPE!r}; say in the definition which are the rows: "
            f'Objects({objects.prefix!r}, rows_at="{ENVELOPE}") or rows_at=""'
        )
    return () if is_row else (ENVELOPE,)


def _raw(value: Any) -> str:
    """An object as JSON with exact numbers, so that it can be read again."""
    try:
        text = json_text(value)
        text.encode()
    except (RecursionError, UnicodeEncodeError):
        return raw_text(value)
    return text if len(text) <= RAW_CHARACTERS else raw_text(value)


# --- CSV and Parquet -------------------------------------------------------------------------------------------------


def matched(table: Table, names: Sequence[str], nested: Callable[[Column], int | None] = lambda _: None) -> list[tuple[int, Column]]:
    """The table's columns that the file has, each with its index in the file.

    Args:
        nested: the index of the column of the file in which a column of the table is a member; None if there is none.

    Raises:
        BrokenFile: it is not clear which column of the file a column is, one that may not be null is missing, or all are.
    """
    wanted = fields(table)
    own = own_places((literal(parquet_values.plain_path(column)) for column in wanted), labels(names))
    columns = []
    for column in wanted:
        place = own.get(literal(parquet_values.plain_path(column)))
        place = nested(column) if place is None else place
        if place is not None:
            columns.append((place, column))
        elif not column.nullable:
            raise BrokenFile(f"it has no column {column.source_path!r}; it has {', '.join(map(repr, names))[:500]}")
    if wanted and names and not columns:
        raise BrokenFile(f"it has none of the columns {_shown(wanted)}; it has {', '.join(map(repr, names))[:500]}")
    return columns


def _shown(columns: Sequence[Column]) -> str:
    return ", ".join(repr(column.source_path) for column in columns[:20])


def _csv(table: Table, file: IO[bytes], objects: Objects) -> Iterator[Any]:
    found = csv_values.lines(file, objects)
    header = next(found)
    if isinstance(header, Refused):
        raise BrokenFile(header.reason)
    columns = [(place, column.name, column.type) for place, column in matched(table, header)]
    for cells in found:
        if isinstance(cells, Refused):
            yield replace(cells, raw=f'{{"header": {raw_text(header)}, "line": {cells.raw}}}')
            continue
        row: dict[str, object] = {"_raw": partial(_raw_cells, header, cells)}
        for place, name, kind in columns:
            row[name] = csv_values.cell(cells[place], kind, objects.decimal)
        yield row


def _raw_cells(header: Sequence[str], cells: Sequence[str]) -> str:
    return raw_text(dict(zip(labels(header), cells, strict=True)))


def _parquet(table: Table, file: IO[bytes], _: Objects) -> Iterator[Any]:
    with parquet_values.opened(file) as source:
        columns = matched(table, source.names, source.holder)
        for values in source.batches(columns):
            yield from values


_READ: dict[str, Callable[[Table, IO[bytes], Objects], Iterator[Any]]] = {"json": _json, "csv": _csv, "parquet": _parquet}
