"""Rows into Parquet parts, as Redshift's COPY reads them.

Belongs here: the Parquet that is written, and where one row group, or part, ends and the next begins. Does not belong here:
which rows they are, or how the bytes travel (`upload`).
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import TracebackType

import pyarrow as pa

from stori_pipeline.lake.bucket import Bucket, LakeError
from stori_pipeline.lake.manifest import Part
from stori_pipeline.lake.upload import BoundedPool, Upload
from stori_pipeline.model.table import Table

_SAMPLE = 65_536
_REPEATS = 8  # each value this often on average: below that, a dictionary costs more time than it saves space


@dataclass(frozen=True)
class Sizes:
    """Where parts, row groups and uploaded pieces end. Memory is bounded by these, not by the table."""

    part_bytes: int = 128 * 1024 * 1024  # what COPY likes best; the slices of a cluster load several at once
    part_rows: int = 1_000_000
    group_bytes: int = 48 * 1024 * 1024
    group_rows: int = 131_072
    piece_bytes: int = 8 * 1024 * 1024  # S3 takes no pieces under 5 MiB but the last

    def in_one_part(self) -> Sizes:
        return replace(self, part_bytes=sys.maxsize, part_rows=sys.maxsize)


class PartWriter:
    """Writes a stream of record batches as parts, from one thread at a time. No object appears before `finish`.

    As a context it aborts what is not finished when an error passes through.
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
        """Rows taken so far."""

    def write(self, rows: pa.RecordBatch) -> None:
        """Takes some rows; a row group is encoded when enough have come.

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
        # One batch may be larger than a group, in rows or in bytes; then it becomes several.
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
        """Writes what is left, makes the parts appear, and checks that each has the size that was written."""
        self._encode()
        if self._parts and not self._parts[-1].sealed:
            self._parts[-1].seal()
        for future in [self._uploads.submit(part.upload.finish) for part in self._parts]:
            future.result()
        return tuple(Part(self._bucket.url(part.upload.key), part.rows, part.upload.size) for part in self._parts)

    def __enter__(self) -> PartWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            return
        for part in self._parts:
            # The error on its way out is the one to report; an upload that cannot be aborted now is aborted by `sweep`.
            with contextlib.suppress(LakeError):
                part.abort()


class _OpenPart:
    """One Parquet file being written."""

    def __init__(self, upload: Upload, schema: pa.Schema, dictionary: list[str]) -> None:
        import pyarrow.parquet as pq  # not needed to list manifests

        self.upload = upload
        self.rows = 0
        self.sealed = False
        # The defaults that matter: decimals become fixed-length bytes and instants microseconds in UTC, both as Redshift
        # reads them. Level 1 costs a quarter of the time of level 3 and a few per cent of size.
        # Bounds of text take longer to find than the text takes to write, and nobody filters by them.
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
        self._writer.close()
        self.upload.seal()
        self.sealed = True

    def abort(self) -> None:
        self.upload.abort()
        # Closed here, since its finaliser would do it later, at a moment of its own choosing, and complain there.
        with contextlib.suppress(pa.ArrowException, OSError, ValueError):
            self._writer.close()


def repeating_columns(rows: pa.Table) -> list[str]:
    """The columns worth a dictionary, judged by a sample: few distinct values. Booleans are a bit each as they are."""
    import pyarrow.compute as pc

    sample = rows.slice(0, _SAMPLE)
    return [
        field.name
        for field in rows.schema
        if not pa.types.is_boolean(field.type) and pc.count_distinct(sample[field.name], mode="all").as_py() * _REPEATS <= sample.num_rows
    ]


def landed_rows(table: Table, rows: pa.RecordBatch, batch: int, first: int) -> pa.RecordBatch:
    """The rows of a reading as they land: `_batch` and `_seq` added, the latter counting from `first`.

    Raises:
        LakeError: they are not in `table.read_schema`. COPY loads by position, so a wrong order would load wrong values.
    """
    wanted = table.read_schema
    if rows.schema.names != wanted.names or rows.schema.types != wanted.types:
        raise LakeError(f"{table.full_name}: the reader yields {_described(rows.schema)}, but its record says {_described(wanted)}")
    *columns, deleted = rows.columns
    numbers = pa.arange(first, first + rows.num_rows)
    return pa.RecordBatch.from_arrays(
        [*columns, pa.repeat(pa.scalar(batch, pa.int64()), rows.num_rows), numbers, deleted], schema=table.landed_schema
    )


def _described(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} {field.type}" for field in schema)
