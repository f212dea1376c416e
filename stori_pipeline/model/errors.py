"""The error of a definition that makes no sense.

Belongs here: that error. Does not belong here: errors of sources, of the lake or of the warehouse: each floor has its own.
"""

from __future__ import annotations


class DefinitionError(ValueError):
    """A definition makes no sense. The message names the table and the column, and says what to change."""
