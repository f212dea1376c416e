"""A full refresh of a source that cannot be replayed: the rows in the lake, then the new rows.

Belongs here: one reading of both. A queue delivers each message once, so the lake has the only copy, and a new generation begins with it:
with the landed rows, and with the rows in quarantine, which are judged again. Does not belong here: when a full refresh is needed (`sync`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from stori_pipeline.contract import conform
from stori_pipeline.lake import Lake, LakeError, Manifest
from stori_pipeline.lake.quarantine import RejectedBatch, open_rows, with_decisions
from stori_pipeline.model.reading import Chunk, Kind, Position, Reading
from stori_pipeline.model.table import Table
from stori_pipeline.pipeline.batch_runs import runs
from stori_pipeline.readers import Reader
from stori_pipeline.readers.quarantined import ReadsQuarantine, refused_rows

_ROWS_AT_ONCE = 20_000


@dataclass(frozen=True)
class Replay:
    """The rows of a generation, converted to the table's present definition, followed by a reading.

    Yields every version of each row, in order, so memory is bounded and the last version wins. A column is found by its name, else by its
    `path`; a new column is null. Open rows in quarantine come before the other rows of their batch. Those that still do not fit are
    rejected again, so the gate counts them in the new batch. Rows that were decided are left out: replayed ones have landed.

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
        rejected = with_decisions(generation, [decision for each in generation for decision in each.decisions])
        open_batches = {each.manifest.batch: each for each in rejected if each.open}
        for batches in runs(generation, lambda batch: batch.batch in open_batches or batch.kind == "columns"):
            if batches[0].batch in open_batches:
                yield from self._judged_again(open_batches[batches[0].batch])
            # A batch of the kind `columns` has no rows here: the source has no values for columns that are new.
            yield from self._landed(batches)
        yield from self.reading

    def _judged_again(self, batch: RejectedBatch) -> Iterator[Chunk]:
        """The open rejected rows of a batch. If the reader cannot read them again, they stay rejected."""
        for part in open_rows(self.lake, self.table, batch).collect_batches(chunk_size=_ROWS_AT_ONCE, maintain_order=True):
            refused = refused_rows(part.iter_rows(named=True))
            if isinstance(self.reader, ReadsQuarantine):
                again = self.reader.rows_again(self.table, refused, self.newest.until)
                yield Chunk(*conform(self.table, (row for rows in again for row in rows)))
            else:
                yield Chunk(*conform(self.table, refused))

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
