"""What the readings of several kinds of source have in common.

Belongs here: a reading from a position, a reading of one day, and which rows belong to that day. Does not belong here: how a kind finds
its rows (the kind's package), or what a reading is to the lake (`model.reading`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from stori_pipeline.clock import utc_now
from stori_pipeline.imports import later
from stori_pipeline.model.reading import Chunk, Kind, Position
from stori_pipeline.model.table import Table
from stori_pipeline.readers import SourceError

if TYPE_CHECKING:
    import pyarrow as pa
else:
    pa = later("pyarrow")


class ReadingSince:
    """A reading of what changed since a position, or of everything. A kind's own reads the rows, and sets `_until` at their end."""

    def __init__(self, table: Table, since: Position | None) -> None:
        self.kind: Kind = "snapshot" if since is None else "changes"
        self.taken_at = utc_now()
        self._table, self._since = table, since
        self._until: Position | None = None

    @property
    def notes(self) -> Sequence[str]:
        """See `model.reading.HasNotes`. Valid when the stream is exhausted."""
        return ()

    @property
    def until(self) -> Position:
        if self._until is None:
            raise SourceError(f"{self._table.full_name}: the reading has no position before its end; iterate it to its end first")
        return self._until

    def ack(self) -> None:
        """Does nothing: the source keeps no state for a reading."""


class DayReading:
    """The rows of one UTC day again, as changes that do not move the position. A kind's own reads the rows.

    Raises:
        SourceError: nothing has landed yet, or the definition does not say to which day a row belongs.
    """

    kind: Kind = "changes"
    must_land = False
    by_cursor: ClassVar[bool] = True
    """Whether the table's cursor says to which day a row belongs. False where the source is asked by day."""

    def __init__(self, table: Table, since: Position | None, day: date) -> None:
        if self.by_cursor and not table.cursor:
            raise SourceError(
                f"{table.full_name}: its definition names no cursor, so its rows belong to no day; add cursor=… to read days again"
            )
        if since is None:
            raise SourceError(f"{table.full_name}: a day can be read again only after the first snapshot of the table")
        self.taken_at = utc_now()
        self.until: Position = since
        self._table, self._day = table, day

    def ack(self) -> None:
        """Does nothing: the position does not move."""


def row_keys(table: Table, rows: pa.RecordBatch) -> Iterator[tuple[Any, ...]]:
    """The key of each row, as Python has it."""
    return zip(*(rows.column(name).to_pylist() for name in table.key), strict=True)


def versions_of_day(table: Table, day: date, chunks: Callable[[], Iterator[Chunk]]) -> Iterator[Chunk]:
    """Of each key that has a row of that day every version, in order, so that the last one wins. Reads all chunks twice."""
    keys: set[tuple[Any, ...]] = set()
    for chunk in chunks():
        days = (at.date() if isinstance(at, datetime) else at for at in chunk.rows.column(table.cursor).to_pylist())
        keys.update(key for key, of_row in zip(row_keys(table, chunk.rows), days, strict=True) if of_row == day)
    for chunk in chunks():
        kept = pa.array([key in keys for key in row_keys(table, chunk.rows)], pa.bool_())
        if (rows := chunk.rows.filter(kept)).num_rows:
            yield Chunk(rows, chunk.rejected.slice(0, 0))
