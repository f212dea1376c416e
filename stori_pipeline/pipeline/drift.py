"""Schema drift: columns that a source has and the table's definition does not name.

Belongs here: asking the reader, and the position where the reader keeps what has passed. Does not belong here: showing it (`defs`).
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from stori_pipeline.lake import Lake
from stori_pipeline.model.reading import Position
from stori_pipeline.model.table import Table
from stori_pipeline.readers import Reader


@runtime_checkable
class RemembersDrift(Protocol):
    """A reader whose positions say which columns the rows had that were read, since the source no longer shows them."""

    def past_drift(self, table: Table, since: Position) -> list[str]:
        """Like `Reader.drift`, of the rows that were read up to a position."""


def drift(table: Table, reader: Reader, lake: Lake) -> list[str]:
    """A line for each column of the source that the definition does not name: those that the source has now, and those of rows that it
    has handed over."""
    newest = lake.newest(table) if isinstance(reader, RemembersDrift) else None
    past = reader.past_drift(table, newest.until) if isinstance(reader, RemembersDrift) and newest else []
    return sorted({*reader.drift(table), *past})
