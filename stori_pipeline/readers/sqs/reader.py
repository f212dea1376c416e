"""The reader of SQS.

Belongs here: what can be asked of a queue. Does not belong here: how it is answered (`reading`, `messages`, `sampling`, `connection`).
A queue has no rows to compare a mirror with, so this reader is no `Comparable`: the mirror is compared with the lake.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date

from stori_pipeline.contract import conform
from stori_pipeline.model.reading import Chunk, Position, Reading
from stori_pipeline.model.table import Table
from stori_pipeline.readers import SourceError, changes_of
from stori_pipeline.readers.sqs import CHANGES, messages, sampling
from stori_pipeline.readers.sqs.connection import Connection, opened
from stori_pipeline.readers.sqs.reading import Limits, QueueReading, received, unmapped_at

_ASKED_AGAIN = 60
"""After so many seconds a queue in which messages wait looks changed, whatever their number: a reading may have failed."""


class SqsReader:
    """Reads a standard queue into one table. See `readers.Reader`. Credentials come from the ordinary environment of AWS, as does the
    region where the address does not name it.

    A message is deleted only when its row, in the lake or in quarantine, is durable. One that is handed over again becomes the same row
    again, by its key; so a message with a key that came before is the same event, of which the copy that is read last is kept.
    """

    def __init__(self, url: str, limits: Limits | None = None) -> None:
        self._url = url
        self._limits = limits or Limits()

    def __repr__(self) -> str:
        return "SqsReader(…)"

    def _opened(self, table: Table) -> Connection:
        changes_of(table, CHANGES)
        return opened(self._url, table.full_name, table.source.name)

    def head(self, table: Table, since: Position | None) -> str:
        waiting = self._opened(table).waiting()
        # The number alone may come back to what it was; what has been read in between does not.
        read = received(since)
        return f"{read} read, {waiting} waiting at {int(time.time()) // _ASKED_AGAIN}" if waiting else f"{read} read, none waiting"

    @contextmanager
    def read(self, table: Table, since: Position | None, *, day: date | None = None) -> Iterator[Reading]:
        if day is not None:
            raise SourceError(
                f"{table.full_name}: {day} cannot be read again, since a queue keeps nothing that it handed over. What landed is in the "
                f"lake; `stori sync --full {table.full_name}` makes a new generation of it"
            )
        with QueueReading(self._opened(table), table, since, self._limits) as reading:
            yield reading

    def judge_again(self, table: Table, raw: Sequence[str]) -> Chunk:
        """The messages that quarantine keeps as these texts, by the table's present definition."""
        return Chunk(*conform(table, messages.rows(table, map(messages.from_raw, raw))))

    def past_drift(self, table: Table, since: Position) -> list[str]:
        """What `drift` would have said of the messages that were read up to a position, which are gone from the queue."""
        return sampling.lines(table, unmapped_at(since))

    def drift(self, table: Table) -> list[str]:
        """Of up to ten messages that wait now; they are given back at once."""
        return sampling.drift(table, self._opened(table).peek())


def scaffold(url: str, name: str, *, source: str = "") -> str:
    """A suggested definition of a queue's messages, from up to ten that wait now; they are given back at once.

    Raises:
        SourceError: none waits that could be read, or the queue cannot be reached.
    """
    where = f"{source}.{name}".lstrip(".")
    text = sampling.definition(name, opened(url, where, source).peek())
    if not text:
        raise SourceError(f"{where}: no message waits in the queue that could be read, so there is nothing to go by")
    return text
