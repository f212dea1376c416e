"""Functions: each case is an expression and Redshift's result."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import psycopg2
import pytest
from sqlglot import exp

from redshift_local.sql.dialect import parse_tree, tokenize
from redshift_local.sql.functions import RULES, UNCHANGED
from tests.sessions import Connect, ask

# Redshift's TIMESTAMP has no zone, so the expected values have none.
# ruff: noqa: DTZ001

LONG_BY_BYTES = "'" + "é" * 200 + "'"

CASES: list[tuple[str, object]] = [
    ("NVL(NULL, 1)", 1),
    ("NVL2(NULL, 1, 2)", 2),
    ("NVL2('', 1, 2)", 1),
    ("DECODE(NULL, 1, 'one', NULL, 'null', 'other')", "null"),
    ("DECODE(3, 1, 'one')", None),
    ("CONCAT('a', NULL)", None),
    ("CONCAT('a', 'b') || 'c'", "abc"),
    ("LEN('é')", 1),
    ("TEXTLEN('abc')", 3),
    ("LOWER('ÉCOLE Ω')", "école ω"),
    ("UPPER(LOWER('École'))", "ÉCOLE"),
    ("INITCAP('élan VITAL')", "Élan Vital"),
    ("CHARINDEX('b', 'abc')", 2),
    ("POSITION('c' IN 'abc')", 3),
    ("SPLIT_PART('a-b-c', '-', 2)", "b"),
    ("REPLICATE('ab', 2)", "abab"),
    ("REGEXP_REPLACE('aXbX', 'X', '-')", "a-b-"),
    ("REGEXP_REPLACE('aXbX', 'X')", "ab"),
    ("REGEXP_SUBSTR('abc123', '[0-9]+')", "123"),
    ("REGEXP_SUBSTR('abc', '[0-9]+')", ""),
    ("REGEXP_SUBSTR(NULL, '[0-9]+')", None),
    ("REGEXP_COUNT('abab', 'b')", 2),
    ("STRTOL('ff', 16)", 255),
    ("STRTOL(SUBSTRING(MD5('x'), 1, 15), 16)", 710810379057940483),
    ("STRTOL('101', 2)", 5),
    ("STRTOL('-12', 10)", -12),
    ("SHA2('a', 256)", "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"),
    ("CAST('ééé' AS VARCHAR(3))", "é"),
    ("'abc'::VARCHAR(2)", "ab"),
    (f"LEN({LONG_BY_BYTES}::VARCHAR(300))", 150),
    ("CAST(12 AS VARCHAR(2))", "12"),
    ("CAST(1.5::DECIMAL(5,2) AS VARCHAR(10))", "1.50"),
    ("CAST(1.5 AS DECIMAL)", Decimal(2)),
    ("TRUNC(1.79)", Decimal(1)),
    ("TRUNC(1.79, 1)", Decimal("1.7")),
    ("TRUNC(TIMESTAMP '2020-02-03 04:05:06')", date(2020, 2, 3)),
    ("7 / 2", 3),
    ("LOG(100)", 2),
    ("POW(2, 3)", 8),
    ("DLOG10(1000)", 3),
    ("DATEADD(month, 1, '2020-01-31')", datetime(2020, 2, 29)),
    ("DATEADD('qtr', -1, DATE '2020-05-31')", datetime(2020, 2, 29)),
    ("DATEADD(s, 90, '2020-01-01')", datetime(2020, 1, 1, 0, 1, 30)),
    ("DATE_ADD('day', 1, '2020-01-31')", datetime(2020, 2, 1)),
    ("ADD_MONTHS('2020-04-30', 1)", datetime(2020, 5, 31)),
    ("ADD_MONTHS('2020-01-31', 1)", datetime(2020, 2, 29)),
    ("DATEDIFF(year, '2019-12-31', '2020-01-01')", 1),
    ("DATEDIFF(day, '2020-01-01 23:59:59', '2020-01-02')", 1),
    ("DATEDIFF(hour, '2020-01-01 00:59', '2020-01-01 01:01')", 1),
    ("DATEDIFF(minute, '2020-01-01 01:00', '2020-01-01 00:30')", -30),
    ("DATEDIFF(qtr, '2020-03-31', '2021-04-01')", 5),
    ("DATE_DIFF('ms', '2020-01-01', '2020-01-01 00:00:01.5')", 1500),
    ("DATE_TRUNC('month', '2020-02-03 04:05')", datetime(2020, 2, 1)),
    ("DATE_TRUNC('week', DATE '2020-02-06')", datetime(2020, 2, 3)),
    ("DATE_PART(year, DATE '2020-02-06')", 2020),
    ("DATE_PART(dow, DATE '2020-02-06')", 4),
    ("EXTRACT(second FROM TIMESTAMP '2020-01-01 00:00:01.7')", 1),
    ("EXTRACT(epoch FROM TIMESTAMP '1970-01-02')", 86400),
    ("LAST_DAY('2020-02-03')", date(2020, 2, 29)),
    ("CONVERT_TIMEZONE('America/New_York', '2020-01-01 12:00')", datetime(2020, 1, 1, 7)),
    ("CONVERT_TIMEZONE('Asia/Tokyo', 'UTC', '2020-01-01 12:00')", datetime(2020, 1, 1, 3)),
    ("TO_CHAR(TIMESTAMPTZ '2020-01-02 03:04:05.678901+02' AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')", "2020-01-02 01:04:05.678901"),
    ("GETDATE() = DATE_TRUNC('second', GETDATE())", True),
    ("SYSDATE <= GETDATE() + INTERVAL '1 second'", True),
    ('JSON_SERIALIZE(JSON_PARSE(\'{"a": [1, 2.50, {"b": "x, y: z"}], "c": null}\'))', '{"a":[1,2.50,{"b":"x, y: z"}],"c":null}'),
    ("JSON_SERIALIZE(JSON_PARSE(TO_VARBYTE('[1, 2]', 'utf8')))", "[1,2]"),
    ('JSON_SERIALIZE(JSON_PARSE(\'"say \\\\"a, b\\\\" : c"\'))', '"say \\"a, b\\" : c"'),
    ("JSON_TYPEOF(JSON_PARSE('[1]'))", "array"),
    ("JSON_PARSE(NULL) IS NULL", True),
    ("IS_VALID_JSON('{\"a\"')", False),
    ("CAN_JSON_PARSE('{\"a\": 1}')", True),
    ("GET_ARRAY_LENGTH(JSON_PARSE('[1, 2, 3]'))", 3),
    ("GET_ARRAY_LENGTH(JSON_PARSE('{}'))", None),
    ("FROM_VARBYTE(TO_VARBYTE('616263', 'hex'), 'utf8')", "abc"),
    ("pg_last_copy_count()", 0),
    ("pg_last_copy_id()", 0),
    ("VERSION() LIKE 'PostgreSQL 8.0.2 %Redshift 1.0.%'", True),
]


@pytest.mark.parametrize(("expression", "answer"), CASES)
def test_answer(connect: Connect, expression: str, answer: object) -> None:
    assert ask(connect(), f"SELECT {expression} AS answer") == [(answer,)]


AGGREGATES: list[tuple[str, object]] = [
    ("AVG(i)", 1),
    ("AVG(DISTINCT i)", 1),
    ("AVG(d)", Decimal("1.25")),
    ("AVG(f)", 1.5),
    ("SUM(i)", 3),
    ("LISTAGG(t, ',') WITHIN GROUP (ORDER BY i DESC)", "b,a"),
    ("LISTAGG(DISTINCT t, '+') WITHIN GROUP (ORDER BY t)", "a+b"),
    ("LISTAGG(i) WITHIN GROUP (ORDER BY i)", "12"),
    ("APPROXIMATE COUNT(DISTINCT t)", 2),
]


@pytest.fixture
def two_rows(connect: Connect) -> Connect:
    connection = connect()
    ask(connection, "CREATE TABLE two (i int, d decimal(5,2), f float, t varchar(9))")
    ask(connection, "INSERT INTO two VALUES (1, 1.25, 1, 'a'), (2, 1.26, 2, 'b')")
    return connect


@pytest.mark.parametrize(("aggregate", "answer"), AGGREGATES)
def test_aggregate(two_rows: Connect, aggregate: str, answer: object) -> None:
    assert ask(two_rows(), f"SELECT {aggregate} AS answer FROM two") == [(answer,)]


def test_average_over_a_window(two_rows: Connect) -> None:
    rows = ask(two_rows(), "SELECT AVG(i) OVER (PARTITION BY f) AS own, AVG(i) OVER () AS mean FROM two ORDER BY 1")
    assert rows == [(1, 1), (2, 1)]


@pytest.mark.parametrize("frame", ["ROWS UNBOUNDED PRECEDING", "ROWS BETWEEN 1 PRECEDING AND CURRENT ROW"])
def test_window_with_a_frame(two_rows: Connect, frame: str) -> None:
    assert ask(two_rows(), f"SELECT SUM(i) OVER (ORDER BY i {frame}) AS s FROM two ORDER BY 1") == [(1,), (3,)]


def test_qualify(two_rows: Connect) -> None:
    assert ask(two_rows(), "SELECT i, t FROM two QUALIFY ROW_NUMBER() OVER (ORDER BY i DESC) = 1") == [(2, "b")]


def test_steps_into_a_super(connect: Connect) -> None:
    connection = connect()
    ask(connection, "CREATE TABLE t (id int, details super)")
    ask(connection, """INSERT INTO t SELECT 1, JSON_PARSE('{"asks": [{"p": 1.5}], "k": "1", "n": {"0": "zero"}}')""")
    asked = (
        "SELECT t.details.asks[0].p::float AS p, details.k::varchar(9), details.missing.deeper[3] AS none, details.n[0] AS no_key FROM t"
    )
    assert ask(connection, asked) == [(1.5, "1", None, None)]
    assert ask(connection, "SELECT id FROM t WHERE t.details.k = '1' AND details.asks[0].p = 1.5 AND details.k IN ('0', '1')") == [(1,)]
    assert ask(connection, "SELECT id FROM t WHERE details.k = 1") == []
    with pytest.raises(psycopg2.errors.FeatureNotSupported):
        ask(connection, "SELECT details::varchar(99) FROM t")


@pytest.mark.parametrize(
    ("select", "name"),
    [
        ("GETDATE()", "getdate"),
        ("AVG(1)", "avg"),
        ("SYSDATE", "sysdate"),
        ("'abc'::varchar(2)", "varchar"),
        ("pg_last_copy_count()", "pg_last_copy_count"),
        ('1 AS "Upper"', "upper"),
    ],
)
def test_result_columns_keep_their_names(connect: Connect, select: str, name: str) -> None:
    with connect().cursor() as cursor:
        cursor.execute(f"SELECT {select}")
        assert [column.name for column in cursor.description or ()] == [name]


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ("STRTOL('xyz', 16)", "22P02"),
        ("STRTOL('ffffffffffffffffff', 16)", "22003"),
        ("STRTOL('1', 7)", "0A000"),
        ("CAST(123 AS VARCHAR(2))", "22001"),
        ("CAST(true AS VARCHAR(5))", "42846"),
        ("REPEAT('x', 257)::VARCHAR", "0A000"),
        ("SPLIT_PART('a', '-', -1)", "22023"),
        ("REGEXP_REPLACE('a', '(a)', '$1')", "0A000"),
        ("DATEADD(fortnight, 1, '2020-01-01')", "22023"),
        ("DATEDIFF(week, '2020-01-01', '2020-02-01')", "0A000"),
        ("JSON_PARSE('{')", "22P02"),
    ],
)
def test_error(connect: Connect, expression: str, code: str) -> None:
    with pytest.raises(psycopg2.Error) as caught:
        ask(connect(), f"SELECT {expression} AS answer")
    assert caught.value.pgcode == code


def _called(text: str) -> set[str]:
    return {call.name.lower() for call in parse_tree(tokenize(text), text).find_all(exp.Anonymous)}


def test_every_function_that_differs_from_postgresql_has_a_case() -> None:
    """A function in `UNCHANGED` is PostgreSQL's own. Each of the others must have a case."""
    refused = {name for name in RULES if "timestamp" in name or name in ("now", "timeofday")}
    windows = {"lag", "lead"}
    cases = {name for expression, _ in (*CASES, *AGGREGATES) for name in _called(f"SELECT {expression}")}
    assert set(RULES) - set(UNCHANGED) - refused - windows - cases == set()
