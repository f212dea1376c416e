"""BEGIN, COMMIT and ROLLBACK, and their synonyms.

Belongs here: parsing them. Does not belong here: their effect on a session (`proxy.execution`).
"""

from __future__ import annotations

from redshift_local.sql.cursor import Cursor
from redshift_local.sql.plan import Statement, TransactionControl
from redshift_local.sql.refusals import syntax


def begin(cursor: Cursor) -> Statement:
    """BEGIN or START TRANSACTION. Every isolation level of the SQL standard is accepted, and has no effect, as on a cluster."""
    if cursor.words[0].text == "start":
        cursor.expect("transaction")
    else:
        cursor.one_of("work", "transaction")
    mode = ""
    while cursor.current.kind != "end":
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


def commit(cursor: Cursor) -> Statement:
    cursor.one_of("work", "transaction")
    cursor.expect_end()
    return TransactionControl("COMMIT", "commit")


def rollback(cursor: Cursor) -> Statement:
    cursor.one_of("work", "transaction")
    if cursor.peek("to"):
        raise syntax("to", "Redshift has no savepoints.")
    cursor.expect_end()
    return TransactionControl("ROLLBACK", "rollback")
