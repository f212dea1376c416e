"""Schema drift: one way in which a source table and its definition differ.

Belongs here: what readers report and `stori sync`, the checks and `stori schema` show. Does not belong here: finding it (`readers`), or a
definition that differs from what has landed (`layout`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Change = Literal["added", "wider", "nullable", "dropped", "type", "key", "table"]
"""How the source differs: a column that the definition does not name; one that may hold longer or larger values than the definition's type,
or nulls that it does not allow; a column that is gone, or whose type cannot be read; a key that does not identify rows; no such table."""


@dataclass(frozen=True, order=True)
class Drift:
    """One difference.

    Args:
        column: the definition's name for the column, or the one suggested for a new one; "" for the table itself.
        text: what the source has, what the definition says, and the line to write, as a sentence without a full stop.
        python: for `added`, the column to add; for `wider`, the type to write. Both as Python; "" otherwise.
        is_error: whether it stops the table or lets rows vanish; otherwise it is a warning.
    """

    column: str
    change: Change
    text: str
    python: str = ""
    is_error: bool = False

    def __str__(self) -> str:
        return self.text
