"""The partitions and children that joined a table since a position: their rows are new to it, although nobody wrote them.

Belongs here: finding them. Does not belong here: which rows of other tables are new (`xmin`), or reading them (`reading`).
"""

# The link of a child to its parent is a row of the catalogue, and has the transaction that wrote it. So no list of children must be kept:
# what was attached, exchanged, or detached and attached again after the position is found like any other row. A child that leaves takes its
# rows with it; the detection of deletes finds those.

from __future__ import annotations

from collections.abc import Collection

from psycopg2 import extensions

_SHOWN = 10


def joined(cursor: extensions.cursor, oid: int, new: str) -> dict[int, str]:
    """The tables below `oid` that a transaction attached for which `new` is true: their names by their oids.

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
    return dict(cursor.fetchall())


def shown(names: Collection[str]) -> str:
    """The first of the names, and how many more there are; "" if there is none."""
    return ", ".join([*names][:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
