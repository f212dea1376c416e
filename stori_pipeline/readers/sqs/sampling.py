"""Fields of a queue's messages that no column reads, and a suggested definition of a queue.

Belongs here: what follows from a sample of messages. Does not belong here: reading tables (`reading`), or the column for a field
(`readers.json_fields`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from stori_pipeline.model.table import Table
from stori_pipeline.readers.json_fields import column_name, column_text
from stori_pipeline.readers.scaffolding import definition_text
from stori_pipeline.readers.sqs.connection import Message
from stori_pipeline.readers.sqs.messages import covered, parsed


def lines(table: Table, columns: Mapping[str, str]) -> list[str]:
    """A line for each field that the definition does not name, with a suggested column."""
    mapped = covered(table)
    return [
        f"the messages have {field}, which the definition of {table.full_name} does not name; to read it add {column}"
        for field, column in sorted(columns.items())
        if field not in mapped
    ]


def definition(name: str, messages: Iterable[Message]) -> str:
    """A suggested definition, from some of a queue's messages; "" if none can be read. Lengths are at least twice that of the longest text,
    and the key is `id`, or else the first field."""
    fields = _fields(messages)
    if not fields:
        return ""
    key = "id" if "id" in fields else next(iter(fields))
    columns = [f"{column_text(field, values, key=field == key)}," for field, values in fields.items()]
    return definition_text(name, columns, [column_name(key)], "Queue()", "stori_pipeline.readers.sqs")


def _fields(messages: Iterable[Message]) -> dict[str, list[Any]]:
    """The values of each field that has any; nulls do not count."""
    fields: dict[str, list[Any]] = {}
    for message in messages:
        body = parsed(message)
        for field, value in body.items() if isinstance(body, dict) else ():
            if value is not None:
                fields.setdefault(field, []).append(value)
    return fields
