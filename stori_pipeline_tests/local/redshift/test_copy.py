"""COPY from S3 into tables: what it loads, what it refuses, all or nothing, and what it leaves behind for the session."""

from __future__ import annotations

import decimal
import io
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from psycopg2 import errors, extensions
from psycopg2.extensions import connection as Connection  # noqa: N812

from stori_pipeline.local.redshift import wire
from stori_pipeline.local.redshift.s3 import Store
from stori_pipeline.local.redshift.server import Server
from stori_pipeline_tests.local.redshift.client import Client, error, rows
from stori_pipeline_tests.local.redshift.conftest import Connect, ask, at_port, eventually, serving, waits_for_a_lock

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

D = decimal.Decimal
ROLE = "IAM_ROLE 'arn:aws:iam::123456789012:role/stori-copy'"
Put = Callable[..., str]


@pytest.fixture
def put(s3: S3Client, bucket: str) -> Put:
    """Writes a table (or bytes, or a dict as JSON) under a key and returns its url."""

    def written(key: str, content: pa.Table | bytes | dict[str, Any], **options: Any) -> str:
        if isinstance(content, pa.Table):
            file = io.BytesIO()
            pq.write_table(content, file, **options)
            content = file.getvalue()
        elif isinstance(content, dict):
            content = json.dumps(content).encode()
        s3.put_object(Bucket=bucket, Key=key, Body=content)
        return f"s3://{bucket}/{key}"

    return written


def copied(connection: Connection, url: str, *, into: str = "t", options: str = "") -> str:
    """Run this COPY; its command tag."""
    with connection.cursor() as cursor:
        before, after = (f" {part}" if part else "" for part in (options.partition("|")[0], options.partition("|")[2]))
        cursor.execute(f"COPY {into} FROM '{url}' {ROLE} FORMAT AS PARQUET{after}{before}")
        return str(cursor.statusmessage)


def refused(connection: Connection, url: str, **options: Any) -> psycopg2.Error:
    with pytest.raises(psycopg2.Error) as caught:
        copied(connection, url, **options)
    return caught.value


def entry(s3: S3Client, url: str, **more: Any) -> dict[str, Any]:
    bucket, key = url.removeprefix("s3://").split("/", 1)
    size = s3.head_object(Bucket=bucket, Key=key)["ContentLength"]
    return {"url": url, "mandatory": True, "meta": {"content_length": size}} | more


def ints(*values: int | None) -> pa.Table:
    return pa.table({"a": pa.array(values, pa.int64())})


@pytest.fixture
def connection(connect: Connect) -> Connection:
    """A session that has a table `t` of one BIGINT column."""
    opened = connect()
    ask(opened, "CREATE TABLE t (a BIGINT)")
    return opened


# What it loads


def test_a_prefix_loads_every_object_under_it(connection: Connection, put: Put) -> None:
    put("x/part-1.parquet", ints(1, 2))
    put("x/part-2.parquet", ints(3))
    put("y/part-1.parquet", ints(4))
    url = put("x/", b"").removesuffix("/")
    assert copied(connection, url) == "COPY"
    assert ask(connection, "SELECT a FROM t ORDER BY a") == [(1,), (2,), (3,)]
    assert connection.notices == ["INFO:  Load into table 't' completed, 3 record(s) loaded successfully.\n"]


def test_a_manifest_loads_what_it_lists_and_skips_what_is_optional_and_missing(connection: Connection, put: Put, s3: S3Client) -> None:
    one, other = put("1.parquet", ints(1)), put("2.parquet", ints(2))
    put("3.parquet", ints(3))
    missing = {"url": one.replace("1.parquet", "9.parquet"), "meta": {"content_length": 7}}
    manifest = put("m.json", {"entries": [entry(s3, one), entry(s3, other, mandatory=False), missing], "meta": {"of": "our own"}})
    copied(connection, manifest, options="MANIFEST")
    assert ask(connection, "SELECT a FROM t ORDER BY a") == [(1,), (2,)]


def test_every_type_arrives_exactly(connect: Connect, put: Put) -> None:
    connection = connect()
    ask(
        connection,
        "CREATE TABLE t (b BOOLEAN, s SMALLINT, i INTEGER, l BIGINT, r REAL, f DOUBLE PRECISION, d DATE, ts TIMESTAMP, tz TIMESTAMPTZ, "
        "n DECIMAL(18,2), w DECIMAL(38,9), v VARCHAR(100), c CHAR(3), x VARBYTE(10))",
    )
    low, high = datetime(1, 1, 1, tzinfo=timezone.utc), datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=timezone.utc)
    columns = {
        "b": pa.array([True, False, None]),
        "s": pa.array([-(2**15), 2**15 - 1, None], pa.int16()),
        "i": pa.array([-(2**31), 2**31 - 1, None], pa.int32()),
        "l": pa.array([-(2**63), 2**63 - 1, None], pa.int64()),
        "r": pa.array([1.5, -0.0, None], pa.float32()),
        "f": pa.array([0.1, 1e308, None], pa.float64()),
        "d": pa.array([low.date(), high.date(), None], pa.date32()),
        "ts": pa.array([low, high, None], pa.timestamp("us", tz="UTC")),
        "tz": pa.array([low, high, None], pa.timestamp("us", tz="UTC")),
        "n": pa.array([D("-9999999999999999.99"), D("0.01"), None], pa.decimal128(18, 2)),
        "w": pa.array([D("99999999999999999999999999999.999999999"), D("-0.000000001"), None], pa.decimal128(38, 9)),
        "v": pa.array(["naïve ☕ 🚀 \t\n'\\", "", None]),
        "c": pa.array(["abc", "a", None]),
        "x": pa.array([b"\x00\xff", b"", None], pa.binary()),
    }
    copied(connection, put("t.parquet", pa.table(columns)))
    got = ask(connection, "SELECT * FROM t ORDER BY b NULLS LAST")
    false, true, nothing = got
    assert nothing == (None,) * len(columns)
    for row, i in ((true, 0), (false, 1)):
        for (name, array), value in zip(columns.items(), row, strict=True):
            meant = array[i].as_py()
            meant = meant.ljust(3) if name == "c" else meant.replace(tzinfo=None) if name == "ts" else meant
            assert (bytes(value) if name == "x" else value) == meant, name  # type: ignore[call-overload]


def test_instants_of_any_zone_and_unit_arrive_as_the_same_instant(connect: Connect, put: Put) -> None:
    connection = connect()
    ask(connection, "CREATE TABLE t (a TIMESTAMPTZ, b TIMESTAMP)")
    moment = datetime(2026, 7, 1, 12, 0, 0, 123000, tzinfo=timezone.utc)
    for zone, unit in (("Europe/Berlin", "us"), ("+05:30", "ms"), ("UTC", "s")):
        array = pa.array([moment.replace(microsecond=0 if unit == "s" else 123000)], pa.timestamp(unit, tz=zone))
        copied(connection, put(f"{unit}.parquet", pa.table({"a": array, "b": array})))
        ((instant, local),) = ask(connection, "SELECT a, b FROM t")
        assert instant == array[0].as_py()
        assert local == array[0].as_py().astimezone(timezone.utc).replace(tzinfo=None)
        ask(connection, "DELETE FROM t")


def test_int96_arrives_as_the_wall_clock_it_was(connect: Connect, put: Put) -> None:
    connection = connect()
    ask(connection, "CREATE TABLE t (a TIMESTAMP)")
    moment = datetime(1066, 10, 14, 9, 0, 0, 123456)  # noqa: DTZ001 - a local timestamp is what is tested
    table = pa.table({"a": pa.array([moment], pa.timestamp("us"))})
    copied(connection, put("t.parquet", table, use_deprecated_int96_timestamps=True))
    assert ask(connection, "SELECT a FROM t") == [(moment,)]


def test_columns_are_matched_by_position_and_not_by_name(connect: Connect, put: Put) -> None:
    connection = connect()
    ask(connection, "CREATE TABLE t (a BIGINT, b BIGINT)")
    copied(connection, put("t.parquet", pa.table({"b": [1], "a": [2]})))
    assert ask(connection, "SELECT a, b FROM t") == [(1, 2)]


def test_a_column_list_is_in_the_files_order_and_the_rest_is_default_or_null(connect: Connect, put: Put) -> None:
    connection = connect()
    ask(connection, "CREATE TABLE t (a BIGINT, b BIGINT DEFAULT 7, c BIGINT, d BIGINT)")
    copied(connection, put("t.parquet", pa.table({"x": [1], "y": [2]})), into="t (d, a)")
    assert ask(connection, "SELECT a, b, c, d FROM t") == [(2, 7, None, 1)]


def test_fillrecord_loads_what_files_lack_at_the_end_as_null(connect: Connect, put: Put) -> None:
    connection = connect()
    ask(connection, "CREATE TABLE t (a BIGINT, b BIGINT DEFAULT 7)")
    put("x/1.parquet", ints(1))
    put("x/2.parquet", pa.table({"a": [2], "b": [3]}))
    url = put("x/3.parquet", ints(4)).removesuffix("3.parquet")
    assert "Table columns: 2, Data columns: 1" in str(refused(connection, url).diag.message_detail)
    copied(connection, url, options="FILLRECORD")
    assert ask(connection, "SELECT a, b FROM t ORDER BY a") == [(1, None), (2, 3), (4, None)]


def test_serializetojson_loads_structs_and_lists_as_super(connect: Connect, put: Put) -> None:
    connection = connect()
    ask(connection, "CREATE TABLE t (a BIGINT, b SUPER)")
    url = put("t.parquet", pa.table({"a": [1], "b": [{"x": [1, 2], "y": "é"}]}))
    assert "Invalid type: 4000" in str(refused(connection, url).diag.message_detail)
    copied(connection, url, options="|SERIALIZETOJSON")
    assert ask(connection, "SELECT b.x[1], b.y FROM t") == [("2", '"é"')]


def test_identity_columns_are_made_or_given(connect: Connect, put: Put) -> None:
    connection = connect()
    ask(connection, "CREATE TABLE t (id BIGINT IDENTITY(1,1), a BIGINT)")
    one, both = put("1.parquet", ints(5)), put("2.parquet", pa.table({"id": [70], "a": [6]}))
    assert refused(connection, one).diag.message_primary == "NOT NULL column without DEFAULT must be included in column list"
    copied(connection, one, into="t (a)")
    copied(connection, both, options="EXPLICIT_IDS")
    assert ask(connection, "SELECT id, a FROM t ORDER BY a") == [(1, 5), (70, 6)]


def test_files_of_many_row_groups_and_encodings_load_whole(connection: Connection, put: Put) -> None:
    table = pa.table({"a": pa.array(range(100_000), pa.int64())})
    for codec in ("none", "snappy", "gzip", "zstd"):
        put(f"x/{codec}.parquet", table, compression=codec, row_group_size=7_001)
    url = put("x/v1.parquet", table, version="1.0", data_page_version="2.0", use_dictionary=False, data_page_size=500)
    copied(connection, url.removesuffix("v1.parquet"))
    assert ask(connection, "SELECT count(*), sum(a) FROM t") == [(500_000, 5 * sum(range(100_000)))]


def test_a_row_group_larger_than_memory_may_hold_is_read_by_windows(connect: Connect, put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    from stori_pipeline.local.redshift import copy

    monkeypatch.setattr(copy, "_ROW_GROUP", 10_000)
    connection = connect()
    ask(connection, "CREATE TABLE t (a BIGINT, b VARCHAR(1000))")
    table = pa.table({"a": range(20_000), "b": [f"{i} " * (i % 50) for i in range(20_000)]})
    copied(connection, put("t.parquet", table, compression="none", use_dictionary=False))
    assert ask(connection, "SELECT count(*), sum(a), sum(LEN(b)) FROM t") == [
        (20_000, sum(range(20_000)), sum(map(len, table["b"].to_pylist())))
    ]


def test_an_empty_file_loads_nothing_and_says_so(connection: Connection, put: Put) -> None:
    copied(connection, put("t.parquet", ints()))
    assert ask(connection, "SELECT count(*), pg_last_copy_count() FROM t GROUP BY 2") == []
    assert ask(connection, "SELECT pg_last_copy_count()") == [(0,)]


def test_temporary_tables_of_the_open_transaction_are_found(connect: Connect, put: Put) -> None:
    connection = connect()
    connection.autocommit = False
    ask(connection, "CREATE TEMP TABLE stage (a BIGINT)")
    copied(connection, put("t.parquet", ints(1)), into="stage")
    assert ask(connection, "SELECT a FROM stage") == [(1,)]
    connection.rollback()


# All or nothing


def test_a_bad_file_among_good_ones_loads_nothing(connection: Connection, put: Put) -> None:
    put("x/1.parquet", ints(*range(50_000)))
    put("x/2.parquet", pa.table({"a": ["not a number"]}))
    url = put("x/3.parquet", ints(1)).removesuffix("/3.parquet")
    assert "code:      15007" in str(refused(connection, url).diag.message_detail)
    assert ask(connection, "SELECT count(*) FROM t") == [(0,)]


def test_copy_is_part_of_its_transaction(connection: Connection, connect: Connect, put: Put) -> None:
    other = connect()
    connection.autocommit = False
    copied(connection, put("t.parquet", ints(1, 2)))
    assert ask(other, "SELECT count(*) FROM t") == [(0,)]
    connection.rollback()
    assert ask(connection, "SELECT count(*) FROM t") == [(0,)]
    copied(connection, put("t.parquet", ints(1, 2)))
    connection.commit()
    assert ask(other, "SELECT count(*) FROM t") == [(2,)]


def test_a_failed_copy_fails_its_transaction(connection: Connection, put: Put) -> None:
    connection.autocommit = False
    ask(connection, "INSERT INTO t VALUES (1)")
    refused(connection, put("t.parquet", pa.table({"a": ["x"]})))
    assert connection.info.transaction_status == extensions.TRANSACTION_STATUS_INERROR
    connection.rollback()
    assert ask(connection, "SELECT count(*) FROM t") == [(0,)]


def test_copy_among_several_statements_is_one_transaction_with_them(connection: Connection, put: Put) -> None:
    copy = f"COPY t FROM '{put('t.parquet', ints(1, 2))}' {ROLE} FORMAT AS PARQUET"
    with pytest.raises(errors.DivisionByZero):
        ask(connection, f"{copy}; SELECT 1 / 0")
    assert ask(connection, "SELECT count(*) FROM t") == [(0,)]
    assert ask(connection, f"INSERT INTO t VALUES (9); {copy}; SELECT count(*), pg_last_copy_count() FROM t") == [(3, 2)]


def test_an_error_that_only_the_backend_finds_loads_nothing(connection: Connection, put: Put) -> None:
    ask(connection, "CREATE TABLE u (v VARCHAR(10))")
    told = refused(connection, put("t.parquet", pa.table({"v": ["fine"] * 50_000 + ["a\x00b"]})), into="u")
    assert told.pgcode == "22021"
    assert ask(connection, "SELECT count(*) FROM u") == [(0,)]


# What the session knows afterwards


def test_the_last_copys_count_is_the_sessions_own_and_survives_a_rollback(connection: Connection, connect: Connect, put: Put) -> None:
    other = connect()
    assert ask(connection, "SELECT pg_last_copy_count()") == [(0,)]
    connection.autocommit = False
    copied(connection, put("t.parquet", ints(1, 2, 3)))
    assert ask(connection, "SELECT pg_last_copy_count()") == [(3,)]
    connection.rollback()
    assert ask(connection, "SELECT pg_last_copy_count()") == [(3,)]
    assert ask(other, "SELECT pg_last_copy_count()") == [(0,)]
    ((first,),) = ask(connection, "SELECT pg_last_copy_id()")
    refused(connection, put("u.parquet", pa.table({"a": ["x"]})))
    connection.rollback()
    ((count, second),) = ask(connection, "SELECT pg_last_copy_count(), pg_last_copy_id()")
    assert count == 0
    assert int(str(second)) > int(str(first)) > 0


# What it refuses: the manifest and the objects


def detail(error: psycopg2.Error) -> str:
    return str(error.diag.message_detail)


def test_a_prefix_with_nothing_under_it(connection: Connection, bucket: str) -> None:
    told = refused(connection, f"s3://{bucket}/nothing/here")
    assert (told.pgcode, told.diag.message_primary) == ("XX000", "The specified S3 prefix 'nothing/here' does not exist")


def test_a_bucket_that_does_not_exist(connection: Connection) -> None:
    told = refused(connection, "s3://no-such-bucket-here/x")
    assert str(told.diag.message_primary).startswith("S3ServiceException:The specified bucket does not exist,Status 404,Error NoSuchBucket")
    assert "code:      8001" in detail(told)
    assert ask(connection, "SELECT 1") == [(1,)]


def test_a_manifest_that_does_not_exist(connection: Connection, bucket: str) -> None:
    told = refused(connection, f"s3://{bucket}/m.json", options="MANIFEST")
    expected = "Problem reading manifest file - S3ServiceException:The specified key does not exist.,Status 404,Error NoSuchKey"
    assert str(told.diag.message_primary).startswith(expected)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"entries": 5}', b'{"entries": [5]}', b'{"entries": [{}]}', b"\xff\xfe"])
def test_a_manifest_that_is_none(connection: Connection, put: Put, body: bytes) -> None:
    told = refused(connection, put("m.json", body), options="MANIFEST")
    assert told.diag.message_primary == "Manifest file is not in correct json format"


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
    told = refused(connection, put("m.json", {"entries": [listed]}), options="MANIFEST")
    assert told.diag.message_primary == message
    assert "code:      15003" in detail(told)


@pytest.mark.parametrize("off", [-1, 1])
def test_a_content_length_that_is_not_the_objects_size(connection: Connection, put: Put, s3: S3Client, off: int) -> None:
    listed = entry(s3, put("t.parquet", ints(1)))
    listed["meta"]["content_length"] += off
    told = refused(connection, put("m.json", {"entries": [listed]}), options="MANIFEST")
    assert "code:      15001" in detail(told)
    assert f"content_length {listed['meta']['content_length']}" in detail(told)


def test_a_mandatory_file_that_is_missing(connection: Connection, put: Put, s3: S3Client, bucket: str) -> None:
    good = entry(s3, put("t.parquet", ints(1)))
    missing = {"url": f"s3://{bucket}/gone.parquet", "mandatory": True, "meta": {"content_length": 7}}
    told = refused(connection, put("m.json", {"entries": [good, missing]}), options="MANIFEST")
    assert told.diag.message_primary == "Mandatory url is not present in manifest file."
    assert "gone.parquet" in detail(told)
    assert ask(connection, "SELECT count(*) FROM t") == [(0,)]


def test_a_manifest_of_which_no_file_exists(connection: Connection, put: Put, bucket: str) -> None:
    missing = {"url": f"s3://{bucket}/gone.parquet", "meta": {"content_length": 7}}
    for entries in ([missing], []):
        told = refused(connection, put("m.json", {"entries": entries}), options="MANIFEST")
        assert told.diag.message_primary == "No files found in manifest."


@pytest.mark.parametrize("body", [b"a,b\n1,2\n", b"PAR1", b"x" * 100_000, b"PAR1" + bytes(40) + b"\xff\xff\xff\x7fPAR1"], ids=range(4))
def test_an_object_that_is_not_parquet(connection: Connection, put: Put, body: bytes) -> None:
    told = refused(connection, put("t.parquet", body))
    assert "has an invalid version number" in detail(told)
    assert "code:      15001" in detail(told)


def test_a_file_whose_pages_are_damaged(connection: Connection, put: Put, s3: S3Client, bucket: str) -> None:
    url = put("t.parquet", ints(*range(10_000)), compression="zstd")
    body = bytearray(s3.get_object(Bucket=bucket, Key="t.parquet")["Body"].read())
    body[4:60] = bytes(56)  # the head of the first page
    put("t.parquet", bytes(body))
    assert "could not be decoded" in detail(refused(connection, url))
    assert ask(connection, "SELECT count(*) FROM t") == [(0,)]


# What it refuses: the table


def test_a_table_that_does_not_exist(connection: Connection, bucket: str) -> None:
    told = refused(connection, f"s3://{bucket}/x", into="nowhere")
    assert (told.pgcode, told.diag.message_primary) == ("42P01", "Cannot COPY into nonexistent table nowhere")


def test_a_column_list_that_names_a_column_wrongly(connect: Connect, bucket: str) -> None:
    connection = connect()
    ask(connection, "CREATE TABLE t (a BIGINT, b BIGINT NOT NULL)")
    for columns, code in (("a, c", "42703"), ("b, b", "42701"), ("a", "42601")):
        assert refused(connection, f"s3://{bucket}/x", into=f"t ({columns})").pgcode == code


def test_values_that_do_not_fit_their_column(connect: Connect, put: Put) -> None:
    connection = connect()
    ask(connection, "CREATE TABLE t (a BIGINT NOT NULL, b VARCHAR(5), c VARBYTE(3), d CHAR(2))")
    good = {"a": [1], "b": ["éé"], "c": [b"abc"], "d": ["ab"]}
    copied(connection, put("good.parquet", pa.table(good)))
    for bad, told in (
        ({"a": pa.array([None], pa.int64())}, "Cannot insert a NULL value into column a"),
        ({"b": ["ééé"]}, "The length of the data column b is longer than the length defined in the table. Table: 5, Data: 6"),
        ({"c": [b"abcd"]}, "The length of the data column c is longer than the length defined in the table. Table: 3, Data: 4"),
        ({"d": ["abc"]}, "The length of the data column d is longer than the length defined in the table. Table: 2, Data: 3"),
    ):
        assert told in detail(refused(connection, put("bad.parquet", pa.table(good | bad))))
    assert ask(connection, "SELECT count(*) FROM t") == [(1,)]


def test_a_date_that_no_calendar_reaches(connect: Connect, put: Put) -> None:
    connection = connect()
    ask(connection, "CREATE TABLE t (a DATE)")
    table = pa.table({"a": pa.array([-(2**31)], pa.int32()).cast(pa.date32())})
    assert "holds a value out of range" in detail(refused(connection, put("t.parquet", table)))
    assert ask(connection, "SELECT count(*) FROM t") == [(0,)]


def test_types_that_do_not_agree_are_refused_from_the_tables_own_columns(connect: Connect, put: Put) -> None:
    connection = connect()
    ask(connection, "CREATE TABLE t (a DECIMAL(18,2), b TIMESTAMP, c TIMESTAMPTZ)")
    good: dict[str, Any] = {
        "a": pa.array([D("1.50")], pa.decimal128(18, 2)),
        "b": pa.array([0], pa.timestamp("us", tz="UTC")),
        "c": pa.array([0], pa.timestamp("us", tz="UTC")),
    }
    copied(connection, put("good.parquet", pa.table(good)))
    for bad, told in (
        ({"a": pa.array([D("1.5")], pa.decimal128(18, 3))}, "Column type: DECIMAL(18,2)"),
        ({"b": pa.array([0], pa.timestamp("us"))}, "Column type: TIMESTAMP,"),
        ({"c": pa.array([0], pa.timestamp("ns", tz="UTC"))}, "Column type: TIMESTAMPTZ"),
    ):
        error = refused(connection, put("bad.parquet", pa.table(good | bad)))
        assert told in detail(error)
        assert "code:      15007" in detail(error)


@pytest.mark.parametrize("option", ["REGION 'us-east-1'", "MAXERROR 5", "TRUNCATECOLUMNS"])
def test_options_of_other_formats_are_refused(connection: Connection, bucket: str, option: str) -> None:
    assert refused(connection, f"s3://{bucket}/x", options=option).pgcode in ("0A000", "42601")


# While it runs


@pytest.fixture
def long(connect: Connect, put: Put) -> str:
    """A COPY into `t` that takes some seconds, because it reads many files one after the other."""
    ask(connect(), "CREATE TABLE t (a BIGINT)")
    urls = [put(f"x/{i}.parquet", ints(*range(1000))) for i in range(300)]
    return f"COPY t FROM '{urls[0].removesuffix('0.parquet')}' {ROLE} FORMAT AS PARQUET"


def pid_of(client: Client) -> int:
    return int(struct.unpack_from("!I", client.key)[0])


def activity(connection: Connection, pid: int) -> str:
    """What the backend of that number was last told to do; empty once it is gone."""
    found = ask(connection, f"SELECT query FROM pg_catalog.pg_stat_activity WHERE pid = {pid}")
    return str(found[0][0]) if found else ""


def cancel(url: str, key: bytes) -> None:
    with Client(url, start=False) as canceller:
        canceller.send(struct.pack("!II", 8 + len(key), wire.CANCEL_REQUEST) + key)
        with pytest.raises(wire.Gone):
            canceller.stream.message()  # the server hangs up once it has passed the request on


def test_cancel_stops_a_load_and_keeps_the_session(long: str, url: str, schema: str, connect: Connect) -> None:
    watcher = connect()
    with Client(url, options=f"-c search_path={schema}") as client:
        client.send(wire.query(long))
        assert eventually(lambda: activity(watcher, pid_of(client)).startswith("COPY"))
        cancel(url, client.key)
        assert error(client.until(b"Z"))["C"] == "57014"
        client.send(wire.query("SELECT count(*) FROM t"))
        assert rows(client.until(b"Z")) == [["0"]]


def test_cancel_stops_a_load_that_waits_for_a_lock(connection: Connection, put: Put, url: str, schema: str, connect: Connect) -> None:
    watcher = connect()
    connection.autocommit = False
    ask(connection, "LOCK t")
    with Client(url, options=f"-c search_path={schema}") as client:
        client.send(wire.query(f"COPY t FROM '{put('t.parquet', ints(1))}' {ROLE} FORMAT AS PARQUET"))
        assert eventually(lambda: waits_for_a_lock(watcher, pid_of(client)))
        cancel(url, client.key)
        assert error(client.until(b"Z"))["C"] == "57014"
    connection.rollback()


def test_a_client_that_leaves_in_the_middle_loads_nothing(long: str, url: str, schema: str, connect: Connect) -> None:
    watcher = connect()
    with Client(url, options=f"-c search_path={schema}") as client:
        client.send(wire.query(long))
        assert eventually(lambda: activity(watcher, pid_of(client)).startswith("COPY"))
        pid = pid_of(client)
    assert eventually(lambda: activity(watcher, pid) == "")
    assert ask(watcher, "SELECT count(*) FROM t") == [(0,)]


def test_a_backend_that_is_ended_in_the_middle_says_so(long: str, url: str, schema: str, connect: Connect, platform_url: str) -> None:
    watcher = connect()
    with Client(url, options=f"-c search_path={schema}") as client, closing(psycopg2.connect(platform_url)) as superuser:
        client.send(wire.query(long))
        assert eventually(lambda: activity(watcher, pid_of(client)).startswith("COPY"))
        ask(superuser, f"SELECT pg_terminate_backend({pid_of(client)})")
        told = error([client.stream.message()])
        assert (told["S"], told["C"]) == ("FATAL", "57P01")
    assert ask(watcher, "SELECT count(*) FROM t") == [(0,)]


def test_other_sessions_work_while_one_loads(long: str, connect: Connect) -> None:
    loader, other = connect(), connect()
    pid = loader.info.backend_pid
    thread = threading.Thread(target=ask, args=(loader, long))
    thread.start()
    assert eventually(lambda: activity(other, pid).startswith("COPY"))
    ask(other, "CREATE TABLE u (a INT); INSERT INTO u VALUES (1)")
    assert ask(other, "SELECT a FROM u") == [(1,)]
    assert activity(other, pid).startswith("COPY")
    thread.join(60)
    assert ask(other, "SELECT count(*) FROM t") == [(300_000,)]


@pytest.fixture
def without_s3(behind: tuple[str, int], aws: str, url: str) -> Iterator[str]:
    """The address of a local Redshift whose S3 does not answer."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    for server in serving(Server("127.0.0.1", 0, behind, Store(f"http://127.0.0.1:{port}"))):
        yield at_port(url, server.port)


@pytest.mark.parametrize("manifest", ["", " MANIFEST"])
def test_s3_that_does_not_answer_is_an_error_and_the_session_goes_on(without_s3: str, schema: str, manifest: str) -> None:
    with closing(psycopg2.connect(without_s3)) as connection:
        ask(connection, f"CREATE TABLE {schema}.t (a BIGINT)")
        connection.commit()
        with pytest.raises(psycopg2.Error) as caught:
            ask(connection, f"COPY {schema}.t FROM 's3://b/k' {ROLE} FORMAT AS PARQUET{manifest}")
        assert "S3ServiceException:" in str(caught.value.diag.message_primary)
        assert "does not answer" in str(caught.value.diag.message_primary)
        connection.rollback()
        assert ask(connection, "SELECT 1") == [(1,)]
