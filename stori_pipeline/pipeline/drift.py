"""Schema drift of a table: how its source and its definition differ.

Belongs here: getting them from the reader, for present rows and for rows that were read. Does not belong here: showing them (`defs`).
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from stori_pipeline.lake import Lake
from stori_pipeline.model.drift import Drift
from stori_pipeline.model.reading import Position
from stori_pipeline.model.table import Table
from stori_pipeline.readers import Reader


@runtime_checkable
class RemembersDrift(Protocol):
    """A reader that can report the drift of rows which the source no longer has, from a position."""

    def past_drift(self, table: Table, since: Position) -> list[Drift]:
        """Like `Reader.drift`, for the rows that were read up to a position."""


def drift(table: Table, reader: Reader, lake: Lake) -> list[Drift]:
    """Each difference, errors first, in rows that the source has now or that were read."""
    newest = lake.newest(table) if isinstance(reader, RemembersDrift) else None
    past = reader.past_drift(table, newest.until) if isinstance(reader, RemembersDrift) and newest else []
    return sorted({*reader.drift(table), *past}, key=lambda each: (not each.is_error, each))
