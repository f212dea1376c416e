"""What a queue's messages hold that its record does not name, and the record of a queue that has none yet.

Belongs here: looking at some messages. Does not belong here: reading tables.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from stori_pipeline.contract.verdicts import MisfitError, conversion
from stori_pipeline.model.table import Table
from stori_pipeline.model.types import timestamptz
from stori_pipeline.readers.sqs.connection import Message
from stori_pipeline.readers.sqs.messages import covered, parsed

_TYPES: dict[type, str] = {bool: "boolean", int: "bigint", Decimal: "decimal(38, 10)"}
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


def drift(table: Table, messages: Iterable[Message]) -> list[str]:
    """See `readers.Reader.drift`."""
    return told(table, {field: column(field, values) for field, values in _fields(messages).items()})


def told(table: Table, columns: Mapping[str, str]) -> list[str]:
    """A line for each field that the record does not name, with the column that would read it."""
    known = covered(table)
    return [
        f"the messages have {field}, which the record does not name; to read it add {text}"
        for field, text in sorted(columns.items())
        if field not in known
    ]


def record(name: str, messages: Iterable[Message]) -> str:
    """The record of a queue, from some of its messages; empty where there are none that can be read. A guess: lengths are twice the
    longest text seen, and the key is `id`, or else the first field."""
    fields = _fields(messages)
    if not fields:
        return ""
    key = "id" if "id" in fields else next(iter(fields))
    lines = [f"        {column(field, values, key=field == key)}," for field, values in fields.items()]
    return "\n".join(
        [
            "Table(",
            "    source=SOURCE,",
            f"    name={json.dumps(name)},",
            "    columns=(",
            *lines,
            "    ),",
            f"    key=({json.dumps(_named(key))},),",
            "    changes=Queue(),",
            "),",
        ]
    )


def _fields(messages: Iterable[Message]) -> dict[str, list[Any]]:
    """Every field, with the values seen in it; nulls do not count."""
    found: dict[str, list[Any]] = {}
    for message in messages:
        body = parsed(message)
        for field, value in body.items() if isinstance(body, dict) else ():
            if value is not None:
                found.setdefault(field, []).append(value)
    return found


def column(field: str, values: Sequence[Any], *, key: bool = False) -> str:
    """The column that reads a field with such values."""
    said = [json.dumps(_named(field)), _type(values)]
    said += ["nullable=False"] if key else []
    said += [f"path={json.dumps(field)}"] if field != _named(field) else []
    return f"Column({', '.join(said)})"


def _named(field: str) -> str:
    """A name that a record takes, close to what the messages call it."""
    if _NAME.fullmatch(field):
        return field
    snake = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", field).lower()).strip("_")
    return (snake if snake[:1].isalpha() else f"field_{snake}")[:63]


def _type(values: Sequence[Any]) -> str:
    kinds = {type(value) for value in values}
    if kinds == {str}:
        if all(map(_is_instant, values)):
            return "timestamptz"
        longest = max(len(value.encode(errors="replace")) for value in values)
        return f"varchar({max(16, 1 << (2 * longest - 1).bit_length())})" if longest <= 32_767 else "super_"
    if kinds == {int, Decimal}:
        return _TYPES[Decimal]
    return _TYPES.get(kinds.pop(), "super_") if len(kinds) == 1 else "super_"


def _is_instant(text: str) -> bool:
    try:
        conversion(timestamptz)(text)
    except MisfitError:
        return False
    return True
