"""Failures on request, to test how clients handle them.

Belongs here: the failures, and the statement that requests them. Does not belong here: Redshift's own parameters (`sql.settings`).
After `SET redshift_local.fail_commits_with_1023 TO n`, in exactly these words, the next n COMMITs fail like a serializable isolation
violation, whichever session runs them: the transaction is rolled back and the client gets the error `1023`.
"""

from __future__ import annotations

import threading

_WORDS = ("set", "redshift_local.fail_commits_with_1023", "to")


class Faults:
    """The number of COMMITs that have yet to fail. All sessions of a server share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._commits = 0

    def requested_by(self, sql: str) -> bool:
        """Whether this statement requests failures. If it does, they are counted from now on."""
        *words, count = sql.rstrip("; \n").split() or [""]
        if tuple(word.lower() for word in words) != _WORDS or not count.isdecimal():
            return False
        with self._lock:
            self._commits = int(count)
        return True

    @property
    def pending(self) -> bool:
        return self._commits > 0

    def take(self) -> bool:
        """Whether the current COMMIT must fail. If so, decrements the number."""
        with self._lock:
            if not self._commits:
                return False
            self._commits -= 1
            return True
