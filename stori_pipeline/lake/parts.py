"""Writes rows as Parquet parts for Redshift's COPY.

Belongs here: the settings of Parquet, and where row groups and parts end. Does not belong here: which rows they are (`batches`), or
uploading bytes (`upload`).
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING

from stori_pipeline.imports import later
from stori_pipeline.lake.bucket import Bucket, LakeError
from stori_pipeline.lake.manifest import Part
from stori_pipeline.lake.upload import BoundedPool, Upload
from stori_pipeline.model.table import Table

if TYPE_CHECKING:
    import pyarrow as pa
else:
    pa = later("pyarrow")

_SAMPLE = 65_536
_REPEATS = 8  # each value this often on average: below that, a dictionary costs more time than it saves space


@dataclass(frozen=True)
class Sizes:
    """The sizes of parts, row groups and uploaded pieces. They bound the memory, whatever the table's size."""

    part_bytes: int = 128 * 1024 * 1024  # recommended for COPY; the slices of a cluster load several parts in parallel
    part_rows: int = 1_000_000
    group_bytes: int = 48 * 1024 * 1024
    group_rows: int = 131_072
    piece_bytes: int = 8 * 1024 * 1024  # S3 requires 5 MiB, except for the last piece

    def in_one_part(self) -> Sizes:
        return replace(self, part_bytes=sys.maxsize, part_rows=sys.maxsize)


class PartWriter:
    """Writes a stream of record batches as parts, from one thread at a time. A full part is completed at once, the last one by `finish`.

    As a context manager, it aborts and removes the parts if an error is raised.
    """

    def __init__(self, bucket: Bucket, pool: BoundedPool, key: Callable[[int], str], sizes: Sizes) -> None:
        self._bucket = bucket
        self._uploads = pool
        self._key = key
        self._sizes = sizes
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_rows = 0
        self._waiting_bytes = 0
        self._dictionary: list[str] | None = None
        self._parts: list[_OpenPart] = []
        self.rows = 0
        """The number of rows written so far."""

    def write(self, rows: pa.RecordBatch) -> None:
        """Adds rows; encodes a row group when there are enough.

        Raises:
            LakeError: S3 failed, or the rows do not fit their own schema.
        """
        if not rows.num_rows:
            return
        if self._waiting_rows + rows.num_rows > self._sizes.group_rows:
            self._encode()
        self._waiting.append(rows)
        self._waiting_rows += rows.num_rows
        self._waiting_bytes += rows.nbytes
        self.rows += rows.num_rows
        if self._waiting_rows >= self._sizes.group_rows or self._waiting_bytes >= self._sizes.group_bytes:
            self._encode()

    def _encode(self) -> None:
        if not self._waiting:
            return
        rows = pa.Table.from_batches(self._waiting)
        # A batch that is larger than a group, in rows or in bytes, is split.
        by_bytes = max(1, self._sizes.group_bytes * rows.num_rows // max(1, self._waiting_bytes))
        self._waiting, self._waiting_rows, self._waiting_bytes = [], 0, 0
        if self._dictionary is None:
            self._dictionary = repeating_columns(rows)
        if not self._parts or self._parts[-1].sealed:
            upload = Upload(self._bucket, self._key(len(self._parts)), self._uploads, self._sizes.piece_bytes)
            self._parts.append(_OpenPart(upload, rows.schema, self._dictionary))
        part = self._parts[-1]
        part.write(rows, min(self._sizes.group_rows, by_bytes))
        if part.upload.size >= self._sizes.part_bytes or part.rows >= self._sizes.part_rows:
            part.seal()

    def finish(self) -> tuple[Part, ...]:
        """Writes the remaining rows, completes the parts, and checks the size of each."""
        self._encode()
        if self._parts:
            self._parts[-1].close()
        for future in [self._uploads.submit(part.upload.finish) for part in self._parts]:
            future.result()
        return tuple(Part(self._bucket.url(part.upload.key), part.rows, part.upload.size) for part in self._parts)

    def __enter__(self) -> PartWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            return
        for part in self._parts:
            # Report the original error; `sweep` aborts an upload that cannot be aborted now.
            with contextlib.suppress(LakeError):
                part.abort()


class _OpenPart:
    """One Parquet file being written."""

    def __init__(self, upload: Upload, schema: pa.Schema, dictionary: list[str]) -> None:
        import pyarrow.parquet as pq  # not needed to list manifests

        self.upload = upload
        self.rows = 0
        self.sealed = False
        # By default decimals are written as fixed-length bytes and instants as microseconds in UTC, as Redshift requires. Compression
        # level 1 takes a quarter of the time of level 3 and makes files a few per cent larger. Statistics of texts would take longer than
        # writing them, and no query filters by them.
        bounded = [field.name for field in schema if not (pa.types.is_string(field.type) or pa.types.is_binary(field.type))]
        self._writer = pq.ParquetWriter(
            upload, schema, compression="zstd", compression_level=1, use_dictionary=dictionary, write_statistics=bounded
        )

    def write(self, rows: pa.Table, group_rows: int) -> None:
        try:
            self._writer.write_table(rows, row_group_size=group_rows)
        except pa.ArrowException as error:
            raise LakeError(f"writing {self.upload.key}: the rows do not fit their schema: {error}") from error
        self.rows += rows.num_rows

    def seal(self) -> None:
        """Closes the file and completes its object. Nothing refers to it yet, as no manifest names it."""
        self.close()
        self.upload.seal()
        self.sealed = True

    def close(self) -> None:
        if not self.sealed:
            self._writer.close()

    def abort(self) -> None:
        self.upload.abort()
        # Close it here, or its finalizer would close it later and write an error to stderr.
        with contextlib.suppress(pa.ArrowException, OSError, ValueError):
            self._writer.close()


def repeating_columns(rows: pa.Table) -> list[str]:
    """The columns that have few distinct values in a sample, so that a dictionary pays. Not booleans, which take a bit each."""
    import pyarrow.compute as pc

    sample = rows.slice(0, _SAMPLE)
    most = sample.num_rows // _REPEATS
    # Most columns have more distinct values than that in the first rows already. The others are counted whole.
    portions = [sample.slice(0, 2 * most), sample] if most else [sample]

    def repeats(name: str) -> bool:
        return all(pc.count_distinct(portion[name], mode="all").as_py() <= most for portion in portions)

    return [field.name for field in rows.schema if not pa.types.is_boolean(field.type) and repeats(field.name)]


def landed_rows(table: Table, rows: pa.RecordBatch, batch: int, first: int) -> pa.RecordBatch:
    """The rows of a reading as they land, with `_batch` and `_seq`, which counts from `first`.

    Raises:
        LakeError: the rows are not in `table.read_schema`. COPY loads by position, so a wrong order would load wrong values.
    """
    schema = table.read_schema
    if rows.schema.names != schema.names or rows.schema.types != schema.types:
        raise LakeError(f"{table.full_name}: the reader yields {_described(rows.schema)}, but its definition says {_described(schema)}")
    *columns, deleted = rows.columns
    numbers = pa.arange(first, first + rows.num_rows)
    return pa.RecordBatch.from_arrays(
        [*columns, pa.repeat(pa.scalar(batch, pa.int64()), rows.num_rows), numbers, deleted], schema=table.landed_schema
    )


def rejected_rows(rejected: pa.RecordBatch, first: int) -> pa.RecordBatch:
    """Rejected rows as they land: `seq`, their place among the rows that fit, counts from `first`."""
    import pyarrow.compute as pc

    index = rejected.schema.get_field_index("seq")
    if index < 0:
        return rejected
    return rejected.set_column(index, rejected.schema.field(index), pc.add(rejected.column(index), first))


def _described(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} {field.type}" for field in schema)
