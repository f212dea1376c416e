"""What a message means: one row of its table, or a reason for quarantine.

Belongs here: reading a body, and finding the table's columns in it. Does not belong here: which values fit (`contract`), or where
messages come from (`connection`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from decimal import Decimal
from typing import Any

from stori_pipeline.contract import Refused
from stori_pipeline.model.table import Table
from stori_pipeline.readers.sqs.connection import Message


def raw(message: Message) -> str:
    """A message as quarantine keeps it: its id, when it was sent in milliseconds since 1970, and its body to the letter."""
    return json.dumps({"message_id": message.id, "sent": message.sent, "body": message.body}, ensure_ascii=False)


def from_raw(text: str) -> Message:
    """The message that quarantine keeps as that text. It has no handle any more, since the queue does not have it."""
    kept = json.loads(text)
    return Message(kept["message_id"], "", kept["sent"], kept["body"])


def covered(table: Table) -> frozenset[str]:
    """The fields of a body that columns read."""
    return frozenset(column.source_path.partition(".")[0] for column in table.columns)


def rows(
    table: Table, messages: Iterable[Message], unmapped: MutableMapping[str, object] | None = None
) -> Iterator[Mapping[str, object] | Refused]:
    """For each message what `contract.conform` takes. Fields that no column reads are noted in `unmapped`, with a value each."""
    known = covered(table)
    paths = [(column.name, column.source_path.split(".")) for column in table.columns]
    documents = [column.name for column in table.columns if column.type.is_document]
    for message in messages:
        document = parsed(message)
        if isinstance(document, Refused):
            yield document
            continue
        if unmapped is not None and not document.keys() <= known:
            unmapped.update((name, value) for name, value in document.items() if name not in known and value is not None)
        row: dict[str, object] = {name: _at(document, path) for name, path in paths}
        # A text given for a document would be taken for JSON; here it is a document that is a text.
        row |= {name: json.dumps(row[name]) for name in documents if isinstance(row[name], str)}
        row["_raw"] = lambda message=message: raw(message)
        yield row


def _at(document: Mapping[str, Any], path: Sequence[str]) -> object:
    found: Any = document
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def parsed(message: Message) -> dict[str, Any] | Refused:
    """The object that is its body, numbers with every digit; or why there is none."""
    try:
        document = json.loads(message.body, parse_float=Decimal, parse_constant=_no_constant)
    except RecursionError:
        return Refused("too_deep", f"message {message.id}: its body is nested too deeply to be read", raw(message))
    except ValueError as error:
        return Refused("bad_json", f"message {message.id}: its body is not JSON: {error}", raw(message))
    if not isinstance(document, dict):
        reason = f"message {message.id}: its body is a {type(document).__name__} where an object was meant"
        return Refused("document", reason, raw(message))
    return document
