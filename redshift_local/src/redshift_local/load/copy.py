"""COPY: loads the rows of Parquet files in S3 into a table, in the session's transaction.

Belongs here: the table's columns, decoding, encoding and sending, and stopping after an error. Does not belong here: finding files (`s3`,
`ahead`), what fits a column (`parquet`), the protocol (`proxy`). One thread decodes while the other waits for the backend: both take about
as long. Memory: what is opened ahead, one row group (or a window of each column, if it is above _ROW_GROUP), a batch and a short queue.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import pgpq
import pyarrow as pa
import pyarrow.parquet as pq
from pgpq import encoders
from pgpq import schema as postgres

from redshift_local.errors import INTERNAL_ERROR, RedshiftError
from redshift_local.load import ahead, parquet, s3
from redshift_local.load.parquet import Column
from redshift_local.sql.copy_options import Copy

_ROW_GROUP = 64 * 1024 * 1024  # bytes; a row group up to this size is fetched in one request
_WINDOW = 4 * 1024 * 1024  # bytes of each column of a larger row group that are fetched at a time
_ROWS = 16 * 1024  # rows of a batch; encoding holds the GIL, so this limits how long other sessions wait
_ENCODED = 8 * 1024 * 1024  # bytes; a batch is encoded in pieces of about this size
_SENT = 64 * 1024  # bytes; the rows of small files are sent together until they are as many
_QUEUED = 4


class Backend(Protocol):
    """The session's connection to the backend, as far as COPY needs it."""

    def rows(self, sql: str) -> list[list[str | None]]:
        """Run a statement whose result the client does not get; returns its rows."""

    def copy_in(self, sql: str, chunks: Iterator[bytes]) -> None:
        """Run a COPY FROM STDIN with these chunks of data. An error of the iterator cancels the COPY and is raised again."""


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def run(statement: Copy, backend: Backend, store: s3.Store, watch: Callable[[], None]) -> int:
    """Load all rows, or none after an error; returns the number of rows.

    Args:
        watch: called repeatedly during the load; raises an error to stop it.

    Raises:
        RedshiftError: S3 failed, or a file or a value cannot be loaded. The message is a cluster's.
    """
    schema, name = statement.table
    relation = f"{identifier(schema)}.{identifier(name)}" if schema else identifier(name)
    columns = _columns_to_fill(_table_columns(backend, relation, name), statement, name)
    objects = list((store.by_manifest if statement.manifest else store.by_prefix)(statement.url))
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
"""For each column: name, type (the base type of a domain), modifier, not null, has default, is identity, byte length by constraint."""


def _table_columns(backend: Backend, relation: str, name: str) -> list[Column]:
    columns = [_column(row) for row in backend.rows(_COLUMNS.format(relation=literal(relation)))]
    if not columns:
        raise RedshiftError("42P01", f"Cannot COPY into nonexistent table {name}")
    return columns


def _column(row: Sequence[str | None]) -> Column:
    name, type_oid, modifier, not_null, has_default, identity, width = (value or "" for value in row)
    oid, typmod = int(type_oid), int(modifier)
    bounds = [int(width)] if width else []
    if oid in (parquet.VARCHAR, parquet.CHAR) and typmod >= 4:
        bounds.append(typmod - 4)
    precision, scale = ((typmod - 4) >> 16, (typmod - 4) & 0x7FF) if oid == parquet.NUMERIC and typmod >= 4 else (18, 0)
    return Column(name, oid, not_null == "t", has_default == "t", identity == "t", min(bounds, default=None), precision, scale)


def _columns_to_fill(table: list[Column], statement: Copy, name: str) -> list[Column]:
    """The columns that the file fills, in the file's order."""
    by_name = {column.name: column for column in table}
    columns = [column for column in table if statement.explicit_ids or not column.identity]
    if statement.columns is not None:
        for wanted in statement.columns:
            if wanted not in by_name:
                raise RedshiftError("42703", f'column "{wanted}" of relation "{name}" does not exist')
        if len(set(statement.columns)) < len(statement.columns):
            twice = next(wanted for wanted in statement.columns if statement.columns.count(wanted) > 1)
            raise RedshiftError("42701", f'column "{twice}" specified more than once')
        columns = [by_name[wanted] for wanted in statement.columns]
    for column in columns:
        if column.identity and not statement.explicit_ids:
            raise RedshiftError("0A000", f"cannot set an identity column to a value: {column.name}", hint="Use EXPLICIT_IDS.")
    for column in table:
        needs_no_value = column.has_default or (column.identity and statement.columns is not None)
        if column not in columns and column.not_null and not needs_no_value:
            raise RedshiftError("42601", "NOT NULL column without DEFAULT must be included in column list", f"column {column.name}")
    return columns


@dataclass(frozen=True)
class _Failed:
    error: Exception


class _Reader:
    """The thread that fetches, decodes and encodes rows, while another one sends them."""

    def __init__(self, statement: Copy, columns: list[Column], objects: list[s3.S3Object], store: s3.Store) -> None:
        self.rows = 0
        self._statement = statement
        self._columns = columns
        self._objects = objects
        self._store = store
        self._matched: tuple[pq.ParquetSchema, pa.Schema, parquet.Conversion] | None = None
        self._queue: queue.Queue[bytes | _Failed | None] = queue.Queue(_QUEUED)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._read, name="copy-reader", daemon=True)

    def chunks(self, watch: Callable[[], None]) -> Iterator[bytes]:
        """The binary COPY stream. Raises the errors of the reading thread, and calls `watch` before each wait."""
        self._thread.start()
        while True:
            watch()
            try:
                item = self._queue.get(timeout=0.1)
            except queue.Empty:
                if not self._thread.is_alive() and self._queue.empty():  # it ended by a panic of a library, which is not an Exception
                    raise RedshiftError(INTERNAL_ERROR, "internal error of the local Redshift's COPY; see its log") from None
                continue
            if item is None:
                return
            if isinstance(item, _Failed):
                raise item.error
            yield item

    def stop(self) -> None:
        """Let the thread end, at the latest after its current request."""
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
        except Exception as error:  # noqa: BLE001 - `chunks` raises it again, so that the client gets every error
            self._put(_Failed(error))

    def _encoded(self) -> Iterator[bytes]:
        encoder = _encoder(self._columns)
        small, nothing_exists = bytearray(encoder.write_header()), True
        for s3_object, file in ahead.opened(self._objects, self._store):
            nothing_exists = False
            for piece in self._rows_of(file, s3_object):
                chunk = self._encode(encoder, piece, s3_object)
                self.rows += piece.num_rows
                if len(chunk) < _SENT:
                    small += chunk
                if small and (len(small) >= _SENT or len(chunk) >= _SENT):
                    yield bytes(small)
                    small.clear()
                if len(chunk) >= _SENT:
                    yield chunk  # without a copy
        if nothing_exists:
            url = self._statement.url
            raise s3.load_error(s3.S3_ERROR, f"none of the files that the manifest {url} lists exists", error="No files found in manifest.")
        yield bytes(small + encoder.finish())

    def _encode(self, encoder: pgpq.ArrowToPostgresBinaryEncoder, piece: pa.RecordBatch, s3_object: s3.S3Object) -> bytes:
        try:
            return bytes(encoder.write_batch(piece))
        except ValueError as error:  # a date or an instant that PostgreSQL's encoding cannot hold
            context = f"File '{self._store.https(s3_object.url)}' contains a value out of range: {error}"
            raise s3.load_error(s3.SPECTRUM_SCAN, context) from error

    def _rows_of(self, file: s3.RangedObject, s3_object: s3.S3Object) -> Iterator[pa.RecordBatch]:
        try:
            with file:
                yield from self._converted(file, s3_object)
        except (pa.ArrowException, OSError) as error:
            context = f"File '{self._store.https(s3_object.url)}' could not be decoded: {error}"
            raise s3.load_error(s3.SPECTRUM_SCAN, context) from error

    def _converted(self, file: s3.RangedObject, s3_object: s3.S3Object) -> Iterator[pa.RecordBatch]:
        source = file if (whole := file.whole) is None else pa.BufferReader(whole)
        metadata = _footer(source, s3_object, self._store)
        conversion = self._conversion(metadata, s3_object)
        for batch in _batches(source, metadata):
            yield from _pieces(conversion.convert(batch))

    def _conversion(self, metadata: pq.FileMetaData, s3_object: s3.S3Object) -> parquet.Conversion:
        """How the file's rows become the table's. Files of one COPY mostly have one schema, which is matched once."""
        https = self._store.https(s3_object.url)
        schema = metadata.schema
        if self._matched is not None and schema.equals(self._matched[0]) and schema.to_arrow_schema().equals(self._matched[1]):
            return replace(self._matched[2], file=https)
        conversion = parquet.match(
            metadata,
            self._columns,
            url=s3_object.url,
            https=https,
            fill=self._statement.fillrecord,
            json_=self._statement.serializetojson,
            invalid=self._statement.acceptinvchars,
        )
        self._matched = schema, schema.to_arrow_schema(), conversion
        return conversion


def _footer(source: s3.RangedObject | pa.BufferReader, s3_object: s3.S3Object, store: s3.Store) -> pq.FileMetaData:
    try:
        return pq.read_metadata(source)
    except (pa.ArrowException, OSError) as error:
        context = f"File '{store.https(s3_object.url)}' has an invalid version number: it is not Parquet. {error}"
        raise s3.load_error(s3.SPECTRUM_SCAN, context) from None


def _batches(source: s3.RangedObject | pa.BufferReader, metadata: pq.FileMetaData) -> Iterator[pa.RecordBatch]:
    in_memory = isinstance(source, pa.BufferReader)
    for i in range(metadata.num_row_groups):
        group = metadata.row_group(i)
        start, end = _byte_range(group)
        fits = end - start <= _ROW_GROUP
        if fits and isinstance(source, s3.RangedObject):
            source.prefetch(start, end)
        width = max(1, group.total_byte_size // max(1, group.num_rows))
        rows = max(1, min(_ROWS, _ENCODED // width))
        file = pq.ParquetFile(source, metadata=metadata, coerce_int96_timestamp_unit="us", buffer_size=0 if fits else _WINDOW)
        yield from file.iter_batches(batch_size=rows, row_groups=[i], use_threads=not in_memory)


def _byte_range(group: pq.RowGroupMetaData) -> tuple[int, int]:
    """The positions in the file at which the row group's bytes begin and end."""
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
    field_encoders = {field.name: pgpq.ArrowToPostgresBinaryEncoder.infer_encoder(field) for field in schema}
    for column, field in zip(columns, schema, strict=True):
        if column.type_oid == parquet.SUPER:
            field_encoders[field.name] = encoders.StringEncoderBuilder.new_with_output(field, postgres.Jsonb())
    return pgpq.ArrowToPostgresBinaryEncoder.new_with_encoders(schema, field_encoders)
