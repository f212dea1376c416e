"""Which Parquet columns and values COPY accepts: by position, count, and physical and logical type.

Belongs here: a file's schema against a table's columns, and values against a column, with Redshift's errors. Does not belong here:
reading files (`copy`), or which files they are (`s3`).
If nobody knows whether Redshift loads something, it is refused and the error says so.
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

    `kind` is the oid of PostgreSQL's type; `width` the most bytes that a value may have, None without such a bound.
    """

    name: str
    kind: int
    not_null: bool
    has_default: bool = False
    identity: bool = False
    width: int | None = None
    precision: int = 0
    scale: int = 0

    @property
    def shown(self) -> str:
        """The type as Redshift's errors name it."""
        name = _KINDS[self.kind].shown if self.kind in _KINDS else f"OID {self.kind}"
        if self.kind == NUMERIC:
            return f"{name}({self.precision},{self.scale})"
        return name if self.width is None else f"{name}({self.width})"


@dataclass(frozen=True)
class Leaf:
    """One column of a file, from its footer. `nested` means a struct, list or map, which is several physical columns."""

    name: str
    physical: str
    annotation: str
    """The logical type as JSON names it, with its parameters: `Int16`, `Timestamp us UTC`, `Decimal(18,2)`; empty without one."""
    length: int
    nullable: bool
    nested: bool

    @property
    def shown(self) -> str:
        physical = f"fixed_len_byte_array({self.length})" if self.physical == "FIXED_LEN_BYTE_ARRAY" else self.physical.lower()
        return f"{'optional' if self.nullable else 'required'} {physical} {self.name}{f' ({self.annotation})' if self.annotation else ''}"


def leaves(metadata: pq.FileMetaData) -> list[Leaf]:
    """The top-level columns of a file, in its order."""
    schema = metadata.schema
    found, at = [], 0
    for field in schema.to_arrow_schema():
        leaf, count = schema.column(at), _leaf_count(field.type)
        nested = pa.types.is_nested(field.type)
        physical = "group" if nested else leaf.physical_type
        found.append(Leaf(field.name, physical, "" if nested else _annotation(leaf), leaf.length, field.nullable, nested))
        at += count
    return found


def _leaf_count(kind: pa.DataType) -> int:
    if not pa.types.is_nested(kind):
        return 1
    return sum(_leaf_count(kind.field(i).type) for i in range(kind.num_fields))


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
class Kind:
    """A Redshift type: its name in errors, the (physical, annotation) pairs it loads, and the Arrow type to encode it from."""

    shown: str
    loads: frozenset[tuple[str, str]]
    arrow: pa.DataType


_STRING = frozenset({("BYTE_ARRAY", "String")})
_INSTANT = frozenset({("INT64", "Timestamp us UTC"), ("INT64", "Timestamp ms UTC")})
_KINDS = {
    BOOLEAN: Kind("BOOL", frozenset({("BOOLEAN", "")}), pa.bool_()),
    SMALLINT: Kind("SMALLINT", frozenset({("INT32", "Int16"), ("INT32", "Int8")}), pa.int16()),
    INTEGER: Kind("INT", frozenset({("INT32", ""), ("INT32", "Int32")}), pa.int32()),
    BIGINT: Kind("BIGINT", frozenset({("INT64", ""), ("INT64", "Int64")}), pa.int64()),
    REAL: Kind("REAL", frozenset({("FLOAT", "")}), pa.float32()),
    DOUBLE: Kind("DOUBLE", frozenset({("DOUBLE", "")}), pa.float64()),
    DATE: Kind("DATE", frozenset({("INT32", "Date")}), pa.date32()),
    # INT96 is nanoseconds on paper, but the only local timestamp that Redshift is known to read right.
    TIMESTAMP: Kind("TIMESTAMP", _INSTANT | {("INT96", "")}, pa.timestamp("us")),
    TIMESTAMPTZ: Kind("TIMESTAMPTZ", _INSTANT, pa.timestamp("us", tz="UTC")),
    NUMERIC: Kind("DECIMAL", frozenset(), pa.decimal128(38, 0)),
    VARCHAR: Kind("VARCHAR", _STRING, pa.string()),
    TEXT: Kind("VARCHAR", _STRING, pa.string()),
    CHAR: Kind("CHAR", _STRING, pa.string()),
    BYTEA: Kind("VARBYTE", frozenset({("BYTE_ARRAY", "")}), pa.binary()),
    SUPER: Kind("SUPER", frozenset(), pa.string()),
    TIME: Kind("TIME", frozenset(), pa.time64("us")),
    TIMETZ: Kind("TIMETZ", frozenset(), pa.time64("us")),
}


@dataclass(frozen=True)
class Loading:
    """How the columns of one file go to the columns of the table. Made by `match`, which refuses what does not fit."""

    columns: Sequence[Column]
    file: str
    """The file's address, for errors."""
    accept_invalid: bool
    """ACCEPTINVCHARS: replace what is not UTF-8 instead of refusing it."""

    def batch(self, read: pa.RecordBatch) -> pa.RecordBatch:
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
        if column.kind == SUPER:
            return _as_json(column, array, self.file)
        if target == pa.string():
            array = self._readable(column, array)
        if array.type != target:
            # A timestamp with a zone becomes one without: UTC's wall clock, as Redshift stores it.
            array = array.cast(target)
        if column.width is not None and (longest := pc.max(pc.binary_length(array)).as_py() or 0) > column.width:
            sizes = f"Table: {column.width}, Data: {longest}, File name: {self.file}"
            raise load_error(
                SPECTRUM_SCAN, f"The length of the data column {column.name} is longer than the length defined in the table. {sizes}"
            )
        if column.kind == CHAR and not pc.all(pc.string_is_ascii(array)).as_py() and array.null_count < len(array):
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
    """A field for each column to fill, of the Arrow type from which PostgreSQL's type is encoded."""
    for column in columns:
        if column.kind not in _KINDS:
            raise RedshiftError(
                FEATURE_NOT_SUPPORTED, f"not supported by the local Redshift: COPY into column {column.name} ({column.shown})"
            )
    return pa.schema([pa.field(column.name, _arrow(column)) for column in columns])


def _arrow(column: Column) -> pa.DataType:
    return pa.decimal128(column.precision, column.scale) if column.kind == NUMERIC else _KINDS[column.kind].arrow


def match(metadata: pq.FileMetaData, columns: Sequence[Column], *, url: str, https: str, fill: bool, json_: bool, invalid: bool) -> Loading:
    """How this file loads into these columns.

    Args:
        metadata: the file's footer.
        columns: those of the column list, or of the table.
        url, https: the file's addresses, for errors.
        fill: FILLRECORD, columns that the file lacks at its end are NULL.
        json_: SERIALIZETOJSON, without which nothing loads into SUPER.
        invalid: ACCEPTINVCHARS.

    Raises:
        RedshiftError: 15007 for count and type, 15001 for a decimal's length.
    """
    found = leaves(metadata)
    if len(found) > len(columns) or (len(found) < len(columns) and not fill):
        context = f"Unmatched number of columns between table and file. Table columns: {len(columns)}, Data columns: {len(found)}"
        raise load_error(SPECTRUM_SCHEMA, f"{context}, File name: {https}")
    for i, (column, leaf) in enumerate(zip(columns, found, strict=False)):  # with FILLRECORD the file may have fewer
        if column.kind == SUPER:
            _match_super(leaf, json_)
        else:
            refuse_unfit(column, leaf, i, url=url, https=https)
    return Loading(tuple(columns), https, invalid)


def refuse_unfit(column: Column, leaf: Leaf, position: int, *, url: str, https: str) -> None:
    """Refuse a column of a file that does not load into this column, which is not a SUPER."""
    reason = _decimal_refusal(column, leaf, https) if column.kind == NUMERIC else _refusal(column, leaf)
    if reason is not None:
        context = (
            f"File '{https}' has an incompatible Parquet schema for column '{url}.{leaf.name}'. "
            f"Column type: {column.shown}, Parquet schema:\n{leaf.shown} [i:{position} d:{int(leaf.nullable)} r:0]"
        )
        raise load_error(SPECTRUM_SCHEMA, context, hint=reason)


def _match_super(leaf: Leaf, json_: bool) -> None:
    if not json_:
        context = f"Unreachable - Invalid type: 4000 (Parquet column {leaf.name})"
        raise load_error(1000, context, error="Assert", hint="A SUPER column is loaded with FORMAT AS PARQUET SERIALIZETOJSON.")
    if "UInt" in leaf.annotation or leaf.annotation.startswith("Time "):
        raise RedshiftError("0A000", f"not supported by the local Redshift: Parquet {leaf.shown} into SUPER")


_REASONS: list[tuple[Callable[[Column, Leaf], bool], str]] = [
    (lambda column, _: column.kind in (TIME, TIMETZ), "TIME columns cannot be loaded from Parquet."),
    (lambda _, leaf: leaf.nested, "Nested columns load only into SUPER, with SERIALIZETOJSON."),
    (lambda _, leaf: leaf.annotation.startswith("UInt"), "Redshift has no unsigned integers: write the column as signed."),
    (lambda _, leaf: " ns " in f"{leaf.annotation} ", "Redshift misreads nanoseconds: write microseconds in UTC."),
    (lambda _, leaf: leaf.annotation.endswith(" local"), "Redshift cannot read timestamps without a zone: write microseconds in UTC."),
    (lambda column, leaf: column.kind == BYTEA and leaf.physical == "FIXED_LEN_BYTE_ARRAY", "VARBYTE loads from BYTE_ARRAY alone."),
    (lambda column, leaf: column.kind == BYTEA and leaf.annotation == "String", "VARBYTE loads from binary columns, not from strings."),
]


def _refusal(column: Column, leaf: Leaf) -> str | None:
    """Why this does not load, and what to do if that is known; None if it loads."""
    for applies, reason in _REASONS:
        if applies(column, leaf):
            return reason
    fits = column.kind in _KINDS and (leaf.physical, leaf.annotation) in _KINDS[column.kind].loads
    return None if fits else "Columns are matched by position, and their types must agree exactly."


def _decimal_refusal(column: Column, leaf: Leaf, https: str) -> str | None:
    if leaf.annotation != f"Decimal({column.precision},{column.scale})":
        return "Precision and scale of file and table must agree."
    if leaf.physical != "FIXED_LEN_BYTE_ARRAY":
        return f"It is not confirmed that Redshift loads decimals stored as {leaf.physical}: write FIXED_LEN_BYTE_ARRAY, as pyarrow does."
    smallest = ((10**column.precision - 1).bit_length() + 8) // 8  # one bit for the sign, rounded up to bytes
    if leaf.length != smallest:
        context = f"File '{https}' has an invalid type length. Expecting: {smallest} len in file: {leaf.length}"
        raise load_error(SPECTRUM_SCAN, context, hint="A decimal's FIXED_LEN_BYTE_ARRAY must be the shortest that holds its precision.")
    return None


def _as_json(column: Column, array: pa.Array, file: str) -> pa.Array:
    """Each value as JSON text, as SERIALIZETOJSON makes it. A string stays a string, whatever it holds."""
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
    """JSON text with all digits of a decimal, which the standard library's encoder does not write."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(str(name), ensure_ascii=False)}:{_json(of)}" for name, of in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(_json(of) for of in value) + "]"
    if isinstance(value, Decimal):
        return format(value, "f")
    if value is None or isinstance(value, (bool, int, str)) or (isinstance(value, float) and math.isfinite(value)):
        return json.dumps(value, ensure_ascii=False)
    raise RedshiftError(FEATURE_NOT_SUPPORTED, f"not supported by the local Redshift: a {type(value).__name__} from Parquet inside SUPER")
