"""The partitions and children that joined a table since a position: their rows are new to it, although nobody wrote them.

Belongs here: finding them. Does not belong here: which rows of other tables are new (`xmin`), or reading them (`reading`).
"""

# The link of a child to its parent is a row of the catalogue, and has the transaction that wrote it. So no list of children must be kept:
# what was attached, exchanged, or detached and attached again after the position is found like any other row. A child that leaves takes its
# rows with it; the detection of deletes finds those.

from __future__ import annotations

import logging

from psycopg2 import extensions

from stori_pipeline.model.table import Table

_log = logging.getLogger(__name__)


def joined(cursor: extensions.cursor, table: Table, oid: int, new: str) -> list[int]:
    """The oids of the tables below `oid` that a transaction attached for which `new` is true.

    Args:
        new: a condition on a row's `xmin` (`xmin.Unseen.filter`).
    """
    cursor.execute(
        f"WITH RECURSIVE links AS (SELECT inhrelid, inhparent, {new} AS is_new FROM pg_inherits),"
        " tree(oid, is_new) AS (SELECT %s::oid, false UNION"
        " SELECT inhrelid, tree.is_new OR links.is_new FROM links JOIN tree ON inhparent = tree.oid)"
        " SELECT DISTINCT tree.oid::bigint, tree.oid::regclass::text FROM tree WHERE is_new ORDER BY 1",
        [oid],
    )
    found = cursor.fetchall()
    if found:
        names = ", ".join(name for _, name in found[:10]) + (f" and {len(found) - 10} more" if len(found) > 10 else "")
        _log.info("%s: %s joined the table since the last reading, and every row of it is read", table.full_name, names)
    return [child for child, _ in found]
