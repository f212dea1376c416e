"""A reading: the rows that changed in a source since a position, as a stream.

Belongs here: what readers yield and the lake writes; neither imports the other. Does not belong here: reading (`readers`), or landing
(`lake`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from stori_pipeline.imports import later

if TYPE_CHECKING:
    import pyarrow as pa
else:
    pa = later("pyarrow")


Position = Mapping[str, Any]
"""How far a reading got: JSON that only its reader understands. It is kept in the batch's manifest and nowhere else."""

Kind = Literal["snapshot", "changes", "columns"]
"""`snapshot`: all rows of the table. `changes`: the rows that changed since a position. `columns`: keys, and the values of columns that are
new in the definition; it adds no row. No reader yields it."""


@dataclass(frozen=True)
class Chunk:
    """A bounded piece of a reading.

    `rows` has `table.read_schema`; `rejected` has `contract.rejected_schema` and holds the rows that break the table's definition.
    Every source row is in exactly one of the two.
    """

    rows: pa.RecordBatch
    rejected: pa.RecordBatch

    def only(self, keep: pa.Array) -> Chunk:
        """The chunk with those of its rows for which the mask `keep` is true, and all its rejected rows."""
        import pyarrow.compute as pc  # not needed to list manifests

        index = self.rejected.schema.get_field_index("seq")
        if not self.rejected.num_rows or index < 0:
            return Chunk(self.rows.filter(keep), self.rejected)
        before = pa.concat_arrays([pa.array([0]), pc.cumulative_sum(keep.cast(pa.int64()))])
        places = before.take(self.rejected.column(index))
        return Chunk(self.rows.filter(keep), self.rejected.set_column(index, self.rejected.schema.field(index), places))


@runtime_checkable
class HasNotes(Protocol):
    """A reading that can say what is neither a row nor a rejected row, and no error either."""

    @property
    def notes(self) -> Sequence[str]:
        """Sentences for a person, such as that no file is in the folder yet. Valid when the stream is exhausted."""


class Reading(Protocol):
    """All rows that changed since a position, from one consistent snapshot, as a stream.

    Iterate it once, to its end; `until` is valid only then. If a key occurs twice, the later row wins.
    """

    @property
    def kind(self) -> Kind: ...

    @property
    def taken_at(self) -> datetime:
        """When the source's snapshot was taken, in UTC."""

    @property
    def until(self) -> Position:
        """The position after this reading. Valid when the stream is exhausted."""

    @property
    def must_land(self) -> bool:
        """Whether to land a batch without rows, because the old position will soon be too old to read from, or does not know a part that
        joined the table."""

    def __iter__(self) -> Iterator[Chunk]: ...

    def ack(self) -> None:
        """Tells the source that everything up to `until` is durable. Call it after the manifest is written; it may be called again."""


@runtime_checkable
class NamesWhatJoined(Protocol):
    """A reading of changes that may also hold every row of some parts of the table, because these joined it since the position."""

    @property
    def joined(self) -> str:
        """The names of these parts; "" if there is none."""
