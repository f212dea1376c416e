"""A hook of pytest, which it calls once when it has collected all tests: refuses bad names, and freezes the garbage collector.

Belongs here: that hook (`conftest` imports it). Does not belong here: rules for the code of tests (`test_house`).
"""

from __future__ import annotations

import gc

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse names of tests that hold an address: pytest-xdist runs nothing if its processes collect different names."""
    if addresses := [item.nodeid for item in items if " at 0x" in item.nodeid]:
        raise pytest.UsageError(f"give this test's parameters ids, because its name changes with each run: {addresses[0]}")
    # The tests and what they import stay until the end, so looking through them for garbage finds none.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)
