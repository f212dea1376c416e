"""A full refresh of a source that cannot be replayed: what the lake holds of it, then what is new.

Belongs here: making one reading of the two. Does not belong here: when a full refresh is due (`sync`).

A queue hands each message over once, so the lake holds the only copy of what it gave. A new generation begins with that: with the rows
that landed, and with those in quarantine, which are judged again.
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
from stori_pipeline.readers import Reader

_ROWS_AT_ONCE = 20_000


@runtime_checkable
class ReadsQuarantine(Protocol):
    """A reader that can judge rejected rows again, because quarantine keeps all that it read."""

    def judge_again(self, table: Table, raw: Sequence[str]) -> Chunk:
        """The rows behind these `raw` texts of quarantine, by the table's present definition."""


@dataclass(frozen=True)
class Replay:
    """The rows of a generation, fitted to the table's present definition, followed by a reading.

    Every version of a row is passed on, in order, so memory is bounded and the last version wins as it always does. A column is looked
    for under its own name, then under its `path`; a new column is null. Rows in quarantine come before the other rows of their batch. One
    that still does not fit is rejected again: the new batch has as many rejected rows as the contract is to judge.

    Raises:
        LakeError: while it is iterated, where a row that had landed does not fit the present definition, or where a quarantine is gone:
            no row must get lost.
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
        known = [each for each in self.lake.generation(self.table, self.newest) if each.batch <= self.newest.batch]
        for batches in _split_at_rejected(known):
            if batches[0].rejected:
                yield from self._judged_again(batches[0])
            yield from self._landed(batches)
        yield from self.reading

    def _judged_again(self, batch: Manifest) -> Iterator[Chunk]:
        """The rows that a batch had to reject. A reader that cannot judge them again leaves them rejected."""
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
                    f"{self.table.full_name}: {rejected.num_rows} or more rows that have landed do not fit the table's definition as "
                    f"it is now, and their source does not have them any more; the first: {rejected['reason'][0]}. "
                    "Change the definition so that it takes them too, with a wider column or a nullable one. Nothing was changed"
                )
            yield Chunk(rows, rejected)

    def ack(self) -> None:
        self.reading.ack()


def _split_at_rejected(batches: Iterable[Manifest]) -> Iterator[list[Manifest]]:
    """The batches in order, in groups that can be read at once: one with rejected rows begins a group."""
    group: list[Manifest] = []
    for batch in batches:
        if batch.rejected and group:
            yield group
            group = []
        group.append(batch)
    if group:
        yield group


def _renamed(rows: Iterable[Mapping[str, Any]], names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for row in rows:
        yield {name: row[landed] if landed else None for name, landed in names.items()} | {"_deleted": row["_deleted"]}
