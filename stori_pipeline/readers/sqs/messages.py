"""What a message means: one row of its table, or a reason for quarantine.

Belongs here: reading a body, finding the record's columns in it, and naming what the record does not. Does not belong here: which
values fit (`contract`), or where messages come from (`connection`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from stori_pipeline.contract import Refused
from stori_pipeline.readers.sqs.connection import Message
from stori_pipeline.spec import Table, super_


def raw(message: Message) -> str:
    """A message as quarantine keeps it: its id, when it was sent in milliseconds since 1970, and its body to the letter."""
    return json.dumps({"message_id": message.id, "sent": message.sent, "body": message.body}, ensure_ascii=False)


def rows(table: Table, messages: Iterable[Message]) -> Iterator[Mapping[str, object] | Refused]:
    """For each message what `contract.conform` takes."""
    paths = [(column.name, column.source_path.split(".")) for column in table.columns]
    documents = [column.name for column in table.columns if column.type == super_]
    for message in messages:
        document = _document(message)
        if isinstance(document, Refused):
            yield document
            continue
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


def _document(message: Message) -> dict[str, Any] | Refused:
    try:
        # Numbers keep every digit.
        document = json.loads(message.body, parse_float=Decimal, parse_constant=_no_constant)
    except RecursionError:
        return Refused("too_deep", f"message {message.id}: its body is nested too deeply to be read", raw(message))
    except ValueError as error:
        return Refused("bad_json", f"message {message.id}: its body is not JSON: {error}", raw(message))
    if not isinstance(document, dict):
        said = f"message {message.id}: its body is a {type(document).__name__} where an object was meant"
        return Refused("document", said, raw(message))
    return document


_TYPES: dict[type, str] = {bool: "boolean", int: "bigint", Decimal: "decimal(38, 10)", str: "varchar(256)"}


def drift(table: Table, messages: Iterable[Message]) -> list[str]:
    """See `readers.Reader.drift`."""
    covered = {column.source_path.split(".")[0] for column in table.columns}
    found: dict[str, object] = {}
    for message in messages:
        document = _document(message)
        if isinstance(document, dict):
            found |= {name: value for name, value in document.items() if name not in covered and value is not None}
    kinds = {name: _TYPES.get(type(value), "super_") for name, value in found.items()}
    return [
        f"the messages have {name}, which the record does not name; to read it add Column({json.dumps(name)}, {kind})"
        for name, kind in sorted(kinds.items())
    ]
