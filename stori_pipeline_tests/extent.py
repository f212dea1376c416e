"""How far the random searches go: in `make test` as far as a change needs, in `make test-long` as far as a release does.

Belongs here: the choice between the two. Does not belong here: the numbers, which stand where they are used.
"""

from __future__ import annotations

import os
from typing import TypeVar

T = TypeVar("T")

_LONG = bool(os.environ.get("TESTS_LONG"))


def extent(usual: T, long: T) -> T:
    """`long` in `make test-long`, `usual` otherwise."""
    return long if _LONG else usual
