"""The proof of one table: its source and its mirror are equal, but for rows in flight. Reads only.

Belongs here: what the command `verify` and the check `source_equals_mirror` both ask. Does not belong here: comparing (`compare`), or what
is done about a difference.
"""

from __future__ import annotations

from collections.abc import Callable

from stori_pipeline.lake import Lake
from stori_pipeline.model.table import Table
from stori_pipeline.readers import Reader
from stori_pipeline.verify.comparables import comparable_source
from stori_pipeline.verify.compare import Comparison, verify
from stori_pipeline.verify.in_flight import keys_in_flight
from stori_pipeline.warehouse import Warehouse


def prove(
    table: Table, reader: Reader, lake: Lake, warehouse: Warehouse, *, settle: Callable[[], None] | None = None, rounds: int = 2
) -> Comparison:
    """Compare a table's source with its mirror. Rows that the source changed after the mirror's batch was read do not count as differing.

    Args:
        settle: waits before the rows that differ are compared again. With it, a row counts as differing only if it differs in every one of
            `rounds` comparisons.
    """
    mirrored = warehouse.ledger(table)  # before the comparison: what is loaded meanwhile is in flight, too
    return verify(
        table,
        comparable_source(reader, lake),
        warehouse,
        in_flight=lambda: keys_in_flight(table, reader, lake, mirrored),
        settle=settle,
        rounds=rounds,
    )
