"""Random histories of three sources: the mirrors are equal at the end, whatever happened in whichever order."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from stori_pipeline.local.samples.seed import seed as sow
from stori_pipeline.local.samples.workload import late_transaction, round_of_changes
from stori_pipeline.local.stack import Stack
from stori_pipeline.project import find_table
from stori_pipeline_tests.conftest import source_database
from stori_pipeline_tests.platforms import BANK, EXCHANGE, Platform

WRITERS = ("bank", "exchange", "app")
ROUNDS = 4
XMIN = (BANK, find_table("app.users"), find_table("app.transactions"))
TABLES = (*XMIN, EXCHANGE)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_mirrors_are_equal_after_any_history(platform: Platform, sources: Stack, seed: int) -> None:
    with source_database(sources) as app:
        own_environ = {**platform.environ, "STORI_SOURCE_APP": app.reader_url, "STORI_ADMIN_APP": app.admin_url}
        _history(replace(platform, environ=own_environ), random.Random(seed), seed)


def _history(platform: Platform, rng: random.Random, seed: int) -> None:
    sow(platform.environ, platform.folder / "data", rows=300, trades=540, users=40)
    for number in range(ROUNDS):
        # Rows that commit late lie across whatever is landed and loaded meanwhile, and every fourth history takes them back.
        with late_transaction(platform.environ, seed=1000 * seed + number, commit=rng.random() < 0.75, sources=WRITERS):
            round_of_changes(platform.environ, seed=100 * seed + number, operations=50, sources=WRITERS)
            _some_of_it(platform, rng)
        _some_of_it(platform, rng)

    for table in TABLES:
        platform.sync(table)
    for table in XMIN:
        platform.detect_deletes(table)
        platform.load(table)
    for table in TABLES:
        platform.assert_equal(table)


def _some_of_it(platform: Platform, rng: random.Random) -> None:
    """Land, load, both, or neither: a load may find several batches, and a landing one that was never loaded."""
    for table in TABLES:
        if rng.random() < 0.7:
            platform.land(table, full=rng.random() < 0.1)
        if rng.random() < 0.5:
            platform.load(table)
