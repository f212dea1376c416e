"""What several modules on the local servers stand on; the stack that all tests share is in the conftest above."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from stori_pipeline.local.stack import Stack
from stori_pipeline_tests.local.local_s3 import Local
from stori_pipeline_tests.shipped import LOCAL


@pytest.fixture(scope="module")
def local() -> Iterator[Local]:
    folder = Path(tempfile.mkdtemp(prefix=f"stori-tests-{os.getpid()}-"))
    local = Local(folder / ".stori")
    try:
        yield local
    finally:
        local.s3.close()
        local.stack.down()
        shutil.rmtree(folder)


@pytest.fixture
def own_bucket(local: Local, request: pytest.FixtureRequest) -> str:
    name = "b-" + hashlib.sha256(request.node.name.encode()).hexdigest()[:16]
    local.s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder for a stack of the test's own, whatever of it runs ended after the test."""
    folder = Path(tempfile.mkdtemp(prefix=f"stori-tests-{os.getpid()}-"))
    folder.chmod(0o711)
    yield folder / ".stori"
    Stack(folder / ".stori", LOCAL).down()
    shutil.rmtree(folder)
