"""What the tests of several readers use: each rig in turn, a collection of trades, and a bucket to drop files into."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stori_pipeline.local.stack import Stack
from stori_pipeline.readers import reader_for
from stori_pipeline_tests.conftest import MongoSource
from stori_pipeline_tests.readers.dropping import Drops
from stori_pipeline_tests.readers.mongo_trades import Documents
from stori_pipeline_tests.readers.rigs import CASES
from stori_pipeline_tests.readers.shop import Rig

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture(params=CASES)
def rig(request: pytest.FixtureRequest) -> Rig:
    """Each kind of source with each of its change strategies."""
    rig, changes = CASES[request.param]
    return rig(request, changes)


@pytest.fixture
def trades(mongo_db: MongoSource) -> Documents:
    """An empty collection of trades that keeps the state before a change."""
    return mongo_db.database.create_collection("trades", changeStreamPreAndPostImages={"enabled": True})


@pytest.fixture
def drops(s3: S3Client, bucket: str, idle_stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Drops:
    """An empty bucket, and its reader."""
    for name, value in idle_stack.client_environ().items():
        monkeypatch.setenv(name, value)
    return Drops(s3, bucket, reader_for("s3_drop", f"s3://{bucket}"))
