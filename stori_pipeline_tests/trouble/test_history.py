"""Random histories of both sources: whatever happened, in whichever order, the mirrors end equal."""

from __future__ import annotations

import random

import pytest

from stori_pipeline.local.samples.seed import seed as sow
from stori_pipeline.local.samples.workload import late_transaction, round_of_changes
from stori_pipeline_tests.trouble.pipeline import BANK, EXCHANGE, Pipeline

ROUNDS = 4


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_mirrors_are_equal_after_any_history(pipeline: Pipeline, seed: int) -> None:
    rng = random.Random(seed)
    sow(pipeline.environ, pipeline.folder / "data", rows=300, trades=540)
    for number in range(ROUNDS):
        # Rows that commit late lie across whatever is landed and loaded meanwhile, and every fourth history takes them back.
        with late_transaction(pipeline.environ, seed=1000 * seed + number, commit=rng.random() < 0.75):
            round_of_changes(pipeline.environ, seed=100 * seed + number, operations=40)
            _some_of_it(pipeline, rng)
        _some_of_it(pipeline, rng)

    for table in (BANK, EXCHANGE):
        pipeline.sync(table)
    pipeline.reconcile(BANK)
    pipeline.load(BANK)
    for table in (BANK, EXCHANGE):
        pipeline.assert_equal(table)


def _some_of_it(pipeline: Pipeline, rng: random.Random) -> None:
    """Land, load, both, or neither: a load may find several batches, and a landing one that was never loaded."""
    for table in (BANK, EXCHANGE):
        if rng.random() < 0.7:
            pipeline.land(table, full=rng.random() < 0.1)
        if rng.random() < 0.5:
            pipeline.load(table)
