"""Values of rows that come as JSON objects, or as documents like them.

Belongs here: paths, the value at a path, and what a text in a column of documents is. Does not belong here: which values fit (`contract`),
or suggested columns (`suggested_columns`).
"""

# A path names members from the outside in, with dots between them. In a name, a backslash stands before a dot or a backslash, and before a
# `$` at its beginning, because a path such as `$line` is a fact of a reader's own.

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from stori_pipeline.contract import Misfit

_ESCAPED = re.compile(r"\\([.$\\])")
_ESCAPED_OR_DOT = re.compile(rf"{_ESCAPED.pattern}|\.")


@functools.lru_cache(maxsize=4_096)
def steps(path: str) -> tuple[str, ...]:
    """The names of the members that a path leads through."""
    if "\\" not in path:
        return tuple(path.split("."))
    return tuple(_ESCAPED_OR_DOT.sub(lambda match: match[1] or "\0", path).split("\0"))  # no path has a NUL


def literal(path: str) -> str:
    """The path as a single name, for files whose columns have no members."""
    return _ESCAPED.sub(r"\1", path)


def path_of(name: str, *, members: bool = True) -> str:
    """The path of a member with that name; with `members=False`, the path for `literal`, in which dots need no backslash."""
    path = re.sub(r"[.\\]" if members else r"\\(?=[.$\\])", r"\\\g<0>", name)
    return f"\\{path}" if name.startswith("$") else path


def value_at(document: Any, path: str, default: Any = None) -> Any:
    """The value at a path, the default where it leads nowhere; the document itself where the path is empty."""
    for name in steps(path) if path else ():
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
