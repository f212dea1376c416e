"""COPY of many files: how many requests it takes, that rows keep their order, and that one bad file among them loads nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, Any

import psycopg2
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg2.extensions import connection as Connection  # noqa: N812

from redshift_local.load import ahead
from redshift_local.load.s3 import S3Object, Store
from redshift_local.proxy.server import Server
from tests.copies import Put, copy_error, detail, entry, ints, run_copy
from tests.counting_s3 import CountingS3, counting
from tests.sessions import ask, at_port, serving

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MANY = 900


@pytest.fixture
def counted(aws: str, backend: tuple[str, int], url: str, schema: str) -> Iterator[tuple[CountingS3, Connection]]:
    """A session with a table `t` in a local Redshift whose requests to S3 are counted."""
    with (
        counting(aws) as (s3, endpoint),
        serving(Server(0, backend, Store(endpoint))) as server,
        closing(psycopg2.connect(at_port(url, server.port), options=f"-c search_path={schema}")) as session,
    ):
        session.autocommit = True
        ask(session, "CREATE TABLE t (a BIGINT)")
        yield s3, session


def manifest(put: Put, entries: list[dict[str, Any]]) -> str:
    return put("m.json", {"entries": entries})


def test_many_small_files_take_one_request_each_some_at_once(
    counted: tuple[CountingS3, Connection], put: Put, s3: S3Client, bucket: str
) -> None:
    counting_s3, session = counted
    entries = [entry(s3, put(f"{n:03}.parquet", ints(n, n))) for n in range(60)]
    run_copy(session, manifest(put, entries), options="MANIFEST")
    assert ask(session, "SELECT count(*), count(DISTINCT a) FROM t") == [(120, 60)]
    assert counting_s3.requests == {("GET", key): 1 for key in ("m.json", *(f"{n:03}.parquet" for n in range(60)))}
    assert 1 < counting_s3.most_at_once <= ahead.AT_ONCE


def test_a_large_file_takes_two_requests_beside_small_ones(counted: tuple[CountingS3, Connection], put: Put, s3: S3Client) -> None:
    counting_s3, session = counted
    large = put("large.parquet", pa.table({"a": pa.array(range(500_000), pa.int64())}), compression="none", use_dictionary=False)
    entries = [entry(s3, url) for url in (put("1.parquet", ints(-1)), large, put("2.parquet", ints(-2)))]
    assert entries[1]["meta"]["content_length"] > ahead.WHOLE
    run_copy(session, manifest(put, entries), options="MANIFEST")
    assert ask(session, "SELECT count(*), min(a), max(a) FROM t") == [(500_002, -2, 499_999)]
    assert counting_s3.requests["GET", "large.parquet"] == 2
    assert not [key for method, key in counting_s3.requests if method == "HEAD"]


def test_rows_of_many_files_arrive_in_the_order_of_the_manifest(connection: Connection, put: Put, s3: S3Client) -> None:
    files = [entry(s3, put(f"{n}.parquet", ints(*range(n * 1000, n * 1000 + 1 + n * 300)))) for n in range(5)]
    order = [4, 0, 3, 3, 1, 0, 2, 4, 1, 0, 0, 2]
    run_copy(connection, manifest(put, [files[n] for n in order]), options="MANIFEST")
    found = [row[0] for row in ask(connection, "SELECT a FROM t")]
    assert found == [value for n in order for value in range(n * 1000, n * 1000 + 1 + n * 300)]


def test_files_of_different_schemas_are_each_matched(connection: Connection, put: Put, s3: S3Client) -> None:
    good, other = entry(s3, put("1.parquet", ints(1))), entry(s3, put("other.parquet", pa.table({"a": pa.array([1], pa.int32())})))
    renamed = entry(s3, put("renamed.parquet", pa.table({"b": pa.array([2], pa.int64())})))
    run_copy(connection, manifest(put, [good, renamed, good]), options="MANIFEST")
    assert ask(connection, "SELECT a FROM t") == [(1,), (2,), (1,)]
    error = copy_error(connection, manifest(put, [good, good, other, good]), options="MANIFEST")
    assert "other.parquet" in detail(error)
    assert "incompatible Parquet schema" in detail(error)


# ---- one bad file among many


def _missing(put: Put, good: dict[str, Any]) -> dict[str, Any]:
    return good | {"url": good["url"].replace("good", "bad")}


def _broken(put: Put, good: dict[str, Any]) -> dict[str, Any]:
    body = b"PAR1" + bytes(92) + b"PAR1"
    return {"url": put("bad.parquet", body), "mandatory": True, "meta": {"content_length": len(body)}}


def _of_another_length(put: Put, good: dict[str, Any]) -> dict[str, Any]:
    return good | {"url": put("bad.parquet", ints(*range(5_000)))}


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (_missing, "Mandatory url is not present in manifest file."),
        (_broken, "has an invalid version number"),
        (_of_another_length, "InvalidRange"),
    ],
)
def test_a_bad_file_among_900_is_named_and_nothing_is_loaded(
    connection: Connection, put: Put, s3: S3Client, bad: Any, message: str
) -> None:
    good = entry(s3, put("good.parquet", ints(*range(100))))
    entries = [good] * MANY
    entries[700] = bad(put, good)
    error = copy_error(connection, manifest(put, entries), options="MANIFEST")
    assert message in str(error)
    assert "bad.parquet" in detail(error)
    assert ask(connection, "SELECT count(*) FROM t") == [(0,)]
    run_copy(connection, manifest(put, [good]), options="MANIFEST")
    assert ask(connection, "SELECT count(*) FROM t") == [(100,)]


@pytest.mark.parametrize(("status", "code"), [(500, "InternalError"), (403, "AccessDenied")])
def test_a_file_that_s3_refuses_among_900_is_named_and_nothing_is_loaded(
    counted: tuple[CountingS3, Connection], put: Put, s3: S3Client, status: int, code: str
) -> None:
    counting_s3, session = counted
    good, bad = (entry(s3, put(f"{name}.parquet", ints(*range(100)))) for name in ("good", "bad"))
    counting_s3.failing["bad.parquet"] = status
    error = copy_error(session, manifest(put, [*[good] * 700, bad, *[good] * 199]), options="MANIFEST")
    assert f"Status {status},Error {code}" in str(error.diag.message_primary)
    assert "bad.parquet" in detail(error)
    assert ask(session, "SELECT count(*) FROM t") == [(0,)]
    assert counting_s3.requests["GET", "good.parquet"] < 700 + ahead.AT_ONCE  # the rest is not read
    counting_s3.failing.clear()
    run_copy(session, manifest(put, [good, bad]), options="MANIFEST")
    assert ask(session, "SELECT count(*) FROM t") == [(200,)]


# ---- the order and the bound, for any objects


@pytest.fixture
def few(put: Put, bucket: str) -> list[tuple[S3Object, bytes | None]]:
    """Objects of several sizes that a manifest lists, some of them missing, and their bytes."""
    sizes = [0, 1, 7, ahead.FOOTER, ahead.WHOLE, ahead.WHOLE + 1]
    bodies = [bytes([n + 1]) * size for n, size in enumerate(sizes)]
    for n, body in enumerate(bodies):
        put(f"{n}", body)
    there = [(S3Object(bucket, f"{n}", len(body), "s3://m"), body) for n, body in enumerate(bodies)]
    return [*there, (S3Object(bucket, "gone", 9, "s3://m", mandatory=False), None)]


def test_any_objects_are_opened_in_order_and_the_missing_left_out(few: list[tuple[S3Object, bytes | None]], aws: str) -> None:
    store = Store(aws)

    @given(st.lists(st.sampled_from(few), max_size=14), st.integers(0, 14))
    def check(chosen: list[tuple[S3Object, bytes | None]], wanted: int) -> None:
        exist = [(s3_object, body) for s3_object, body in chosen if body is not None][:wanted]
        opening = ahead.opened([s3_object for s3_object, _ in chosen], store)
        found = list(islice(opening, wanted))
        assert [s3_object for s3_object, _ in found] == [s3_object for s3_object, _ in exist]
        for (_, file), (_, body) in zip(found, exist, strict=True):
            assert file.whole == (body if len(body) <= ahead.WHOLE else None)
            file.seek(max(0, len(body) - 3))
            assert file.read() == body[-3:]

    check()
