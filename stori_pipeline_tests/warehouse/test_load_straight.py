"""A snapshot that is copied straight into its mirror, and what goes through the stage instead. Each way ends in the same rows."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from stori_pipeline.model.table import Column
from stori_pipeline.model.types import bigint, varchar
from stori_pipeline_tests.stores import BY_TWO, ITEMS, StoredTable, StoreTable
from stori_pipeline_tests.warehouse.loads import facts, failing_commits


def staged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The reasons for which snapshots went through the stage."""
    return [record.getMessage().split("a stage: ")[1] for record in caplog.records if "goes through a stage" in record.getMessage()]


@pytest.fixture(autouse=True)
def _logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "stori_pipeline.warehouse.load")


def test_unique_snapshots_take_no_stage_and_count_what_vanished(items: StoredTable, caplog: pytest.LogCaptureFixture) -> None:
    items.snapshot((1, "a"), (2, "b"), (3, "c"))
    assert facts(items.loaded()) == (1, 3, 3, 0)
    items.snapshot((2, "B"), (4, "d"))
    assert facts(items.loaded()) == (2, 2, 2, 2)
    assert items.mirror("_batch", "_seq", "_deleted") == [(2, "B", 2, 0, False), (4, "d", 2, 1, False)]
    assert items.stores.query(f"SELECT COUNT(*) FROM {items.table.full_name} WHERE _loaded_at IS NULL") == [(0,)]
    assert staged(caplog) == []


def test_a_snapshot_with_a_repeated_key_keeps_the_winner(items: StoredTable, caplog: pytest.LogCaptureFixture) -> None:
    items.snapshot((7, "before"))
    items.loaded()
    items.snapshot((1, "old"), (2, "b"), (1, "new"))
    assert facts(items.loaded()) == (2, 3, 2, 1)
    assert items.mirror() == [(1, "new"), (2, "b")]
    assert staged(caplog) == ["3 rows have 2 live keys"]
    assert items.loads()[-1] == (2, 3, 2, 1)


def test_a_snapshot_with_a_tombstone_removes_its_row(items: StoredTable, caplog: pytest.LogCaptureFixture) -> None:
    items.snapshot((1, "a"), (2,))
    items.loaded()
    assert items.mirror() == [(1, "a")]
    assert len(staged(caplog)) == 1


def test_a_tombstone_whose_columns_may_not_be_null_goes_through_the_stage(store: StoreTable, caplog: pytest.LogCaptureFixture) -> None:
    columns = (Column("id", bigint, nullable=False), Column("note", varchar(16), nullable=False))
    strict = store(replace(ITEMS, columns=columns))
    strict.snapshot((1, "a"), (2, "b"), (2,))
    strict.loaded()
    assert strict.mirror() == [(1, "a")]
    assert "COPY into the mirror was refused" in staged(caplog)[0]


def test_a_composite_key_that_repeats_keeps_the_winner(store: StoreTable, caplog: pytest.LogCaptureFixture) -> None:
    pairs = store(BY_TWO)
    pairs.snapshot((1, "x", "old"), (1, "y", "b"))
    pairs.loaded()
    assert staged(caplog) == []
    pairs.snapshot((1, "x", "old"), (1, "y", "b"), (1, "x", "new"))
    assert facts(pairs.loaded()) == (2, 3, 2, 0)
    assert staged(caplog) == ["3 rows have 2 live keys"]


@pytest.mark.parametrize("rows", [((1, "a"), (2, "b")), ((1, "old"), (2, "b"), (1, "a"))], ids=["unique", "repeated"])
def test_conflicts_on_either_way_load_once(items: StoredTable, rows: tuple[tuple[int, str], ...]) -> None:
    items.snapshot((5, "before"))
    items.loaded()
    items.snapshot(*rows)
    with failing_commits(items, 2):
        items.loaded()
    assert items.mirror() == [(1, "a"), (2, "b")]
    assert len(items.loads()) == 2


def test_a_mirror_of_an_earlier_version_goes_on_without_its_new_columns(items: StoredTable) -> None:
    items.snapshot((1, "a"), (2, "b"))
    items.loaded()
    mirror = items.table.full_name
    items.stores.execute(f"ALTER TABLE {mirror} DROP COLUMN _seq", f"ALTER TABLE {mirror} DROP COLUMN _deleted")
    items.changes((1, "A"), (3, "c"))
    items.loaded()
    items.snapshot((1, "again"), (4, "d"))
    assert facts(items.loaded()) == (3, 2, 2, 2)
    assert items.mirror() == [(1, "again"), (4, "d")]
    wider = replace(items, table=replace(items.table, columns=(*items.table.columns, Column("more", varchar(8)))))
    wider.snapshot((1, "a", "x"))
    wider.loaded()
    assert wider.mirror("_seq") == [(1, "a", "x", 0)]
