"""How a table's changes are found: what a definition says to the reader of its source.

Belongs here: those declarations, which are data. Does not belong here: finding changes (`readers`), or making star tables (`pipeline`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date as date_
from datetime import timedelta
from typing import ClassVar


@dataclass(frozen=True)
class Changes:
    """How a table's changes are found. One class for each way; a reader says which of them it can read by."""

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
class Xmin(Changes):
    """Postgres: every row whose inserting transaction was not visible in the last snapshot. Exact; sees no deletes."""


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
class ChangeStream(Changes):
    """MongoDB: a snapshot, then every insert, update, replace and delete in order, by resume token."""

    sees_deletes: ClassVar[bool] = True


@dataclass(frozen=True)
class Queue(Changes):
    """SQS: each message once it is sent, deleted from the queue once it is durable. The source does not keep what it handed over, so the
    lake holds the only copy, and there is nothing to read again."""

    is_replayable: ClassVar[bool] = False


@dataclass(frozen=True)
class Objects(Changes):
    """Files that others drop under `prefix` of a bucket, each read once, and again when it is overwritten.

    `format` is `json` (an array, one object a line, or an object whose `data` holds the array), `csv` or `parquet`; each may be
    gzipped. Empty: by the name's ending.
    """

    prefix: str
    format: str = ""


@dataclass(frozen=True)
class ByDay(Changes):
    """An HTTP API that answers for one day at a time, from the day `start` on; missed days are read when it answers again."""

    start: date_


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
