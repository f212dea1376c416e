"""Every Postgres type with every column type, at the edges: exact, as text, or quarantined, on both paths of a row."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date as day
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import psycopg2
import pytest
from psycopg2 import extensions

from stori_pipeline.local.stack import Stack
from stori_pipeline.model import row_checksum
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import Type, bigint, boolean, date, decimal, double, integer, smallint, super_, time, timestamptz, varchar
from stori_pipeline.readers import SourceError
from stori_pipeline.readers.postgres import Xmin
from stori_pipeline.readers.postgres.reader import PostgresReader
from stori_pipeline_tests.readers.drained import drained

SOURCE = Source(name="shop", kind="postgres", description="A shop.")


@dataclass(frozen=True)
class Rejected:
    """The verdict: quarantined, under this code."""

    code: str


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=timezone.utc)  # type: ignore[arg-type,misc]  # the parts of a datetime, in order


# Source type, column type, and the verdict for each literal: the value that lands, or Rejected.
VERDICTS: list[tuple[str, Type, dict[str, Any]]] = [
    ("smallint", smallint, {"-32768": -32768, "32767": 32767, "NULL": None}),
    ("integer", smallint, {"32767": 32767, "32768": Rejected("range"), "-32769": Rejected("range")}),
    ("integer", integer, {"-2147483648": -(2**31), "2147483647": 2**31 - 1, "0": 0, "NULL": None}),
    ("bigint", integer, {"2147483648": Rejected("range"), "-1": -1}),
    ("bigint", bigint, {"'-9223372036854775808'": -(2**63), "9223372036854775807": 2**63 - 1}),
    ("oid", bigint, {"4294967295": 4294967295}),
    (
        "numeric(18,2)",
        decimal(18, 2),
        {
            "0": Decimal("0.00"),
            "-0.01": Decimal("-0.01"),
            "9999999999999999.99": Decimal("9999999999999999.99"),
            "'NaN'": Rejected("not_finite"),
            "NULL": None,
        },
    ),
    (
        "numeric",
        decimal(5, 2),
        {
            "1.5": Decimal("1.50"),
            "1.500": Decimal("1.50"),
            "1.505": Rejected("scale"),
            "1.51": Decimal("1.51"),
            "999.99": Decimal("999.99"),
            "999.999": Rejected("scale"),
            "1000": Rejected("range"),
            "-1000.00": Rejected("range"),
            "99999": Rejected("range"),
            "1e30": Rejected("range"),
            "'Infinity'": Rejected("not_finite"),
            "'-Infinity'": Rejected("not_finite"),
            "'NaN'": Rejected("not_finite"),
        },
    ),
    ("numeric", decimal(38, 10), {"1234567890123456789012345678.0123456789": Decimal("1234567890123456789012345678.0123456789")}),
    ("integer", decimal(18, 2), {"7": Decimal("7.00")}),
    ("bigint", decimal(18, 2), {"9223372036854775807": Rejected("range")}),
    ("money", decimal(19, 2), {"'-12345.67'": Decimal("-12345.67")}),
    ("boolean", boolean, {"true": True, "false": False, "NULL": None}),
    ("boolean", varchar(5), {"true": "true", "false": "false"}),
    (
        "date",
        date,
        {
            "'2026-11-21'": day(2026, 11, 21),
            "'0001-01-01'": day(1, 1, 1),
            "'9999-12-31'": day(9999, 12, 31),
            "'10000-01-01'": Rejected("range"),
            "'0044-03-15'": day(44, 3, 15),
            "'0044-03-15 BC'": Rejected("range"),
            "'infinity'": Rejected("not_finite"),
            "'-infinity'": Rejected("not_finite"),
            "NULL": None,
        },
    ),
    (
        "timestamptz",
        timestamptz,
        {
            "'2026-11-21 10:30:00.123456+05:30'": utc(2026, 11, 21, 5, 0, 0, 123456),
            "'0001-01-01 00:00:00+00'": utc(1, 1, 1),
            "'9999-12-31 23:59:59.999999+00'": utc(9999, 12, 31, 23, 59, 59, 999999),
            "'10000-01-01 00:00:00+00'": Rejected("range"),
            "'0044-03-15 12:00:00+00 BC'": Rejected("range"),
            "'infinity'": Rejected("not_finite"),
            "'-infinity'": Rejected("not_finite"),
            "NULL": None,
        },
    ),
    (
        "timestamp",
        timestamptz,
        {"'2026-11-21 10:30:00.5'": utc(2026, 11, 21, 10, 30, 0, 500000), "'infinity'": Rejected("not_finite"), "NULL": None},
    ),
    ("date", timestamptz, {"'2026-11-21'": utc(2026, 11, 21), "'infinity'": Rejected("not_finite")}),
    (
        "double precision",
        double,
        {
            "0.1": 0.1,
            "1e-300": 1e-300,
            "1.7976931348623157e308": Rejected("range"),
            "9.9e27": 9.9e27,
            "'NaN'": Rejected("not_finite"),
            "'-Infinity'": Rejected("not_finite"),
            "NULL": None,
        },
    ),
    ("real", double, {"0.5": 0.5, "0.1": 0.10000000149011612}),
    ("integer", double, {"2147483647": 2147483647.0}),
    (
        "text",
        varchar(32),
        {
            "''": "",
            "NULL": None,
            r"E'\\N'": r"\N",
            r"E'\\\\N'": r"\\N",
            "'NULL'": "NULL",
            r"E'tab\tnew\nreturn\rback\\slash'": "tab\tnew\nreturn\rback\\slash",
            r"E'\b\f\v\\n\\\\t'": "\b\f\v\\n\\\\t",
            """'"quoted", ''single'''""": "\"quoted\", 'single'",
            "'  double  spaces '": "  double  spaces ",
            "'ünïcödé 日本 🙂'": "ünïcödé 日本 🙂",
            "U&'\\FEFFmarked'": "\ufeffmarked",
            "repeat('é', 16)": "é" * 16,
            "repeat('é', 17)": Rejected("too_long"),
            r"'\.'": r"\.",
        },
    ),
    ("varchar(5)", varchar(20), {"'abc  '": "abc  "}),
    ("char(5)", varchar(20), {"'ab'": "ab"}),
    ("uuid", varchar(36), {"'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"}),
    ("mood", varchar(16), {"'glad'": "glad", "NULL": None}),
    ("positive", integer, {"7": 7}),
    ("inet", varchar(64), {"'10.0.0.1/8'": "10.0.0.1/8"}),
    ("bytea", varchar(64), {r"'\xDEADBEEF'": r"\xdeadbeef"}),
    ("time", varchar(32), {"'10:30:00.5'": "10:30:00.5"}),
    ("time", time, {"'10:30:00.5'": "10:30:00.500000", "'00:00'": "00:00:00.000000", "'24:00:00'": Rejected("range")}),
    ("interval", varchar(64), {"'1 year 2 mons 3 days 04:05:06'": "1 year 2 mons 3 days 04:05:06"}),
    ("timestamptz", varchar(64), {"'2026-11-21 10:30:00+01'": "2026-11-21 09:30:00+00"}),
    (
        "jsonb",
        super_,
        {
            """'{"b": 1, "aa": [1.10, null, true], "a b": "x  \\" y"}'""": b'{"b":1,"aa":[1.10,null,true],"a b":"x  \\" y"}',
            "'null'": None,
            "NULL": None,
            "'\"\"'": b'""',
            "'[]'": b"[]",
            "'1e3'": b"1000",
            "'12345678901234567890.123456789'": b"12345678901234567890.123456789",
            r"""'{"line": "a\nb\tc\\d"}'""": rb'{"line":"a\nb\tc\\d"}',
            r"""'"\u001f\u007f\u00e9 \ud83d\ude42"'""": '"\\u001f\x7fé 🙂"'.encode(),
            "(repeat('[', 250) || repeat(']', 250))::jsonb": Rejected("too_deep"),
            "(repeat('[', 200) || repeat(']', 200))::jsonb": b"[" * 200 + b"]" * 200,
            "('[' || repeat('[],', 300) || '[]]')::jsonb": b"[" + b"[]," * 300 + b"[]]",
            "'1e500'": b"1" + b"0" * 500,
            "'1.5e-450'": Rejected("range"),
            "jsonb_build_array(repeat('x', 16000000))": Rejected("too_long"),
        },
    ),
    (
        "json",
        super_,
        {
            """'{"b" : 1, "a":\n2, "b": 3}'""": b'{"a":2,"b":3}',
            r"""'{"a": "\u0000"}'""": Rejected("nul"),
            r"""'{"a": "\ud800"}'""": Rejected("unicode"),
            "'null'": None,
        },
    ),
    (
        "integer[]",
        super_,
        {"'{1,NULL,3}'": b"[1,null,3]", "'{}'": b"[]", "'{{1,2},{3,4}}'": b"[[1,2],[3,4]]", "NULL": None},
    ),
    ("text[]", super_, {"""ARRAY['a b', '"', E'\\\\', '']""": b'["a b","\\"","\\\\",""]'}),
    ("integer[]", varchar(64), {"'{1,NULL,3}'": "{1,NULL,3}"}),
    ("text", super_, {"'5 > 4'": b'"5 > 4"', "''": b'""', "NULL": None}),
]

_CASES = [pytest.param(*case, id=f"{case[0]} as {case[1]}") for case in VERDICTS]


def _table(kind: Type) -> Table:
    return Table(SOURCE, "edges", (Column("id", integer, nullable=False), Column("value", kind)), ("id",), Xmin())


@pytest.fixture(scope="module")
def database(sources: Stack) -> Iterator[str]:
    """One database for all these tests, since making one takes longer than most of them; each has the table `edges` to itself."""
    name = f"test_types_{uuid.uuid4().hex[:12]}"
    sources.create_source_database(name)
    with psycopg2.connect(sources.postgres_url("sources", "app", name)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TYPE mood AS ENUM ('glad', 'sad'); CREATE DOMAIN positive AS integer CHECK (VALUE > 0)")
    connection.close()
    yield name
    sources.drop_source_database(name)


@pytest.fixture
def app(sources: Stack, database: str) -> Iterator[extensions.connection]:
    connection = psycopg2.connect(sources.postgres_url("sources", "app", database))
    connection.autocommit = True
    try:
        yield connection
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE edges")
    finally:
        connection.close()


@pytest.fixture
def reader(sources: Stack, database: str) -> PostgresReader:
    return PostgresReader(sources.postgres_url("sources", "reader", database))


def _raw(rejected: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(rejected["raw"])
    return {**row, "id": int(row["id"])}


def _fill(app: extensions.connection, source_type: str, literals: list[str]) -> None:
    with app.cursor() as cursor:
        cursor.execute(f"CREATE TABLE edges (id serial PRIMARY KEY, value {source_type})")
        for literal in literals:
            cursor.execute(f"INSERT INTO edges (value) VALUES ({literal})")


@pytest.mark.parametrize(("source_type", "kind", "verdicts"), _CASES)
def test_every_value_lands_as_its_verdict_says(
    app: extensions.connection, reader: PostgresReader, source_type: str, kind: Type, verdicts: dict[str, Any]
) -> None:
    _fill(app, source_type, list(verdicts))
    result = drained(reader, _table(kind))
    landed: dict[int, Any] = {row["id"]: row["value"] for row in result.rows}
    for rejected in result.rejected:
        assert rejected["column"] == "value"
        landed[_raw(rejected)["id"]] = Rejected(rejected["code"])
    assert landed == dict(enumerate(verdicts.values(), start=1))


@pytest.mark.parametrize(("source_type", "kind", "verdicts"), _CASES)
def test_every_value_lands_the_same_without_rejected_rows_beside_it(
    app: extensions.connection, reader: PostgresReader, source_type: str, kind: Type, verdicts: dict[str, Any]
) -> None:
    """Without a row that must be rejected, a block never goes through the contract: Arrow's own way has the same verdicts."""
    fitting = {literal: value for literal, value in verdicts.items() if not isinstance(value, Rejected)}
    _fill(app, source_type, list(fitting))
    result = drained(reader, _table(kind))
    assert result.rejected == []
    assert {row["id"]: row["value"] for row in result.rows} == dict(enumerate(fitting.values(), start=1))


@pytest.mark.parametrize(("source_type", "kind", "verdicts"), _CASES)
def test_checksums_in_sql_equal_those_in_python(
    app: extensions.connection, reader: PostgresReader, source_type: str, kind: Type, verdicts: dict[str, Any]
) -> None:
    """Of the rows that land; one that is quarantined must not keep the others from being compared."""
    _fill(app, source_type, list(verdicts))
    table = _table(kind)
    rows = drained(reader, table).rows
    count, key_range = reader.key_range(table)
    assert (count, key_range) == (len(verdicts), row_checksum.KeyRange(1, len(verdicts) + 1))
    by_key = reader.checksums(table, key_range)
    assert len(by_key) == len(verdicts)
    assert {row_checksum.key_text(table, row): row_checksum.checksum(table, row) for row in rows}.items() <= by_key.items()
    in_mirrors = [None, *(each for each in verdicts.values() if not isinstance(each, Rejected))]
    for number in {each["id"] for each in map(_raw, drained(reader, table).rejected)}:
        # Regression: a value that does not fit counted as NULL, or as the value that it would be rounded to.
        assert by_key[(str(number),)] not in {row_checksum.checksum(table, {"id": number, "value": value}) for value in in_mirrors}
    digests = reader.digests(table, key_range, 2)
    assert sum(each.rows for each in digests.values()) == len(verdicts)
    assert sum(each.checksum for each in digests.values()) == sum(by_key.values())


def test_partition_values_and_keys_of_hashed_keys_equal_those_in_python(app: extensions.connection, reader: PostgresReader) -> None:
    columns = (Column("name", varchar(64), nullable=False), Column("at", timestamptz, nullable=False), Column("n", integer))
    table = Table(SOURCE, "edges", columns, ("name", "at"), Xmin())
    with app.cursor() as cursor:
        cursor.execute('CREATE TABLE edges (name text, at timestamp, n smallint, PRIMARY KEY (name, "at"))')
        cursor.execute("INSERT INTO edges SELECT 'é' || g, timestamp '2026-01-01' + g * interval '1 s', g FROM generate_series(1, 50) g")
    rows = drained(reader, table).rows
    count, key_range = reader.key_range(table)
    assert (count, key_range) == (50, row_checksum.HASH_RANGE)
    assert reader.checksums(table, key_range) == {row_checksum.key_text(table, row): row_checksum.checksum(table, row) for row in rows}
    width = key_range.width(4)
    expected: dict[int, list[int]] = {}
    for row in rows:
        expected.setdefault((row_checksum.partition_value(table, row) - key_range.low) // width, []).append(
            row_checksum.checksum(table, row)
        )
    assert reader.digests(table, key_range, width) == {n: row_checksum.Digest(len(sums), sum(sums)) for n, sums in expected.items()}
    assert sum(each.rows for each in reader.digests(table, key_range, width, keys_only=True).values()) == 50


def test_an_empty_table_has_an_empty_key_range(app: extensions.connection, reader: PostgresReader) -> None:
    _fill(app, "text", [])
    table = _table(varchar(10))
    assert reader.key_range(table) == (0, row_checksum.KeyRange(0, 0))
    assert reader.digests(table, row_checksum.KeyRange(0, 0), 1) == {}


@pytest.mark.parametrize(
    ("source_type", "kind"),
    [
        ("text", integer),
        ("numeric(10,2)", bigint),
        ("double precision", decimal(18, 2)),
        ("timestamp", date),
        ("integer", boolean),
        ("numeric", double),
        ("text", timestamptz),
    ],
)
def test_a_column_of_a_type_that_cannot_fit_stops_the_table(
    app: extensions.connection, reader: PostgresReader, source_type: str, kind: Type
) -> None:
    _fill(app, source_type, [])
    with pytest.raises(SourceError) as raised:
        drained(reader, _table(kind))
    for text in ("shop.edges", "'value'", str(kind), "change the definition", source_type.split("(")[0]):
        assert text in str(raised.value)
