"""Samples of dropped files: which columns the files have, and values of each.

Belongs here: fetching files up to a bound, and what their rows hold before any definition reads them. Does not belong here: a suggested
definition (`scaffolding`), how a file seems to be written (`sniffing`), or the rows of a table (`formats`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import IO, TYPE_CHECKING, Any

from stori_pipeline.contract import Refused
from stori_pipeline.imports import later
from stori_pipeline.model.table import Column
from stori_pipeline.model.types import super_
from stori_pipeline.readers.json_rows import path_of
from stori_pipeline.readers.s3_drop import Objects, csv_values, formats, json_values, parquet_values, sniffing
from stori_pipeline.readers.s3_drop.broken import BrokenFile, complete
from stori_pipeline.readers.s3_drop.bucket import Bucket, Dropped
from stori_pipeline.readers.s3_drop.decoding import text_of, unzipped
from stori_pipeline.readers.s3_drop.headers import labels

if TYPE_CHECKING:
    import pyarrow as pa
else:
    pa = later("pyarrow")

FILES = 200
ROWS = 20_000
_BYTES = 500_000_000
"""The bounds of a sample, of all files together. A file is fetched in full, and the bound of bytes looked at before."""

Values = dict[str, list[Any]]


@dataclass
class FileSample:
    """What a file holds.

    Args:
        rows: the number of rows that were looked at.
        values: a value for each row that has one, by the label of a column (see `headers.labels`) or the name of a JSON object's member.
        types: the Arrow types of a Parquet file's columns.
        objects: how a file of CSV or JSON seems to be written. Its encoding is `ascii` if every encoding that is common reads it.
        decimal: the character before the places of a number; "" if the file has no such numbers.
        has_envelope: whether the rows are in an object whose other members have names of theirs, so that the definition must say so.
        is_whole: whether there are no other rows.
        broken: why the file cannot be read; "" if it can.
    """

    file: Dropped
    kind: str = ""
    rows: int = 0
    values: Values = field(default_factory=dict)
    types: Mapping[str, pa.DataType] = field(default_factory=dict)
    objects: Objects = Objects("")  # noqa: RUF009  (it is frozen)
    decimal: str = ""
    has_envelope: bool = False
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
    sample = FileSample(dropped, objects=objects)
    with bucket.fetched(dropped) as file:
        if file is None:
            return None
        try:
            sample.kind = formats.format_of(objects.format, dropped)
            with unzipped(file) as plain, complete():
                _LOOK[sample.kind](plain, sample, rows)
        except BrokenFile as error:
            return FileSample(dropped, sample.kind, broken=str(error))
    return sample


def _json(file: IO[bytes], sample: FileSample, rows: int) -> None:
    encoding = sniffing.encoding_of(file, sample.objects.encoding)
    known = encoding or "utf-8"
    path: tuple[str, ...] = ()
    if envelope := json_values.envelope(text_of(file, known), formats.ENVELOPE):
        # Without rows in it, or with something else than rows, it is a row with an array of its own.
        path = (formats.ENVELOPE,) if envelope.inner or not envelope.others else ()
        sample.has_envelope = bool(path and envelope.inner & envelope.others)
    found = (value for value in json_values.values(text_of(file, known), path) if not isinstance(value, Refused))
    for value in islice(found, rows):
        sample.rows += 1
        for name, member in value.items() if isinstance(value, dict) else ():
            sample.values.setdefault(name, []).append(member)
    sample.is_whole = next(found, None) is None
    sample.objects = replace(sample.objects, encoding=encoding or "ascii")


def _csv(file: IO[bytes], sample: FileSample, rows: int) -> None:
    encoding = sniffing.encoding_of(file, sample.objects.encoding)
    objects = sniffing.with_layout(file, replace(sample.objects, encoding=encoding or "utf-8", decimal="."))
    found = csv_values.lines(file, objects)
    header = labels(next(found))  # type: ignore[arg-type]  # the first is never a Refused
    good = (cells for cells in found if not isinstance(cells, Refused))
    sample.values = {label: [] for label in header}
    for cells in islice(good, rows):
        sample.rows += 1
        for label, text in zip(header, cells, strict=True):
            sample.values[label].append(text or None)
    sample.is_whole = next(good, None) is None
    sample.decimal = sniffing.decimal_of(sample.values.values(), objects.delimiter)
    sample.objects = replace(objects, encoding=encoding or "ascii")


def _parquet(file: IO[bytes], sample: FileSample, rows: int) -> None:
    with parquet_values.opened(file) as source:
        names = labels(source.names)
        sample.types = {name: each.type for name, each in zip(names, source.schema, strict=True)}
        # As documents, for which bytes and instants stay what they are.
        columns = [(place, Column(name, super_, path=path_of(name))) for place, name in enumerate(names)]
        sample.values = {name: [] for name in names}
        for batch in source.batches(columns):
            for row in batch[: rows - sample.rows]:
                for name, value in row.items():
                    sample.values[name].append(value)
            sample.rows += min(len(batch), rows - sample.rows)
            if sample.rows == rows:
                break
        sample.is_whole = sample.rows == source.rows


_LOOK: dict[str, Callable[[IO[bytes], FileSample, int], None]] = {"json": _json, "csv": _csv, "parquet": _parquet}
