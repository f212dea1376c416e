"""Values of rows that come as JSON objects, or as documents like them.

Belongs here: the value at a path, and what a text in a column of documents is. Does not belong here: which values fit (`contract`), or
suggested columns (`json_fields`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from stori_pipeline.contract import Misfit


def value_at(document: Any, path: str, default: Any = None) -> Any:
    """The value at a dotted path, the default where it leads nowhere; the document itself where the path is empty."""
    for name in path.split(".") if path else ():
        if not isinstance(document, Mapping) or name not in document:
            return default
        document = document[name]
    return document


def value_or_misfit(fields: Any, path: Sequence[str]) -> Any:
    """The value at a path; None where it leads nowhere, a Misfit where it leads through something that has no members."""
    value = fields
    for step, part in enumerate(path):
        if value is None:
            return None
        if not isinstance(value, dict):
            return Misfit("type", f"{'.'.join(path[:step])} holds a {type(value).__name__}; expected an object with {part!r}")
        value = value.get(part)
    return value


def as_document(value: Any) -> Any:
    """A value of a column of documents, as the contract takes it: to the contract a text is JSON, so a text becomes JSON here."""
    return json.dumps(value) if isinstance(value, str) else value
