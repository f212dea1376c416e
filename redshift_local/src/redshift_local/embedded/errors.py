"""The error of this package.

Belongs here: that class. Does not belong here: raising it.
"""

from __future__ import annotations


class ClusterError(RuntimeError):
    """A PostgreSQL cluster could not be created, started or stopped. The message says what happened, where, and what to do."""
