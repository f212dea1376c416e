"""Columns of dropped files that no definition names, and a suggested definition of files.

Belongs here: looking at the newest files. Does not belong here: reading tables.
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
    """See `readers.Reader.drift`. The newest files are looked at; broken ones are quarantine's business."""
    found: dict[str, str] = {}
    covered: set[str] = set()
    for kind, names in _newest(bucket, table, objects):
        # Names are exact in JSON and folded elsewhere, as they are when the files are read.
        alike = (lambda name: name) if kind == "json" else folded
        covered = {alike(column.source_path) for column in table.columns}
        for name, type_ in names.items():
            known = alike(name)
            if not any(known == path or known.startswith(f"{path}.") for path in covered):
                found.setdefault(name, type_)
    taken = {column.name for column in table.columns}
    return [
        f"the files have {name!r}, which the definition does not name; to read it add {_column(name, type_, taken)}"
        for name, type_ in sorted(found.items())
    ]


def definition(bucket: Bucket, source: Source, prefix: str) -> str:
    """A suggested definition of the files under a prefix, from the newest of them. Empty where there are none."""
    objects = Objects(prefix)
    name = column_name(prefix) if re.search("[A-Za-z0-9]", prefix) else "files"
    table = Table(source, name, formats.FILE_COLUMNS, ("file", "line"), objects)
    found: dict[str, str] = {}
    for _, names in _newest(bucket, table, objects):
        found = {**names, **found}
    if not found:
        return ""
    taken = {column.name for column in table.columns}
    columns = [
        'Column("file", varchar(1024), nullable=False, path="$key"),',
        'Column("line", bigint, nullable=False, path="$line"),',
        *(f"{_column(name, type_, taken)}," for name, type_ in found.items()),
    ]
    return definition_text(table.name, columns, ["file", "line"], f"Objects({text(prefix)})", "stori_pipeline.readers.s3_drop")


def _newest(bucket: Bucket, table: Table, objects: Objects) -> Iterator[tuple[str, dict[str, str]]]:
    """Of each of the newest files its format, and its columns with the type that each seems to have."""
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
    seen: dict[str, list[Any]] = {}

    def walk(value: dict[str, Any], before: str) -> None:
        for name, inner in value.items():
            if isinstance(inner, dict):
                walk(inner, f"{before}{name}.")
            elif inner is not None:
                seen.setdefault(before + name, []).append(inner)

    for value in islice(json_values.values(formats.text_of(file)), _ROWS):
        if isinstance(value, dict):
            walk(value, "")
    return {name: type_text(values) for name, values in seen.items()}


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
        return {found.name: suggestions.for_arrow(found.type) or "varchar(256)" for found in opened.schema_arrow}


def _column(path: str, type_: str, taken: set[str]) -> str:
    name = column_name(path.rpartition(".")[2])
    if name in taken:
        name = column_name(path)
    taken.add(name)
    return f'Column("{name}", {type_}' + (f", path={path!r})" if name != path else ")")


_LOOK = {"json": _json, "csv": _csv, "parquet": _parquet}
