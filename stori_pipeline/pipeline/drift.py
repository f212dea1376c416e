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
    """A reader of a source that cannot be replayed. It keeps in its position the columns that it met and the definition does not name."""

    def noticed(self, table: Table, since: Position) -> list[str]: ...


def drift(table: Table, reader: Reader, lake: Lake) -> list[str]:
    """A line for each column of the source that the definition does not name: those that the source has now, and those of rows that it
    has handed over."""
    newest = lake.newest(table) if isinstance(reader, RemembersDrift) else None
    noticed = reader.noticed(table, newest.until) if isinstance(reader, RemembersDrift) and newest else []
    return sorted({*reader.drift(table), *noticed})
