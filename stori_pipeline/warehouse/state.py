"""What the warehouse has now, in one session: how far each mirror is loaded, which relations exist, and from what the reports were made.

Belongs here: reading it. Does not belong here: what follows from it (`pipeline`).
"""

from __future__ import annotations

from typing import NamedTuple

from stori_pipeline.warehouse import dialect
from stori_pipeline.warehouse.session import Warehouse


class State(NamedTuple):
    """What the warehouse has.

    Attributes:
        loads: of each mirror, the generation, the batch and the batch's id up to which it is loaded.
        relations: full names of the tables and views.
        comments: of each table and view with a comment, the comment. That of a report says what it was made from.
    """

    loads: dict[str, tuple[int, int, str]]
    relations: frozenset[str]
    comments: dict[str, str]


def state_of(warehouse: Warehouse) -> State:
    """
    Raises:
        WarehouseUnavailable: the warehouse cannot be reached.
        WarehouseError: it has no ledger, or one of an earlier version, which kept no ids.
    """
    with warehouse.session("state of the warehouse") as connection, connection.cursor() as cursor:
        cursor.execute(dialect.select_newest_loads(has_ids=True))
        loads = {name: (int(generation), int(batch), str(id or "")) for name, generation, batch, _, id, *_ in cursor.fetchall()}
        cursor.execute(dialect.SELECT_COMMENTS)
        relations = {f"{schema}.{name}": comment for schema, name, comment in cursor.fetchall()}
    return State(loads, frozenset(relations), {name: comment for name, comment in relations.items() if comment})
