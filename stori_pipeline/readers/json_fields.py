"""Suggested columns for the fields of JSON objects; a person reads, corrects and pastes them.

Belongs here: what the kinds whose rows are JSON objects share. Does not belong here: which values fit a type (`contract`), or the text
around the columns (`scaffolding`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from stori_pipeline.model.types import suggestions, timestamptz
from stori_pipeline.model.types.misfit import MisfitError

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


def column_text(field: str, values: Sequence[Any], *, key: bool = False) -> str:
    """The column for a field with these values, as Python. Its length is at least twice that of the longest text."""
    name = column_name(field)
    arguments = [json.dumps(name), _type(values)]
    arguments += ["nullable=False"] if key else []
    arguments += [f"path={json.dumps(field)}"] if field != name else []
    return f"Column({', '.join(arguments)})"


def column_name(field: str) -> str:
    """A valid column name close to the field's name: `customer_id` for `customerID`."""
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
    return suggestions.for_natives(kinds) or "super_"


def _is_instant(text: str) -> bool:
    try:
        timestamptz.convert(text)
    except MisfitError:
        return False
    return True
