"""Statements without a tree: what administers tables, sessions and transactions, read word by word.

Belongs here: one short function per statement, and the table of them. Does not belong here: CREATE TABLE (`ddl`), COPY
(`copy_options`), parameters (`settings`), rows (`queries`).
"""

from __future__ import annotations

from collections.abc import Callable

from redshift_local.sql.copy_options import parse_copy
from redshift_local.sql.cursor import Cursor, table_sql
from redshift_local.sql.ddl import ENCODINGS, add_column, create_table, wider_varchar
from redshift_local.sql.dialect import name_sql, parse_tree, quoted, render, words
from redshift_local.sql.model import CommitAfter, Forward, OutsideTransaction, Statement, TransactionControl
from redshift_local.sql.queries import rewrite
from redshift_local.sql.refusals import refused, syntax, unsupported
from redshift_local.sql.settings import set_parameter, show_parameter

QUERY_WORDS = ("select", "with", "insert", "update", "delete", "merge", "(")


def _forward(cursor: Cursor) -> Forward:
    return Forward(cursor.folded, cursor.statement)


def inner_query(cursor: Cursor, start: int) -> Forward:
    """What stands before the cursor stays; the query that begins at it is rewritten. `start` is where the statement begins."""
    at = cursor.here
    if at.text not in QUERY_WORDS:
        raise cursor.error()
    rewritten = rewrite(parse_tree(cursor.rest(), cursor.source))
    original = cursor.statement
    return Forward(cursor.source[start : at.start] + render(rewritten.tree), original) if rewritten.changed else Forward(original, original)


def _create(cursor: Cursor) -> Statement:
    start = cursor.at
    cursor.accept("local")
    cursor.one_of("temp", "temporary")
    if cursor.accept("table"):
        return Forward(create_table(cursor), cursor.statement)
    cursor.at = start
    if cursor.accept("schema"):
        return _create_schema(cursor)
    cursor.accept("or", "replace")
    if cursor.accept("view"):
        return _create_view(cursor)
    if cursor.here.text in ("user", "group", "role"):
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
        raise unsupported("a QUOTA of a schema")
    cursor.expect_end()
    return Forward(f"CREATE SCHEMA {exists}{name_sql(name)}{owner}", cursor.statement)


def _create_view(cursor: Cursor) -> Statement:
    if [word.text for word in cursor.words[-4:]] == ["with", "no", "schema", "binding"]:
        raise unsupported("WITH NO SCHEMA BINDING", "PostgreSQL binds a view to its tables when it is made; leave the clause out.")
    cursor.table()
    if cursor.peek("("):
        cursor.names()
    cursor.expect("as")
    return inner_query(cursor, cursor.words[0].start)


def _drop(cursor: Cursor) -> Statement:
    kind = cursor.one_of("table", "view", "schema")
    if not kind:
        if cursor.here.text in ("user", "group", "role"):
            raise unsupported("users, groups and roles", "The local Redshift has one user.")
        raise cursor.error()
    cursor.accept("if", "exists")
    for schema, name in cursor.listed(cursor.table):
        if "redshift_local" in (schema, name):
            raise refused("42501", "permission denied for schema redshift_local")
    cursor.one_of("cascade", "restrict")
    cursor.expect_end()
    return _forward(cursor)


def _alter(cursor: Cursor) -> Statement:
    if not cursor.accept("table"):
        if cursor.accept("schema"):
            cursor.name()
            if cursor.accept("quota"):
                raise unsupported("a QUOTA of a schema")
            return _forward(cursor)
        raise unsupported(f"ALTER {cursor.here.text.upper()}")
    table = cursor.table()
    action = cursor.one_of("add", "drop", "rename", "owner", "alter", "append")
    if not action:
        raise cursor.error()
    return _ALTERS[action](cursor, table)


_Table = tuple[str | None, str]


def _unchanged(cursor: Cursor, table: _Table) -> Forward:
    """The backend finds the table and takes the lock, and has nothing to change."""
    return Forward(f"ALTER TABLE {table_sql(table)} RESET (fillfactor)", cursor.statement)


def _alter_add(cursor: Cursor, table: _Table) -> Statement:
    if cursor.accept("constraint"):
        cursor.name()
    if cursor.accept("primary", "key") or cursor.accept("unique") or cursor.accept("foreign", "key"):
        cursor.names()
        if cursor.accept("references"):
            cursor.table()
            if cursor.peek("("):
                cursor.names()
        cursor.expect_end()
        return _unchanged(cursor, table)
    cursor.accept("column")
    return Forward(add_column(cursor, table), cursor.statement)


def _alter_drop(cursor: Cursor, _: _Table) -> Statement:
    if cursor.accept("constraint"):
        raise unsupported("ALTER TABLE DROP CONSTRAINT", "Keys are not kept here, so there is none to drop.")
    cursor.accept("column")
    cursor.name()
    cursor.one_of("cascade", "restrict")
    cursor.expect_end()
    return _forward(cursor)


def _alter_rename(cursor: Cursor, _: _Table) -> Statement:
    if not cursor.accept("to"):
        cursor.accept("column")
        cursor.name()
        cursor.expect("to")
    cursor.name()
    cursor.expect_end()
    return _forward(cursor)


def _alter_owner(cursor: Cursor, _: _Table) -> Statement:
    cursor.expect("to")
    cursor.name()
    cursor.expect_end()
    return _forward(cursor)


def _alter_alter(cursor: Cursor, table: _Table) -> Statement:
    if cursor.one_of("diststyle", "distkey", "sortkey", "compound", "interleaved", "encode"):
        cursor.rest()
        return _unchanged(cursor, table)
    cursor.accept("column")
    column = cursor.name()
    if cursor.accept("encode"):
        if cursor.take("word") not in ENCODINGS:
            raise refused("42601", "invalid encoding type")
        return _unchanged(cursor, table)
    if not cursor.accept("type"):
        raise cursor.error()
    length = wider_varchar(cursor, table, column)
    return OutsideTransaction(
        f"CALL redshift_local.widen({quoted(table_sql(table))}, {quoted(column)}, {length})", "ALTER TABLE ALTER COLUMN TYPE"
    )


def _alter_append(_: Cursor, __: _Table) -> Statement:
    raise unsupported("ALTER TABLE APPEND", "It commits at once and not with your other changes; INSERT and DELETE in one transaction.")


_ALTERS: dict[str, Callable[[Cursor, _Table], Statement]] = {
    "add": _alter_add,
    "drop": _alter_drop,
    "rename": _alter_rename,
    "owner": _alter_owner,
    "alter": _alter_alter,
    "append": _alter_append,
}


def _comment(cursor: Cursor) -> Statement:
    cursor.expect("on")
    if not cursor.one_of("table", "column", "view", "schema", "database"):
        raise unsupported("COMMENT ON anything but tables, columns, views, schemas and databases")
    return _forward(cursor)


_PRIVILEGES = words("""
    select insert update delete references usage create temp temporary all privileges , ( )
""")


def _grant(cursor: Cursor) -> Statement:
    """GRANT and REVOKE of privileges that PostgreSQL knows by the same name."""
    cursor.accept("grant", "option", "for")
    while not cursor.accept("on"):
        if cursor.here.kind == "end":
            raise unsupported("GRANT and REVOKE of roles")
        if cursor.here.text not in _PRIVILEGES:
            raise unsupported(f"the privilege {cursor.here.text.upper()}")
        cursor.at += 1
    if cursor.here.text in ("function", "procedure", "language", "datashare", "external", "model", "copy", "assumerole", "template"):
        raise unsupported(f"privileges on {cursor.here.text}")
    while cursor.here.kind != "end" and not cursor.one_of("to", "from"):
        cursor.at += 1
    if cursor.peek("role"):
        raise unsupported("roles")
    return _forward(cursor)


def _analyze(cursor: Cursor) -> Statement:
    if cursor.peek("compression"):
        raise unsupported("ANALYZE COMPRESSION")
    verbose = "VERBOSE " if cursor.accept("verbose") else ""
    if cursor.here.kind == "end":
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
    table = f" {table_sql(cursor.table())}" if cursor.here.kind in ("word", "quoted") and not cursor.peek("boost") else ""
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
    tables = cursor.listed(cursor.table)
    if cursor.here.kind != "end":
        raise syntax(cursor.here.text, "Redshift's LOCK has no modes: it is always ACCESS EXCLUSIVE.")
    return Forward("LOCK TABLE " + ", ".join(map(table_sql, tables)), cursor.statement)


def _begin(cursor: Cursor) -> Statement:
    """Every isolation level that SQL names is accepted, and is the cluster's own."""
    if cursor.words[0].text == "start":
        cursor.expect("transaction")
    else:
        cursor.one_of("work", "transaction")
    mode = ""
    while cursor.here.kind != "end":
        if cursor.accept("isolation", "level"):
            if not (cursor.accept("serializable") or cursor.accept("snapshot") or _named_level(cursor)):
                raise cursor.error()
        elif cursor.accept("read"):
            mode = " READ " + (cursor.one_of("write", "only") or cursor.take("string")).upper()
        elif not cursor.accept(","):
            raise cursor.error()
    return TransactionControl(f"BEGIN{mode}", "begin")


def _named_level(cursor: Cursor) -> bool:
    return cursor.accept("read", "committed") or cursor.accept("read", "uncommitted") or cursor.accept("repeatable", "read")


def _commit(cursor: Cursor) -> Statement:
    cursor.one_of("work", "transaction")
    cursor.expect_end()
    return TransactionControl("COMMIT", "commit")


def _rollback(cursor: Cursor) -> Statement:
    cursor.one_of("work", "transaction")
    if cursor.peek("to"):
        raise syntax("to", "Redshift has no savepoints.")
    cursor.expect_end()
    return TransactionControl("ROLLBACK", "rollback")


def _prepare(cursor: Cursor) -> Statement:
    cursor.name()
    if cursor.accept("("):
        while not cursor.accept(")"):
            if cursor.here.kind == "end":
                raise cursor.error()
            cursor.at += 1
    cursor.expect("as")
    return inner_query(cursor, cursor.words[0].start)


def _declare(cursor: Cursor) -> Statement:
    cursor.name()
    cursor.expect("cursor", "for")
    return inner_query(cursor, cursor.words[0].start)


def _fetch(cursor: Cursor) -> Statement:
    if cursor.here.text in ("prior", "first", "last", "absolute", "relative", "backward"):
        raise syntax(cursor.here.text, "Redshift's cursors move forward only.")
    return _forward(cursor)


def _explain(cursor: Cursor) -> Statement:
    if cursor.peek("analyze") or cursor.peek("("):
        raise syntax(cursor.here.text, "Redshift's EXPLAIN takes only VERBOSE.")
    cursor.accept("verbose")
    return inner_query(cursor, cursor.words[0].start)


COMMANDS: dict[str, Callable[[Cursor], Statement]] = {
    "create": _create,
    "drop": _drop,
    "alter": _alter,
    "comment": _comment,
    "grant": _grant,
    "revoke": _grant,
    "analyze": _analyze,
    "analyse": _analyze,
    "vacuum": _vacuum,
    "truncate": _truncate,
    "lock": _lock,
    "begin": _begin,
    "start": _begin,
    "commit": _commit,
    "end": _commit,
    "rollback": _rollback,
    "abort": _rollback,
    "prepare": _prepare,
    "execute": _forward,
    "deallocate": _forward,
    "declare": _declare,
    "fetch": _fetch,
    "close": _forward,
    "explain": _explain,
    "copy": parse_copy,
    "set": set_parameter,
    "reset": set_parameter,
    "show": show_parameter,
}
"""Statements by their first word; each function gets the cursor after that word."""
