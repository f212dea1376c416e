"""The error that an invalid definition raises.

Belongs here: `DefinitionError`. Does not belong here: errors of sources, of the lake or of the warehouse; each has its own.
"""

from __future__ import annotations


class DefinitionError(ValueError):
    """A definition is invalid. The message names the table and the column, and says what to change."""
