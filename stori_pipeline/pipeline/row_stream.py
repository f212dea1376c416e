"""Rows on their way to the lake: a reading, and the batch that it becomes.

Belongs here: landing a stream of rows, wherever it comes from. Does not belong here: where it comes from: a source (`sync`), or other
tables (`derive`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain

from stori_pipeline.lake import Lake, Manifest
from stori_pipeline.model.reading import Chunk, Reading
from stori_pipeline.model.table import Table

Progress = Callable[[int], None]
"""Told how many rows were read since it was told last."""


def ignore(_: int) -> None:
    return None


@dataclass(frozen=True)
class Landed:
    """What a landing did.

    `manifest` is the batch that it landed, None where there was nothing new. `newest` is the table's newest batch by now.
    `full_refresh_reason` says why all rows were read; empty where only changes were.
    """

    manifest: Manifest | None
    newest: Manifest | None
    full_refresh_reason: str = ""


class RowStream:
    """Rows to be landed as one batch of a table, after its newest one.

    The beginning of the reading is read at once. So it is known whether there is anything to land, and as which batch.
    """

    def __init__(
        self, table: Table, lake: Lake, newest: Manifest | None, reading: Reading | None = None, *, full_refresh_reason: str = ""
    ) -> None:
        self.table = table
        self.newest = newest
        self.reading: Reading | None = None
        self.landed: Manifest | None = None
        """The batch that the rows became; None before, and where there was nothing to land."""
        self.full_refresh_reason = full_refresh_reason
        """Why all rows are read; empty where only changes are."""
        self.first: Chunk | None = None
        """The first chunk that holds anything, None where none does."""
        self._lake = lake
        if reading:
            self.begin(reading)

    def begin(self, reading: Reading) -> None:
        self.reading = reading
        self._chunks = iter(reading)
        self.first = next((chunk for chunk in self._chunks if chunk.rows.num_rows or chunk.rejected.num_rows), None)
        self._order = self._lake.next_order(reading.kind, self.newest)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to land, not even a new position."""
        if self.reading is None:
            return True
        return self.first is None and self.reading.kind == "changes" and not self.reading.must_land

    @property
    def newest_order(self) -> tuple[int, int] | None:
        """The (generation, batch) of the table's newest batch once these rows have landed; None where it has none."""
        return self._order if not self.is_empty else self.newest.order if self.newest else None

    def land(self, *, run_id: str, progress: Progress = ignore) -> Landed:
        """Land the rows as one batch. Errors are those of `Lake.land`, and what the reading raises: then nothing has landed."""
        if self.reading is not None:
            chunks = chain([self.first] if self.first else [], self._chunks)
            self.landed = self._lake.land(
                self.table, self.reading, newest=self.newest, order=self._order, chunks=chunks, run_id=run_id, progress=progress
            )
        return Landed(self.landed, self.landed or self.newest, self.full_refresh_reason)
