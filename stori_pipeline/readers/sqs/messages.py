"""Turns a message into a row of its table, or into a reason for quarantine.

Belongs here: parsing a body, and finding the table's columns in it. Does not belong here: which values fit (`contract`), or receiving
messages (`connection`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from decimal import Decimal
from typing import Any

from stori_pipeline.contract import Refused, parsed_raw
from stori_pipeline.model.table import Table
from stori_pipeline.model.types.documents import json_text
from stori_pipeline.readers.json_rows import as_document, steps, value_or_misfit
from stori_pipeline.readers.sqs.connection import Message


def raw(message: Message) -> str:
    """A message as quarantine keeps it, in JSON: its id, its time in milliseconds since 1970, and its exact body."""
    return json.dumps({"message_id": message.id, "sent": message.sent, "body": message.body}, ensure_ascii=False)


def from_raw(text: str) -> Message | None:
    """The message of a text in quarantine; None if somebody made another thing of it. Its handle is empty, because the queue no longer has
    the message. Whoever edits it may write the body as the object that it is, and not as a text."""
    kept = parsed_raw(text)
    if not isinstance(kept, dict) or "body" not in kept:
        return None
    body = kept["body"]
    return Message(str(kept.get("message_id", "")), "", int(kept.get("sent", 0)), body if isinstance(body, str) else json_text(body))


def covered(table: Table) -> frozenset[str]:
    """The fields of a body that columns read."""
    paths = [steps(column.source_path) for column in table.columns]
    return frozenset(name for path in paths for name in (path[0], ".".join(path)))


def rows(
    table: Table, messages: Iterable[Message], unmapped: MutableMapping[str, object] | None = None
) -> Iterator[Mapping[str, object] | Refused]:
    """A row for `contract.conform` per message. Adds the fields that no column reads to `unmapped`, with a value each."""
    mapped = covered(table)
    paths = [(column.name, steps(column.source_path)) for column in table.columns]
    documents = [column.name for column in table.columns if column.type.is_document]
    for message in messages:
        document = parsed(message)
        if isinstance(document, Refused):
            yield document
            continue
        if unmapped is not None and not document.keys() <= mapped:
            unmapped.update((name, value) for name, value in document.items() if name not in mapped and value is not None)
        row: dict[str, object] = {name: value_or_misfit(document, path) for name, path in paths}
        row |= {name: as_document(row[name]) for name in documents}
        row["_raw"] = lambda message=message: raw(message)
        yield row


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def parsed(message: Message) -> dict[str, Any] | Refused:
    """The JSON object in its body, with exact numbers; or the reason why there is none."""
    try:
        document = json.loads(message.body, parse_float=Decimal, parse_constant=_no_constant)
    except RecursionError:
        return Refused("too_deep", f"message {message.id}: its body is nested too deeply to be read", raw(message))
    except (ValueError, ArithmeticError) as error:  # a Decimal does not hold every exponent
        return Refused("bad_json", f"message {message.id}: its body is not JSON: {error}", raw(message))
    if not isinstance(document, dict):
        reason = f"message {message.id}: its body is a {type(document).__name__}; expected an object"
        return Refused("document", reason, raw(message))
    return document
