"""The kind `sqs`: queues of Amazon SQS.

Belongs here: what definitions and the command need of the kind, without its driver. Does not belong here: reading. `reader` has what can
be asked of a source, `reading` how messages are received, held and deleted, `messages` what one means as a row, `sampling` fields without
a column, `connection` the queue.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from stori_pipeline.model.changes import Changes

if TYPE_CHECKING:
    from stori_pipeline.readers import Reader

__all__ = ["CHANGES", "URL_PREFIXES", "Queue", "reader_at", "scaffold"]


@dataclass(frozen=True)
class Queue(Changes):
    """Each message once it is sent, deleted from the queue once it is durable. The queue does not keep what it handed over, so the lake
    holds the only copy, and there is nothing to read again."""

    is_replayable: ClassVar[bool] = False


CHANGES = (Queue,)
URL_PREFIXES = ("https://sqs.",)


def reader_at(url: str) -> Reader:
    """The reader of the standard queue at that address."""
    from stori_pipeline.readers.sqs.reader import SqsReader

    return SqsReader(url)


def scaffold(url: str, name: str, *, source: str) -> str:
    """See `readers.scaffold`; a queue holds one table, which `name` gives a name, and up to ten messages that wait now are looked at."""
    from stori_pipeline.readers.sqs.reader import scaffold

    return scaffold(url, name, source=source)
