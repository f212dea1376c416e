"""Fields of a queue's messages that no column reads, and a suggested definition of a queue.

Belongs here: what follows from a sample of messages. Does not belong here: reading tables (`reading`), or the column for a field
(`readers.suggested_columns`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from stori_pipeline.model.drift import Drift
from stori_pipeline.model.names import name_for
from stori_pipeline.model.table import Table
from stori_pipeline.readers.scaffolding import SuggestedTable
from stori_pipeline.readers.sqs.connection import Message
from stori_pipeline.readers.sqs.messages import covered, parsed
from stori_pipeline.readers.suggested_columns import Sampled, columns_of, has_path, without_path


def lines(table: Table, columns: Mapping[str, str]) -> list[Drift]:
    """A line for each field that the definition does not name, with a suggested column."""
    mapped = covered(table)
    where = f"which the definition of {table.full_name} does not name; to read it add"
    return [
        Drift(name_for(field), "added", f"the messages have {field}, {where} {column}", column)
        for field, column in sorted(columns.items())
        if field not in mapped
    ]


def suggested_table(name: str, messages: Iterable[Message]) -> SuggestedTable | None:
    """A suggested definition, from some of a queue's messages; None if none can be read. The key is `id`, another field that differs in
    each message, or else the first field."""
    sampled = Sampled()
    for message in messages:
        body = parsed(message)
        if isinstance(body, dict):
            sampled.add(body)
    fields = [name for name in sampled.values if has_path(name)]
    if not fields:
        return None
    key = sampled.key() or next((name for name in fields if name.casefold() == "id"), fields[0])
    columns = columns_of(sampled, [key])
    return SuggestedTable(
        name=name,
        columns=tuple(columns.values()),
        key=(columns[key].name,),
        changes="Queue()",
        package="stori_pipeline.readers.sqs",
        notes=(f"suggested from {sampled.rows:,} waiting messages, which stay in the queue; it promises no types", *without_path(sampled)),
        key_notes=("a guess: name the fields that are the same when a message is delivered twice, and differ otherwise",),
    )
