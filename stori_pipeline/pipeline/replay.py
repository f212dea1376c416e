"""A full refresh of a source that cannot be replayed: the rows in the lake, then the new rows.

Belongs here: one reading of both. A queue delivers each message once, so the lake has the only copy of landed rows, and a new generation
begins with them. Does not belong here: when a full refresh is needed (`sync`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from stori_pipeline.contract import conform
from stori_pipeline.lake import Lake, LakeError, Manifest
from stori_pipeline.model.reading import Chunk, Kind, Position, Reading
from stori_pipeline.model.table import Table

_ROWS_AT_ONCE = 20_000


@dataclass(frozen=True)
class Replay:
    """The rows of a generation, converted to the table's present definition, followed by a reading.

    Yields every version of each row, in order, so memory is bounded and the last version wins. A column is found by its name, else by its
    `path`; a new column is null.

    Raises:
        LakeError: during iteration, if a landed row does not fit the present definition; it would be lost.
    """

    table: Table
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
        landed = self.lake.as_landed(self.table, self.newest)
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
        yield from self.reading

    def ack(self) -> None:
        self.reading.ack()


def _renamed(rows: Iterable[Mapping[str, Any]], names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for row in rows:
        yield {name: row[landed] if landed else None for name, landed in names.items()} | {"_deleted": row["_deleted"]}
