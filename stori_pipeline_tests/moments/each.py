"""A plugin for pytest: every test begins at the moment in the environment, if there is one."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import time_machine

from stori_pipeline_tests.moments import EACH_AT


@pytest.fixture(autouse=True)
def moment() -> Iterator[None]:
    """The clock goes on from there, and servers and child processes keep that of the run."""
    if at := os.environ.get(EACH_AT):
        with time_machine.travel(float(at), tick=True):
            yield
    else:
        yield
