"""Columns of dropped files that no definition names, and a suggested definition of files.

Belongs here: what follows from a sample of the newest files. Does not belong here: reading tables (`reading`).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from itertools import islice
from typing import IO, Any

import pyarrow.parquet as pq

from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Table
from stori_pipeline.model.types import suggestions
from stori_pipeline.model.types.texts import MAX_BYTES
from stori_pipeline.readers.json_fields import column_name, type_text
from stori_pipeline.readers.s3_drop import Objects, formats, json_values
from stori_pipeline.readers.s3_drop.bucket import Bucket
from stori_pipeline.readers.s3_drop.formats import BrokenFile, folded
from stori_pipeline.readers.scaffolding import definition_text, text

_FILES = 3
_ROWS = 500


def drift(bucket: Bucket, table: Table, objects: Objects) -> list[str]:
    """See `readers.Reader.drift`. Looks at the newest files and skips broken ones, which quarantine reports."""
    added: dict[str, str] = {}
    covered: set[str] = set()
    for kind, names in _newest(bucket, table, objects):
        # As in `formats`, names match exactly in JSON and in folded form elsewhere.
        comparable = (lambda name: name) if kind == "json" else folded
        covered = {comparable(column.source_path) for column in table.columns}
        for name, type_ in names.items():
            each = comparable(name)
            if not any(each == path or each.startswith(f"{path}.") for path in covered):
                added.setdefault(name, type_)
    taken = {column.name for column in table.columns}
    return [
        f"the files have {name!r}, which the definition does not name; to read it add {_column(name, type_, taken)}"
        for name, type_ in sorted(added.items())
    ]


def definition(bucket: Bucket, source: Source, prefix: str) -> str:
    """A suggested definition of the files under a prefix, from the newest of them; "" if there are none."""
    objects = Objects(prefix)
    name = column_name(prefix) if re.search("[A-Za-z0-9]", prefix) else "files"
    table = Table(source, name, formats.FILE_COLUMNS, ("file", "line"), objects)
    types: dict[str, str] = {}
    for _, names in _newest(bucket, table, objects):
        types = {**names, **types}
    if not types:
        return ""
    taken = {column.name for column in table.columns}
    columns = [
        'Column("file", varchar(1024), nullable=False, path="$key"),',
        'Column("line", bigint, nullable=False, path="$line"),',
        *(f"{_column(name, type_, taken)}," for name, type_ in types.items()),
    ]
    return definition_text(table.name, columns, ["file", "line"], f"Objects({text(prefix)})", "stori_pipeline.readers.s3_drop")


def _newest(bucket: Bucket, table: Table, objects: Objects) -> Iterator[tuple[str, dict[str, str]]]:
    """The format of each of the newest files, and its columns, each with a suggested type."""
    for dropped in bucket.files(objects.prefix)[-_FILES:]:
        with bucket.fetched(dropped) as file:
            if file is None:
                continue
            try:
                kind = formats.format_of(table, objects.format, dropped)
                with formats.unzipped(file) as plain, formats.complete():
                    yield kind, _LOOK[kind](plain)
            except BrokenFile:
                continue


def _json(file: IO[bytes]) -> dict[str, str]:
    members: dict[str, list[Any]] = {}

    def walk(value: dict[str, Any], before: str) -> None:
        for name, inner in value.items():
            if isinstance(inner, dict):
                walk(inner, f"{before}{name}.")
            elif inner is not None:
                members.setdefault(before + name, []).append(inner)

    for value in islice(json_values.values(formats.text_of(file)), _ROWS):
        if isinstance(value, dict):
            walk(value, "")
    return {name: type_text(values) for name, values in members.items()}


def _of_texts(texts: list[str]) -> str:
    # Never a document: in CSV a text without quotes is no JSON.
    return suggestions.for_texts(texts) or suggestions.for_longest(min(suggestions.longest_of(texts), MAX_BYTES))


def _csv(file: IO[bytes]) -> dict[str, str]:
    lines = csv.reader(formats.text_of(file), strict=True)
    header = next(lines, [])
    rows = [cells for cells in islice(lines, _ROWS) if len(cells) == len(header)]
    return {name: _of_texts([cells[place] for cells in rows if cells[place].strip()]) for place, name in enumerate(header)}


def _parquet(file: IO[bytes]) -> dict[str, str]:
    with pq.ParquetFile(file) as opened:
        return {field.name: suggestions.for_arrow(field.type) or "varchar(256)" for field in opened.schema_arrow}


def _column(path: str, type_: str, taken: set[str]) -> str:
    name = column_name(path.rpartition(".")[2])
    if name in taken:
        name = column_name(path)
    taken.add(name)
    return f'Column("{name}", {type_}' + (f", path={path!r})" if name != path else ")")


_LOOK = {"json": _json, "csv": _csv, "parquet": _parquet}
