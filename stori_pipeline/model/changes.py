"""How a table's changes are found: what a definition says to the reader of its source.

Belongs here: what every such declaration says, those that several kinds of source share, and those of star tables. Does not belong here:
a kind's own (the kind's package in `readers` declares it), or finding changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar


@dataclass(frozen=True)
class Changes:
    """How a table's changes are found. One class for each way, by which some kinds of source can be read (`readers.SourceKind.CHANGES`).

    What follows from a way is a property here, so that nobody needs to know the ways one by one.
    """

    is_replayable: ClassVar[bool] = True
    """Whether the source still has what it has handed over, so that a full refresh can read it again."""
    sees_deletes: ClassVar[bool] = False
    """Whether a row that the source deleted comes as a deleted row."""
    is_derived: ClassVar[bool] = False
    """Whether the table is made from other tables instead of being read from a source."""

    @property
    def roles(self) -> dict[str, tuple[str, ...]]:
        """Columns of the table that this names, by what they are called in an error."""
        return {}


@dataclass(frozen=True)
class Cursor(Changes):
    """Rows whose `column` is at or after the last bound. For sources that keep no better trace of change.

    `lag` is how far behind "now" the bound stays where transactions in flight cannot be seen.
    """

    column: str
    lag: timedelta = timedelta(minutes=5)

    @property
    def roles(self) -> dict[str, tuple[str, ...]]:
        return {"Cursor": (self.column,)}


@dataclass(frozen=True)
class Rebuilt(Changes):
    """A star table that holds the present only: made whole from its inputs, and landed where that differs from what it was."""

    is_derived: ClassVar[bool] = True


@dataclass(frozen=True)
class History(Changes):
    """A star table that keeps every version of each row of its input. `of` are the columns that identify such a row; the record's key
    is the version's own number. `_observed_at` is when the source was seen so; `_removed` marks the version that says it is gone."""

    of: tuple[str, ...]
    is_derived: ClassVar[bool] = True

    @property
    def roles(self) -> dict[str, tuple[str, ...]]:
        return {"History": self.of}
