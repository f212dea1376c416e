"""The reader of SQS.

Belongs here: the functions of the protocol. Does not belong here: how they work (`reading`, `messages`, `sampling`, `connection`).
A queue has no rows to compare with a mirror, so this reader is not `Comparable`; the mirror is compared with the lake.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date

from stori_pipeline.contract import Refused
from stori_pipeline.model.drift import Drift
from stori_pipeline.model.names import name_for
from stori_pipeline.model.reading import Position, Reading
from stori_pipeline.model.table import Table
from stori_pipeline.readers import SourceError, changes_of
from stori_pipeline.readers.quarantined import Again
from stori_pipeline.readers.scaffolding import Suggestions
from stori_pipeline.readers.sqs import CHANGES, messages, sampling, setup
from stori_pipeline.readers.sqs.connection import Connection, opened
from stori_pipeline.readers.sqs.reading import Limits, QueueReading, received, unmapped_at

_RETRY_SECONDS = 60
"""The interval at which `head` changes while messages wait, even if their number does not: an earlier reading may have failed."""


class SqsReader:
    """Reads a standard queue into one table. See `readers.Reader`. Credentials come from the standard environment of AWS, and so does the
    region if the address does not name it.

    A message is deleted only when its row is durable, in the lake or in quarantine. A message that is delivered twice becomes the same row,
    by its key; so of messages with the same key, the one that is read last is kept.
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
        """The numbers of messages that wait, and that were read; "" if none waits. Takes one request.

        SQS counts approximately: a message shows when it is sent, and at most a minute later.
        """
        waiting = self._opened(table).waiting()
        # The number of waiting messages may be the same as before; the number of messages read only grows.
        read = received(since)
        return f"{read} read, {waiting} waiting at {int(time.time()) // _RETRY_SECONDS}" if waiting else ""

    @contextmanager
    def read(self, table: Table, since: Position | None, *, day: date | None = None) -> Iterator[Reading]:
        if day is not None:
            raise SourceError(
                f"{table.full_name}: {day} cannot be read again, because a queue does not keep messages that were read. The lake has "
                f"them; `stori sync --full {table.full_name}` lands them as a new generation"
            )
        with QueueReading(self._opened(table), table, since, self._limits) as reading:
            yield reading

    def rows_again(self, table: Table, rejected: Sequence[Refused], since: Position) -> list[Again]:  # noqa: ARG002  (a message is whole)
        """See `ReadsQuarantine`."""
        found = [(each, messages.from_raw(each.raw)) for each in rejected]
        return [[each] if message is None else list(messages.rows(table, [message])) for each, message in found]

    def past_drift(self, table: Table, since: Position) -> list[Drift]:
        """From the messages that were read up to a position, which are no longer in the queue."""
        return sampling.lines(table, unmapped_at(since))

    def describe(self, source: str) -> str:
        return setup.describe(self._url, source)

    def drift(self, table: Table) -> list[Drift]:
        """Nothing; `past_drift` has it all. To look at a message is to receive it, and after so many receipts SQS moves it to the
        dead-letter queue."""
        changes_of(table, CHANGES)
        return []


def suggest(url: str, *, source: str, names: Sequence[str], known: Sequence[Table], progress: Callable[[str], object]) -> Suggestions:
    """See `readers.suggest`; the name is the queue's own if none is given. Messages stay in the queue.

    Raises:
        SourceError: no readable message waits, or the queue cannot be reached.
    """
    if known and not names:
        return Suggestions((), (f"{source}: a queue is one table, and the project has it: {known[0].full_name}",))
    name = names[0] if names else url.rstrip("/").rpartition("/")[2]
    progress(name)
    where = f"{source}.{name}"
    table = sampling.suggested_table(name_for(name, prefix="t_"), opened(url, where, source).peek())
    if table is None:
        raise SourceError(f"{where}: no readable message waits in the queue, so no definition can be suggested; send one first")
    return Suggestions((table,))
