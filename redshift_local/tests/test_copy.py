"""COPY from S3 into tables: what it loads, that it loads all or nothing, and the functions that report the last COPY."""

from __future__ import annotations

import decimal
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from psycopg2 import errors, extensions
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.copies import ROLE, Put, copy_error, entry, ints, run_copy
from tests.sessions import Connect, ask

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

D = decimal.Decimal


def test_a_prefix_loads_every_object_under_it(connection: Connection, put: Put) -> None:
    put("x/part-1.parquet", ints(1, 2))
    put("x/part-2.parquet", ints(3))
    put("y/part-1.parquet", ints(4))
    url = put("x/", b"").removesuffix("/")
    assert run_copy(connection, url) == "COPY"
    assert ask(connection, "SELECT a FROM t ORDER BY a") == [(1,), (2,), (3,)]
    assert connection.notices == ["INFO:  Load into table 't' completed, 3 record(s) loaded successfully.\n"]


def test_a_manifest_loads_what_it_lists_and_skips_what_is_optional_and_missing(connection: Connection, put: Put, s3: S3Client) -> None:
    one, other = put("1.parquet", ints(1)), put("2.parquet", ints(2))
    put("3.parquet", ints(3))
    missing = {"url": one.replace("1.parquet", "9.parquet"), "meta": {"content_length": 7}}
    manifest = put("m.json", {"entries": [entry(s3, one), entry(s3, other, mandatory=False), missing], "meta": {"of": "our own"}})
    run_copy(connection, manifest, options="MANIFEST")
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
    run_copy(connection, put("t.parquet", pa.table(columns)))
    false, true, nothing = ask(connection, "SELECT * FROM t ORDER BY b NULLS LAST")
    assert nothing == (None,) * len(columns)
    for row, i in ((true, 0), (false, 1)):
        for (name, array), value in zip(columns.items(), row, strict=True):
            expected = array[i].as_py()
            expected = expected.ljust(3) if name == "c" else expected.replace(tzinfo=None) if name == "ts" else expected
            assert (bytes(value) if name == "x" else value) == expected, name  # type: ignore[call-overload]


def test_instants_of_any_zone_and_unit_arrive_as_the_same_instant(connect: Connect, put: Put) -> None:
    connection = connect()
    ask(connection, "CREATE TABLE t (a TIMESTAMPTZ, b TIMESTAMP)")
    moment = datetime(2026, 7, 1, 12, 0, 0, 123000, tzinfo=timezone.utc)
    for zone, unit in (("Europe/Berlin", "us"), ("+05:30", "ms"), ("UTC", "s")):
        array = pa.array([moment.replace(microsecond=0 if unit == "s" else 123000)], pa.timestamp(unit, tz=zone))
        run_copy(connection, put(f"{unit}.parquet", pa.table({"a": array, "b": array})))
        ((instant, local),) = ask(connection, "SELECT a, b FROM t")
        assert instant == array[0].as_py()
        assert local == array[0].as_py().astimezone(timezone.utc).replace(tzinfo=None)
        ask(connection, "DELETE FROM t")


def test_int96_arrives_as_the_same_wall_clock(connect: Connect, put: Put) -> None:
    connection = connect()
    ask(connection, "CREATE TABLE t (a TIMESTAMP)")
    moment = datetime(1066, 10, 14, 9, 0, 0, 123456)  # noqa: DTZ001 - a local timestamp is what is tested
    table = pa.table({"a": pa.array([moment], pa.timestamp("us"))})
    run_copy(connection, put("t.parquet", table, use_deprecated_int96_timestamps=True))
    assert ask(connection, "SELECT a FROM t") == [(moment,)]


def test_columns_are_matched_by_position_and_not_by_name(connect: Connect, put: Put) -> None:
    connection = connect()
    ask(connection, "CREATE TABLE t (a BIGINT, b BIGINT)")
    run_copy(connection, put("t.parquet", pa.table({"b": [1], "a": [2]})))
    assert ask(connection, "SELECT a, b FROM t") == [(1, 2)]


def test_a_column_list_is_in_the_files_order_and_the_rest_is_default_or_null(connect: Connect, put: Put) -> None:
    connection = connect()
    ask(connection, "CREATE TABLE t (a BIGINT, b BIGINT DEFAULT 7, c BIGINT, d BIGINT)")
    run_copy(connection, put("t.parquet", pa.table({"x": [1], "y": [2]})), into="t (d, a)")
    assert ask(connection, "SELECT a, b, c, d FROM t") == [(2, 7, None, 1)]


def test_fillrecord_loads_what_files_lack_at_the_end_as_null(connect: Connect, put: Put) -> None:
    connection = connect()
    ask(connection, "CREATE TABLE t (a BIGINT, b BIGINT DEFAULT 7)")
    put("x/1.parquet", ints(1))
    put("x/2.parquet", pa.table({"a": [2], "b": [3]}))
    url = put("x/3.parquet", ints(4)).removesuffix("3.parquet")
    assert "Table columns: 2, Data columns: 1" in str(copy_error(connection, url).diag.message_detail)
    run_copy(connection, url, options="FILLRECORD")
    assert ask(connection, "SELECT a, b FROM t ORDER BY a") == [(1, None), (2, 3), (4, None)]


def test_serializetojson_loads_structs_and_lists_as_super(connect: Connect, put: Put) -> None:
    connection = connect()
    ask(connection, "CREATE TABLE t (a BIGINT, b SUPER)")
    url = put("t.parquet", pa.table({"a": [1], "b": [{"x": [1, 2], "y": "é"}]}))
    assert "Invalid type: 4000" in str(copy_error(connection, url).diag.message_detail)
    run_copy(connection, url, options="|SERIALIZETOJSON")
    assert ask(connection, "SELECT b.x[1], b.y FROM t") == [("2", '"é"')]


def test_identity_columns_are_generated_or_loaded(connect: Connect, put: Put) -> None:
    connection = connect()
    ask(connection, "CREATE TABLE t (id BIGINT IDENTITY(1,1), a BIGINT)")
    one, both = put("1.parquet", ints(5)), put("2.parquet", pa.table({"id": [70], "a": [6]}))
    assert copy_error(connection, one).diag.message_primary == "NOT NULL column without DEFAULT must be included in column list"
    run_copy(connection, one, into="t (a)")
    run_copy(connection, both, options="EXPLICIT_IDS")
    assert ask(connection, "SELECT id, a FROM t ORDER BY a") == [(1, 5), (70, 6)]


def test_files_of_many_row_groups_and_encodings_load_whole(connection: Connection, put: Put) -> None:
    table = pa.table({"a": pa.array(range(100_000), pa.int64())})
    for codec in ("none", "snappy", "gzip", "zstd"):
        put(f"x/{codec}.parquet", table, compression=codec, row_group_size=7_001)
    url = put("x/v1.parquet", table, version="1.0", data_page_version="2.0", use_dictionary=False, data_page_size=500)
    run_copy(connection, url.removesuffix("v1.parquet"))
    assert ask(connection, "SELECT count(*), sum(a) FROM t") == [(500_000, 5 * sum(range(100_000)))]


def test_a_row_group_over_the_limit_is_read_by_windows(connect: Connect, put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    from redshift_local.load import copy

    monkeypatch.setattr(copy, "_ROW_GROUP", 10_000)
    connection = connect()
    ask(connection, "CREATE TABLE t (a BIGINT, b VARCHAR(1000))")
    table = pa.table({"a": range(20_000), "b": [f"{i} " * (i % 50) for i in range(20_000)]})
    run_copy(connection, put("t.parquet", table, compression="none", use_dictionary=False))
    assert ask(connection, "SELECT count(*), sum(a), sum(LEN(b)) FROM t") == [
        (20_000, sum(range(20_000)), sum(map(len, table["b"].to_pylist())))
    ]


def test_an_empty_file_loads_no_row(connection: Connection, put: Put) -> None:
    run_copy(connection, put("t.parquet", ints()))
    assert ask(connection, "SELECT count(*), pg_last_copy_count() FROM t GROUP BY 2") == []
    assert ask(connection, "SELECT pg_last_copy_count()") == [(0,)]


def test_temporary_tables_of_the_open_transaction_are_found(connect: Connect, put: Put) -> None:
    connection = connect()
    connection.autocommit = False
    ask(connection, "CREATE TEMP TABLE stage (a BIGINT)")
    run_copy(connection, put("t.parquet", ints(1)), into="stage")
    assert ask(connection, "SELECT a FROM stage") == [(1,)]
    connection.rollback()


# All or nothing


def test_a_bad_file_among_good_ones_loads_nothing(connection: Connection, put: Put) -> None:
    put("x/1.parquet", ints(*range(50_000)))
    put("x/2.parquet", pa.table({"a": ["not a number"]}))
    url = put("x/3.parquet", ints(1)).removesuffix("/3.parquet")
    assert "code:      15007" in str(copy_error(connection, url).diag.message_detail)
    assert ask(connection, "SELECT count(*) FROM t") == [(0,)]


def test_copy_is_part_of_its_transaction(connection: Connection, connect: Connect, put: Put) -> None:
    other = connect()
    connection.autocommit = False
    run_copy(connection, put("t.parquet", ints(1, 2)))
    assert ask(other, "SELECT count(*) FROM t") == [(0,)]
    connection.rollback()
    assert ask(connection, "SELECT count(*) FROM t") == [(0,)]
    run_copy(connection, put("t.parquet", ints(1, 2)))
    connection.commit()
    assert ask(other, "SELECT count(*) FROM t") == [(2,)]


def test_a_failed_copy_fails_its_transaction(connection: Connection, put: Put) -> None:
    connection.autocommit = False
    ask(connection, "INSERT INTO t VALUES (1)")
    copy_error(connection, put("t.parquet", pa.table({"a": ["x"]})))
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
    error = copy_error(connection, put("t.parquet", pa.table({"v": ["fine"] * 50_000 + ["a\x00b"]})), into="u")
    assert error.pgcode == "22021"
    assert ask(connection, "SELECT count(*) FROM u") == [(0,)]


# The functions that report the last COPY


def test_the_last_copys_count_is_the_sessions_own_and_survives_a_rollback(connection: Connection, connect: Connect, put: Put) -> None:
    other = connect()
    assert ask(connection, "SELECT pg_last_copy_count()") == [(0,)]
    connection.autocommit = False
    run_copy(connection, put("t.parquet", ints(1, 2, 3)))
    assert ask(connection, "SELECT pg_last_copy_count()") == [(3,)]
    connection.rollback()
    assert ask(connection, "SELECT pg_last_copy_count()") == [(3,)]
    assert ask(other, "SELECT pg_last_copy_count()") == [(0,)]
    ((first,),) = ask(connection, "SELECT pg_last_copy_id()")
    copy_error(connection, put("u.parquet", pa.table({"a": ["x"]})))
    connection.rollback()
    ((count, second),) = ask(connection, "SELECT pg_last_copy_count(), pg_last_copy_id()")
    assert count == 0
    assert int(str(second)) > int(str(first)) > 0
