"""A snapshot of a source that forgets: what the lake has of it, and then what is new.

Belongs here: making such a reading of two. Does not belong here: when one is due (`sync`).

A queue hands each message over once. So the lake holds the only copy of what has landed, and a new generation, be it that its record has
changed or that somebody asked for one, begins with those rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from stori_pipeline.contract import conform
from stori_pipeline.lake import Lake, LakeError, Manifest
from stori_pipeline.readers import Chunk, Kind, Position, Reading
from stori_pipeline.spec import Queue, Table

_ROWS_AT_ONCE = 20_000


def forgets(table: Table) -> bool:
    """Whether the table's source hands each row over only once."""
    return isinstance(table.changes, Queue)


@dataclass(frozen=True)
class Carrying:
    """The rows of a generation, fitted to the present record, followed by a reading.

    Every version is carried, in order, so that memory is bounded: which one counts is settled where it always is. A column is looked for
    under its own name, then under its `path`; a new one is null.

    Raises:
        LakeError: on the way, where a row does not fit the present record: it must not get lost.
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
        there = landed.collect_schema().names()
        names = {c.name: next((n for n in (c.name, c.source_path) if n in there), "") for c in self.table.columns}
        for part in landed.collect_batches(chunk_size=_ROWS_AT_ONCE, maintain_order=True):
            rows, rejected = conform(self.table, _renamed(part.iter_rows(named=True), names))
            if rejected.num_rows:
                raise LakeError(
                    f"{self.table.full_name}: {rejected.num_rows} or more rows that have landed do not fit the record as it is now, and "
                    f"their source has forgotten them; the first: {rejected['reason'][0]}. Let the record take them too, with a wider "
                    "column or a nullable one. Nothing was changed"
                )
            yield Chunk(rows, rejected)
        yield from self.reading

    def ack(self) -> None:
        self.reading.ack()


def _renamed(rows: Iterable[Mapping[str, Any]], names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for row in rows:
        yield {name: row[there] if there else None for name, there in names.items()} | {"_deleted": row["_deleted"]}
