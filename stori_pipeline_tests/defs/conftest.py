"""The definitions of a small graph, and its sensor."""

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
def sensor(defs: Definitions, instance: DagsterInstance) -> Sensor:
    """The sensor of the plain graph, which has not ticked yet."""
    return Sensor(defs, instance)
