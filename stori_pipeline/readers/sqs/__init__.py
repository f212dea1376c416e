"""The kind `sqs`: queues of Amazon SQS.

Belongs here: what definitions and the command need of the kind, without its driver. Does not belong here: the functions of the reader
(`reader`), receiving, holding and deleting messages (`reading`), rows of messages (`messages`), fields without a column (`sampling`), or
the queue (`connection`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from stori_pipeline.model.changes import Changes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stori_pipeline.model.table import Table
    from stori_pipeline.readers import Reader
    from stori_pipeline.readers.scaffolding import Suggestions

__all__ = ["CHANGES", "EXAMPLE_URL", "GRANTS", "URL_PREFIXES", "Queue", "reader_at", "scaffold", "suggest"]


@dataclass(frozen=True)
class Queue(Changes):
    """Reads each message, and deletes it from the queue when it is durable. The lake then holds the only copy, and nothing can be read
    again."""

    is_replayable: ClassVar[bool] = False


CHANGES = (Queue,)
URL_PREFIXES = ("https://sqs.",)
EXAMPLE_URL = "https://sqs.REGION.amazonaws.com/ACCOUNT/QUEUE"
GRANTS = """\
The role of the pipeline needs sqs:ReceiveMessage, sqs:DeleteMessage, sqs:ChangeMessageVisibility and sqs:GetQueueAttributes
on the queue. No other consumer may read it: each message is delivered once."""


def reader_at(url: str) -> Reader:
    """The reader of the standard queue at that address."""
    from stori_pipeline.readers.sqs.reader import SqsReader

    return SqsReader(url)


def scaffold(url: str, name: str, *, source: str) -> str:
    """See `readers.scaffold`; `name` is our name for the table, because a queue holds only one."""
    from stori_pipeline.readers.scaffolding import definition

    return definition(suggest(url, source=source, names=[name]).tables[0])


def suggest(
    url: str, *, source: str, names: Sequence[str] = (), known: Sequence[Table] = (), progress: Callable[[str], object] = str
) -> Suggestions:
    """See `readers.suggest`; a queue is one table. Its definition is suggested from up to ten waiting messages."""
    from stori_pipeline.readers.sqs.reader import suggest

    return suggest(url, source=source, names=names, known=known, progress=progress)
