"""A run that reads a day of the past again."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from dagster import (
    DagsterInstance,
)

from stori_pipeline.defs.build import build_defs
from stori_pipeline.defs.keys import landing_key, mirror_key, step_name
from stori_pipeline.model.project import Project
from stori_pipeline.model.table import Table
from stori_pipeline_tests.defs.runs import checks, execute_sync, metadata_of, why
from stori_pipeline_tests.platforms import BANK, Platform


@pytest.mark.clock
def test_a_past_day_is_read_again(platform: Platform, instance: DagsterInstance) -> None:
    platform.write("ALTER TABLE transactions ALTER updated_at SET DEFAULT '2015-01-05 12:00Z'")
    platform.move(4)
    platform.write("ALTER TABLE transactions ALTER updated_at SET DEFAULT '2015-01-06 12:00Z'")
    platform.move(3)
    execute_sync([BANK], instance=instance)
    before = platform.lake.newest(BANK)

    result = execute_sync([BANK], instance=instance, day=date(2015, 1, 5))

    assert result.success
    after = platform.lake.newest(BANK)
    assert before is not None
    assert after is not None
    assert (after.batch, after.kind, after.rows, after.until) == (2, "changes", 4, before.until)
    assert metadata_of(result, mirror_key(BANK))["dagster/row_count"] == 7


@pytest.mark.clock
def test_a_green_mirror_has_every_batch_of_the_lake_also_after_a_past_day(platform: Platform, instance: DagsterInstance) -> None:
    """Landing and mirror of a past day were green with the ledger at the first batch, and the lake at the eighth."""
    platform.write("ALTER TABLE transactions ALTER updated_at SET DEFAULT '2015-01-05 12:00Z'")
    platform.move(2)
    execute_sync([BANK], instance=instance)
    for _ in range(3):
        platform.move(1)
        platform.land(BANK)

    result = execute_sync([BANK], instance=instance, day=date(2015, 1, 5))

    newest = platform.lake.newest(BANK)
    assert newest is not None
    assert newest.batch == 5
    assert result.success
    assert platform.ledger(BANK)[-1] == newest.order
    assert checks(result)["warehouse/bank/transactions complete"].passed


@pytest.mark.parametrize(
    ("table", "day", "reason"),
    [
        (BANK, "2999-01-01", "because it has not come yet"),
        (BANK, "yesterday", "because it is no day; write it like 2024-03-01"),
        (replace(BANK, cursor=""), "2024-03-01", "because the definition names no cursor column."),
    ],
    ids=["not come yet", "no day", "no cursor"],
)
def test_a_day_that_cannot_be_read_again_is_refused(
    platform: Platform, instance: DagsterInstance, table: Table, day: str, reason: str
) -> None:
    job = build_defs(Project((table,))).resolve_job_def("sync").get_subset(asset_selection={landing_key(table)})
    config = {"ops": {step_name(landing_key(table)): {"config": {"day": day}}}}
    errors = why(job.execute_in_process(run_config=config, instance=instance, raise_on_error=False))
    assert f"bank.transactions: {day} cannot be read again, {reason}" in errors[0]
    assert platform.lake.newest(table) is None
