"""A reading, read to its end, for tests of small tables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from stori_pipeline.model.reading import Kind, Position
from stori_pipeline.model.table import Table
from stori_pipeline.readers import Reader


@dataclass(frozen=True)
class Drained:
    """`rows` and `rejected` as Arrow gives them to Python, in the order they came."""

    kind: Kind
    rows: list[dict[str, Any]]
    rejected: list[dict[str, Any]]
    until: Position
    must_land: bool

    def values(self, name: str) -> list[Any]:
        """One column of the rows, sorted: tables have no order."""
        return sorted(row[name] for row in self.rows)


def drained(reader: Reader, table: Table, since: Position | None = None, *, day: date | None = None) -> Drained:
    with reader.read(table, since, day=day) as reading:
        chunks = list(reading)
        for chunk in chunks:
            assert chunk.rows.schema == table.read_schema
        result = Drained(
            reading.kind,
            [row for chunk in chunks for row in chunk.rows.to_pylist()],
            [row for chunk in chunks for row in chunk.rejected.to_pylist()],
            reading.until,
            reading.must_land,
        )
        reading.ack()
    return result


def mirrored(column: str, *readings: Drained) -> dict[Any, Any]:
    """What a mirror holds after these readings: that column's value of each row by its `id`. The last version of a key counts."""
    state: dict[Any, Any] = {}
    for reading in readings:
        if reading.kind == "snapshot":
            state.clear()
        for row in reading.rows:
            state.pop(row["id"], None)
            if not row["_deleted"]:
                state[row["id"]] = row[column]
    return state
