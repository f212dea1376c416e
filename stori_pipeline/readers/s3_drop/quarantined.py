"""Rejected rows of files: the form in which they are kept, and reading them again.

Belongs here: rows with the file and the line that they came from, and broken files. Does not belong here: the formats (`formats`), or which
rows are rejected (`contract`).
"""

# A row is kept as {"$key", "$etag", "$modified", "$line", "$format", "row"}. Of JSON and CSV, `row` is what the file has; of Parquet, it is
# the values by the definition's columns. Of a line that cannot be read, it is the line, and for CSV {"header", "line"}. It is read again as
# a file of one row, so that a changed definition finds its columns.

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from stori_pipeline.contract import Refused, parsed_raw, raw_text, row_of_raw
from stori_pipeline.model.table import Table
from stori_pipeline.readers.quarantined import Again
from stori_pipeline.readers.s3_drop import Objects, formats
from stori_pipeline.readers.s3_drop.broken import BrokenFile
from stori_pipeline.readers.s3_drop.bucket import Bucket, Dropped
from stori_pipeline.readers.s3_drop.decoding import unzipped
from stori_pipeline.readers.s3_drop.headers import name_of

_MOST_BYTES = 100_000_000
"""A larger broken file is not read again from quarantine, since its rows would be in memory together; it is read when it is overwritten."""


def rows_again(opened: Callable[[], Bucket], table: Table, objects: Objects, rejected: Refused) -> Again:
    """See `ReadsQuarantine`. Of a broken file it reads the version that was refused, if the bucket still has it."""
    kept = parsed_raw(rejected.raw)
    if not isinstance(kept, dict):
        return [rejected]
    try:
        found = _rows_of_file(opened(), table, objects, kept) if rejected.code == "file" else _rows_of_row(table, objects, kept)
    except (BrokenFile, KeyError, TypeError, ValueError) as error:
        of_file = isinstance(error, BrokenFile) and rejected.code == "file"
        return [Refused(rejected.code, str(error) if of_file else rejected.reason, rejected.raw, rejected.column)]
    return found or [rejected]


def _rows_of_row(table: Table, objects: Objects, kept: Mapping[str, Any]) -> list[Any]:
    dropped = Dropped(datetime.fromisoformat(kept["$modified"]), str(kept["$key"]), str(kept["$etag"]), 0)
    line, kind, raw = int(kept["$line"]), kept["$format"], raw_text(kept)
    own = formats.facts(table, dropped, line) | {"_raw": raw}
    if kind == "parquet":
        return [{**(row_of_raw(raw_text(kept["row"])) or {}), **own}]
    text = _csv(kept["row"], objects) if kind == "csv" else _json(kept["row"])
    alone = replace(objects, encoding="utf-8", header_line=min(objects.header_line, 1), rows_at="")
    rows = formats.rows(table, kind, io.BytesIO(text.encode()), dropped, alone)
    return [{**row, **own} for row in rows if isinstance(row, Mapping)]


def _json(row: object) -> str:
    return row if isinstance(row, str) else raw_text(row)


def _csv(row: Mapping[str, object], objects: Objects) -> str:
    """A file of this row, or of this line that could not be read."""
    is_line = set(row) == {"header", "line"} and isinstance(row["header"], list)
    header = row["header"] if is_line else [name_of(label) for label in row]
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=objects.delimiter)
    if objects.header_line:
        writer.writerow(header)  # type: ignore[arg-type]  # a list in both cases
    if is_line:
        return text.getvalue() + str(row["line"])
    writer.writerow(["" if each is None else str(each) for each in row.values()])
    return text.getvalue()


def _rows_of_file(bucket: Bucket, table: Table, objects: Objects, kept: Mapping[str, Any]) -> list[Any]:
    listed = {(each.key, each.etag.strip('"')): each for each in bucket.of_table(objects)}
    dropped = listed.get((kept["key"], kept["etag"]))
    if dropped is None or dropped.size > _MOST_BYTES:
        return []
    with bucket.fetched(dropped) as file, suppress(EOFError):
        if file is None:
            return []
        kind = formats.format_of(objects.format, dropped)
        with unzipped(file) as plain:
            return list(formats.rows(table, kind, plain, dropped, objects))
    return []
