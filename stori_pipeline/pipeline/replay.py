"""A full refresh of a source that cannot be replayed: the rows in the lake, then the new rows.

Belongs here: one reading of both. A queue delivers each message once, so the lake has the only copy, and a new generation begins with it:
with the landed rows, and with the rows in quarantine, which are judged again. Does not belong here: when a full refresh is needed (`sync`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from stori_pipeline.contract import REJECTED, conform
from stori_pipeline.lake import Lake, LakeError, Manifest
from stori_pipeline.model.reading import Chunk, Kind, Position, Reading
from stori_pipeline.model.table import Table
from stori_pipeline.pipeline.batch_runs import runs
from stori_pipeline.readers import Reader

_ROWS_AT_ONCE = 20_000


@runtime_checkable
class ReadsQuarantine(Protocol):
    """A reader that can judge rejected rows again, because quarantine has everything that it read of them."""

    def judge_again(self, table: Table, raw: Sequence[str]) -> Chunk:
        """The rows of these `raw` texts from quarantine, judged by the table's present definition."""


@dataclass(frozen=True)
class Replay:
    """The rows of a generation, converted to the table's present definition, followed by a reading.

    Yields every version of each row, in order, so memory is bounded and the last version wins. A column is found by its name, else by its
    `path`; a new column is null. Rows in quarantine come before the other rows of their batch. Those that still do not fit are rejected
    again, so the gate counts them in the new batch.

    Raises:
        LakeError: during iteration, if a landed row does not fit the present definition, or a quarantine file is gone: rows would be lost.
    """

    table: Table
    reader: Reader
    lake: Lake
    newest: Manifest
    reading: Reading
    kind: Kind = "snapshot"
    must_land: bool = True

    @property
    def taken_at(self) -> datetime:
        return self.reading.taken_at

    @property
    def until(self) -> Position:
        return self.reading.until

    def __iter__(self) -> Iterator[Chunk]:
        generation = [each for each in self.lake.generation(self.table, self.newest) if each.batch <= self.newest.batch]
        for batches in runs(generation, lambda batch: batch.rejected > 0 or batch.kind == "columns"):
            if batches[0].rejected:
                yield from self._judged_again(batches[0])
            # A batch of the kind `columns` has no rows here: the source has no values for columns that are new.
            yield from self._landed(batches)
        yield from self.reading

    def _judged_again(self, batch: Manifest) -> Iterator[Chunk]:
        """The rejected rows of a batch. If the reader cannot judge them again, they stay rejected."""
        for part in self.lake.quarantined(self.table, batch).collect_batches(chunk_size=_ROWS_AT_ONCE, maintain_order=True):
            if isinstance(self.reader, ReadsQuarantine):
                yield self.reader.judge_again(self.table, part["raw"].to_list())
            else:
                (none, _) = conform(self.table, [])
                yield from (Chunk(none, rejected) for rejected in part.to_arrow().cast(REJECTED).to_batches())

    def _landed(self, batches: Sequence[Manifest]) -> Iterator[Chunk]:
        if not any(each.parts for each in batches):
            return
        landed = self.lake.as_landed(self.table, *batches)
        landed_names = landed.collect_schema().names()
        names = {c.name: next((n for n in (c.name, c.source_path) if n in landed_names), "") for c in self.table.columns}
        for part in landed.collect_batches(chunk_size=_ROWS_AT_ONCE, maintain_order=True):
            rows, rejected = conform(self.table, _renamed(part.iter_rows(named=True), names))
            if rejected.num_rows:
                raise LakeError(
                    f"{self.table.full_name}: {rejected.num_rows} or more landed rows do not fit the table's present definition, and the "
                    f"source does not have them any more; the first: {rejected['reason'][0]}. "
                    "Change the definition so that they fit, with a wider column or a nullable one. Nothing was changed"
                )
            yield Chunk(rows, rejected)

    def ack(self) -> None:
        self.reading.ack()


def _renamed(rows: Iterable[Mapping[str, Any]], names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for row in rows:
        yield {name: row[landed] if landed else None for name, landed in names.items()} | {"_deleted": row["_deleted"]}
