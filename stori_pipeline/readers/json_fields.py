"""Columns suggested from the values of a JSON field, which a person reads, corrects and pastes.

Belongs here: what kinds have in common whose rows are JSON objects. Does not belong here: which pairs of types fit (`contract`), or
the definition around the columns (`scaffolding`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from stori_pipeline.model.types import suggestions

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


def column_text(field: str, values: Sequence[Any], *, key: bool = False) -> str:
    """The column that reads a field with such values, as Python. Lengths are twice that of the longest text."""
    name = column_name(field)
    arguments = [json.dumps(name), type_text(values)]
    arguments += ["nullable=False"] if key else []
    arguments += [f"path={json.dumps(field)}"] if field != name else []
    return f"Column({', '.join(arguments)})"


def column_name(field: str) -> str:
    """A name that a column may have, close to the field's: `customerID` becomes `customer_id`."""
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
