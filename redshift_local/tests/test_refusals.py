"""Refusals: those of Redshift, with its SQLSTATE, and those of the local Redshift, which say so."""

from __future__ import annotations

import psycopg2
import pytest

from redshift_local.errors import RedshiftError
from redshift_local.sql import refusals
from redshift_local.sql.copy_options import NOT_WITH_PARQUET
from redshift_local.sql.functions import NOT_IN_REDSHIFT
from redshift_local.sql.statements import parse
from tests.sessions import Connect, ask

NOT_SUPPORTED = [
    "UNLOAD ('SELECT 1') TO 's3://b/p' IAM_ROLE default",
    "COPY t FROM 's3://b/p' IAM_ROLE default FORMAT AS CSV",
    "COPY t FROM 's3://b/p' IAM_ROLE default",
    "COPY t FROM 'dynamodb://x' IAM_ROLE default PARQUET",
    "CREATE VIEW v AS SELECT 1 AS a WITH NO SCHEMA BINDING",
    "CREATE MATERIALIZED VIEW v AS SELECT 1",
    "CREATE USER u PASSWORD 'x'",
    "CREATE SCHEMA s QUOTA 5 GB",
    "ALTER TABLE t APPEND FROM u",
    "ALTER TABLE t DROP CONSTRAINT k",
    "ANALYZE COMPRESSION t",
    "GRANT ROLE r TO u",
    "GRANT EXECUTE ON FUNCTION f(int) TO u",
    "CREATE TABLE t (a geometry)",
    "CREATE TABLE t (a varchar(10) COLLATE CASE_INSENSITIVE)",
    "MERGE INTO t USING s ON t.a = s.a REMOVE DUPLICATES",
    "MERGE INTO t USING s ON t.a > s.a WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (s.a)",
    "SELECT * FROM t, t.asks a",
    "SELECT * FROM t QUALIFY ROW_NUMBER() OVER (ORDER BY a) = 1",
    "SELECT a, b + 1 FROM t QUALIFY ROW_NUMBER() OVER (ORDER BY a) = 1",
    "SELECT a FROM t QUALIFY ROW_NUMBER() OVER (ORDER BY a) = 1 ORDER BY b",
    "SELECT a INTO b FROM t",
    "SELECT a FROM t FOR UPDATE",
    "SELECT ARRAY[1, 2]",
    "SELECT COUNT(a) FILTER (WHERE b) FROM t",
    "SELECT * FROM t TABLESAMPLE BERNOULLI (1)",
    "SELECT * FROM a, LATERAL (SELECT 1 AS x) b",
    "SELECT * FROM generate_series(1, 3)",
    "SELECT * FROM other.s.t",
    "SELECT a[1:2] FROM t",
    "SELECT a[b] FROM t",
    "SELECT a -> 'b' FROM t",
    "SELECT a FROM t WHERE a = b(+)",
    "SELECT CURRENT_TIMESTAMP",
    "SELECT NOW()",
    "SELECT MEDIAN(a) FROM t",
    "SELECT my_own_function(1)",
    "SELECT s.my_own_function(1)",
    "SELECT COUNT(DISTINCT a, b) FROM t",
    "SELECT LISTAGG(a) WITHIN GROUP (ORDER BY b) OVER (PARTITION BY c) FROM t",
    "SELECT EXTRACT(millisecond FROM a) FROM t",
    "SELECT * FROM stl_load_errors",
    "SELECT RANK() OVER w FROM t WINDOW w AS (ORDER BY a)",
    "UPDATE t SET (a, b) = (1, 2)",
    "SET enable_case_sensitive_identifier TO true",
    "SET SESSION AUTHORIZATION x",
    "SHOW query_group",
    f"SELECT a AS {'x' * 64} FROM t",
]

IN_REDSHIFTS_WORDS = [
    ("SAVEPOINT a", "0A000", "SAVEPOINT is not supported"),
    ("ROLLBACK TO a", "42601", 'syntax error at or near "to"'),
    ("CREATE INDEX i ON t (a)", "0A000", "CREATE INDEX is not supported"),
    ("LOCK TABLE t IN ACCESS SHARE MODE", "42601", 'syntax error at or near "in"'),
    ("DELETE FROM t AS x WHERE x.a = 1", "42601", 'syntax error at or near "x"'),
    ("DELETE FROM t x USING s WHERE x.a = s.a", "42601", 'syntax error at or near "x"'),
    ("UPDATE t x SET a = 1", "42601", 'syntax error at or near "x"'),
    ("INSERT INTO t VALUES (1) RETURNING a", "42601", 'syntax error at or near "returning"'),
    ("DELETE FROM t WHERE a = 1 RETURNING a", "42601", 'syntax error at or near "returning"'),
    ("INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING", "42601", 'syntax error at or near "on"'),
    ("WITH x AS (DELETE FROM t) SELECT 1 AS a", "42601", "syntax error at or near"),
    ("SELECT DISTINCT ON (a) b FROM t", "0A000", "SELECT DISTINCT ON is not supported"),
    ("SELECT a FROM (VALUES (1)) x (a)", "42601", 'syntax error at or near "values"'),
    ("SELECT SUM(a) OVER (ORDER BY b) FROM t", "42601", "Aggregate window functions with an ORDER BY clause require a frame clause"),
    ("SELECT AVG(a) OVER (ORDER BY b) FROM t", "42601", "Aggregate window functions with an ORDER BY clause require a frame clause"),
    ("SELECT SUM(a) OVER (ORDER BY b RANGE UNBOUNDED PRECEDING) FROM t", "42601", 'syntax error at or near "range"'),
    ("SELECT a::jsonb FROM t", "0A000", 'type "jsonb" is not supported'),
    (
        "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED AND s.b THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (s.a)",
        "42601",
        'syntax error at or near "and"',
    ),
    (
        "MERGE INTO t AS x USING s ON x.a = s.a WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (s.a)",
        "42601",
        'syntax error at or near "x"',
    ),
    (
        "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE WHEN NOT MATCHED BY SOURCE THEN DELETE",
        "42601",
        'syntax error at or near "by"',
    ),
    ("MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE", "42601", "MERGE takes one WHEN MATCHED and then one WHEN NOT MATCHED"),
    (
        "WITH n AS (SELECT 1 AS a) MERGE INTO t USING n ON t.a = n.a WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (n.a)",
        "42601",
        'syntax error at or near "merge"',
    ),
    ("CREATE TABLE t (a int CHECK (a > 0))", "0A000", "CHECK constraint is not supported"),
    ("CREATE TABLE t (a int, CHECK (a > 0))", "0A000", "CHECK constraint is not supported"),
    ("CREATE TABLE t (a int PRIMARY KEY, b int, PRIMARY KEY (b))", "42P16", 'multiple primary keys for table "t" are not allowed'),
    ("CREATE TABLE t (a int, a int)", "42701", 'column "a" specified more than once'),
    ("CREATE TABLE t (a int) DISTKEY (b)", "42703", 'column "b" named in key does not exist'),
    ("CREATE TABLE t (a int) DISTSTYLE KEY", "42601", "DISTKEY must be specified"),
    ("CREATE TABLE t (a int DISTKEY, b int DISTKEY)", "42601", "too many distribution keys"),
    ("CREATE TABLE t (a int DISTKEY) DISTSTYLE ALL", "42601", "cannot specify DISTKEY"),
    ("CREATE TABLE t (a super SORTKEY)", "0A000", "of type SUPER cannot be"),
    ("CREATE TABLE t (a int ENCODE brotli)", "42601", "invalid encoding type"),
    ("CREATE TABLE t (a varchar IDENTITY(1, 1))", "42601", "must be of type INT or BIGINT"),
    ("CREATE TABLE t (a int NOT NULL NULL)", "42601", "conflicting NULL/NOT NULL"),
    ("CREATE TABLE t (a varchar(65536))", "22023", "length for type varchar cannot exceed 65535"),
    ("CREATE TABLE t (a char(4097))", "22023", "length for type char cannot exceed 4096"),
    ("CREATE TABLE t (a varchar(0))", "22023", "length for type varchar must be at least 1"),
    ("CREATE TABLE t (a decimal(39))", "22023", "DECIMAL precision 39 must be between 1 and 38"),
    ("CREATE TABLE t (a decimal(38, 38))", "22023", "DECIMAL scale 38 must be between 0 and"),
    ("CREATE TABLE IF NOT EXISTS t AS SELECT 1 AS a", "42601", 'syntax error at or near "as"'),
    ("ALTER TABLE t ADD COLUMN a int, ADD COLUMN b int", "42601", 'syntax error at or near ","'),
    ("ALTER TABLE t ADD COLUMN a int NOT NULL", "42601", "must have a non-null default expression"),
    ("ALTER TABLE t ADD COLUMN a int IDENTITY(1, 1)", "0A000", "cannot add an IDENTITY column"),
    ("ALTER TABLE t ALTER COLUMN a TYPE bigint", "0A000", "only the size of a VARCHAR column"),
    ("COPY t FROM 's3://b/p' PARQUET", "XX000", "CREDENTIALS argument is required"),
    ("COPY t FROM STDIN", "42601", 'syntax error at or near "stdin"'),
    ("COPY t FROM 's3://b/p' IAM_ROLE default PARQUET FASTER", "42601", 'syntax error at or near "faster"'),
    ("EXPLAIN ANALYZE SELECT 1", "42601", 'syntax error at or near "analyze"'),
    ("FETCH PRIOR FROM c", "42601", 'syntax error at or near "prior"'),
    ("SET nonsense TO 1", "42704", 'unrecognized configuration parameter "nonsense"'),
    ("DROP SCHEMA redshift_local CASCADE", "42501", "permission denied"),
]

LACKING_TYPES = ["json", "jsonb", "uuid", "serial", "bigserial", "money", "bytea", "inet", "hstore", "xml", "int4range", "my_enum"]


def refusal(text: str) -> RedshiftError:
    with pytest.raises(RedshiftError) as caught:
        parse(text)
    return caught.value


@pytest.mark.parametrize("text", NOT_SUPPORTED)
def test_not_supported_here(text: str) -> None:
    error = refusal(text)
    assert error.code == "0A000"
    assert error.message.startswith("not supported by the local Redshift: ")
    assert error.hint


@pytest.mark.parametrize(("text", "code", "words"), IN_REDSHIFTS_WORDS)
def test_refused_as_by_a_cluster(text: str, code: str, words: str) -> None:
    error = refusal(text)
    assert (error.code, words in error.message) == (code, True), error.message
    assert "local Redshift" not in error.message


@pytest.mark.parametrize("words", [*refusals.NOT_SUPPORTED_STATEMENTS, *refusals.NOT_IN_REDSHIFT], ids=" ".join)
def test_statement_refused_for_its_first_words(words: tuple[str, ...]) -> None:
    error = refusal(" ".join(words) + " x")
    assert error.code == "0A000"
    assert ("local Redshift" in error.message) == (words in refusals.NOT_SUPPORTED_STATEMENTS)


@pytest.mark.parametrize("name", LACKING_TYPES)
def test_type_that_redshift_lacks(name: str) -> None:
    error = refusal(f"CREATE TABLE s.t (c {name})")
    assert (error.code, error.message) == ("0A000", f'Column "t.c" has unsupported type "{name}".')


def test_arrays_are_no_types() -> None:
    assert refusal("CREATE TABLE t (c int[])").message == 'Column "t.c" has unsupported type "int[]".'


@pytest.mark.parametrize("option", sorted(NOT_WITH_PARQUET))
def test_copy_option_that_does_not_go_with_parquet(option: str) -> None:
    error = refusal(f"COPY t FROM 's3://b/p' IAM_ROLE default FORMAT AS PARQUET {option} '1'")
    assert (error.code, error.message) == ("0A000", f"{option.upper()} argument is not supported for PARQUET based COPY")


@pytest.mark.parametrize("name", sorted(NOT_IN_REDSHIFT))
def test_function_that_only_postgresql_has(name: str) -> None:
    assert refusal(f"SELECT {name}(a) FROM t").code in ("42883", "42601")


@pytest.mark.parametrize(
    "text", ["SELECT {}(a) FROM t", "UPDATE t SET a = {}(a)", "INSERT INTO t SELECT {}(1)", "CREATE VIEW v AS SELECT {}(1) AS a"]
)
def test_an_unknown_function_is_refused_in_every_statement(text: str) -> None:
    assert "the function frobnicate" in refusal(text.format("frobnicate")).message
    assert "the function frobnicate" in refusal(f"CREATE TABLE t (a int DEFAULT {'frobnicate'}(1))").message


def test_merge_that_meets_a_row_twice_fails(connect: Connect) -> None:
    connection = connect()
    for statement in (
        "CREATE TABLE t (a int, b int)",
        "CREATE TABLE s (a int, b int)",
        "INSERT INTO t VALUES (1, 0)",
        "INSERT INTO s VALUES (1, 1), (1, 2)",
    ):
        ask(connection, statement)
    merge = "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN UPDATE SET b = s.b WHEN NOT MATCHED THEN INSERT VALUES (s.a, s.b)"
    with pytest.raises(psycopg2.Error) as caught:
        ask(connection, merge)
    assert caught.value.pgcode == "21000"
    assert ask(connection, "SELECT * FROM t") == [(1, 0)]
