"""What COPY refuses, with the messages and error numbers of a cluster."""

from __future__ import annotations

import decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.copies import Put, copy_error, detail, entry, ints, run_copy
from tests.sessions import Connect, ask

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

D = decimal.Decimal


# The manifest and the objects


def test_a_prefix_with_nothing_under_it(connection: Connection, bucket: str) -> None:
    error = copy_error(connection, f"s3://{bucket}/nothing/here")
    assert (error.pgcode, error.diag.message_primary) == ("XX000", "The specified S3 prefix 'nothing/here' does not exist")


def test_a_bucket_that_does_not_exist(connection: Connection) -> None:
    error = copy_error(connection, "s3://no-such-bucket-here/x")
    assert str(error.diag.message_primary).startswith(
        "S3ServiceException:The specified bucket does not exist,Status 404,Error NoSuchBucket"
    )
    assert "code:      8001" in detail(error)
    assert ask(connection, "SELECT 1") == [(1,)]


def test_a_manifest_that_does_not_exist(connection: Connection, bucket: str) -> None:
    error = copy_error(connection, f"s3://{bucket}/m.json", options="MANIFEST")
    expected = "Problem reading manifest file - S3ServiceException:The specified key does not exist.,Status 404,Error NoSuchKey"
    assert str(error.diag.message_primary).startswith(expected)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"entries": 5}', b'{"entries": [5]}', b'{"entries": [{}]}', b"\xff\xfe"])
def test_a_manifest_that_is_no_manifest(connection: Connection, put: Put, body: bytes) -> None:
    error = copy_error(connection, put("m.json", body), options="MANIFEST")
    assert error.diag.message_primary == "Manifest file is not in correct json format"


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        (None, "File entry does not have 'meta' key."),
        ({}, "File entry's 'meta' does not have 'content_length' key."),
        ({"content_length": "7"}, "File entry's 'meta' does not have 'content_length' key."),
    ],
)
def test_a_manifest_without_content_length(connection: Connection, put: Put, s3: S3Client, meta: object, message: str) -> None:
    listed = entry(s3, put("t.parquet", ints(1)), meta=meta)
    if meta is None:
        del listed["meta"]
    error = copy_error(connection, put("m.json", {"entries": [listed]}), options="MANIFEST")
    assert error.diag.message_primary == message
    assert "code:      15003" in detail(error)


@pytest.mark.parametrize("off", [-1, 1])
def test_a_content_length_that_is_not_the_objects_size(connection: Connection, put: Put, s3: S3Client, off: int) -> None:
    listed = entry(s3, put("t.parquet", ints(1)))
    listed["meta"]["content_length"] += off
    error = copy_error(connection, put("m.json", {"entries": [listed]}), options="MANIFEST")
    assert "code:      15001" in detail(error)
    assert f"content_length {listed['meta']['content_length']}" in detail(error)


def test_a_mandatory_file_that_is_missing(connection: Connection, put: Put, s3: S3Client, bucket: str) -> None:
    good = entry(s3, put("t.parquet", ints(1)))
    missing = {"url": f"s3://{bucket}/gone.parquet", "mandatory": True, "meta": {"content_length": 7}}
    error = copy_error(connection, put("m.json", {"entries": [good, missing]}), options="MANIFEST")
    assert error.diag.message_primary == "Mandatory url is not present in manifest file."
    assert "gone.parquet" in detail(error)
    assert ask(connection, "SELECT count(*) FROM t") == [(0,)]


def test_a_manifest_of_which_no_file_exists(connection: Connection, put: Put, bucket: str) -> None:
    missing = {"url": f"s3://{bucket}/gone.parquet", "meta": {"content_length": 7}}
    for entries in ([missing], []):
        error = copy_error(connection, put("m.json", {"entries": entries}), options="MANIFEST")
        assert error.diag.message_primary == "No files found in manifest."


@pytest.mark.parametrize("body", [b"a,b\n1,2\n", b"PAR1", b"x" * 100_000, b"PAR1" + bytes(40) + b"\xff\xff\xff\x7fPAR1"], ids=range(4))
def test_an_object_that_is_not_parquet(connection: Connection, put: Put, body: bytes) -> None:
    error = copy_error(connection, put("t.parquet", body))
    assert "has an invalid version number" in detail(error)
    assert "code:      15001" in detail(error)


def test_a_file_whose_pages_are_damaged(connection: Connection, put: Put, s3: S3Client, bucket: str) -> None:
    url = put("t.parquet", ints(*range(10_000)), compression="zstd")
    body = bytearray(s3.get_object(Bucket=bucket, Key="t.parquet")["Body"].read())
    body[4:60] = bytes(56)  # the head of the first page
    put("t.parquet", bytes(body))
    assert "could not be decoded" in detail(copy_error(connection, url))
    assert ask(connection, "SELECT count(*) FROM t") == [(0,)]


# The table and its columns


def test_a_table_that_does_not_exist(connection: Connection, bucket: str) -> None:
    error = copy_error(connection, f"s3://{bucket}/x", into="nowhere")
    assert (error.pgcode, error.diag.message_primary) == ("42P01", "Cannot COPY into nonexistent table nowhere")


def test_a_column_list_that_names_a_column_wrongly(connect: Connect, bucket: str) -> None:
    connection = connect()
    ask(connection, "CREATE TABLE t (a BIGINT, b BIGINT NOT NULL)")
    for columns, code in (("a, c", "42703"), ("b, b", "42701"), ("a", "42601")):
        assert copy_error(connection, f"s3://{bucket}/x", into=f"t ({columns})").pgcode == code


def test_values_that_do_not_fit_their_column(connect: Connect, put: Put) -> None:
    connection = connect()
    ask(connection, "CREATE TABLE t (a BIGINT NOT NULL, b VARCHAR(5), c VARBYTE(3), d CHAR(2))")
    good = {"a": [1], "b": ["éé"], "c": [b"abc"], "d": ["ab"]}
    run_copy(connection, put("good.parquet", pa.table(good)))
    for bad, message in (
        ({"a": pa.array([None], pa.int64())}, "Cannot insert a NULL value into column a"),
        ({"b": ["ééé"]}, "The length of the data column b is longer than the length defined in the table. Table: 5, Data: 6"),
        ({"c": [b"abcd"]}, "The length of the data column c is longer than the length defined in the table. Table: 3, Data: 4"),
        ({"d": ["abc"]}, "The length of the data column d is longer than the length defined in the table. Table: 2, Data: 3"),
    ):
        assert message in detail(copy_error(connection, put("bad.parquet", pa.table(good | bad))))
    assert ask(connection, "SELECT count(*) FROM t") == [(1,)]


def test_a_date_that_no_calendar_reaches(connect: Connect, put: Put) -> None:
    connection = connect()
    ask(connection, "CREATE TABLE t (a DATE)")
    table = pa.table({"a": pa.array([-(2**31)], pa.int32()).cast(pa.date32())})
    assert "contains a value out of range" in detail(copy_error(connection, put("t.parquet", table)))
    assert ask(connection, "SELECT count(*) FROM t") == [(0,)]


def test_types_that_do_not_agree_are_refused_from_the_tables_own_columns(connect: Connect, put: Put) -> None:
    connection = connect()
    ask(connection, "CREATE TABLE t (a DECIMAL(18,2), b TIMESTAMP, c TIMESTAMPTZ)")
    good: dict[str, Any] = {
        "a": pa.array([D("1.50")], pa.decimal128(18, 2)),
        "b": pa.array([0], pa.timestamp("us", tz="UTC")),
        "c": pa.array([0], pa.timestamp("us", tz="UTC")),
    }
    run_copy(connection, put("good.parquet", pa.table(good)))
    for bad, message in (
        ({"a": pa.array([D("1.5")], pa.decimal128(18, 3))}, "Column type: DECIMAL(18,2)"),
        ({"b": pa.array([0], pa.timestamp("us"))}, "Column type: TIMESTAMP,"),
        ({"c": pa.array([0], pa.timestamp("ns", tz="UTC"))}, "Column type: TIMESTAMPTZ"),
    ):
        error = copy_error(connection, put("bad.parquet", pa.table(good | bad)))
        assert message in detail(error)
        assert "code:      15007" in detail(error)


@pytest.mark.parametrize("option", ["REGION 'us-east-1'", "MAXERROR 5", "TRUNCATECOLUMNS"])
def test_options_of_other_formats_are_refused(connection: Connection, bucket: str, option: str) -> None:
    assert copy_error(connection, f"s3://{bucket}/x", options=option).pgcode in ("0A000", "42601")
