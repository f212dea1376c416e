"""Which Parquet columns load into which Redshift columns, and which values fit."""

from __future__ import annotations

import decimal
import io
from datetime import date, datetime, timezone
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from redshift_local.errors import RedshiftError
from redshift_local.load import parquet
from redshift_local.load.parquet import Column, Conversion, match

WHERE = {"url": "s3://b/k.parquet", "https": "https://s3.us-east-1.amazonaws.com/b/k.parquet"}


def footer(array: pa.Array, **options: Any) -> pq.FileMetaData:
    file = io.BytesIO()
    pq.write_table(pa.table({"c": array}), file, **options)
    return pq.read_metadata(file)


def conversion_of(array: pa.Array, column: Column, *, json_: bool = False, invalid: bool = False, **options: Any) -> Conversion:
    return match(footer(array, **options), [column], **WHERE, fill=False, json_=json_, invalid=invalid)


def column(type_oid: int, **more: Any) -> Column:
    return Column("c", type_oid, not_null=False, **more)


def numeric(precision: int, scale: int) -> Column:
    return column(parquet.NUMERIC, precision=precision, scale=scale)


D = decimal.Decimal
UTC = pa.timestamp("us", tz="UTC")
NOON = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)

LOADS = [
    (pa.array([True]), column(parquet.BOOLEAN)),
    (pa.array([1], pa.int16()), column(parquet.SMALLINT)),
    (pa.array([1], pa.int8()), column(parquet.SMALLINT)),
    (pa.array([1], pa.int32()), column(parquet.INTEGER)),
    (pa.array([1], pa.int64()), column(parquet.BIGINT)),
    (pa.array([1.5], pa.float32()), column(parquet.REAL)),
    (pa.array([1.5], pa.float64()), column(parquet.DOUBLE)),
    (pa.array([date(2026, 1, 1)]), column(parquet.DATE)),
    (pa.array([NOON], UTC), column(parquet.TIMESTAMPTZ)),
    (pa.array([NOON], UTC), column(parquet.TIMESTAMP)),
    (pa.array([NOON], pa.timestamp("ms", tz="UTC")), column(parquet.TIMESTAMPTZ)),
    (pa.array([D("1.50")], pa.decimal128(10, 2)), numeric(10, 2)),
    (pa.array([D("1.5")], pa.decimal128(18, 9)), numeric(18, 9)),
    (pa.array([D("1.5")], pa.decimal128(38, 9)), numeric(38, 9)),
    (pa.array(["x"]), column(parquet.VARCHAR, width=5)),
    (pa.array(["x"], pa.large_string()), column(parquet.VARCHAR, width=5)),
    (pa.array(["x"]).dictionary_encode(), column(parquet.VARCHAR, width=5)),
    (pa.array(["x"]), column(parquet.CHAR, width=5)),
    (pa.array([b"x"]), column(parquet.BYTEA, width=5)),
]


@pytest.mark.parametrize(("array", "to"), LOADS, ids=lambda value: str(value.type if isinstance(value, pa.Array) else value.type_name))
def test_columns_whose_types_agree_load(array: pa.Array, to: Column) -> None:
    conversion = conversion_of(array, to)
    ready = conversion.convert(pa.record_batch([array.dictionary_decode() if pa.types.is_dictionary(array.type) else array], ["c"]))
    assert ready.schema == parquet.encoded_schema([to])
    assert ready.num_rows == 1


REFUSED = [
    (pa.array([1], pa.int32()), column(parquet.BIGINT), {}, "optional int32 c [i:0 d:1 r:0]", "types must agree"),
    (pa.array([1], pa.int64()), column(parquet.INTEGER), {}, "optional int64 c", "types must agree"),
    (pa.array([1], pa.int32()), column(parquet.SMALLINT), {}, "optional int32 c", "types must agree"),
    (pa.array([1], pa.int64()), column(parquet.VARCHAR, width=5), {}, "Column type: VARCHAR(5)", "types must agree"),
    (pa.array(["1"]), column(parquet.BIGINT), {}, "optional byte_array c (String)", "types must agree"),
    (pa.array([1], pa.uint32()), column(parquet.BIGINT), {}, "(UInt32)", "unsigned"),
    (pa.array([1], pa.uint64()), column(parquet.BIGINT), {}, "(UInt64)", "unsigned"),
    (pa.array([1.5], pa.float32()), column(parquet.DOUBLE), {}, "optional float c", "types must agree"),
    (pa.array([date(2026, 1, 1)]), column(parquet.TIMESTAMP), {}, "(Date)", "types must agree"),
    (pa.array([NOON.replace(tzinfo=None)], pa.timestamp("us")), column(parquet.TIMESTAMP), {}, "(Timestamp us local)", "without a zone"),
    (pa.array([NOON], pa.timestamp("ns", tz="UTC")), column(parquet.TIMESTAMPTZ), {}, "(Timestamp ns UTC)", "nanoseconds"),
    (pa.array([1], pa.time64("us")), column(parquet.TIME), {}, "Column type: TIME", "TIME columns cannot be loaded"),
    (pa.array([D("1.50")], pa.decimal128(4, 2)), numeric(5, 2), {}, "Column type: DECIMAL(5,2)", "Precision and scale"),
    (pa.array([D("1.5")], pa.decimal128(5, 1)), numeric(5, 2), {}, "(Decimal(5,1))", "Precision and scale"),
    (pa.array([1.5]), numeric(5, 2), {}, "optional double c", "Precision and scale"),
    (pa.array([D("1.50")], pa.decimal128(10, 2)), numeric(10, 2), {"store_decimal_as_integer": True}, "optional int64 c", "not confirmed"),
    (pa.array([D("1.50")], pa.decimal128(5, 2)), numeric(5, 2), {"store_decimal_as_integer": True}, "optional int32 c", "not confirmed"),
    (pa.array(["x"]), column(parquet.BYTEA), {}, "Column type: VARBYTE", "not from strings"),
    (pa.array([b"xy"], pa.binary(2)), column(parquet.BYTEA), {}, "fixed_len_byte_array(2)", "loads only from BYTE_ARRAY"),
    (pa.array([b"x"]), column(parquet.VARCHAR, width=5), {}, "optional byte_array c", "types must agree"),
    (pa.array([[1]]), column(parquet.BIGINT), {}, "optional group c", "SERIALIZETOJSON"),
    (pa.array([{"a": 1}]), column(parquet.VARCHAR, width=5), {}, "optional group c", "SERIALIZETOJSON"),
]


@pytest.mark.parametrize(
    ("array", "to", "options", "context", "hint"), REFUSED, ids=[f"{row[0].type}-{row[1].type_name}" for row in REFUSED]
)
def test_columns_whose_types_do_not_agree_are_refused(
    array: pa.Array, to: Column, options: dict[str, Any], context: str, hint: str
) -> None:
    with pytest.raises(RedshiftError) as caught:
        conversion_of(array, to, **options)
    assert (caught.value.code, caught.value.message) == ("XX000", "Spectrum Scan Error")
    assert "code:      15007" in caught.value.detail
    assert "has an incompatible Parquet schema for column 's3://b/k.parquet.c'" in caught.value.detail
    assert context in caught.value.detail
    assert hint in caught.value.hint


def test_int96_is_the_only_local_timestamp_that_loads_and_only_into_timestamp() -> None:
    array = pa.array([NOON.replace(tzinfo=None)], pa.timestamp("us"))
    conversion_of(array, column(parquet.TIMESTAMP), use_deprecated_int96_timestamps=True)
    with pytest.raises(RedshiftError, match="Spectrum Scan Error"):
        conversion_of(array, column(parquet.TIMESTAMPTZ), use_deprecated_int96_timestamps=True)


def test_a_decimal_longer_than_its_precision_needs_is_refused() -> None:
    # No writer writes a decimal that is too long, so its description is constructed here.
    too_long = parquet.FileColumn("c", "FIXED_LEN_BYTE_ARRAY", "Decimal(18,9)", 13, nullable=True, nested=False)
    with pytest.raises(RedshiftError) as caught:
        parquet.refuse_unfit(numeric(18, 9), too_long, 0, **WHERE)
    assert "invalid type length. Expecting: 8 len in file: 13" in caught.value.detail
    assert "code:      15001" in caught.value.detail


@pytest.mark.parametrize(("precision", "length"), [(1, 1), (2, 1), (3, 2), (9, 4), (10, 5), (18, 8), (19, 9), (38, 16)])
def test_the_smallest_length_of_a_decimal_is_what_pyarrow_writes(precision: int, length: int) -> None:
    array = pa.array([D(1)], pa.decimal128(precision, 0))
    assert footer(array).schema.column(0).length == length
    conversion_of(array, numeric(precision, 0))


def two(*names: str) -> list[Column]:
    return [Column(name, parquet.BIGINT, not_null=False) for name in names]


def test_column_counts_must_agree_and_the_error_gives_both() -> None:
    for columns in (two("a", "b"), []):
        with pytest.raises(RedshiftError) as caught:
            match(footer(pa.array([1])), columns, **WHERE, fill=False, json_=False, invalid=False)
        message = f"Unmatched number of columns between table and file. Table columns: {len(columns)}, Data columns: 1, File name: https://"
        assert message in caught.value.detail
        assert "code:      15007" in caught.value.detail


def test_fillrecord_fills_columns_at_the_end_with_null_but_never_drops_one() -> None:
    conversion = match(footer(pa.array([1])), two("a", "b"), **WHERE, fill=True, json_=False, invalid=False)
    assert conversion.convert(pa.record_batch([pa.array([1])], ["c"])).to_pylist() == [{"a": 1, "b": None}]
    with pytest.raises(RedshiftError, match="Spectrum Scan Error"):
        match(footer(pa.array([1])), [], **WHERE, fill=True, json_=False, invalid=False)


def test_the_length_of_a_string_is_measured_in_bytes() -> None:
    conversion = conversion_of(pa.array(["é"]), column(parquet.VARCHAR, width=5))
    conversion.convert(pa.record_batch([pa.array(["éé", None, "12345"])], ["c"]))
    with pytest.raises(RedshiftError) as caught:
        conversion.convert(pa.record_batch([pa.array(["ééé"])], ["c"]))
    assert "The length of the data column c is longer than the length defined in the table. Table: 5, Data: 6" in caught.value.detail
    assert "code:      15001" in caught.value.detail


def test_bytes_longer_than_their_column_are_refused() -> None:
    conversion = conversion_of(pa.array([b"x"]), column(parquet.BYTEA, width=2))
    with pytest.raises(RedshiftError) as caught:
        conversion.convert(pa.record_batch([pa.array([b"xyz"])], ["c"]))
    assert "Table: 2, Data: 3" in caught.value.detail


def test_char_is_single_byte_only() -> None:
    conversion = conversion_of(pa.array(["x"]), column(parquet.CHAR, width=5))
    conversion.convert(pa.record_batch([pa.array(["abc", None])], ["c"]))
    conversion.convert(pa.record_batch([pa.array([None], pa.string())], ["c"]))
    with pytest.raises(RedshiftError) as caught:
        conversion.convert(pa.record_batch([pa.array(["é"])], ["c"]))
    assert "CHAR" in caught.value.detail


def test_null_into_a_not_null_column_is_refused() -> None:
    conversion = conversion_of(pa.array([1]), Column("c", parquet.BIGINT, not_null=True))
    with pytest.raises(RedshiftError, match="Cannot insert a NULL value into column c"):
        conversion.convert(pa.record_batch([pa.array([1, None])], ["c"]))


def not_utf8() -> pa.Array:
    good = pa.array([b"good", b"b\xff\xfed", None])
    return pa.Array.from_buffers(pa.string(), 3, good.buffers())


def test_text_that_is_not_utf8_is_refused_or_replaced_as_the_option_says() -> None:
    with pytest.raises(RedshiftError) as caught:
        conversion_of(pa.array(["x"]), column(parquet.VARCHAR, width=9)).convert(pa.record_batch([not_utf8()], ["c"]))
    assert "invalid or unsupported UTF8 codepoints" in caught.value.detail
    replaced = conversion_of(pa.array(["x"]), column(parquet.VARCHAR, width=9), invalid=True).convert(pa.record_batch([not_utf8()], ["c"]))
    assert replaced.column(0).to_pylist() == ["good", "b??d", None]


SUPERS = [
    ("text", '"text"'),
    ('{"a": 1}', '"{\\"a\\": 1}"'),
    (5, "5"),
    (True, "true"),
    (1.5, "1.5"),
    (D("12345678901234567890.10"), "12345678901234567890.10"),
    ([1, None, 2], "[1,null,2]"),
    ({"a": "é", "b": [{"c": D("0.10")}]}, '{"a":"é","b":[{"c":0.10}]}'),
]


@pytest.mark.parametrize(("value", "json"), SUPERS)
def test_serializetojson_loads_any_column_into_super_and_a_string_stays_a_string(value: object, json: str) -> None:
    array = pa.array([value, None])
    conversion = conversion_of(array, column(parquet.SUPER), json_=True)
    assert conversion.convert(pa.record_batch([array], ["c"])).column(0).to_pylist() == [json, None]


@pytest.mark.parametrize("array", [pa.array(["x"]), pa.array([[1]]), pa.array([1])])
def test_nothing_loads_into_super_without_serializetojson(array: pa.Array) -> None:
    with pytest.raises(RedshiftError) as caught:
        conversion_of(array, column(parquet.SUPER))
    assert "Invalid type: 4000" in caught.value.detail
    assert "SERIALIZETOJSON" in caught.value.hint


@pytest.mark.parametrize("value", [NOON, date(2026, 1, 1), b"x", float("nan")])
def test_a_type_without_known_json_is_refused_in_super(value: object) -> None:
    array = pa.array([[value]])
    with pytest.raises(RedshiftError, match="not supported by the local Redshift"):
        conversion_of(array, column(parquet.SUPER), json_=True).convert(pa.record_batch([array], ["c"]))


def test_a_string_over_65535_bytes_does_not_fit_super() -> None:
    conversion = conversion_of(pa.array(["x"]), column(parquet.SUPER), json_=True)
    conversion.convert(pa.record_batch([pa.array(["x" * 65_535])], ["c"]))
    with pytest.raises(RedshiftError) as caught:
        conversion.convert(pa.record_batch([pa.array(["x" * 65_536])], ["c"]))
    assert "Table: 65535, Data: 65536" in caught.value.detail


def test_nested_columns_count_as_one_and_the_next_keeps_its_position() -> None:
    file = io.BytesIO()
    nested = pa.array([{"a": 1, "b": {"c": ["x"]}, "d": {"k": 1}}])
    pq.write_table(pa.table({"n": nested, "last.with.dots": pa.array([7])}), file)
    columns = parquet.file_columns(pq.read_metadata(file))
    assert [(column.name, column.physical) for column in columns] == [("n", "group"), ("last.with.dots", "INT64")]
