"""How far the random searches go: in `make test` as far as a change needs, in `make test-long` as far as a release does.

Belongs here: the choice between the two. Does not belong here: the numbers, which stand where they are used.
"""

from __future__ import annotations

import os
from typing import TypeVar

import hypothesis

T = TypeVar("T")

_LONG = bool(os.environ.get("TESTS_LONG"))


def extent(usual: T, long: T) -> T:
    """`long` in `make test-long`, `usual` otherwise."""
    return long if _LONG else usual


def load_hypothesis_profile() -> None:
    """`make test` tries the same examples each time: it shall not fail for what a change did not do. `make test-long` tries new ones, and
    more of them."""
    hypothesis.settings.register_profile(
        "suite",
        max_examples=extent(100, 1_000),
        derandomize=not _LONG,
        deadline=None,  # how long an example takes says nothing on a busy machine
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
    hypothesis.settings.load_profile("suite")
