"""Schema drift: columns that a source has and the table's definition does not name.

Belongs here: getting them from the reader, for present rows and for rows that were read. Does not belong here: showing them (`defs`).
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from stori_pipeline.lake import Lake
from stori_pipeline.model.reading import Position
from stori_pipeline.model.table import Table
from stori_pipeline.readers import Reader


@runtime_checkable
class RemembersDrift(Protocol):
    """A reader that can report the drift of rows which the source no longer has, from a position."""

    def past_drift(self, table: Table, since: Position) -> list[str]:
        """Like `Reader.drift`, for the rows that were read up to a position."""


def drift(table: Table, reader: Reader, lake: Lake) -> list[str]:
    """A line for each source column that the definition does not name, in rows that the source has now or that were read."""
    newest = lake.newest(table) if isinstance(reader, RemembersDrift) else None
    past = reader.past_drift(table, newest.until) if isinstance(reader, RemembersDrift) and newest else []
    return sorted({*reader.drift(table), *past})
