"""Suggested columns for the fields of JSON objects; a person reads, corrects and pastes them.

Belongs here: what the kinds whose rows are JSON objects share. Does not belong here: which values fit a type (`contract`), or the text
around the columns (`scaffolding`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from stori_pipeline.model.types import suggestions

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


def column_text(field: str, values: Sequence[Any], *, key: bool = False) -> str:
    """The column for a field with these values, as Python. Its length is at least twice that of the longest text."""
    name = column_name(field)
    arguments = [json.dumps(name), type_text(values)]
    arguments += ["nullable=False"] if key else []
    arguments += [f"path={json.dumps(field)}"] if field != name else []
    return f"Column({', '.join(arguments)})"


def column_name(field: str) -> str:
    """A valid column name close to the field's name: `customer_id` for `customerID`."""
    if _NAME.fullmatch(field):
        return field
    snake = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", field).lower()).strip("_")
    return (snake if snake[:1].isalpha() else f"field_{snake}")[:63]


def type_text(values: Sequence[Any]) -> str:
    """The type for a field with such values, as Python."""
    kinds = {type(value) for value in values}
    if kinds == {str}:
        return suggestions.for_json_texts(values) or suggestions.for_longest(suggestions.longest_of(values))
    return suggestions.for_natives(kinds) or "super_"
