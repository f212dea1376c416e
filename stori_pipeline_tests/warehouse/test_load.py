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
from stori_pipeline_tests.warehouse.conftest import MakeShop
from stori_pipeline_tests.warehouse.shops import ITEMS, Shop

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


def test_the_first_load_makes_the_mirror_and_the_ledger_entry(shop: Shop) -> None:
    assert shop.warehouse.ledger(shop.table) is None
    landed = shop.snapshot((1, "a"), (2, None))
    assert facts(shop.loaded()) == (1, 2, 2, 0)
    assert shop.mirror() == [(1, "a"), (2, None)]
    assert shop.ledger() == [(1, 2, 2, 0)]
    assert shop.warehouse.ledger(shop.table) == (landed.generation, 1)


def test_nothing_landed_makes_nothing(shop: Shop) -> None:
    assert shop.load() is None
    assert shop.warehouse.query("SELECT table_name FROM information_schema.tables WHERE table_schema = %s", (shop.table.source.name,)) == []


def test_a_load_that_is_repeated_finds_nothing_to_do(shop: Shop) -> None:
    shop.snapshot((1, "a"))
    shop.loaded()
    assert shop.load() is None
    assert shop.ledger() == [(1, 1, 1, 0)]


def test_changes_replace_add_and_delete(shop: Shop) -> None:
    shop.snapshot((1, "a"), (2, "b"), (3, "c"))
    shop.loaded()
    shop.changes((2, "B"), (3,), (4, "d"))
    assert facts(shop.loaded()) == (2, 3, 2, 1)
    assert shop.mirror("_batch") == [(1, "a", 1), (2, "B", 2), (4, "d", 2)]


def test_a_tombstone_for_a_row_that_is_not_there_is_no_deletion(shop: Shop) -> None:
    shop.snapshot((1, "a"))
    shop.loaded()
    shop.changes((7,))
    assert facts(shop.loaded()) == (2, 1, 0, 0)
    assert shop.mirror() == [(1, "a")]


def test_several_batches_come_in_one_load_and_one_copy(shop: Shop) -> None:
    shop.snapshot((1, "a"), (2, "b"))
    shop.changes((1, "a2"))
    shop.changes((1, "a3"), (2,))
    shop.changes((3, "c"))
    assert facts(shop.loaded()) == (4, 6, 2, 0)
    assert shop.mirror("_batch") == [(1, "a3", 3), (3, "c", 4)]
    assert len(shop.ledger()) == 1


def test_within_a_batch_the_last_version_wins(shop: Shop) -> None:
    shop.snapshot((1, "old"), (1, "new"), (2, "gone"), (2,), (3,), (3, "back"))
    shop.loaded()
    assert shop.mirror() == [(1, "new"), (3, "back")]


def test_a_later_batch_wins_although_its_place_in_the_batch_is_lower(shop: Shop) -> None:
    shop.snapshot((9, "x"))
    shop.loaded()
    shop.changes((2, "x"), (3, "x"), (1, "first batch, third row"))
    shop.changes((1, "second batch, first row"))
    shop.loaded()
    assert shop.mirror()[0] == (1, "second batch, first row")


def test_deleted_and_written_again_across_batches(shop: Shop) -> None:
    shop.snapshot((1, "a"), (2, "b"))
    shop.loaded()
    shop.changes((1,), (2,))
    shop.changes((1, "again"))
    shop.loaded()
    assert shop.mirror() == [(1, "again")]


def test_a_snapshot_replaces_the_mirror_and_counts_what_vanished(shop: Shop) -> None:
    shop.snapshot((1, "a"), (2, "b"), (3, "c"))
    shop.loaded()
    shop.snapshot((2, "B"), (4, "d"))
    assert facts(shop.loaded()) == (2, 2, 2, 2)
    assert shop.mirror() == [(2, "B"), (4, "d")]


def test_a_later_snapshot_makes_earlier_batches_superfluous(shop: Shop) -> None:
    shop.snapshot((1, "a"))
    shop.loaded()
    shop.changes((2, "b"))
    shop.snapshot((3, "c"))
    shop.changes((4, "d"))
    assert facts(shop.loaded()) == (4, 2, 2, 1)  # the changes before the snapshot were not even copied
    assert shop.mirror() == [(3, "c"), (4, "d")]


def test_an_empty_snapshot_empties_the_mirror(shop: Shop) -> None:
    shop.snapshot((1, "a"), (2, "b"))
    shop.loaded()
    shop.snapshot()
    assert facts(shop.loaded()) == (2, 0, 0, 2)
    assert shop.mirror() == []
    assert shop.load() is None


def test_a_table_of_no_rows_has_a_mirror(shop: Shop) -> None:
    shop.snapshot()
    assert facts(shop.loaded()) == (1, 0, 0, 0)
    assert shop.mirror() == []
    shop.changes((1, "first"))
    shop.loaded()
    assert shop.mirror() == [(1, "first")]


def test_a_batch_without_rows_moves_the_ledger_and_nothing_else(shop: Shop) -> None:
    shop.snapshot((1, "a"))
    shop.loaded()
    newest = shop.changes(must_land=True)
    assert newest.parts == ()
    assert facts(shop.loaded()) == (2, 0, 0, 0)
    assert shop.mirror("_batch") == [(1, "a", 1)]
    assert shop.warehouse.ledger(shop.table) == (newest.generation, 2)
    assert shop.load() is None


def test_a_composite_key_is_one_key(shop_of: MakeShop) -> None:
    shop = shop_of(BY_TWO)
    shop.snapshot((1, "a", "x"), (1, "b", "x"), (2, "a", "x"))
    shop.loaded()
    shop.changes((1, "a", "y"), (2, "a"))
    assert facts(shop.loaded()) == (2, 2, 1, 1)
    assert shop.mirror() == [(1, "a", "y"), (1, "b", "x")]


# ---- deleted rows are kept


def test_deleted_rows_are_marked_and_keep_their_values(shop_of: MakeShop) -> None:
    shop = shop_of(KEEPING)
    shop.snapshot((1, "a"), (2, "b"))
    shop.loaded()
    shop.changes((1,))
    assert facts(shop.loaded()) == (2, 1, 0, 1)
    assert shop.mirror("_deleted") == [(1, "a", True), (2, "b", False)]
    assert shop.warehouse.key_range(shop.table) == (1, KeyRange(2, 3))


def test_a_marked_row_that_is_written_again_is_live_and_single(shop_of: MakeShop) -> None:
    shop = shop_of(KEEPING)
    shop.snapshot((1, "a"))
    shop.changes((1,))
    shop.loaded()
    shop.changes((1, "again"))
    shop.loaded()
    assert shop.mirror("_deleted") == [(1, "again", False)]


def test_a_row_written_and_then_deleted_between_two_loads_is_marked_and_not_lost(shop_of: MakeShop) -> None:
    shop = shop_of(KEEPING)
    shop.snapshot((1, "a"), (2, "b"))
    shop.loaded()
    shop.changes((1, "written"), (1,))
    shop.changes((2, "written"))
    shop.changes((2,))
    assert shop.loaded().rows_deleted == 2
    assert [row[-1] for row in shop.mirror("_deleted")] == [True, True]


def test_marking_twice_counts_once(shop_of: MakeShop) -> None:
    shop = shop_of(KEEPING)
    shop.snapshot((1, "a"))
    shop.loaded()
    shop.changes((1,))
    shop.loaded()
    shop.changes((1,))
    assert shop.loaded().rows_deleted == 0


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


def test_every_type_comes_back_as_it_landed(shop_of: MakeShop) -> None:
    shop = shop_of(EVERY_TYPE)
    shop.snapshot(*FULL)
    shop.loaded()
    plain = [c.name for c in shop.table.columns if c.name != "doc"]
    selected = ", ".join(f'"{name}"' for name in plain)
    found = shop.warehouse.query(
        f"SELECT {selected}, JSON_SERIALIZE(doc) FROM {shop.table.full_name} ORDER BY id",
    )
    for row, landed in zip(found, sorted(FULL, key=lambda each: int(each["id"])), strict=True):
        assert dict(zip(plain, row, strict=False)) == {name: landed.get(name) for name in plain}
        assert "".join(row[-1].split()) == "".join(landed["doc"].decode().split())


@pytest.mark.parametrize("table", [EVERY_TYPE, replace(EVERY_TYPE, columns=EVERY_TYPE.columns, key=("id",), keep_deleted=True)])
def test_the_warehouses_digests_are_those_of_python(shop_of: MakeShop, table: Table) -> None:
    # Ten places behind the point is what a double's text has, so ten is what is compared here.
    given_rows = [row for row in FULL if abs(row["id"]) < 2**40] + [{"id": 1000 + n, "text": f"é{n}", "f": n / 7} for n in range(50)]
    shop = shop_of(table)
    shop.snapshot(*given_rows, (5000, 1))
    shop.changes((5000,))
    shop.loaded()
    _assert_digests(shop, [{c.name: row.get(c.name) for c in table.columns} for row in given_rows])


@pytest.mark.parametrize("key", [("line",), ("no", "line")])
def test_the_digests_of_keys_that_are_no_integers_are_those_of_python(shop_of: MakeShop, key: tuple[str, ...]) -> None:
    shop = shop_of(replace(BY_TWO, key=key))
    given_rows = [{"no": n, "line": f"ü{n}|'", "note": None if n % 3 else f"{n}"} for n in range(100)]
    shop.snapshot(*given_rows)
    shop.loaded()
    _assert_digests(shop, given_rows)


def _assert_digests(shop: Shop, given_rows: list[dict[str, Any]]) -> None:
    table, warehouse = shop.table, shop.warehouse
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


def test_digests_of_an_empty_mirror(shop: Shop) -> None:
    shop.snapshot()
    shop.loaded()
    assert shop.warehouse.key_range(shop.table) == (0, KeyRange(0, 0))
    assert shop.warehouse.digests(shop.table, KeyRange(0, 100), 10) == {}
    assert shop.warehouse.checksums(shop.table, KeyRange(0, 100)) == {}


# ---- any history

KEYS = st.integers(1, 6)
WRITES = st.lists(st.tuples(KEYS, st.sampled_from(["a", "b", "ß", None])) | st.tuples(KEYS), max_size=8)
HISTORY = st.lists(st.tuples(st.sampled_from(["snapshot", "changes", "changes", "changes"]), WRITES, st.booleans()), min_size=1, max_size=7)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(history=HISTORY, keeping=st.booleans())
def test_any_history_loaded_at_any_points_ends_as_the_last_version_of_each_row(shop_of: MakeShop, history: Any, keeping: bool) -> None:
    shop = shop_of(KEEPING if keeping else ITEMS)
    model: dict[int, str | None] = {}
    for number, (kind, writes, loads) in enumerate(history):
        whole = kind == "snapshot" or number == 0
        if whole:
            model.clear()
        for key, *value in writes:
            model.pop(key, None)
            if value:
                model[key] = value[0]
        shop.land("snapshot" if whole else "changes", *writes)
        if loads:
            shop.load()
            assert _live(shop) == model
    shop.load()
    assert _live(shop) == model
    assert shop.load() is None


def _live(shop: Shop) -> dict[int, str | None]:
    names = ("_deleted",) if shop.table.keep_deleted else ()
    found = [row[:2] for row in shop.mirror(*names) if not row[2:] or not row[2]]
    assert len(dict(found)) == len(found)
    return dict(found)
