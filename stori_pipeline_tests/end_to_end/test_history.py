"""Random histories of three sources: whatever happened, in whichever order, the mirrors end equal."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from stori_pipeline.local.samples.seed import seed as sow
from stori_pipeline.local.samples.workload import late_transaction, round_of_changes
from stori_pipeline.local.stack import Stack
from stori_pipeline.project import find_table
from stori_pipeline_tests.conftest import source_database
from stori_pipeline_tests.end_to_end.pipeline import BANK, EXCHANGE, Pipeline

WRITERS = ("bank", "exchange", "app")
ROUNDS = 4
XMIN = (BANK, find_table("app.users"), find_table("app.transactions"))
TABLES = (*XMIN, EXCHANGE)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_mirrors_are_equal_after_any_history(pipeline: Pipeline, sources: Stack, seed: int) -> None:
    with source_database(sources) as app:
        told = {**pipeline.environ, "STORI_SOURCE_APP": app.reader_url, "STORI_ADMIN_APP": app.admin_url}
        _history(replace(pipeline, environ=told), random.Random(seed), seed)


def _history(pipeline: Pipeline, rng: random.Random, seed: int) -> None:
    sow(pipeline.environ, pipeline.folder / "data", rows=300, trades=540, users=40)
    for number in range(ROUNDS):
        # Rows that commit late lie across whatever is landed and loaded meanwhile, and every fourth history takes them back.
        with late_transaction(pipeline.environ, seed=1000 * seed + number, commit=rng.random() < 0.75, sources=WRITERS):
            round_of_changes(pipeline.environ, seed=100 * seed + number, operations=50, sources=WRITERS)
            _some_of_it(pipeline, rng)
        _some_of_it(pipeline, rng)

    for table in TABLES:
        pipeline.sync(table)
    for table in XMIN:
        pipeline.detect_deletes(table)
        pipeline.load(table)
    for table in TABLES:
        pipeline.assert_equal(table)


def _some_of_it(pipeline: Pipeline, rng: random.Random) -> None:
    """Land, load, both, or neither: a load may find several batches, and a landing one that was never loaded."""
    for table in TABLES:
        if rng.random() < 0.7:
            pipeline.land(table, full=rng.random() < 0.1)
        if rng.random() < 0.5:
            pipeline.load(table)
