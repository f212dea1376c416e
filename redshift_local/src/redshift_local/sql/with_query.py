"""Statements that contain a query: CREATE VIEW, PREPARE, DECLARE and EXPLAIN; and FETCH from a cursor.

Belongs here: the part of the statement before the query. Does not belong here: the query (`queries`), and CREATE TABLE AS (`ddl`).
"""

from __future__ import annotations

from redshift_local.sql.cursor import Cursor
from redshift_local.sql.dialect import parse_tree, render
from redshift_local.sql.plan import Forward, Statement
from redshift_local.sql.queries import rewrite
from redshift_local.sql.refusals import syntax, unsupported

QUERY_WORDS = ("select", "with", "insert", "update", "delete", "merge", "(")


def _inner_query(cursor: Cursor, start: int) -> Forward:
    """Rewrite the query, which begins at the cursor. `start` is the position at which the statement begins."""
    first_word = cursor.current
    if first_word.text not in QUERY_WORDS:
        raise cursor.error()
    rewritten = rewrite(parse_tree(cursor.rest(), cursor.source))
    original = cursor.statement
    if not rewritten.changed:
        return Forward(original, original)
    return Forward(cursor.source[start : first_word.start] + render(rewritten.tree), original)


def create_view(cursor: Cursor) -> Statement:
    if [word.text for word in cursor.words[-4:]] == ["with", "no", "schema", "binding"]:
        raise unsupported("WITH NO SCHEMA BINDING", "PostgreSQL binds a view to its tables when the view is created; leave the clause out.")
    cursor.table()
    if cursor.peek("("):
        cursor.names()
    cursor.expect("as")
    return _inner_query(cursor, cursor.words[0].start)


def prepare(cursor: Cursor) -> Statement:
    cursor.name()
    if cursor.accept("("):
        while not cursor.accept(")"):
            if cursor.current.kind == "end":
                raise cursor.error()
            cursor.position += 1
    cursor.expect("as")
    return _inner_query(cursor, cursor.words[0].start)


def declare(cursor: Cursor) -> Statement:
    cursor.name()
    cursor.expect("cursor", "for")
    return _inner_query(cursor, cursor.words[0].start)


def fetch(cursor: Cursor) -> Statement:
    if cursor.current.text in ("prior", "first", "last", "absolute", "relative", "backward"):
        raise syntax(cursor.current.text, "Redshift's cursors move forward only.")
    return Forward(cursor.folded, cursor.statement)


def explain(cursor: Cursor) -> Statement:
    if cursor.peek("analyze") or cursor.peek("("):
        raise syntax(cursor.current.text, "Redshift's EXPLAIN takes only VERBOSE.")
    cursor.accept("verbose")
    return _inner_query(cursor, cursor.words[0].start)
