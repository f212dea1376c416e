"""The text of a suggested definition: imports, and a `Table(…)` to paste into the project.

Belongs here: the text that all kinds of source share. Does not belong here: finding a table's columns (the packages of the kinds).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from stori_pipeline.model.types.suggestions import module_of


def definition_text(
    name: str,
    columns: Sequence[str],
    key: Sequence[str],
    changes: str,
    package: str,
    *,
    description: str = "",
    key_comment: str = "",
    more: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> str:
    """A definition as Python.

    Args:
        columns: `Column(…)`, each with its comma, and with a comment if it needs one.
        changes: the change strategy, such as `Queue()`. `package`, the package of a kind, declares it.
        more: further arguments, such as `cursor="day"`.
        notes: sentences for the comment above it: what it was suggested from, and what it leaves out.
    """
    types = {match[1] for column in columns if (match := re.match(r'Column\("(?:[^"\\]|\\.)*", (\w+)', column))}
    imports: dict[str, set[str]] = {"stori_pipeline.model": {"Column", "Table"}}
    for each in sorted(types):
        imports.setdefault(module_of(each), set()).add(each)
    strategies = sorted(set(re.findall(r"\b([A-Z]\w*)\(", changes)))
    lines = [
        *(["import datetime", ""] if "datetime." in changes else []),
        *(f"from {module} import {', '.join(sorted(names))}" for module, names in imports.items()),
        f"from {package} import {', '.join(strategies)}",
        "",
        *(f"# {note}" for note in notes),
        "Table(",
        "    source=SOURCE,",
        f"    name={text(name)},",
        *([f"    description={text(description)},"] if description else []),
        "    columns=(",
        *(f"        {column}" for column in columns),
        "    ),",
        f"    key=({''.join(f'{text(each)}, ' for each in key).rstrip()}),{f'  # {key_comment}' if key_comment else ''}",
        f"    changes={changes},",
        *(f"    {each}," for each in more),
        ")",
    ]
    return "\n".join(lines) + "\n"


def text(value: str) -> str:
    """A text as a Python literal. A JSON string is one."""
    return json.dumps(value, ensure_ascii=False)
