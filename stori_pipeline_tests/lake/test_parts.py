"""The Parquet that lands: values read back equal, with the physical types that Redshift reads, in parts and pieces."""

from __future__ import annotations

import datetime
import io
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from stori_pipeline.lake import Lake, LakeError, Manifest, Sizes
from stori_pipeline.lake.parts import repeating_columns
from stori_pipeline_tests.readings import MB, TABLE, VALUES, Given, incompressible, orders, rows

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def read_back(s3: S3Client, bucket: str, manifest: Manifest) -> list[pq.ParquetFile]:
    keys = [part.url.removeprefix(f"s3://{bucket}/") for part in manifest.parts]
    return [pq.ParquetFile(io.BytesIO(s3.get_object(Bucket=bucket, Key=key)["Body"].read())) for key in keys]


def land(lake: Lake, *chunks: pa.RecordBatch) -> Manifest:
    manifest = lake.land(TABLE, Given(chunks), newest=None, run_id="r")
    assert manifest is not None
    return manifest


def test_values_come_back_and_the_physical_types_are_those_that_redshift_reads(s3: S3Client, bucket: str) -> None:
    chunks = [rows({"id": 1, **VALUES}, {"id": 2}), rows({"id": 1, "_deleted": True})]
    (file,) = read_back(s3, bucket, land(Lake(s3, bucket), *chunks))
    assert file.schema_arrow.equals(TABLE.landed_schema)
    assert file.schema_arrow.names[-3:] == ["_batch", "_seq", "_deleted"]
    nothing = dict.fromkeys(VALUES)
    assert file.read().to_pylist() == [
        {"id": 1, **VALUES, "_batch": 1, "_seq": 0, "_deleted": False},
        {"id": 2, **nothing, "_batch": 1, "_seq": 1, "_deleted": False},
        {"id": 1, **nothing, "_batch": 1, "_seq": 2, "_deleted": True},
    ]
    physical = {file.schema.column(i).name: file.schema.column(i) for i in range(len(file.schema))}
    for name, length in (("price", 8), ("rate", 16)):
        assert (physical[name].physical_type, physical[name].length) == ("FIXED_LEN_BYTE_ARRAY", length)
    assert (physical["at"].physical_type, physical["at"].converted_type) == ("INT64", "TIMESTAMP_MICROS")
    assert "isAdjustedToUTC=true" in str(physical["at"].logical_type)
    assert (physical["detail"].physical_type, str(physical["detail"].logical_type)) == ("BYTE_ARRAY", "None")
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"


def test_a_part_of_more_than_16_mb_is_uploaded_in_pieces_and_reads_equal(s3: S3Client, bucket: str) -> None:
    chunks = [incompressible(i * 20_000, 20_000) for i in range(12)]
    lake = Lake(s3, bucket, sizes=Sizes(piece_bytes=5 * MB))
    manifest = land(lake, *chunks)
    (part,) = manifest.parts
    assert part.bytes > 16 * MB
    assert part.rows == manifest.rows == 240_000
    assert "-" in s3.head_object(Bucket=bucket, Key=part.url.removeprefix(f"s3://{bucket}/"))["ETag"], "the mark of a multipart upload"
    (file,) = read_back(s3, bucket, manifest)
    read = file.read()
    assert read.select(TABLE.read_schema.names).equals(pa.Table.from_batches(chunks))
    assert read["_seq"].to_pylist() == list(range(240_000))
    assert pc.unique(read["_batch"]).to_pylist() == [1]
    assert not s3.list_multipart_uploads(Bucket=bucket).get("Uploads")


def test_a_long_table_becomes_several_parts_whose_rows_stay_in_order(s3: S3Client, bucket: str) -> None:
    lake = Lake(s3, bucket, sizes=Sizes(part_rows=250, group_rows=100))
    manifest = land(lake, *(orders(i * 70, 70) for i in range(10)), orders(700, 1000))
    assert [part.rows for part in manifest.parts][:-1]
    assert sum(part.rows for part in manifest.parts) == manifest.rows == 1700
    assert len({part.url for part in manifest.parts}) == len(manifest.parts) > 2
    files = read_back(s3, bucket, manifest)
    assert [file.metadata.num_rows for file in files] == [part.rows for part in manifest.parts]
    assert all(file.metadata.row_group(i).num_rows <= 100 for file in files for i in range(file.num_row_groups))
    assert pa.concat_tables(file.read() for file in files)["id"].to_pylist() == list(range(1700))


def test_wide_rows_end_a_row_group_by_their_bytes(s3: S3Client, bucket: str) -> None:
    document = b'"' + b"x" * (5 * MB) + b'"'
    lake = Lake(s3, bucket, sizes=Sizes(group_bytes=12 * MB))
    (file,) = read_back(s3, bucket, land(lake, *(orders(i * 3, 3, detail=document) for i in range(4))))
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [2, 1] * 4
    assert {len(each) for each in file.read()["detail"].to_pylist()} == {len(document)}


def test_only_columns_that_repeat_get_a_dictionary(s3: S3Client, bucket: str) -> None:
    chunk = incompressible(0, 1000)
    days = pa.array([datetime.date(2026, 1, 1 + i % 9) for i in range(1000)])
    chunk = chunk.set_column(chunk.schema.get_field_index("day"), chunk.schema.field("day"), days)
    assert set(repeating_columns(pa.Table.from_batches([chunk]))) == set(chunk.schema.names) - {"id", "customer", "_deleted"}
    (file,) = read_back(s3, bucket, land(Lake(s3, bucket), chunk))
    group = file.metadata.row_group(0)
    has = {group.column(i).path_in_schema: group.column(i).has_dictionary_page for i in range(group.num_columns)}
    assert (has["id"], has["customer"], has["_seq"], has["day"], has["_batch"]) == (False, False, False, True, True)


def test_rows_with_another_order_of_columns_are_refused(s3: S3Client, bucket: str) -> None:
    chunk = orders(1, 1)
    swapped = chunk.select([1, 0, *range(2, chunk.num_columns)])
    lake = Lake(s3, bucket)
    with pytest.raises(LakeError, match=r"shop\.orders: the reader yields day date32\[day\], id int64.* but its definition says id int64"):
        land(lake, swapped)
    assert lake.newest(TABLE) is None


def test_a_missing_key_is_refused(s3: S3Client, bucket: str) -> None:
    chunk = orders(1, 2)
    broken = chunk.set_column(0, chunk.schema.field(0), pa.array([1, None], pa.int64()))
    lake = Lake(s3, bucket)
    with pytest.raises(LakeError, match=r"batch=00000001/part-00000-[0-9a-f]{8}\.parquet: the rows do not fit their schema.*'id'"):
        land(lake, broken)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
