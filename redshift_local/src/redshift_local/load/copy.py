"""COPY: rows of Parquet files in S3 into a table, in the session's transaction.

Belongs here: the table's columns, reading, encoding and sending, and stopping all of it on an error. Does not belong here: which files
(`s3`), what fits a column (`parquet`), or the session's protocol (`proxy`).
Two threads, because decoding and the backend's work take about as long. What is in memory at a time is one row group (a window of each
column if it is larger than _ROW_GROUP), one decoded batch, and a short queue.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import pgpq
import pyarrow as pa
import pyarrow.parquet as pq
from pgpq import encoders
from pgpq import schema as postgres

from redshift_local.errors import INTERNAL_ERROR, RedshiftError
from redshift_local.load import parquet, s3
from redshift_local.load.parquet import Column
from redshift_local.sql.copy_options import Copy

_ROW_GROUP = 64 * 1024 * 1024  # a row group up to this many bytes is fetched in one request
_WINDOW = 4 * 1024 * 1024  # of a larger group, this much of each column is fetched at a time
_FOOTER = 64 * 1024  # fetched in one request, which mostly holds the whole footer
_ROWS = 16 * 1024  # a batch; encoding holds the interpreter's lock, so this bounds how long other sessions wait
_ENCODED = 8 * 1024 * 1024  # a batch is encoded in pieces of about this size
_QUEUED = 4


class Backend(Protocol):
    """The session's connection to the backend, as far as COPY needs it."""

    def rows(self, sql: str) -> list[list[str | None]]:
        """The result of a statement that the client does not see."""

    def copy_in(self, sql: str, chunks: Iterator[bytes]) -> None:
        """Run a COPY FROM STDIN with these chunks of its data. An error from the iterator cancels it and is raised again."""


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def run(statement: Copy, backend: Backend, store: s3.Store, watch: Callable[[], None]) -> int:
    """Load all rows or none; the number of rows.

    Args:
        watch: called again and again while this waits; raises to stop the load.

    Raises:
        RedshiftError: S3, a file or a value is refused, in a cluster's words.
    """
    schema, name = statement.table
    relation = f"{identifier(schema)}.{identifier(name)}" if schema else identifier(name)
    columns = _chosen(_table_columns(backend, relation, name), statement, name)
    objects = []
    for found in (store.by_manifest if statement.manifest else store.by_prefix)(statement.url):
        watch()
        objects.append(found)
    reader = _Reader(statement, columns, objects, store)
    names = ", ".join(identifier(column.name) for column in columns)
    try:
        backend.copy_in(f"COPY {relation} ({names}) FROM STDIN (FORMAT binary)", reader.chunks(watch))
    finally:
        reader.stop()
    return reader.rows


_COLUMNS = """
SELECT a.attname, coalesce(nullif(t.typbasetype, 0), t.oid)::int8,
       CASE WHEN t.typbasetype <> 0 THEN t.typtypmod ELSE a.atttypmod END,
       a.attnotnull, a.atthasdef, a.attidentity <> '',
       (SELECT min(substring(c.conname from '_([0-9]+)$')::int8) FROM pg_catalog.pg_constraint c
         WHERE c.conrelid = a.attrelid AND c.contype = 'c' AND c.conname LIKE '\\_bytes\\_%' AND c.conkey = ARRAY[a.attnum])
  FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
 WHERE a.attrelid = pg_catalog.to_regclass({relation}) AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY a.attnum
"""
"""Of each column: name, type (of a domain: its base), modifier, not null, has default, is identity, byte length by constraint."""


def _table_columns(backend: Backend, relation: str, name: str) -> list[Column]:
    found = [_column(row) for row in backend.rows(_COLUMNS.format(relation=literal(relation)))]
    if not found:
        raise RedshiftError("42P01", f"Cannot COPY into nonexistent table {name}")
    return found


def _column(row: Sequence[str | None]) -> Column:
    name, kind, modifier, not_null, has_default, identity, width = (value or "" for value in row)
    oid, typmod = int(kind), int(modifier)
    bounds = [int(width)] if width else []
    if oid in (parquet.VARCHAR, parquet.CHAR) and typmod >= 4:
        bounds.append(typmod - 4)
    precision, scale = ((typmod - 4) >> 16, (typmod - 4) & 0x7FF) if oid == parquet.NUMERIC and typmod >= 4 else (18, 0)
    return Column(name, oid, not_null == "t", has_default == "t", identity == "t", min(bounds, default=None), precision, scale)


def _chosen(table: list[Column], statement: Copy, name: str) -> list[Column]:
    """The columns that the file fills, in the file's order."""
    by_name = {column.name: column for column in table}
    chosen = [column for column in table if statement.explicit_ids or not column.identity]
    if statement.columns is not None:
        for wanted in statement.columns:
            if wanted not in by_name:
                raise RedshiftError("42703", f'column "{wanted}" of relation "{name}" does not exist')
        if len(set(statement.columns)) < len(statement.columns):
            twice = next(wanted for wanted in statement.columns if statement.columns.count(wanted) > 1)
            raise RedshiftError("42701", f'column "{twice}" specified more than once')
        chosen = [by_name[wanted] for wanted in statement.columns]
    for column in chosen:
        if column.identity and not statement.explicit_ids:
            raise RedshiftError("0A000", f"cannot set an identity column to a value: {column.name}", hint="Use EXPLICIT_IDS.")
    for column in table:
        needs_no_value = column.has_default or (column.identity and statement.columns is not None)
        if column not in chosen and column.not_null and not needs_no_value:
            raise RedshiftError("42601", "NOT NULL column without DEFAULT must be included in column list", f"column {column.name}")
    return chosen


@dataclass(frozen=True)
class _Failed:
    error: Exception


class _Reader:
    """The thread that fetches, decodes and encodes ahead of the one that sends."""

    def __init__(self, statement: Copy, columns: list[Column], objects: list[s3.S3Object], store: s3.Store) -> None:
        self.rows = 0
        self._statement = statement
        self._columns = columns
        self._objects = objects
        self._store = store
        self._queue: queue.Queue[bytes | _Failed | None] = queue.Queue(_QUEUED)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._read, name="copy-reader", daemon=True)

    def chunks(self, watch: Callable[[], None]) -> Iterator[bytes]:
        """The binary COPY stream. Raises the errors of the reading thread, and calls `watch` between waits."""
        self._thread.start()
        while True:
            watch()
            try:
                item = self._queue.get(timeout=0.1)
            except queue.Empty:
                if not self._thread.is_alive() and self._queue.empty():  # it ended without an Exception, by a library's panic
                    raise RedshiftError(INTERNAL_ERROR, "internal error of the local Redshift's COPY; its log says more") from None
                continue
            if item is None:
                return
            if isinstance(item, _Failed):
                raise item.error
            yield item

    def stop(self) -> None:
        """Let the thread end, at the latest after the request that it is waiting for."""
        self._stopped.set()

    def _put(self, item: bytes | _Failed | None) -> None:
        while not self._stopped.is_set():
            try:
                self._queue.put(item, timeout=0.1)
            except queue.Full:
                continue
            return

    def _read(self) -> None:
        try:
            for chunk in self._encoded():
                self._put(chunk)
                if self._stopped.is_set():
                    return
            self._put(None)
        except Exception as error:  # noqa: BLE001 - whatever it is must reach the client, through `chunks`
            self._put(_Failed(error))

    def _encoded(self) -> Iterator[bytes]:
        encoder = _encoder(self._columns)
        yield encoder.write_header()
        for found in self._objects:
            for piece in self._rows_of(found):
                if chunk := self._encode(encoder, piece, found):  # small ones wait in the encoder for the next
                    yield chunk
                self.rows += piece.num_rows
        yield encoder.finish()

    def _encode(self, encoder: pgpq.ArrowToPostgresBinaryEncoder, piece: pa.RecordBatch, found: s3.S3Object) -> bytes:
        try:
            return bytes(encoder.write_batch(piece))
        except ValueError as error:  # a date or an instant that PostgreSQL's encoding cannot hold
            raise s3.load_error(s3.SPECTRUM_SCAN, f"File '{self._store.https(found.url)}' holds a value out of range: {error}") from error

    def _rows_of(self, found: s3.S3Object) -> Iterator[pa.RecordBatch]:
        try:
            with self._store.open(found) as file:
                yield from self._fitting(file, found)
        except (pa.ArrowException, OSError) as error:
            context = f"File '{self._store.https(found.url)}' could not be decoded: {error}"
            raise s3.load_error(s3.SPECTRUM_SCAN, context) from error

    def _fitting(self, file: s3.RangedObject, found: s3.S3Object) -> Iterator[pa.RecordBatch]:
        metadata = _footer(file, found, self._store)
        loading = parquet.match(
            metadata,
            self._columns,
            url=found.url,
            https=self._store.https(found.url),
            fill=self._statement.fillrecord,
            json_=self._statement.serializetojson,
            invalid=self._statement.acceptinvchars,
        )
        for batch in _batches(file, metadata):
            yield from _pieces(loading.batch(batch))


def _footer(file: s3.RangedObject, found: s3.S3Object, store: s3.Store) -> pq.FileMetaData:
    try:
        if found.size:
            file.hold(max(0, found.size - _FOOTER), found.size)
        return pq.read_metadata(file)
    except (pa.ArrowException, OSError) as error:
        context = f"File '{store.https(found.url)}' has an invalid version number: it is not Parquet. {error}"
        raise s3.load_error(s3.SPECTRUM_SCAN, context) from None


def _batches(file: s3.RangedObject, metadata: pq.FileMetaData) -> Iterator[pa.RecordBatch]:
    whole = pq.ParquetFile(file, metadata=metadata, coerce_int96_timestamp_unit="us")
    windowed = pq.ParquetFile(file, metadata=metadata, coerce_int96_timestamp_unit="us", buffer_size=_WINDOW)
    for i in range(metadata.num_row_groups):
        group = metadata.row_group(i)
        start, end = _extent(group)
        held = end - start <= _ROW_GROUP
        if held:
            file.hold(start, end)
        width = max(1, group.total_byte_size // max(1, group.num_rows))
        rows = max(1, min(_ROWS, _ENCODED // width))
        yield from (whole if held else windowed).iter_batches(batch_size=rows, row_groups=[i])


def _extent(group: pq.RowGroupMetaData) -> tuple[int, int]:
    """Where the row group's bytes begin and end in the file."""
    chunks = [group.column(i) for i in range(group.num_columns)]
    starts = [min(c.data_page_offset, c.dictionary_page_offset or c.data_page_offset) for c in chunks]
    return min(starts), max(start + c.total_compressed_size for start, c in zip(starts, chunks, strict=True))


def _pieces(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    count = max(1, batch.nbytes // _ENCODED)
    step = max(1, -(-batch.num_rows // count))
    for start in range(0, batch.num_rows, step):
        yield batch.slice(start, step)


def _encoder(columns: Sequence[Column]) -> pgpq.ArrowToPostgresBinaryEncoder:
    schema = parquet.encoded_schema(columns)
    chosen = {field.name: pgpq.ArrowToPostgresBinaryEncoder.infer_encoder(field) for field in schema}
    for column, field in zip(columns, schema, strict=True):
        if column.kind == parquet.SUPER:
            chosen[field.name] = encoders.StringEncoderBuilder.new_with_output(field, postgres.Jsonb())
    return pgpq.ArrowToPostgresBinaryEncoder.new_with_encoders(schema, chosen)
