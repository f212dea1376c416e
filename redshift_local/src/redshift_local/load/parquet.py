"""Which Parquet columns and values COPY accepts. Columns are matched by position; their number and types must agree.

Belongs here: matching a file's schema to a table's columns, and converting values, with Redshift's errors. Does not belong here: reading
files (`copy`), and finding them (`s3`).
If it is not known whether Redshift loads something, COPY refuses it, and the error says so.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from redshift_local.errors import FEATURE_NOT_SUPPORTED, RedshiftError
from redshift_local.load.s3 import SPECTRUM_SCAN, SPECTRUM_SCHEMA, load_error

_LONGEST_SUPER_STRING = 65_535
_LONGEST_SUPER = 16_000_000


@dataclass(frozen=True)
class Column:
    """A column of the table that COPY fills.

    `type_oid` is the oid of PostgreSQL's type; `width` is the maximum length of a value in bytes, or None if there is no maximum.
    """

    name: str
    type_oid: int
    not_null: bool
    has_default: bool = False
    identity: bool = False
    width: int | None = None
    precision: int = 0
    scale: int = 0

    @property
    def type_name(self) -> str:
        """The name of the type in Redshift's errors."""
        name = _TYPES[self.type_oid].name if self.type_oid in _TYPES else f"OID {self.type_oid}"
        if self.type_oid == NUMERIC:
            return f"{name}({self.precision},{self.scale})"
        return name if self.width is None else f"{name}({self.width})"


@dataclass(frozen=True)
class FileColumn:
    """A top-level column of a file, from its footer. If `nested`, it is a struct, list or map, which has several physical columns."""

    name: str
    physical: str
    annotation: str
    """The logical type with its parameters: `Int16`, `Timestamp us UTC`, `Decimal(18,2)`; empty if there is none."""
    length: int
    nullable: bool
    nested: bool

    @property
    def description(self) -> str:
        """The column's schema in Redshift's errors."""
        physical = f"fixed_len_byte_array({self.length})" if self.physical == "FIXED_LEN_BYTE_ARRAY" else self.physical.lower()
        return f"{'optional' if self.nullable else 'required'} {physical} {self.name}{f' ({self.annotation})' if self.annotation else ''}"


def file_columns(metadata: pq.FileMetaData) -> list[FileColumn]:
    """The top-level columns of a file, in the file's order."""
    schema = metadata.schema
    columns, at = [], 0
    for field in schema.to_arrow_schema():
        leaf, count = schema.column(at), _leaf_count(field.type)
        nested = pa.types.is_nested(field.type)
        physical = "group" if nested else leaf.physical_type
        columns.append(FileColumn(field.name, physical, "" if nested else _annotation(leaf), leaf.length, field.nullable, nested))
        at += count
    return columns


def _leaf_count(data_type: pa.DataType) -> int:
    if not pa.types.is_nested(data_type):
        return 1
    return sum(_leaf_count(data_type.field(i).type) for i in range(data_type.num_fields))


def _annotation(leaf: Any) -> str:
    logical = json.loads(leaf.logical_type.to_json())
    name = logical["Type"]
    if name == "Decimal":
        return f"Decimal({logical['precision']},{logical['scale']})"
    if name == "Int":
        return f"{'Int' if logical['isSigned'] else 'UInt'}{logical['bitWidth']}"
    if name == "Timestamp":
        unit = {"milliseconds": "ms", "microseconds": "us", "nanoseconds": "ns"}[logical["timeUnit"]]
        return f"Timestamp {unit} {'UTC' if logical['isAdjustedToUTC'] else 'local'}"
    return "" if name in ("None", "Undefined") else str(name)


BOOLEAN, BYTEA, BIGINT, SMALLINT, INTEGER, TEXT, REAL, DOUBLE = 16, 17, 20, 21, 23, 25, 700, 701
CHAR, VARCHAR, DATE, TIME, TIMESTAMP, TIMESTAMPTZ, TIMETZ, NUMERIC, SUPER = 1042, 1043, 1082, 1083, 1114, 1184, 1266, 1700, 3802


@dataclass(frozen=True)
class LoadableType:
    """A Redshift type: its name in errors, the (physical, annotation) pairs that load into it, and the Arrow type to encode it from."""

    name: str
    loads: frozenset[tuple[str, str]]
    arrow: pa.DataType


_STRING = frozenset({("BYTE_ARRAY", "String")})
_INSTANT = frozenset({("INT64", "Timestamp us UTC"), ("INT64", "Timestamp ms UTC")})
_TYPES = {
    BOOLEAN: LoadableType("BOOL", frozenset({("BOOLEAN", "")}), pa.bool_()),
    SMALLINT: LoadableType("SMALLINT", frozenset({("INT32", "Int16"), ("INT32", "Int8")}), pa.int16()),
    INTEGER: LoadableType("INT", frozenset({("INT32", ""), ("INT32", "Int32")}), pa.int32()),
    BIGINT: LoadableType("BIGINT", frozenset({("INT64", ""), ("INT64", "Int64")}), pa.int64()),
    REAL: LoadableType("REAL", frozenset({("FLOAT", "")}), pa.float32()),
    DOUBLE: LoadableType("DOUBLE", frozenset({("DOUBLE", "")}), pa.float64()),
    DATE: LoadableType("DATE", frozenset({("INT32", "Date")}), pa.date32()),
    # INT96 holds nanoseconds by its specification. It is the only timestamp without a zone that Redshift is known to read correctly.
    TIMESTAMP: LoadableType("TIMESTAMP", _INSTANT | {("INT96", "")}, pa.timestamp("us")),
    TIMESTAMPTZ: LoadableType("TIMESTAMPTZ", _INSTANT, pa.timestamp("us", tz="UTC")),
    NUMERIC: LoadableType("DECIMAL", frozenset(), pa.decimal128(38, 0)),
    VARCHAR: LoadableType("VARCHAR", _STRING, pa.string()),
    TEXT: LoadableType("VARCHAR", _STRING, pa.string()),
    CHAR: LoadableType("CHAR", _STRING, pa.string()),
    BYTEA: LoadableType("VARBYTE", frozenset({("BYTE_ARRAY", "")}), pa.binary()),
    SUPER: LoadableType("SUPER", frozenset(), pa.string()),
    TIME: LoadableType("TIME", frozenset(), pa.time64("us")),
    TIMETZ: LoadableType("TIMETZ", frozenset(), pa.time64("us")),
}


@dataclass(frozen=True)
class Conversion:
    """Converts the rows of one file to rows of the table. `match` returns it, and refuses a file whose schema does not fit."""

    columns: Sequence[Column]
    file: str
    """The file's address, for errors."""
    accept_invalid: bool
    """ACCEPTINVCHARS: whether invalid UTF-8 is replaced, and not refused."""

    def convert(self, read: pa.RecordBatch) -> pa.RecordBatch:
        """Rows of the file as rows of `encoded_schema`.

        Raises:
            RedshiftError: a value does not fit its column.
        """
        schema = encoded_schema(self.columns)
        arrays = []
        for i, (column, field) in enumerate(zip(self.columns, schema, strict=True)):
            array = self._values(column, read.column(i), field.type) if i < read.num_columns else pa.nulls(read.num_rows, field.type)
            if column.not_null and array.null_count:
                message = f"Cannot insert a NULL value into column {column.name}"
                raise load_error(8007, f"column:{i + 1}, File name: {self.file}", error=message)
            arrays.append(array)
        return pa.RecordBatch.from_arrays(arrays, schema=schema)

    def _values(self, column: Column, array: pa.Array, target: pa.DataType) -> pa.Array:
        if column.type_oid == SUPER:
            return _as_json(column, array, self.file)
        if target == pa.string():
            array = self._readable(column, array)
        if array.type != target:
            # A timestamp with a zone becomes the time in UTC, without a zone, as on Redshift.
            array = array.cast(target)
        if column.width is not None and (longest := pc.max(pc.binary_length(array)).as_py() or 0) > column.width:
            sizes = f"Table: {column.width}, Data: {longest}, File name: {self.file}"
            raise load_error(
                SPECTRUM_SCAN, f"The length of the data column {column.name} is longer than the length defined in the table. {sizes}"
            )
        if column.type_oid == CHAR and not pc.all(pc.string_is_ascii(array)).as_py() and array.null_count < len(array):
            raise load_error(SPECTRUM_SCAN, f"Multibyte character not supported for CHAR column {column.name}, File name: {self.file}")
        return array

    def _readable(self, column: Column, array: pa.Array) -> pa.Array:
        try:
            array.validate(full=True)
        except pa.ArrowInvalid:
            if not self.accept_invalid:
                context = f"String contains invalid or unsupported UTF8 codepoints, column {column.name}, File name: {self.file}"
                hint = "ACCEPTINVCHARS replaces each with a question mark."
                raise load_error(SPECTRUM_SCAN, context, hint=hint) from None
        else:
            return array
        values = array.cast(pa.large_binary() if pa.types.is_large_string(array.type) else pa.binary()).to_pylist()
        return pa.array(
            [None if value is None else value.decode("utf-8", "replace").replace("\ufffd", "?") for value in values], pa.string()
        )


def encoded_schema(columns: Sequence[Column]) -> pa.Schema:
    """The schema of the rows to encode: a field for each column, with the Arrow type from which PostgreSQL's type is encoded."""
    for column in columns:
        if column.type_oid not in _TYPES:
            raise RedshiftError(
                FEATURE_NOT_SUPPORTED, f"not supported by the local Redshift: COPY into column {column.name} ({column.type_name})"
            )
    return pa.schema([pa.field(column.name, _arrow(column)) for column in columns])


def _arrow(column: Column) -> pa.DataType:
    return pa.decimal128(column.precision, column.scale) if column.type_oid == NUMERIC else _TYPES[column.type_oid].arrow


def match(
    metadata: pq.FileMetaData, columns: Sequence[Column], *, url: str, https: str, fill: bool, json_: bool, invalid: bool
) -> Conversion:
    """Match a file's schema to these columns.

    Args:
        metadata: the file's footer.
        columns: the columns of the column list, or of the table.
        url, https: the file's addresses, for errors.
        fill: FILLRECORD: missing columns at the end of the file are NULL.
        json_: SERIALIZETOJSON: required to load into SUPER.
        invalid: ACCEPTINVCHARS: replace invalid UTF-8.

    Raises:
        RedshiftError: 15007 for the number and the types of columns, 15001 for a decimal's length.
    """
    in_file = file_columns(metadata)
    if len(in_file) > len(columns) or (len(in_file) < len(columns) and not fill):
        context = f"Unmatched number of columns between table and file. Table columns: {len(columns)}, Data columns: {len(in_file)}"
        raise load_error(SPECTRUM_SCHEMA, f"{context}, File name: {https}")
    for i, (column, file_column) in enumerate(zip(columns, in_file, strict=False)):  # with FILLRECORD the file may have fewer
        if column.type_oid == SUPER:
            _match_super(file_column, json_)
        else:
            refuse_unfit(column, file_column, i, url=url, https=https)
    return Conversion(tuple(columns), https, invalid)


def refuse_unfit(column: Column, file_column: FileColumn, position: int, *, url: str, https: str) -> None:
    """Raise RedshiftError if a column of a file does not load into this column, which is not a SUPER."""
    reason = _decimal_refusal(column, file_column, https) if column.type_oid == NUMERIC else _refusal(column, file_column)
    if reason is not None:
        context = (
            f"File '{https}' has an incompatible Parquet schema for column '{url}.{file_column.name}'. "
            f"Column type: {column.type_name}, Parquet schema:\n{file_column.description} [i:{position} d:{int(file_column.nullable)} r:0]"
        )
        raise load_error(SPECTRUM_SCHEMA, context, hint=reason)


def _match_super(file_column: FileColumn, json_: bool) -> None:
    if not json_:
        context = f"Unreachable - Invalid type: 4000 (Parquet column {file_column.name})"
        raise load_error(1000, context, error="Assert", hint="A SUPER column is loaded with FORMAT AS PARQUET SERIALIZETOJSON.")
    if "UInt" in file_column.annotation or file_column.annotation.startswith("Time "):
        raise RedshiftError("0A000", f"not supported by the local Redshift: Parquet {file_column.description} into SUPER")


_REASONS: list[tuple[Callable[[Column, FileColumn], bool], str]] = [
    (lambda column, _: column.type_oid in (TIME, TIMETZ), "TIME columns cannot be loaded from Parquet."),
    (lambda _, field: field.nested, "Nested columns load only into SUPER, with SERIALIZETOJSON."),
    (lambda _, field: field.annotation.startswith("UInt"), "Redshift has no unsigned integers: write the column as signed."),
    (lambda _, field: " ns " in f"{field.annotation} ", "Redshift misreads nanoseconds: write microseconds in UTC."),
    (
        lambda _, field: field.annotation.endswith(" local"),
        "Redshift cannot read timestamps without a zone: write microseconds in UTC.",
    ),
    (
        lambda column, field: column.type_oid == BYTEA and field.physical == "FIXED_LEN_BYTE_ARRAY",
        "VARBYTE loads only from BYTE_ARRAY.",
    ),
    (
        lambda column, field: column.type_oid == BYTEA and field.annotation == "String",
        "VARBYTE loads from binary columns, not from strings.",
    ),
]


def _refusal(column: Column, file_column: FileColumn) -> str | None:
    """Why the column does not load, and what to do if that is known; None if it loads."""
    for applies, reason in _REASONS:
        if applies(column, file_column):
            return reason
    fits = column.type_oid in _TYPES and (file_column.physical, file_column.annotation) in _TYPES[column.type_oid].loads
    return None if fits else "Columns are matched by position, and their types must agree exactly."


def _decimal_refusal(column: Column, file_column: FileColumn, https: str) -> str | None:
    if file_column.annotation != f"Decimal({column.precision},{column.scale})":
        return "Precision and scale of file and table must agree."
    if file_column.physical != "FIXED_LEN_BYTE_ARRAY":
        physical = file_column.physical
        return f"It is not confirmed that Redshift loads decimals stored as {physical}: write FIXED_LEN_BYTE_ARRAY, as pyarrow does."
    minimum = ((10**column.precision - 1).bit_length() + 8) // 8  # one bit for the sign, rounded up to bytes
    if file_column.length != minimum:
        context = f"File '{https}' has an invalid type length. Expecting: {minimum} len in file: {file_column.length}"
        raise load_error(SPECTRUM_SCAN, context, hint="A decimal's FIXED_LEN_BYTE_ARRAY must be the shortest that holds its precision.")
    return None


def _as_json(column: Column, array: pa.Array, file: str) -> pa.Array:
    """Each value as JSON text, as SERIALIZETOJSON writes it. A string is a JSON string, even if its content is JSON."""
    texts: list[str | None] = []
    for value in array.to_pylist(maps_as_pydicts="strict"):
        if isinstance(value, str) and (size := len(value.encode())) > _LONGEST_SUPER_STRING:
            sizes = f"Table: {_LONGEST_SUPER_STRING}, Data: {size}, File name: {file}"
            raise load_error(
                SPECTRUM_SCAN, f"The length of the data column {column.name} is longer than the length defined in the table. {sizes}"
            )
        text = None if value is None else _json(value)
        if text is not None and len(text.encode()) > _LONGEST_SUPER:
            raise load_error(SPECTRUM_SCAN, f"The SUPER value of column {column.name} exceeds the maximum size of 16 MB, File name: {file}")
        texts.append(text)
    return pa.array(texts, pa.string())


def _json(value: object) -> str:
    """The JSON text of a value, with all digits of a decimal. The standard library's encoder cannot write decimals."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(str(name), ensure_ascii=False)}:{_json(item)}" for name, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(_json(item) for item in value) + "]"
    if isinstance(value, Decimal):
        return format(value, "f")
    if value is None or isinstance(value, (bool, int, str)) or (isinstance(value, float) and math.isfinite(value)):
        return json.dumps(value, ensure_ascii=False)
    raise RedshiftError(FEATURE_NOT_SUPPORTED, f"not supported by the local Redshift: a {type(value).__name__} from Parquet inside SUPER")
