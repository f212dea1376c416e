"""Change strategies: how a definition tells the reader to find a table's changes.

Belongs here: the base class, the strategies that several kinds of source share, and those of star tables. Does not belong here: the
strategies of one kind of source (its package in `readers`), or finding changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar


@dataclass(frozen=True)
class Changes:
    """A change strategy. `readers.SourceKind.CHANGES` lists the strategies of a kind of source.

    What follows from a strategy is an attribute here, so that callers need not know the strategies one by one.
    """

    is_replayable: ClassVar[bool] = True
    """Whether the source keeps the rows that it has delivered, so that a full refresh can read them again."""
    sees_deletes: ClassVar[bool] = False
    """Whether the reader yields a deleted row for each row that the source deleted."""
    reads_whole: ClassVar[bool] = False
    """Whether a reading gives all rows, as a snapshot, if any row has changed."""
    is_derived: ClassVar[bool] = False
    """Whether the table is computed from other tables instead of read from a source."""

    @property
    def roles(self) -> dict[str, tuple[str, ...]]:
        """The columns of the table that the strategy names, by the name of their role in an error."""
        return {}


@dataclass(frozen=True)
class Cursor(Changes):
    """Reads the rows whose `column` is at or after the last bound. For sources that record changes in no better way.

    `lag` is how far the bound stays behind the present if the reader cannot see transactions in flight.
    """

    column: str
    lag: timedelta = timedelta(minutes=5)

    @property
    def roles(self) -> dict[str, tuple[str, ...]]:
        return {"Cursor": (self.column,)}


@dataclass(frozen=True)
class Rebuilt(Changes):
    """A star table that holds the present only: computed in full from its inputs; the rows that differ from the last result are landed."""

    is_derived: ClassVar[bool] = True


@dataclass(frozen=True)
class History(Changes):
    """A star table that keeps every version of each row of its input.

    `of` are the columns that identify a row of the input; the table's key is the version's number. `_observed_at` is when the version was
    first seen in the source; `_removed` marks a version which says that the source no longer has the row.
    """

    of: tuple[str, ...]
    is_derived: ClassVar[bool] = True

    @property
    def roles(self) -> dict[str, tuple[str, ...]]:
        return {"History": self.of}
