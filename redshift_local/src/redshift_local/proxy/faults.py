"""Failures on request, for tests of what a client does about them.

Belongs here: what can be requested, and how. Does not belong here: parameters of Redshift's (`sql.settings`).
`SET redshift_local.fail_commits_with_1023 TO n`, in exactly these words and from any session, makes the next n COMMITs of any session
fail as a serializable isolation violation does: the transaction is rolled back and the client sees `1023`.
"""

from __future__ import annotations

import threading

_WORDS = ("set", "redshift_local.fail_commits_with_1023", "to")


class Faults:
    """How many COMMITs are still to fail; shared by all sessions of a server."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._commits = 0

    def requested_by(self, sql: str) -> bool:
        """Whether this statement requests failures. If so, they are on from now."""
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
        """Whether the present COMMIT is to fail; one fewer is left after it."""
        with self._lock:
            if not self._commits:
                return False
            self._commits -= 1
            return True
