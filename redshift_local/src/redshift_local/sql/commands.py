"""Statements that are parsed word by word and not by sqlglot: the list of them, and those for schemas, tables and privileges.

Belongs here: one short function for each statement. Does not belong here: CREATE TABLE (`ddl`), ALTER (`alter`), COPY (`copy_options`),
parameters (`settings`), transactions (`transactions`), statements that contain a query (`with_query`), and queries (`queries`).
"""

from __future__ import annotations

from collections.abc import Callable

from redshift_local.sql.alter import alter
from redshift_local.sql.copy_options import parse_copy
from redshift_local.sql.cursor import Cursor, table_sql
from redshift_local.sql.ddl import create_table
from redshift_local.sql.dialect import name_sql, words
from redshift_local.sql.plan import CommitAfter, Forward, OutsideTransaction, Statement
from redshift_local.sql.refusals import refused, syntax, unsupported
from redshift_local.sql.settings import set_parameter, show_parameter
from redshift_local.sql.transactions import begin, commit, rollback
from redshift_local.sql.with_query import create_view, declare, explain, fetch, prepare


def _as_written(cursor: Cursor) -> Forward:
    return Forward(cursor.folded, cursor.statement)


def _create(cursor: Cursor) -> Statement:
    start = cursor.position
    cursor.accept("local")
    cursor.one_of("temp", "temporary")
    if cursor.accept("table"):
        return Forward(create_table(cursor), cursor.statement)
    cursor.position = start
    if cursor.accept("schema"):
        return _create_schema(cursor)
    cursor.accept("or", "replace")
    if cursor.accept("view"):
        return create_view(cursor)
    if cursor.current.text in ("user", "group", "role"):
        raise unsupported("users, groups and roles", "The local Redshift has one user.")
    raise cursor.error()


def _create_schema(cursor: Cursor) -> Statement:
    exists = "IF NOT EXISTS " if cursor.accept("if", "not", "exists") else ""
    if cursor.peek("authorization"):
        raise unsupported("CREATE SCHEMA AUTHORIZATION without a name")
    name = cursor.name()
    if name.startswith("pg_") or name == "redshift_local":
        raise refused("42939", f'unacceptable schema name "{name}"')
    owner = f" AUTHORIZATION {name_sql(cursor.name())}" if cursor.accept("authorization") else ""
    if cursor.accept("quota") and not cursor.accept("unlimited"):
        raise unsupported("QUOTA of a schema")
    cursor.expect_end()
    return Forward(f"CREATE SCHEMA {exists}{name_sql(name)}{owner}", cursor.statement)


def _drop(cursor: Cursor) -> Statement:
    kind = cursor.one_of("table", "view", "schema")
    if not kind:
        if cursor.current.text in ("user", "group", "role"):
            raise unsupported("users, groups and roles", "The local Redshift has one user.")
        raise cursor.error()
    cursor.accept("if", "exists")
    for schema, name in cursor.comma_separated(cursor.table):
        if "redshift_local" in (schema, name):
            raise refused("42501", "permission denied for schema redshift_local")
    cursor.one_of("cascade", "restrict")
    cursor.expect_end()
    return _as_written(cursor)


def _comment(cursor: Cursor) -> Statement:
    cursor.expect("on")
    if not cursor.one_of("table", "column", "view", "schema", "database"):
        raise unsupported("COMMENT ON anything but tables, columns, views, schemas and databases")
    return _as_written(cursor)


_PRIVILEGES = words("""
    select insert update delete references usage create temp temporary all privileges , ( )
""")


def _grant(cursor: Cursor) -> Statement:
    """GRANT and REVOKE of privileges that have the same name in PostgreSQL."""
    cursor.accept("grant", "option", "for")
    while not cursor.accept("on"):
        if cursor.current.kind == "end":
            raise unsupported("GRANT and REVOKE of roles")
        if cursor.current.text not in _PRIVILEGES:
            raise unsupported(f"the privilege {cursor.current.text.upper()}")
        cursor.position += 1
    if cursor.current.text in ("function", "procedure", "language", "datashare", "external", "model", "copy", "assumerole", "template"):
        raise unsupported(f"privileges on {cursor.current.text}")
    while cursor.current.kind != "end" and not cursor.one_of("to", "from"):
        cursor.position += 1
    if cursor.peek("role"):
        raise unsupported("roles")
    return _as_written(cursor)


def _analyze(cursor: Cursor) -> Statement:
    if cursor.peek("compression"):
        raise unsupported("ANALYZE COMPRESSION")
    verbose = "VERBOSE " if cursor.accept("verbose") else ""
    if cursor.current.kind == "end":
        return Forward(f"ANALYZE {verbose}".strip(), cursor.statement)
    table = table_sql(cursor.table())
    columns = f" ({', '.join(map(name_sql, cursor.names()))})" if cursor.peek("(") else ""
    if cursor.one_of("predicate", "all"):
        cursor.expect("columns")
    cursor.expect_end()
    return Forward(f"ANALYZE {verbose}{table}{columns}", cursor.statement)


def _vacuum(cursor: Cursor) -> Statement:
    if cursor.one_of("sort", "delete"):
        cursor.expect("only")
    else:
        cursor.one_of("full", "reindex", "recluster")
    table = f" {table_sql(cursor.table())}" if cursor.current.kind in ("word", "quoted") and not cursor.peek("boost") else ""
    if cursor.accept("to"):
        cursor.take("number")
        cursor.expect("percent")
    cursor.accept("boost")
    cursor.expect_end()
    return OutsideTransaction(f"VACUUM{table}", "VACUUM")


def _truncate(cursor: Cursor) -> Statement:
    cursor.accept("table")
    table = cursor.table()
    cursor.expect_end()
    return CommitAfter(f"TRUNCATE TABLE {table_sql(table)}")


def _lock(cursor: Cursor) -> Statement:
    cursor.accept("table")
    tables = cursor.comma_separated(cursor.table)
    if cursor.current.kind != "end":
        raise syntax(cursor.current.text, "Redshift's LOCK has no modes: it is always ACCESS EXCLUSIVE.")
    return Forward("LOCK TABLE " + ", ".join(map(table_sql, tables)), cursor.statement)


COMMANDS: dict[str, Callable[[Cursor], Statement]] = {
    "create": _create,
    "drop": _drop,
    "alter": alter,
    "comment": _comment,
    "grant": _grant,
    "revoke": _grant,
    "analyze": _analyze,
    "analyse": _analyze,
    "vacuum": _vacuum,
    "truncate": _truncate,
    "lock": _lock,
    "begin": begin,
    "start": begin,
    "commit": commit,
    "end": commit,
    "rollback": rollback,
    "abort": rollback,
    "prepare": prepare,
    "execute": _as_written,
    "deallocate": _as_written,
    "declare": declare,
    "fetch": fetch,
    "close": _as_written,
    "explain": explain,
    "copy": parse_copy,
    "set": set_parameter,
    "reset": set_parameter,
    "show": show_parameter,
}
"""The parser of each statement, by its first word. Its argument is the cursor after that word."""
