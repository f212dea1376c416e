"""Fixtures of the tests of the pipeline.

Belongs here: states in which several of them begin. Does not belong here: fixtures of other folders (the `conftest` above).
"""

from __future__ import annotations

import pytest

from stori_pipeline_tests.platforms import BANK, EXCHANGE, Platform


@pytest.fixture
def begun(platform: Platform) -> Platform:
    """The platform with a batch of each table, loaded."""
    platform.move(20)
    platform.trade(0, 10)
    for table in (BANK, EXCHANGE):
        platform.sync(table)
    return platform
