"""Values of rows that come as JSON objects, or as documents like them.

Belongs here: paths, the value at a path, and what a text in a column of documents is. Does not belong here: which values fit (`contract`),
or suggested columns (`suggested_columns`).
"""

# A path names members from the outside in, with dots between them. In a name, a backslash stands before a dot or a backslash, and before a
# `$` at its beginning, because a path such as `$line` is a fact of a reader's own. A path with unescaped dots also names a member whose
# flat name has those dots: `address.country` is `{"address": {"country": …}}` or `{"address.country": …}`, as in files with flat columns.

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
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
    """The value at a path, the default where it leads nowhere; the document itself where the path is empty. A nested member comes before
    a flat one of the same name."""
    names = steps(path) if path else ()
    value = document
    for name in names:
        if not isinstance(value, Mapping) or name not in value:
            return document.get(".".join(names), default) if len(names) > 1 and isinstance(document, Mapping) else default
        value = value[name]
    return value


def value_or_misfit(fields: Any, path: Sequence[str]) -> Any:
    """The value at a path; None where it leads nowhere. A Misfit where it leads through something that has no members, or where a nested
    and a flat member have different values."""
    if len(path) > 1 and isinstance(fields, dict) and (flat := ".".join(path)) in fields:
        nested, value = _nested(fields, path), fields[flat]
        if nested is None or isinstance(nested, Misfit) or nested == value:
            return value
        return Misfit("ambiguous", f"the row has {flat!r} twice, as a member of an object and as a flat name, with different values")
    return _nested(fields, path)


def _nested(fields: Any, path: Sequence[str]) -> Any:
    value = fields
    for step, part in enumerate(path):
        if value is None:
            return None
        if not isinstance(value, dict):
            return Misfit("type", f"{'.'.join(path[:step])} holds a {type(value).__name__}; expected an object with {part!r}")
        value = value.get(part)
    return value


def with_flat_names(paths: Iterable[str]) -> set[str]:
    """Paths, and the path of the flat member that each of them names, too."""
    found = set(paths)
    return found | {path_of(".".join(steps(path))) for path in found if len(steps(path)) > 1}


def as_document(value: Any) -> Any:
    """A value of a column of documents, as the contract takes it: to the contract a text is JSON, so a text becomes JSON here."""
    return json.dumps(value) if isinstance(value, str) else value
