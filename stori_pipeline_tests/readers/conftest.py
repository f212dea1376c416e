"""What the tests of several readers use: each rig in turn, and a collection of trades."""

from __future__ import annotations

import pytest

from stori_pipeline_tests.conftest import MongoSource
from stori_pipeline_tests.readers.mongo_trades import Documents
from stori_pipeline_tests.readers.rigs import CASES
from stori_pipeline_tests.readers.shop import Rig


@pytest.fixture(params=CASES)
def rig(request: pytest.FixtureRequest) -> Rig:
    """Each kind of source with each of its change strategies."""
    rig, changes = CASES[request.param]
    return rig(request, changes)


@pytest.fixture
def trades(mongo_db: MongoSource) -> Documents:
    """An empty collection of trades that keeps the state before a change."""
    return mongo_db.database.create_collection("trades", changeStreamPreAndPostImages={"enabled": True})
