"""ALTER TABLE, and ALTER SCHEMA.

Belongs here: one function for each action. Does not belong here: the column of ADD and the type of ALTER COLUMN (`ddl`).
"""

from __future__ import annotations

from collections.abc import Callable

from redshift_local.sql.cursor import Cursor, table_sql
from redshift_local.sql.ddl import ENCODINGS, add_column, wider_varchar
from redshift_local.sql.dialect import quoted
from redshift_local.sql.plan import Forward, OutsideTransaction, Statement
from redshift_local.sql.refusals import refused, unsupported

_Table = tuple[str | None, str]


def alter(cursor: Cursor) -> Statement:
    if not cursor.accept("table"):
        if cursor.accept("schema"):
            cursor.name()
            if cursor.accept("quota"):
                raise unsupported("QUOTA of a schema")
            return Forward(cursor.folded, cursor.statement)
        raise unsupported(f"ALTER {cursor.current.text.upper()}")
    table = cursor.table()
    action = cursor.one_of("add", "drop", "rename", "owner", "alter", "append")
    if not action:
        raise cursor.error()
    return _ALTERS[action](cursor, table)


def _unchanged(cursor: Cursor, table: _Table) -> Forward:
    """A statement that changes nothing. The backend checks that the table exists, and locks it."""
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
        raise unsupported("ALTER TABLE DROP CONSTRAINT", "The local Redshift does not store keys, so there is none to drop.")
    cursor.accept("column")
    cursor.name()
    cursor.one_of("cascade", "restrict")
    cursor.expect_end()
    return Forward(cursor.folded, cursor.statement)


def _alter_rename(cursor: Cursor, _: _Table) -> Statement:
    if not cursor.accept("to"):
        cursor.accept("column")
        cursor.name()
        cursor.expect("to")
    cursor.name()
    cursor.expect_end()
    return Forward(cursor.folded, cursor.statement)


def _alter_owner(cursor: Cursor, _: _Table) -> Statement:
    cursor.expect("to")
    cursor.name()
    cursor.expect_end()
    return Forward(cursor.folded, cursor.statement)


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
    raise unsupported("ALTER TABLE APPEND", "Use INSERT and DELETE in one transaction; APPEND would commit separately.")


_ALTERS: dict[str, Callable[[Cursor, _Table], Statement]] = {
    "add": _alter_add,
    "drop": _alter_drop,
    "rename": _alter_rename,
    "owner": _alter_owner,
    "alter": _alter_alter,
    "append": _alter_append,
}
