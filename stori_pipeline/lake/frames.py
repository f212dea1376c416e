"""Frames in S3: the values of assets that are not tables of the project.

Belongs here: writing a frame as Parquet, and reading it back. A frame is a polars DataFrame or LazyFrame, a pyarrow Table or
RecordBatchReader, or an iterable of pyarrow record batches. Does not belong here: batches and manifests of tables (`batches`).
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any

import polars as pl
import pyarrow as pa

from stori_pipeline.lake.bucket import Bucket, LakeError
from stori_pipeline.lake.live import scan_files
from stori_pipeline.lake.manifest import Part, entries
from stori_pipeline.lake.parts import PartWriter, Sizes
from stori_pipeline.lake.upload import BoundedPool
from stori_pipeline.model.types import Type, type_of

_ROWS_AT_ONCE = 65_536
_FIRST = 10


@dataclass(frozen=True)
class StoredFrame:
    """A frame that was written: its columns, its number of rows, its first rows, and its url."""

    schema: pa.Schema
    rows: int
    first: list[tuple[Any, ...]]
    url: str


@dataclass(frozen=True)
class StagedFrame:
    """A frame in S3 for one load: the `types` of its columns in order, and the url of a COPY manifest, "" if it has no row."""

    schema: pa.Schema
    types: dict[str, Type]
    rows: int
    first: list[tuple[Any, ...]]
    manifest: str


def record_batches(value: Any) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """A frame's columns, and its rows in batches of bounded size.

    Raises:
        TypeError: the value is not a frame.
    """
    if isinstance(value, pl.DataFrame):
        value = value.to_arrow()
    if isinstance(value, pl.LazyFrame):
        schema = pl.DataFrame(schema=value.collect_schema()).to_arrow().schema
        return schema, (batch for part in value.collect_batches(chunk_size=_ROWS_AT_ONCE) for batch in part.to_arrow().to_batches())
    if isinstance(value, (pa.Table, pa.RecordBatchReader)):
        batches = value.to_batches(max_chunksize=_ROWS_AT_ONCE) if isinstance(value, pa.Table) else value
        return value.schema, iter(batches)
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes, dict)):
        items = iter(value)
        first = next(items, None)
        if isinstance(first, pa.RecordBatch):
            return first.schema, chain([first], items)
        if first is None:
            raise TypeError("the stream of record batches is empty, so its columns are not known; yield an empty record batch")
    raise TypeError(
        f"a {type(value).__name__} cannot be stored; return a polars DataFrame or LazyFrame, a pyarrow Table, or an iterable of pyarrow "
        "record batches"
    )


def write_frame(bucket: Bucket, key: str, value: Any) -> StoredFrame:
    """Writes a frame as one object, which replaces the previous one.

    Raises:
        TypeError: the value is not a frame.
        LakeUnavailable: S3 cannot be reached; the previous object is unchanged.
    """
    schema, batches = record_batches(value)
    parts, first = _write(bucket, lambda _: key, batches, Sizes().in_one_part())
    if not parts:
        bucket.put(key, _empty_file(schema))
    return StoredFrame(schema, sum(part.rows for part in parts), first, bucket.url(key))


def _empty_file(schema: pa.Schema) -> bytes:
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(schema.empty_table(), sink)
    return bytes(sink.getvalue().to_pybytes())


def _write(
    bucket: Bucket, key: Callable[[int], str], batches: Iterable[pa.RecordBatch], sizes: Sizes
) -> tuple[tuple[Part, ...], list[tuple[Any, ...]]]:
    """Writes parts under the keys that `key` gives for their numbers; returns the parts and the first rows."""
    first: list[tuple[Any, ...]] = []
    with BoundedPool("upload", threads=4, depth=5) as uploads, PartWriter(bucket, uploads, key, sizes) as writer:
        for batch in batches:
            if missing := _FIRST - len(first):
                first.extend(tuple(row.values()) for row in batch.slice(0, missing).to_pylist())
            writer.write(batch)
        return writer.finish(), first


@contextmanager
def staged(bucket: Bucket, prefix: str, value: Any) -> Iterator[StagedFrame]:
    """A frame as Parquet files for COPY, which are removed at the end of the context.

    Raises:
        TypeError: the value is not a frame, or a column has no type in the warehouse. The message names the column.
    """
    schema, batches = record_batches(value)
    types = {field.name: _type_of(field) for field in schema}
    target = pa.schema([pa.field(name, kind.arrow) for name, kind in types.items()])
    prefix = f"{prefix}{secrets.token_hex(4)}/"
    try:
        parts, first = _write(
            bucket, lambda number: f"{prefix}part-{number:05d}.parquet", (_cast(each, target) for each in batches), Sizes()
        )
        url = ""
        if parts:
            bucket.put(f"{prefix}manifest.json", json.dumps({"entries": entries(parts)}).encode())
            url = bucket.url(f"{prefix}manifest.json")
        yield StagedFrame(schema, types, sum(part.rows for part in parts), first, url)
    finally:
        bucket.delete([stored.key for stored in bucket.objects(prefix)])


def _type_of(field: pa.Field) -> Type:
    kind = type_of(field.type)
    if kind is None:
        naive = pa.types.is_timestamp(field.type) and field.type.tz is None
        advice = "give it a time zone" if naive else "cast it first, for instance to text"
        raise TypeError(f"column {field.name!r}: {field.type} has no type in the warehouse; {advice}")
    return kind


def _cast(batch: pa.RecordBatch, target: pa.Schema) -> pa.RecordBatch:
    try:
        return batch.cast(target)
    except pa.ArrowInvalid as error:
        raise TypeError(f"the rows do not fit the warehouse's types: {error}") from error


def scan_objects(bucket: Bucket, keys: Sequence[str]) -> pl.LazyFrame:
    """The rows of the frames under these keys.

    Raises:
        LakeError: a key does not exist.
    """
    for key in keys:
        if bucket.size(key) is None:
            raise LakeError(f"{bucket.url(key)} does not exist; materialize the asset first")
    return scan_files(bucket.connection, [bucket.url(key) for key in keys])


def as_annotated(frame: pl.LazyFrame, annotation: Any) -> Any:
    """The frame as the type that an input's annotation names; a LazyFrame if it has none.

    Raises:
        TypeError: the annotation is not a type of frame.
    """
    if annotation in (pl.LazyFrame, Any, None, object):
        return frame
    if annotation is pl.DataFrame:
        return frame.collect()
    if annotation is pa.Table:
        return frame.collect().to_arrow()
    raise TypeError(f"an input can be a polars LazyFrame, a polars DataFrame or a pyarrow Table, not a {annotation}")
