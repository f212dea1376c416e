"""What a load brings to the mirror: first rows, changes, deletes, snapshots, every type, and any history of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date as day
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stori_pipeline.model.row_checksum import HASH_RANGE, Digest, KeyRange, checksum, has_integer_key, key_text, partition_value
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import bigint, boolean, date, decimal, double, integer, smallint, super_, timestamptz, varchar
from stori_pipeline.warehouse.load import Loaded
from stori_pipeline_tests.stores import ITEMS, StoredTable, StoreTable

KEEPING = replace(ITEMS, keep_deleted=True)
BY_TWO = replace(
    ITEMS,
    columns=(Column("no", integer, nullable=False), Column("line", varchar(8), nullable=False), Column("note", varchar(64))),
    key=("no", "line"),
    distkey="no",
    sortkey=("no", "line"),
)


def facts(loaded: Loaded) -> tuple[int, int, int, int]:
    return loaded.batch, loaded.rows_copied, loaded.rows_inserted, loaded.rows_deleted


def test_the_first_load_makes_the_mirror_and_the_ledger_entry(items: StoredTable) -> None:
    assert items.stores.warehouse.ledger(items.table) is None
    landed = items.snapshot((1, "a"), (2, None))
    assert facts(items.loaded()) == (1, 2, 2, 0)
    assert items.mirror() == [(1, "a"), (2, None)]
    assert items.loads() == [(1, 2, 2, 0)]
    assert items.stores.warehouse.ledger(items.table) == (landed.generation, 1)


def test_nothing_landed_makes_nothing(items: StoredTable) -> None:
    assert items.load() is None
    schema = items.table.source.name
    assert items.stores.query(f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{schema}'") == []


def test_a_load_that_is_repeated_finds_nothing_to_do(items: StoredTable) -> None:
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


def test_a_tombstone_for_a_row_that_is_not_there_is_no_deletion(items: StoredTable) -> None:
    items.snapshot((1, "a"))
    items.loaded()
    items.changes((7,))
    assert facts(items.loaded()) == (2, 1, 0, 0)
    assert items.mirror() == [(1, "a")]


def test_several_batches_come_in_one_load_and_one_copy(items: StoredTable) -> None:
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


def test_a_later_batch_wins_although_its_place_in_the_batch_is_lower(items: StoredTable) -> None:
    items.snapshot((9, "x"))
    items.loaded()
    items.changes((2, "x"), (3, "x"), (1, "first batch, third row"))
    items.changes((1, "second batch, first row"))
    items.loaded()
    assert items.mirror()[0] == (1, "second batch, first row")


def test_deleted_and_written_again_across_batches(items: StoredTable) -> None:
    items.snapshot((1, "a"), (2, "b"))
    items.loaded()
    items.changes((1,), (2,))
    items.changes((1, "again"))
    items.loaded()
    assert items.mirror() == [(1, "again")]


def test_a_snapshot_replaces_the_mirror_and_counts_what_vanished(items: StoredTable) -> None:
    items.snapshot((1, "a"), (2, "b"), (3, "c"))
    items.loaded()
    items.snapshot((2, "B"), (4, "d"))
    assert facts(items.loaded()) == (2, 2, 2, 2)
    assert items.mirror() == [(2, "B"), (4, "d")]


def test_a_later_snapshot_makes_earlier_batches_superfluous(items: StoredTable) -> None:
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


def test_a_table_of_no_rows_has_a_mirror(items: StoredTable) -> None:
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


def test_a_row_written_and_then_deleted_between_two_loads_is_marked_and_not_lost(store: StoreTable) -> None:
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


def test_a_record_that_begins_to_keep_deleted_rows_wants_a_new_generation() -> None:
    assert KEEPING.fingerprint != ITEMS.fingerprint


# ---- every type

EVERY_TYPE = replace(
    ITEMS,
    columns=(
        Column("id", bigint, nullable=False),
        Column("i", integer),
        Column("s", smallint),
        Column("money", decimal(38, 4)),
        Column("scaled", decimal(37, 37)),
        Column("flag", boolean),
        Column("on_day", date),
        Column("at", timestamptz),
        Column("f", double),
        Column("text", varchar(65535)),
        Column("doc", super_),
    ),
)
UTC = timezone.utc
FULL: list[dict[str, Any]] = [
    {
        "id": 2**63 - 1,
        "i": 2**31 - 1,
        "s": 2**15 - 1,
        "money": Decimal("9999999999999999999999999999999999.9999"),
        "scaled": Decimal("0.1234567890123456789012345678901234567"),
        "flag": True,
        "on_day": day(9999, 12, 31),
        "at": datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        "f": 1.7976931348623157e308 / 1e300,
        "text": "naïve – 漢字 🎉 ' \" \\ \t | \n ~ NULL",
        "doc": '{"a":[1,2.50,null,true],"ключ":"значение 🎉 \\" \\\\ | ~"}'.encode(),
    },
    {
        "id": -(2**63) + 1,
        "i": -(2**31),
        "s": -(2**15),
        "money": Decimal("-0.0001"),
        "scaled": Decimal("-0.0000000000000000000000000000000000001"),
        "flag": False,
        "on_day": day(1, 1, 1),
        "at": datetime(1, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
        "f": -1e-7,
        "text": "",
        "doc": b'""',
    },
    {"id": 0, "doc": b"null"},
    {"id": 1, "doc": b"[]", "text": "x" * 65535, "f": 0.1, "money": Decimal("0.0000")},
    {"id": 3, "text": "  two spaces  ", "doc": ("[" + ",".join(f'"{n:07d}"' for n in range(20_000)) + "]").encode()},
]


def test_every_type_comes_back_as_it_landed(store: StoreTable) -> None:
    items = store(EVERY_TYPE)
    items.snapshot(*FULL)
    items.loaded()
    plain = [c.name for c in items.table.columns if c.name != "doc"]
    selected = ", ".join(f'"{name}"' for name in plain)
    found = items.stores.warehouse.query(
        f"SELECT {selected}, JSON_SERIALIZE(doc) FROM {items.table.full_name} ORDER BY id",
    )
    for row, landed in zip(found, sorted(FULL, key=lambda each: int(each["id"])), strict=True):
        assert dict(zip(plain, row, strict=False)) == {name: landed.get(name) for name in plain}
        assert "".join(row[-1].split()) == "".join(landed["doc"].decode().split())


@pytest.mark.parametrize("table", [EVERY_TYPE, replace(EVERY_TYPE, columns=EVERY_TYPE.columns, key=("id",), keep_deleted=True)])
def test_the_warehouses_digests_are_those_of_python(store: StoreTable, table: Table) -> None:
    # Ten places behind the point is what a double's text has, so ten is what is compared here.
    given_rows = [row for row in FULL if abs(row["id"]) < 2**40] + [{"id": 1000 + n, "text": f"é{n}", "f": n / 7} for n in range(50)]
    items = store(table)
    items.snapshot(*given_rows, (5000, 1))
    items.changes((5000,))
    items.loaded()
    _assert_digests(items, [{c.name: row.get(c.name) for c in table.columns} for row in given_rows])


@pytest.mark.parametrize("key", [("line",), ("no", "line")])
def test_the_digests_of_keys_that_are_no_integers_are_those_of_python(store: StoreTable, key: tuple[str, ...]) -> None:
    items = store(replace(BY_TWO, key=key))
    given_rows = [{"no": n, "line": f"ü{n}|'", "note": None if n % 3 else f"{n}"} for n in range(100)]
    items.snapshot(*given_rows)
    items.loaded()
    _assert_digests(items, given_rows)


def _assert_digests(items: StoredTable, given_rows: list[dict[str, Any]]) -> None:
    table, warehouse = items.table, items.stores.warehouse
    places = [partition_value(table, row) for row in given_rows]
    whole = KeyRange(min(places), max(places) + 1) if has_integer_key(table) else HASH_RANGE
    assert warehouse.key_range(table) == (len(given_rows), whole)
    assert warehouse.checksums(table, whole) == {key_text(table, row): checksum(table, row) for row in given_rows}
    width = whole.width(16)
    expected: dict[int, Digest] = {}
    for row, at in zip(given_rows, places, strict=True):
        bucket = (at - whole.low) // width
        so_far = expected.get(bucket, Digest(0, 0))
        expected[bucket] = Digest(so_far.rows + 1, so_far.checksum + checksum(table, row))
    assert warehouse.digests(table, whole, width) == expected
    keys_only = warehouse.digests(table, whole, width, keys_only=True)
    assert {bucket: digest.rows for bucket, digest in keys_only.items()} == {bucket: digest.rows for bucket, digest in expected.items()}
    half = KeyRange(whole.low, whole.low + (whole.high - whole.low) // 2)
    inside = {key_text(table, row): checksum(table, row) for row, at in zip(given_rows, places, strict=True) if at < half.high}
    assert warehouse.checksums(table, half) == inside


def test_digests_of_an_empty_mirror(items: StoredTable) -> None:
    items.snapshot()
    items.loaded()
    assert items.stores.warehouse.key_range(items.table) == (0, KeyRange(0, 0))
    assert items.stores.warehouse.digests(items.table, KeyRange(0, 100), 10) == {}
    assert items.stores.warehouse.checksums(items.table, KeyRange(0, 100)) == {}


# ---- any history

KEYS = st.integers(1, 6)
WRITES = st.lists(st.tuples(KEYS, st.sampled_from(["a", "b", "ß", None])) | st.tuples(KEYS), max_size=8)
HISTORY = st.lists(st.tuples(st.sampled_from(["snapshot", "changes", "changes", "changes"]), WRITES, st.booleans()), min_size=1, max_size=7)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(history=HISTORY, keeping=st.booleans())
def test_any_history_loaded_at_any_points_ends_as_the_last_version_of_each_row(store: StoreTable, history: Any, keeping: bool) -> None:
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
            items.load()
            assert _live(items) == model
    items.load()
    assert _live(items) == model
    assert items.load() is None


def _live(items: StoredTable) -> dict[int, str | None]:
    names = ("_deleted",) if items.table.keep_deleted else ()
    found = [row[:2] for row in items.mirror(*names) if not row[2:] or not row[2]]
    assert len(dict(found)) == len(found)
    return dict(found)
