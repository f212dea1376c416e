"""Parsing: pairs of Redshift's SQL and PostgreSQL's, and statements that are not queries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redshift_local.errors import RedshiftError
from redshift_local.sql.copy_options import Copy
from redshift_local.sql.dialect import parse_tree, quoted, tokenize
from redshift_local.sql.plan import CommitAfter, Forward, LocalAnswer, OutsideTransaction, Statement, TransactionControl
from redshift_local.sql.statements import parse
from tests.sessions import Connect, ask


def one(text: str) -> Statement:
    (statement,) = parse(text)
    return statement


UNCHANGED = [
    "SELECT 1",
    "select  a , B.c  -- a comment\n from t as B where a in (1, 2) and not b is null order by 1 desc nulls last limit 3 offset 2",
    "WITH x AS (SELECT a FROM t) SELECT count(DISTINCT a) FROM x GROUP BY a, b HAVING max(a) > 1",
    "SELECT sum(a) OVER (ORDER BY b ROWS UNBOUNDED PRECEDING) FROM x",
    "SELECT * FROM a LEFT JOIN b USING (x) CROSS JOIN c WHERE EXISTS (SELECT 1 FROM d WHERE d.x = a.x)",
    "SELECT a FROM s.t UNION ALL (SELECT b FROM s.u EXCEPT SELECT c FROM s.v)",
    "SELECT CASE WHEN a ~ 'x' THEN 1 ELSE 2 END, a || 'b', a::int, CAST(b AS date), t.x AT TIME ZONE 'UTC' FROM t",
    "SELECT s.t.a, t.a FROM s.t",
    "INSERT INTO t VALUES (1, 'a', NULL, true, -1.5, DEFAULT), (2, 'b;c', $1, false, 2, DEFAULT)",
    'INSERT INTO s.t ("a", b) SELECT $1, $2',
    "DELETE FROM t USING s WHERE t.a = s.a",
    "UPDATE t SET a = s.a FROM s WHERE t.b = s.b",
    "MERGE INTO t USING s AS n ON t.a = n.a WHEN MATCHED THEN UPDATE SET b = n.b WHEN NOT MATCHED THEN INSERT (a, b) VALUES (n.a, n.b)",
    "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (s.a)",
    "SELECT n.nspname, array_agg(x.y) FROM pg_catalog.pg_namespace n, pg_class x WHERE n.nspname !~ '^pg_' GROUP BY 1",
    "SELECT table_name FROM information_schema.tables",
    "DROP TABLE IF EXISTS a.b, c CASCADE",
    "COMMENT ON COLUMN a.b.c IS 'it''s'",
    "GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA a TO b",
    "ALTER TABLE a.b RENAME COLUMN c TO d",
    "ALTER TABLE a RENAME TO b",
    "ALTER TABLE a DROP COLUMN c CASCADE",
    "FETCH FORWARD 100 FROM c",
    "DEALLOCATE p",
    "SET search_path TO a, public",
    "SHOW search_path",
]

REWRITTEN = {
    "SELECT TOP 3 a FROM t ORDER BY a": "SELECT a FROM t ORDER BY a LIMIT 3",
    "SELECT a FROM t MINUS SELECT b FROM u": "SELECT a FROM t EXCEPT SELECT b FROM u",
    "SELECT GETDATE()": 'SELECT redshift_local.getdate() AS "getdate"',
    "SELECT sysdate AS now": "SELECT redshift_local.sysdate() AS now",
    "SELECT CONVERT(int, a) FROM t": "SELECT CAST(a AS INT) FROM t",
    "SELECT a::varchar(3) FROM t": 'SELECT CAST(redshift_local.varchar(a, 3) AS VARCHAR(3)) AS "a" FROM t',
    "SELECT CAST(a AS DECIMAL) FROM t": "SELECT CAST(a AS DECIMAL(18, 0)) FROM t",
    "SELECT 'A' AS \"Name\"": "SELECT 'A' AS \"name\"",
    "SELECT NVL(a, 0) AS a FROM t": "SELECT coalesce(a, 0) AS a FROM t",
    "SELECT DECODE(a, 1, 'x', 'y') AS d FROM t": "SELECT CASE WHEN a IS NOT DISTINCT FROM 1 THEN 'x' ELSE 'y' END AS d FROM t",
    "SELECT AVG(a) FROM t": 'SELECT redshift_local.avg(AVG(a), min(a)) AS "avg" FROM t',
    "SELECT AVG(a) OVER (PARTITION BY b) AS x FROM t": (
        "SELECT redshift_local.avg(AVG(a) OVER (PARTITION BY b), min(a) OVER (PARTITION BY b)) AS x FROM t"
    ),
    "SELECT LISTAGG(a, ',') WITHIN GROUP (ORDER BY b) AS x FROM t": (
        "SELECT redshift_local.listagg(string_agg(CAST(a AS TEXT), ',' ORDER BY b)) AS x FROM t"
    ),
    "SELECT APPROXIMATE COUNT(DISTINCT a) AS n FROM t": "SELECT COUNT(DISTINCT a) AS n FROM t",
    "SELECT DATEADD(day, -1, d) AS x FROM t": "SELECT redshift_local.dateadd('day', -1, d) AS x FROM t",
    "SELECT CHARINDEX('a', b) AS x FROM t": "SELECT strpos(b, 'a') AS x FROM t",
    "SELECT t.details.asks[0].price FROM t": (
        "SELECT redshift_local.get(redshift_local.get(redshift_local.get(t.details, 'asks'), 0), 'price') AS \"price\" FROM t"
    ),
    "SELECT details.Lag AS lag FROM s.t": "SELECT redshift_local.get(details, 'lag') AS lag FROM s.t",
    "SELECT 1 FROM t WHERE t.s.k = '1'": "SELECT 1 FROM t WHERE redshift_local.get(t.s, 'k') = redshift_local.to_super(CAST('1' AS TEXT))",
    "SELECT a FROM t QUALIFY ROW_NUMBER() OVER (PARTITION BY a ORDER BY b) = 1 ORDER BY a LIMIT 2": (
        'SELECT "a" FROM (SELECT a, ROW_NUMBER() OVER (PARTITION BY a ORDER BY b) = 1 AS _local_qualify FROM t) AS _local_qualified '
        "WHERE _local_qualify ORDER BY a LIMIT 2"
    ),
    "SELECT * FROM pg_table_def WHERE schemaname = 'a'": "SELECT * FROM redshift_local.pg_table_def AS pg_table_def WHERE schemaname = 'a'",
    "SELECT data_type FROM information_schema.columns": "SELECT data_type FROM redshift_local.columns AS columns",
    "DELETE t WHERE a = 1": "DELETE FROM t WHERE a = 1",
    "SELECT pg_last_copy_count()": 'SELECT redshift_local.pg_last_copy_count() AS "pg_last_copy_count"',
    "SELECT pg_catalog.version()": 'SELECT redshift_local.version() AS "version"',
    "INSERT INTO t (a) VALUES (JSON_PARSE($1))": "INSERT INTO t (a) VALUES (redshift_local.json_parse($1))",
    "EXPLAIN SELECT GETDATE() AS g": "EXPLAIN SELECT redshift_local.getdate() AS g",
    "PREPARE p (int) AS SELECT LEN($1) AS n": "PREPARE p (int) AS SELECT redshift_local.len($1) AS n",
    "DECLARE c CURSOR FOR SELECT GETDATE() AS g": "DECLARE c CURSOR FOR SELECT redshift_local.getdate() AS g",
    "CREATE OR REPLACE VIEW v AS SELECT LEN(a) AS n FROM t": "CREATE OR REPLACE VIEW v AS SELECT redshift_local.len(a) AS n FROM t",
    'DROP TABLE "MyTable"': 'DROP TABLE "mytable"',
    "CREATE SCHEMA IF NOT EXISTS Bank": 'CREATE SCHEMA IF NOT EXISTS "bank"',
    "LOCK a.b, c": 'LOCK TABLE "a"."b", "c"',
    "ANALYZE a.b (c) PREDICATE COLUMNS": 'ANALYZE "a"."b" ("c")',
}


@pytest.mark.parametrize("text", UNCHANGED)
def test_text_that_means_the_same_is_sent_unchanged(text: str) -> None:
    assert one(text) == Forward(text, text)


@pytest.mark.parametrize(("text", "sql"), REWRITTEN.items())
def test_text_that_means_something_else_is_rewritten(text: str, sql: str) -> None:
    assert one(text) == Forward(sql, text)


@pytest.mark.parametrize(
    ("text", "statement"),
    [
        ("BEGIN", TransactionControl("BEGIN", "begin")),
        ("start transaction isolation level read committed, read only", TransactionControl("BEGIN READ ONLY", "begin")),
        ("BEGIN TRANSACTION ISOLATION LEVEL SERIALIZABLE READ WRITE", TransactionControl("BEGIN READ WRITE", "begin")),
        ("END WORK", TransactionControl("COMMIT", "commit")),
        ("ABORT", TransactionControl("ROLLBACK", "rollback")),
        ("TRUNCATE s.t", CommitAfter('TRUNCATE TABLE "s"."t"')),
        ("VACUUM DELETE ONLY s.t TO 75 PERCENT BOOST", OutsideTransaction('VACUUM "s"."t"', "VACUUM")),
        ("VACUUM", OutsideTransaction("VACUUM", "VACUUM")),
        ("SET query_group TO 'x'", LocalAnswer("SET")),
        ("SET enable_result_cache_for_session = off", LocalAnswer("SET")),
        ("SET enable_case_sensitive_identifier TO false", LocalAnswer("SET")),
        ("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED", LocalAnswer("SET")),
        ("RESET query_group", LocalAnswer("RESET")),
        ("SHOW enable_case_sensitive_identifier", LocalAnswer("SHOW", ("enable_case_sensitive_identifier",), (("off",),))),
        (
            "ALTER TABLE s.t ALTER COLUMN c TYPE varchar(300)",
            OutsideTransaction("CALL redshift_local.widen('\"s\".\"t\"', 'c', 300)", "ALTER TABLE ALTER COLUMN TYPE"),
        ),
    ],
)
def test_a_statement_that_is_not_only_forwarded(text: str, statement: Statement) -> None:
    assert one(text) == statement


def test_copy() -> None:
    text = "COPY s.t (a, B) FROM 's3://b/m.json' IAM_ROLE 'arn:aws:iam::1:role/r' FORMAT AS PARQUET MANIFEST FILLRECORD SERIALIZETOJSON"
    assert one(text) == Copy(("s", "t"), ("a", "b"), "s3://b/m.json", manifest=True, fillrecord=True, serializetojson=True)
    keys = "COPY t FROM 's3://b/p' CREDENTIALS AS 'aws_iam_role=secret' PARQUET ACCEPTINVCHARS EXPLICIT_IDS STATUPDATE OFF"
    statement = one(keys)
    assert statement == Copy((None, "t"), None, "s3://b/p", acceptinvchars=True, explicit_ids=True)
    assert "secret" not in repr(statement)


def test_several_statements_come_one_by_one_with_their_own_text() -> None:
    text = "BEGIN; SELECT ';' ;; -- the end;\n COMMIT;"
    assert parse(text) == [
        TransactionControl("BEGIN", "begin"),
        Forward("SELECT ';'", "SELECT ';'"),
        TransactionControl("COMMIT", "commit"),
    ]
    assert parse("") == parse(" ; -- nothing\n") == []


def test_an_insert_of_many_rows_is_not_parsed_into_a_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the statement was parsed into a tree")

    monkeypatch.setattr("redshift_local.sql.statements.parse_tree", refuse)
    text = "INSERT INTO t (a, b) VALUES " + ", ".join(f"({n}, 'row {n}')" for n in range(5000))
    assert one(text) == Forward(text, text)


def test_a_call_among_the_values_is_rewritten() -> None:
    statement = one("INSERT INTO t (a) VALUES (1), (GETDATE())")
    assert isinstance(statement, Forward)
    assert "redshift_local.getdate()" in statement.sql


@given(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0")))
def test_any_string_is_the_same_after_parsing_and_rendering(value: str) -> None:
    text = f"SELECT {quoted(value)}"
    (literal,) = parse_tree(tokenize(text), text).expressions
    assert literal.this == value
    # Backslashes are doubled, because Redshift interprets escapes in every literal.
    bare = "SELECT '" + value.replace("\\", "\\\\").replace("'", "''") + "'"
    assert parse_tree(tokenize(bare), bare).expressions[0].this == value


@pytest.mark.parametrize(
    ("literal", "value"),
    [(r"'a\nb'", "a\nb"), (r"'it\'s'", "it's"), (r"E'x\\y'", "x\\y"), (r"'\101\d'", "Ad"), ("'it''s'", "it's")],
)
def test_escapes_mean_the_same_in_unchanged_and_in_rewritten_text(connect: Connect, literal: str, value: str) -> None:
    connection = connect()
    assert ask(connection, f"SELECT {literal}") == [(value,)]
    assert ask(connection, f"SELECT NVL({literal}, 'x')") == [(value,)]


def test_nonsense_is_a_syntax_error() -> None:
    for text in (
        "SELEC 1",
        "SELECT 1 FROM FROM",
        "SELECT 'open",
        "CREATE TABLE t (a",
        "LOCK",
        "COPY",
        "ALTER TABLE t ADD",
        "VACUUM t TO x PERCENT",
    ):
        with pytest.raises(RedshiftError) as caught:
            parse(text)
        assert caught.value.code == "42601", text


def test_a_statement_nested_too_deeply_is_an_error_and_no_crash() -> None:
    with pytest.raises(RedshiftError) as caught:
        parse("SELECT " + "(" * 20_000 + "1" + ")" * 20_000)
    assert caught.value.code == "54001"


def test_results_are_cached() -> None:
    text = "SELECT cached FROM t"
    assert parse(text)[0] is parse(text)[0]
