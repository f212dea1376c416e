"""Samples of dropped files: which columns the files have, and values of each.

Belongs here: fetching files up to a bound, and what their rows hold before any definition reads them. Does not belong here: a suggested
definition (`scaffolding`), or the rows of a table (`formats`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import IO, Any

import pyarrow as pa

from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import super_, varchar
from stori_pipeline.readers.s3_drop import Objects, formats, json_values, parquet_values
from stori_pipeline.readers.s3_drop.bucket import Bucket, Dropped
from stori_pipeline.readers.s3_drop.formats import BrokenFile
from stori_pipeline.readers.s3_drop.headers import labels

FILES = 200
ROWS = 20_000
_BYTES = 500_000_000
"""The bounds of a sample, of all files together. A file is fetched in full, and the bound of bytes looked at before."""

_DELIMITERS = ",;\t|"
_BEGINNING = 1 << 16

Values = dict[str, list[Any]]


@dataclass
class FileSample:
    """What a file holds.

    Args:
        rows: the number of rows that were looked at.
        values: a value for each row that has one, by the label of a column (see `headers.labels`) or the name of a JSON object's member.
        types: the Arrow types of a Parquet file's columns.
        is_whole: whether there are no other rows.
        broken: why the file cannot be read; "" if it can.
    """

    file: Dropped
    kind: str = ""
    rows: int = 0
    values: Values = field(default_factory=dict)
    types: Mapping[str, pa.DataType] = field(default_factory=dict)
    delimiter: str = ","
    is_whole: bool = True
    broken: str = ""


def samples(bucket: Bucket, objects: Objects, *, files: int = FILES, rows: int = ROWS) -> tuple[list[FileSample], int]:
    """Samples of the newest files, newest first, and the number of all files. Small files are read first, so that what they leave of the
    bound is for the larger ones."""
    listed = bucket.of_table(objects)
    chosen: list[Dropped] = []
    for dropped in reversed(listed[-files:]):
        if chosen and dropped.size + sum(each.size for each in chosen) > _BYTES:
            break
        chosen.append(dropped)
    by_size = sorted(chosen, key=lambda each: each.size)
    found: dict[Dropped, FileSample] = {}
    for place, dropped in enumerate(by_size):
        share = (rows - sum(each.rows for each in found.values())) // (len(by_size) - place)
        if (sample := _sample(bucket, objects, dropped, max(share, 1))) is not None:
            found[dropped] = sample
    return [found[dropped] for dropped in chosen if dropped in found], len(listed)


def _sample(bucket: Bucket, objects: Objects, dropped: Dropped, rows: int) -> FileSample | None:
    sample = FileSample(dropped, delimiter=objects.delimiter)
    with bucket.fetched(dropped) as file:
        if file is None:
            return None
        try:
            sample.kind = formats.format_of(_ANY, objects.format, dropped)
            with formats.unzipped(file) as plain, formats.complete():
                _LOOK[sample.kind](plain, sample, rows)
        except BrokenFile as error:
            return FileSample(dropped, sample.kind, broken=str(error))
    return sample


_ANY = Table(Source("drops", "s3_drop", ""), "files", (Column("file", varchar(1024), nullable=False),), ("file",), Objects(""))
"""A table for the errors of functions that want one."""


def _json(file: IO[bytes], sample: FileSample, rows: int) -> None:
    found = json_values.values(formats.text_of(file))
    for value in islice(found, rows):
        sample.rows += 1
        for name, member in value.items() if isinstance(value, dict) else ():
            sample.values.setdefault(name, []).append(member)
    sample.is_whole = next(found, None) is None


def _csv(file: IO[bytes], sample: FileSample, rows: int) -> None:
    sample.delimiter = _delimiter(file, sample.delimiter)
    file.seek(0)
    lines = formats.lines(file, sample.delimiter)
    header = labels(next(lines))
    sample.values = {label: [] for label in header}
    for cells in islice(lines, rows):
        sample.rows += 1
        for label, text in zip(header, cells, strict=True):
            sample.values[label].append(text or None)
    sample.is_whole = next(lines, None) is None


def _delimiter(file: IO[bytes], declared: str) -> str:
    """The character that parts the file's first lines into fields, as many in each; the declared one if none does."""
    text = formats.text_of(file).read(_BEGINNING)
    whole_lines = text[: text.rfind("\n") + 1] if len(text) == _BEGINNING else text
    counts = {each: _fields(whole_lines, each) for each in dict.fromkeys((declared, *_DELIMITERS))}
    best = max(counts.values())
    return next(each for each, count in counts.items() if count == best) if best > 1 else declared


def _fields(text: str, delimiter: str) -> int:
    """The number of fields of each line; 0 if it is not the same for all."""
    try:
        lines = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter)
        counts = {len(cells) for cells in lines if cells}
    except csv.Error:
        return 0
    return counts.pop() if len(counts) == 1 else 0


def _parquet(file: IO[bytes], sample: FileSample, rows: int) -> None:
    with parquet_values.opened(file) as source:
        sample.types = {each.name: each.type for each in source.schema}
        columns = [(name, Column(name, super_)) for name in sample.types]  # for which bytes and instants stay what they are
        sample.values = {name: [] for name in sample.types}
        for batch in source.batches(columns):
            for row in batch[: rows - sample.rows]:
                for name, value in row.items():
                    sample.values[name].append(value)
            sample.rows += min(len(batch), rows - sample.rows)
            if sample.rows == rows:
                break
        sample.is_whole = sample.rows == source.rows


_LOOK: dict[str, Callable[[IO[bytes], FileSample, int], None]] = {"json": _json, "csv": _csv, "parquet": _parquet}
