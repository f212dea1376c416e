"""A row's checksum: its canonical texts, and that every engine computes the same."""

from __future__ import annotations

import hashlib
import json
import math
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import pairwise
from typing import Any

import psycopg2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg2 import extensions

from stori_pipeline import model
from stori_pipeline.model import row_checksum
from stori_pipeline.model.row_checksum import HASH_RANGE, Digest, KeyRange
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import varchar
from stori_pipeline.model.types.documents import json_text
from stori_pipeline.readers.postgres import Xmin
from stori_pipeline.warehouse.dialect import DIALECT
from stori_pipeline_tests.databases import execute

UTC = timezone.utc
SOURCE = Source("shop", "postgres", "A shop.")


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (model.bigint, None, "~"),
        (model.bigint, -(2**63), "-9223372036854775808"),
        (model.smallint, 0, "0"),
        (model.decimal(18, 2), Decimal("5.00"), "5.00"),
        (model.decimal(38, 10), Decimal("-0.0000000001"), "-0.0000000001"),
        (model.boolean, True, "t"),
        (model.boolean, False, "f"),
        (model.date, date(7, 1, 2), "0007-01-02"),
        (model.timestamptz, datetime(2026, 11, 21, 10, 30, tzinfo=UTC), "2026-11-21 10:30:00.000000"),
        (model.timestamptz, datetime(7, 1, 1, 0, 0, 0, 5, tzinfo=UTC), "0007-01-01 00:00:00.000005"),
        (model.timestamptz, datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=2))), "2025-12-31 23:00:00.000000"),
        (model.time, "07:55:00.000001", "07:55:00.000001"),
        (model.double, 1.0, "0:1:0"),
        (model.double, -2.5, "0:-2:-2251799813685248"),
        (model.double, 0.1, "-1:450359962737049:2814749767106560"),
        (model.double, 0.1 + 0.2, "-1:1351079888211149:0"),
        (model.double, -0.0, "0"),
        (model.double, 5e-324, "-21:262144:0"),
        (model.double, 9.9e27, "1:2198241588757:3648179580960768"),
        (model.varchar(8), "", _md5("")),
        (model.varchar(8), "a ", _md5("a ")),
        (model.varchar(8), "ż🚀", _md5("ż🚀")),
        (model.super_, b'{"a":[1,2]}', _md5('{"a":[1,2]}')),
        (model.super_, b'{ "a": [1, 2] }', _md5('{"a":[1,2]}')),
        (model.super_, b"null", "~"),
    ],
    ids=str,
)
def test_a_value_has_one_canonical_text(kind: model.Type, value: Any, text: str) -> None:
    assert row_checksum.canonical(Column("value", kind), value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"bb": 1, "a": 2, "ż": 3, "ab": 4}, '{"a":2,"ab":4,"bb":1,"ż":3}'),
        ([], "[]"),
        ({}, "{}"),
        ([1.0, 1e-7, 1e22, -2.5], "[1.0,0.0000001,10000000000000000000000,-2.5]"),
        ([Decimal("1.10"), Decimal("1E+2")], "[1.10,100]"),
        ([-0.0, Decimal("-0.00")], "[0.0,0.00]"),
        ([True, False, None], "[true,false,null]"),
        ('a "quoted" \\ text\n', '"a \\"quoted\\" \\\\ text\\n"'),
        ("ż🚀", '"ż🚀"'),
        (((1, 2), "x"), '[[1,2],"x"]'),
    ],
    ids=str,
)
def test_json_has_one_text(value: Any, text: str) -> None:
    assert json_text(value) == text


_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
_SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | _TEXT
_JSON = st.recursive(_SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4), max_leaves=10)


@given(_JSON)
def test_json_text_keeps_the_value_and_is_stable_when_repeated(value: Any) -> None:
    text = json_text(value)
    read = json.loads(text, parse_float=Decimal)
    assert json_text(read) == text
    assert _same(json.loads(text), value)


def _same(read: Any, value: Any) -> bool:
    """Whether JSON gives the value back. A large float is written as the whole number its shortest form denotes."""
    if isinstance(value, list):
        return len(read) == len(value) and all(map(_same, read, value))
    if isinstance(value, dict):
        return read.keys() == value.keys() and all(_same(read[name], value[name]) for name in value)
    return bool((float(read) if isinstance(value, float) else read) == value)


TABLE = Table(
    SOURCE,
    "rows",
    (
        Column("id", model.integer, nullable=False),
        Column("big", model.bigint),
        Column("price", model.decimal(18, 6)),
        Column("wide", model.decimal(38, 10)),
        Column("flag", model.boolean),
        Column("day", model.date),
        Column("at", model.timestamptz),
        Column("clock", model.time),
        Column("ratio", model.double),
        Column("name", model.varchar(200)),
        Column("doc", model.super_),
    ),
    ("id",),
    Xmin(),
)
BY_NAME = Table(SOURCE, "rows", (Column("name", model.varchar(200), nullable=False), TABLE["id"]), ("name",), Xmin())
BY_BOTH = Table(SOURCE, "rows", (*BY_NAME.columns, TABLE["flag"]), ("name", "id"), Xmin())

_ROWS = st.fixed_dictionaries(
    {
        "big": st.none() | st.integers(-(2**63), 2**63 - 1),
        "price": st.none() | st.decimals(-(10**11), 10**11, places=6),
        "wide": st.none() | st.decimals(-(10**27), 10**27, places=10),
        "flag": st.none() | st.booleans(),
        "day": st.none() | st.dates(),
        "at": st.none() | st.datetimes(timezones=st.just(UTC)),
        "clock": st.none() | st.times().map(lambda sample: sample.isoformat("microseconds")),
        "ratio": st.none() | st.floats(-1e27, 1e27) | st.floats(-1, 1) | st.sampled_from([5e-11, -5e-11, -0.0, 0.1 + 0.2]),
        "name": _TEXT,
        "doc": st.none() | _JSON,
    }
)


def _row(number: int, row: dict[str, Any]) -> dict[str, Any]:
    doc = row["doc"]
    return {**row, "id": number, "doc": None if doc is None else json_text(doc).encode()}


@given(st.lists(_ROWS.map(lambda row: _row(0, row)), min_size=2, max_size=5), st.randoms())
def test_a_digest_ignores_the_order_of_rows_and_counts_duplicates(rows: list[dict[str, Any]], random: Any) -> None:
    total = sum(row_checksum.checksum(TABLE, row) for row in rows)
    mixed = list(rows)
    random.shuffle(mixed)
    assert sum(row_checksum.checksum(TABLE, row) for row in mixed) == total
    assert total + 2 * row_checksum.checksum(TABLE, rows[0]) != total


@given(st.lists(_ROWS, max_size=5))
def test_many_rows_have_the_same_checksums_as_one_at_a_time(sample: list[dict[str, Any]]) -> None:
    rows = [_row(number, row) for number, row in enumerate(sample)]
    for table in (TABLE, BY_NAME, BY_BOTH):
        values = {column.name: [row[column.name] for row in rows] for column in table.columns}
        assert row_checksum.checksums(table, values) == [row_checksum.checksum(table, row) for row in rows]
        assert row_checksum.partition_values(table, values) == [row_checksum.partition_value(table, row) for row in rows]


@given(_ROWS.map(lambda row: _row(5, row)), st.sampled_from(["big", "price", "flag", "day", "at", "name", "doc"]))
def test_a_change_in_any_column_changes_the_checksum(row: dict[str, Any], name: str) -> None:
    others: dict[str, Any] = {
        "big": 7,
        "price": Decimal("7.000000"),
        "flag": True,
        "day": date(2026, 1, 1),
        "at": datetime(2026, 1, 1, tzinfo=UTC),
        "name": "seven",
        "doc": b"[7]",
    }
    for other in (others[name], None if name != "name" else "other"):
        if row_checksum.canonical(TABLE[name], other) != row_checksum.canonical(TABLE[name], row[name]):
            assert row_checksum.checksum(TABLE, {**row, name: other}) != row_checksum.checksum(TABLE, row)


def test_null_the_empty_text_and_a_tilde_have_three_canonical_texts() -> None:
    texts = {row_checksum.canonical(TABLE["name"], value) for value in (None, "", "~")}
    assert len(texts) == 3


def test_a_partition_value_is_an_integer_key_or_sixty_bits_of_any_other() -> None:
    assert row_checksum.partition_value(TABLE, {"id": -5}) == -5
    for table, row in ((BY_NAME, {"name": "a", "id": 1}), (BY_BOTH, {"name": "a", "id": 1, "flag": None})):
        assert not row_checksum.has_integer_key(table)
        assert HASH_RANGE.low <= row_checksum.partition_value(table, row) < HASH_RANGE.high
    assert row_checksum.key_text(BY_BOTH, {"name": "a", "id": 1}) == ("a", "1")


@given(st.integers(-(2**63), 2**63), st.integers(1, 2**62), st.integers(1, 512))
def test_buckets_split_a_key_range_without_gap_or_overlap(low: int, size: int, buckets: int) -> None:
    key_range = KeyRange(low, low + size)
    width = key_range.width(buckets)
    count = math.ceil(size / width) if size < 2**50 else -(-size // width)
    assert count <= buckets
    parts = [key_range.bucket(number, width) for number in range(count)]
    assert (parts[0].low, parts[-1].high) == (key_range.low, key_range.high)
    assert all(one.high == two.low for one, two in pairwise(parts))


@pytest.fixture
def warehouse(warehouse_url: str) -> Iterator[tuple[extensions.connection, str]]:
    """A connection to the local Redshift, and the name of an empty table there with the columns of TABLE."""
    connection = psycopg2.connect(warehouse_url)
    connection.autocommit = True
    schema = f"digest_{uuid.uuid4().hex[:12]}"
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {schema}")
        columns = ", ".join(f'"{column.name}" {column.type.redshift}' for column in TABLE.columns)
        cursor.execute(f"CREATE TABLE {schema}.rows ({columns})")
    yield connection, f"{schema}.rows"
    with connection.cursor() as cursor:
        cursor.execute(f"DROP SCHEMA {schema} CASCADE")
    connection.close()


def test_the_warehouse_computes_the_same_digests(warehouse: tuple[extensions.connection, str]) -> None:
    connection, relation = warehouse
    rows: list[dict[str, Any]] = []

    @given(st.lists(_ROWS, min_size=8, max_size=8))
    def collect(sample: list[dict[str, Any]]) -> None:
        for row in sample:
            rows.append(_row(len(rows), row))

    collect()
    names = [column.name for column in TABLE.columns]
    with connection.cursor() as cursor:
        for start in range(0, len(rows), 100):
            part = rows[start : start + 100]
            holes = ", ".join("(" + ", ".join("JSON_PARSE(%s)" if name == "doc" else "%s" for name in names) + ")" for _ in part)
            values = [None if row[name] is None else row[name].decode() if name == "doc" else row[name] for row in part for name in names]
            cursor.execute(f"INSERT INTO {relation} VALUES {holes}", values)
        for table in (TABLE, BY_NAME, BY_BOTH):
            whole = KeyRange(0, len(rows)) if table is TABLE else HASH_RANGE
            width = whole.width(16)
            meant: dict[int, Digest] = {}
            for row in rows:
                bucket = (row_checksum.partition_value(table, row) - whole.low) // width
                so_far = meant.get(bucket, Digest(0, 0))
                meant[bucket] = Digest(so_far.rows + 1, so_far.checksum + row_checksum.checksum(table, row))
            cursor.execute(row_checksum.digests_sql(table, relation, DIALECT, whole, width))
            found = {int(bucket): Digest(int(count), int(checksum)) for bucket, count, checksum in cursor.fetchall()}
            assert found == meant
            cursor.execute(row_checksum.key_range_sql(table, relation, DIALECT))
            assert tuple(cursor.fetchone() or ()) == (len(rows), whole.low, whole.high - 1)
        part_of = KeyRange(3, 20)
        cursor.execute(row_checksum.row_checksums_sql(TABLE, relation, DIALECT, part_of))
        listed = {tuple(key): int(checksum) for *key, checksum in cursor.fetchall()}
        assert listed == {row_checksum.key_text(TABLE, row): row_checksum.checksum(TABLE, row) for row in rows[3:20]}


EDGES = {"smallint": 1 << 15, "integer": 1 << 31, "bigint": 1 << 63}


@pytest.mark.parametrize("kind", EDGES)
def test_keys_as_far_apart_as_their_type_allows_are_put_into_buckets(warehouse_url: str, kind: str) -> None:
    """Regression: their difference overflowed."""
    edge = EDGES[kind]
    keys = [-edge, -edge + 1, -1, 0, 1, edge - 1]
    table = replace(TABLE, columns=(Column("id", getattr(model, kind), nullable=False),), key=("id",), cursor="")
    for key_range in (KeyRange(-edge, edge), KeyRange(-edge, -edge + 10), KeyRange(edge - 10, edge)):
        width = key_range.width(7)
        rows = " UNION ALL ".join(f"SELECT CAST('{key}' AS {kind.upper()}) AS id" for key in keys)
        statement = row_checksum.digests_sql(table, f"({rows}) AS r", DIALECT, key_range, width)
        found = {int(bucket): int(count) for bucket, count, _ in execute(warehouse_url, statement)}
        assert found == Counter((key - key_range.low) // width for key in keys if key_range.low <= key < key_range.high)


_WIDTHS = st.sampled_from([1 << 50, 1 << 52, 3 << 51, 1 << 57])
_RANGES = st.lists(st.tuples(st.integers(0, 255), _WIDTHS).map(lambda each: KeyRange(each[0] << 52, (each[0] << 52) + each[1])), min_size=1)


def test_rows_with_hashed_keys_are_listed_by_any_ranges(warehouse_url: str) -> None:
    """Ranges of one width share a condition, others have one of their own."""
    keys = [f"key {number}" for number in range(300)]
    table = replace(TABLE, columns=(Column("name", varchar(16), nullable=False),), key=("name",), cursor="")
    rows = " UNION ALL ".join(f"SELECT CAST('{key}' AS VARCHAR(16)) AS name" for key in keys)
    places = {key: row_checksum.partition_value(table, {"name": key}) for key in keys}
    with closing(psycopg2.connect(warehouse_url)) as connection, connection.cursor() as cursor:

        @given(_RANGES)
        def list_rows(ranges: list[KeyRange]) -> None:
            cursor.execute(row_checksum.row_checksums_sql(table, f"({rows}) AS r", DIALECT, *ranges))
            found = {key for key, _ in cursor.fetchall()}
            assert found == {key for key, place in places.items() if any(each.low <= place < each.high for each in ranges)}

        list_rows()
