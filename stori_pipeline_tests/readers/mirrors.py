"""What the mirror of a Postgres table would hold after several readings, without a warehouse.

Belongs here: merging readings, and comparing with the source. Does not belong here: what happens to the source (the tests).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from stori_pipeline.model.changes import Changes
from stori_pipeline.model.reading import Position
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.readers import PositionLost
from stori_pipeline.readers.postgres import Xmin
from stori_pipeline.readers.postgres.reader import PostgresReader
from stori_pipeline_tests.conftest import SourceDatabase
from stori_pipeline_tests.readers.drained import Drained, drained

SOURCE = Source(name="shop", kind="postgres", description="A shop.")


@dataclass
class Mirror:
    """What a mirror would hold, by the key's texts."""

    reader: PostgresReader
    table: Table
    rows: dict[tuple[Any, ...], dict[str, Any]] = field(default_factory=dict)
    position: Position | None = None
    lost: str = ""
    """Why the last reading was a new generation."""

    def read(self) -> Drained:
        try:
            self.lost = ""
            reading = drained(self.reader, self.table, self.position)
        except PositionLost as lost:
            self.lost = str(lost)
            reading = drained(self.reader, self.table)
        if reading.kind == "snapshot":
            self.rows.clear()
        self.rows |= {self.key_of(row): row for row in reading.rows}
        if reading.rows or reading.must_land or self.position is None:
            self.position = reading.until
        return reading

    def is_complete(self) -> bool:
        """Whether it has every row of the source as it is now; the rows that are deleted in the source are detected otherwise."""
        now = {self.key_of(row): row for row in drained(self.reader, self.table).rows}
        complete = {key: self.rows.get(key) for key in now} == now
        self.rows = {key: row for key, row in self.rows.items() if key in now}
        return complete

    def key_of(self, row: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(row[name] for name in self.table.key)


def mirror(database: SourceDatabase, columns: tuple[Column, ...], key: tuple[str, ...] = ("id",), changes: Changes | None = None) -> Mirror:
    """The mirror of a table `items` in that database, of which nothing is read yet."""
    return Mirror(PostgresReader(database.reader_url), Table(SOURCE, "items", columns, key, changes or Xmin()))
