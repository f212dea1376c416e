"""The error of this package.

Belongs here: that class. Does not belong here: who raises it.
"""

from __future__ import annotations


class ClusterError(RuntimeError):
    """A PostgreSQL server could not be made, started or stopped. The message says what happened, where, and what to do."""
