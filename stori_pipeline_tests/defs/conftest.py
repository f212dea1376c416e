"""The definitions of a small graph, and the sensors of its sources."""

from __future__ import annotations

import pytest
from dagster import DagsterInstance, Definitions

from stori_pipeline.defs.build import build_defs
from stori_pipeline_tests.defs.graphs import PLAIN
from stori_pipeline_tests.defs.ticks import Sensor


@pytest.fixture(scope="module")
def defs() -> Definitions:
    """The definitions of the plain graph."""
    return build_defs(PLAIN)


@pytest.fixture
def bank(defs: Definitions, instance: DagsterInstance) -> Sensor:
    """The sensor of the plain graph's bank, which has not ticked yet."""
    return Sensor(defs, instance, "bank")


@pytest.fixture
def exchange(defs: Definitions, instance: DagsterInstance) -> Sensor:
    """The sensor of the plain graph's exchange, which has not ticked yet."""
    return Sensor(defs, instance, "exchange")
