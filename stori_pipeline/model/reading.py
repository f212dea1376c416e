"""A reading: the rows that a source has changed since a position, as a stream.

Belongs here: what readers yield and the lake takes; those two know nothing of each other. Does not belong here: reading (`readers`), or
landing (`lake`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

import pyarrow as pa

Position = Mapping[str, Any]
"""How far a reading got: JSON that only the reader that wrote it understands. It is kept in the batch's manifest and nowhere else."""

Kind = Literal["snapshot", "changes"]
"""`snapshot`: all rows of the table. `changes`: the rows that changed since a position."""


@dataclass(frozen=True)
class Chunk:
    """A bounded piece of a reading.

    `rows` has `table.read_schema`; `rejected` has `contract.REJECTED` and holds the rows that break the table's definition.
    Every source row is in exactly one of the two.
    """

    rows: pa.RecordBatch
    rejected: pa.RecordBatch


class Reading(Protocol):
    """All rows changed since a position, in one consistent snapshot, as a stream.

    Iterate it once, to its end; only then is `until` the position that was reached. A later chunk holds later versions: where
    a key occurs twice, the row that comes last wins.
    """

    @property
    def kind(self) -> Kind: ...

    @property
    def taken_at(self) -> datetime:
        """When the source's snapshot was taken, in UTC."""

    @property
    def until(self) -> Position:
        """The position after this reading. Valid once the stream is exhausted."""

    @property
    def must_land(self) -> bool:
        """Whether `until` must be kept although no row came, because the old position would soon be too old."""

    def __iter__(self) -> Iterator[Chunk]: ...

    def ack(self) -> None:
        """Tell the source that everything up to `until` is durable. Called after the manifest is written; may be repeated."""
