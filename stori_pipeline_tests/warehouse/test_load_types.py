"""Values of every type through a load, and their checksums in the warehouse."""

from __future__ import annotations

from dataclasses import replace
from datetime import date as day
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pytest

from stori_pipeline.model.row_checksum import HASH_RANGE, Digest, KeyRange, checksum, has_integer_key, key_text, partition_value
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import bigint, boolean, date, decimal, double, integer, smallint, super_, timestamptz, varchar
from stori_pipeline_tests.stores import BY_TWO, ITEMS, StoredTable, StoreTable

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
        assert row[-1] == landed["doc"].decode()


@pytest.mark.parametrize("table", [EVERY_TYPE, replace(EVERY_TYPE, columns=EVERY_TYPE.columns, key=("id",), keep_deleted=True)])
def test_the_warehouse_computes_the_digests_of_python(store: StoreTable, table: Table) -> None:
    given_rows = [row for row in FULL if abs(row["id"]) < 2**40] + [{"id": 1000 + n, "text": f"é{n}", "f": n / 7} for n in range(50)]
    items = store(table)
    items.snapshot(*given_rows, (5000, 1))
    items.changes((5000,))
    items.loaded()
    _assert_digests(items, [{c.name: row.get(c.name) for c in table.columns} for row in given_rows])


@pytest.mark.parametrize("key", [("line",), ("no", "line")])
def test_the_digests_of_other_than_integer_keys_are_those_of_python(store: StoreTable, key: tuple[str, ...]) -> None:
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
