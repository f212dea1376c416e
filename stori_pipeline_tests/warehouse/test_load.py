"""The result of a load in the mirror: first rows, changes, deletes, snapshots, and any history of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stori_pipeline.model.row_checksum import KeyRange
from stori_pipeline_tests.databases import execute
from stori_pipeline_tests.extent import extent
from stori_pipeline_tests.stores import BY_TWO, ITEMS, StoredTable, StoreTable
from stori_pipeline_tests.warehouse.loads import facts

KEEPING = replace(ITEMS, keep_deleted=True)


def test_the_first_load_creates_the_mirror_and_the_ledger_entry(items: StoredTable) -> None:
    assert items.stores.warehouse.ledger(items.table) is None
    landed = items.snapshot((1, "a"), (2, None))
    assert facts(items.loaded()) == (1, 2, 2, 0)
    assert items.mirror() == [(1, "a"), (2, None)]
    assert items.loads() == [(1, 2, 2, 0)]
    assert items.stores.warehouse.ledger(items.table) == (landed.generation, 1)


def test_of_two_loads_that_end_in_one_second_the_last_is_of_the_newer_generation(items: StoredTable) -> None:
    """The ledger's times are whole seconds."""
    first = items.snapshot((1, "a"))
    items.loaded()
    second = items.snapshot((1, "a"), (2, "b"))
    items.loaded()
    name = items.table.full_name
    same = "UPDATE pipeline.loads SET finished_at = '2026-11-28', batch = 1 WHERE target = %s"
    execute(items.stores.warehouse_url, same, parameters=(name,))
    assert first.generation < second.generation
    assert items.stores.warehouse.last_loads(name) == [(second.generation, 1, 2), (first.generation, 1, 1)]


def test_a_load_without_landed_batches_creates_nothing(items: StoredTable) -> None:
    assert items.load() is None
    schema = items.table.source.name
    assert items.stores.query(f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{schema}'") == []


def test_a_repeated_load_does_nothing(items: StoredTable) -> None:
    items.snapshot((1, "a"))
    items.loaded()
    assert items.load() is None
    assert items.loads() == [(1, 1, 1, 0)]


def test_changes_replace_add_and_delete(items: StoredTable) -> None:
    items.snapshot((1, "a"), (2, "b"), (3, "c"))
    items.loaded()
    items.changes((2, "B"), (3,), (4, "d"))
    assert facts(items.loaded()) == (2, 3, 2, 1)
    assert items.mirror("_batch") == [(1, "a", 1), (2, "B", 2), (4, "d", 2)]


def test_the_newest_loads_of_all_tables_are_those_of_each(items: StoredTable) -> None:
    warehouse, name = items.stores.warehouse, items.table.full_name
    before = warehouse.newest_loads()
    assert name not in before.loads
    items.snapshot((1, "a"))
    items.loaded()
    items.changes((2, "b"))
    items.loaded()
    found = warehouse.newest_loads()
    assert found.of_mirrors()[name] == found.loads[name].entry == warehouse.ledger_entry(items.table)
    assert found.loads[name].entry.batch == 2
    assert [(found.loads[name].at,)] == items.stores.query(f"SELECT MAX(finished_at) FROM pipeline.loads WHERE target = '{name}'")
    assert found.relations - before.relations >= {name}
    items.stores.execute(f"DROP TABLE {name}")
    found = warehouse.newest_loads()
    assert name in found.loads
    assert found.of_mirrors().get(name) is warehouse.ledger_entry(items.table) is None


def test_a_tombstone_for_a_missing_row_deletes_nothing(items: StoredTable) -> None:
    items.snapshot((1, "a"))
    items.loaded()
    items.changes((7,))
    assert facts(items.loaded()) == (2, 1, 0, 0)
    assert items.mirror() == [(1, "a")]


def test_one_load_brings_several_batches_with_one_copy(items: StoredTable) -> None:
    items.snapshot((1, "a"), (2, "b"))
    items.changes((1, "a2"))
    items.changes((1, "a3"), (2,))
    items.changes((3, "c"))
    assert facts(items.loaded()) == (4, 6, 2, 0)
    assert items.mirror("_batch") == [(1, "a3", 3), (3, "c", 4)]
    assert len(items.loads()) == 1


def test_within_a_batch_the_last_version_wins(items: StoredTable) -> None:
    items.snapshot((1, "old"), (1, "new"), (2, "gone"), (2,), (3,), (3, "back"))
    items.loaded()
    assert items.mirror() == [(1, "new"), (3, "back")]


def test_a_later_batch_wins_even_if_its_seq_is_lower(items: StoredTable) -> None:
    items.snapshot((9, "x"))
    items.loaded()
    items.changes((2, "x"), (3, "x"), (1, "first batch, third row"))
    items.changes((1, "second batch, first row"))
    items.loaded()
    assert items.mirror()[0] == (1, "second batch, first row")


def test_a_row_deleted_and_written_again_in_later_batches_is_live(items: StoredTable) -> None:
    items.snapshot((1, "a"), (2, "b"))
    items.loaded()
    items.changes((1,), (2,))
    items.changes((1, "again"))
    items.loaded()
    assert items.mirror() == [(1, "again")]


def test_a_snapshot_replaces_the_mirror_and_counts_removed_rows(items: StoredTable) -> None:
    items.snapshot((1, "a"), (2, "b"), (3, "c"))
    items.loaded()
    items.snapshot((2, "B"), (4, "d"))
    assert facts(items.loaded()) == (2, 2, 2, 2)
    assert items.mirror() == [(2, "B"), (4, "d")]


def test_batches_before_the_last_snapshot_are_not_loaded(items: StoredTable) -> None:
    items.snapshot((1, "a"))
    items.loaded()
    items.changes((2, "b"))
    items.snapshot((3, "c"))
    items.changes((4, "d"))
    assert facts(items.loaded()) == (4, 2, 2, 1)  # the changes before the snapshot were not even copied
    assert items.mirror() == [(3, "c"), (4, "d")]


def test_an_empty_snapshot_empties_the_mirror(items: StoredTable) -> None:
    items.snapshot((1, "a"), (2, "b"))
    items.loaded()
    items.snapshot()
    assert facts(items.loaded()) == (2, 0, 0, 2)
    assert items.mirror() == []
    assert items.load() is None


def test_an_empty_table_has_a_mirror(items: StoredTable) -> None:
    items.snapshot()
    assert facts(items.loaded()) == (1, 0, 0, 0)
    assert items.mirror() == []
    items.changes((1, "first"))
    items.loaded()
    assert items.mirror() == [(1, "first")]


def test_a_batch_without_rows_moves_the_ledger_and_nothing_else(items: StoredTable) -> None:
    items.snapshot((1, "a"))
    items.loaded()
    newest = items.changes(must_land=True)
    assert newest.parts == ()
    assert facts(items.loaded()) == (2, 0, 0, 0)
    assert items.mirror("_batch") == [(1, "a", 1)]
    assert items.stores.warehouse.ledger(items.table) == (newest.generation, 2)
    assert items.load() is None


def test_a_composite_key_is_one_key(store: StoreTable) -> None:
    items = store(BY_TWO)
    items.snapshot((1, "a", "x"), (1, "b", "x"), (2, "a", "x"))
    items.loaded()
    items.changes((1, "a", "y"), (2, "a"))
    assert facts(items.loaded()) == (2, 2, 1, 1)
    assert items.mirror() == [(1, "a", "y"), (1, "b", "x")]


# ---- deleted rows are kept


def test_deleted_rows_are_marked_and_keep_their_values(store: StoreTable) -> None:
    items = store(KEEPING)
    items.snapshot((1, "a"), (2, "b"))
    items.loaded()
    items.changes((1,))
    assert facts(items.loaded()) == (2, 1, 0, 1)
    assert items.mirror("_deleted") == [(1, "a", True), (2, "b", False)]
    assert items.stores.warehouse.key_range(items.table) == (1, KeyRange(2, 3))


def test_a_marked_row_that_is_written_again_is_live_and_single(store: StoreTable) -> None:
    items = store(KEEPING)
    items.snapshot((1, "a"))
    items.changes((1,))
    items.loaded()
    items.changes((1, "again"))
    items.loaded()
    assert items.mirror("_deleted") == [(1, "again", False)]


def test_a_row_written_and_deleted_between_two_loads_is_marked_and_kept(store: StoreTable) -> None:
    items = store(KEEPING)
    items.snapshot((1, "a"), (2, "b"))
    items.loaded()
    items.changes((1, "written"), (1,))
    items.changes((2, "written"))
    items.changes((2,))
    assert items.loaded().rows_deleted == 2
    assert [row[-1] for row in items.mirror("_deleted")] == [True, True]


def test_marking_twice_counts_once(store: StoreTable) -> None:
    items = store(KEEPING)
    items.snapshot((1, "a"))
    items.loaded()
    items.changes((1,))
    items.loaded()
    items.changes((1,))
    assert items.loaded().rows_deleted == 0


def test_a_definition_that_now_keeps_deleted_rows_needs_a_new_generation() -> None:
    assert KEEPING.fingerprint != ITEMS.fingerprint


# ---- any history

KEYS = st.integers(1, 6)
WRITES = st.lists(st.tuples(KEYS, st.sampled_from(["a", "b", "ß", None])) | st.tuples(KEYS), max_size=8)
HISTORY = st.lists(st.tuples(st.sampled_from(["snapshot", "changes", "changes", "changes"]), WRITES, st.booleans()), min_size=1, max_size=7)


@settings(max_examples=extent(15, 150), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(history=HISTORY, keeping=st.booleans())
def test_any_history_in_any_loads_ends_as_the_last_version_of_each_row(store: StoreTable, history: Any, keeping: bool) -> None:
    items = store(KEEPING if keeping else ITEMS)
    model: dict[int, str | None] = {}
    for number, (kind, writes, loads) in enumerate(history):
        whole = kind == "snapshot" or number == 0
        if whole:
            model.clear()
        for key, *value in writes:
            model.pop(key, None)
            if value:
                model[key] = value[0]
        items.stores.land_rows(items.table, "snapshot" if whole else "changes", *writes)
        if loads:
            _load_counted(items)
            assert _live(items) == model
    _load_counted(items)
    assert _live(items) == model
    assert items.load() is None


def _load_counted(items: StoredTable) -> None:
    """Loads; the mirror has grown by as many rows as the load says, and what it says it followed is what was there."""
    after = items.stores.warehouse.ledger(items.table)
    before = len(items.mirror()) if after else 0
    loaded = items.load()
    if loaded is not None:
        assert loaded.after == after
        assert loaded.rows_more in (len(items.mirror()) - before, None)
        assert loaded.rows_more is not None or loaded.rows_inserted == len(items.mirror())


def _live(items: StoredTable) -> dict[int, str | None]:
    names = ("_deleted",) if items.table.keep_deleted else ()
    found = [row[:2] for row in items.mirror(*names) if not row[2:] or not row[2]]
    assert len(dict(found)) == len(found)
    return dict(found)
