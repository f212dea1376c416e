"""Schema changes on every kind of source: what drift and the plan say, and that the mirror equals the source after each of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from stori_pipeline.lake import Lake
from stori_pipeline.model.drift import Drift
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import varchar
from stori_pipeline.pipeline import sync
from stori_pipeline.pipeline.drift import drift
from stori_pipeline.pipeline.schema_change import schema_change
from stori_pipeline.pipeline.schema_plan import schema_plan
from stori_pipeline.readers import READERS
from stori_pipeline.readers.definition_changes import lines, proposed
from stori_pipeline.verify import compare
from stori_pipeline.verify.comparables import comparable_source
from stori_pipeline_tests.readers.drained import drained
from stori_pipeline_tests.readers.rigs import CASES
from stori_pipeline_tests.readers.shop import NAME_BYTES, Rig, items
from stori_pipeline_tests.stores import ITEMS, StoredTable, Stores, storing

_WAYS = (
    "postgres by xmin",
    "mongodb by change stream",
    "sqs by receiving",
    "s3_drop by files",
    "http_api by page",
    "json_folder by content",
)
"""One way of each kind."""


def test_schema_changes_are_tried_on_every_kind_of_source() -> None:
    assert {CASES[name][0].kind for name in _WAYS} >= set(READERS)


@pytest.fixture
def stored(rig: Rig, stores: Stores) -> Iterator[StoredTable]:
    """The rig's table, with a mirror in a schema of its own. No name is null yet."""
    columns = tuple(replace(c, nullable=False) if c.name == "name" else c for c in rig.table.columns)
    with storing(stores) as store:
        yield store(replace(rig.table, columns=columns))


def _with(table: Table, column: str, **values: object) -> Table:
    return replace(table, columns=tuple(replace(c, **values) if c.name == column else c for c in table.columns))  # type: ignore[arg-type]


def _follow(rig: Rig, stored: StoredTable, table: Table, lake: Lake) -> None:
    """Syncs a definition and proves the mirror: against the source's checksums, and against all rows that it gives."""
    sync.land(table, rig.reader, lake, run_id="run")
    sync.load(table, lake, stored.stores.warehouse, run_id="run")
    compared = compare.verify(table, comparable_source(rig.reader, lake), stored.stores.warehouse)
    assert compared.equal, compared
    shown = [c.name for c in table.columns if c.type.is_text or c.name == "id"]
    names = ", ".join(f'"{name}"' for name in shown)
    mirror = stored.stores.query(f'SELECT {names} FROM "{table.source.name}"."{table.name}" ORDER BY "id"')
    if table.changes.is_replayable:
        newest = {row["id"]: tuple(row[name] for name in shown) for row in drained(rig.reader, table).rows}
        assert mirror == [newest[key] for key in sorted(newest)]


@pytest.mark.parametrize("rig", _WAYS, indirect=True)
def test_the_mirror_equals_the_source_after_each_change_of_the_schema(rig: Rig, stored: StoredTable) -> None:
    table, lake, warehouse = stored.table, stored.stores.lake, stored.stores.warehouse
    rig.insert(items(1, 2, 3))
    _follow(rig, stored, table, lake)
    first = lake.newest(table)
    assert first is not None

    rig.add_field("colour")
    if not rig.shows_unread_rows:
        _follow(rig, stored, table, lake)
    plan = schema_plan(table, rig.reader, lake, warehouse)
    assert [each.column for each in plan.drift if each.change == "added"] == ["colour"]
    coloured = proposed(table, [each for each in plan.drift if each.change == "added"])
    assert coloured["colour"].nullable
    wider = _with(coloured, "name", type=varchar(2 * NAME_BYTES))
    reordered = replace(wider, columns=tuple(reversed(wider.columns)))
    renamed = _with(_with(reordered, "name", nullable=True), "colour", name="hue", path="colour")
    removed = replace(renamed, columns=tuple(c for c in renamed.columns if c.name != "hue"))
    changes = {"added": coloured, "widened and reordered": reordered, "nullable and renamed": renamed}
    changes |= {"dropped, kept as null": _with(renamed, "hue", dropped=True), "removed": removed}
    for number, (what, definition) in enumerate(changes.items(), 10):
        plan = schema_plan(definition, rig.reader, lake, warehouse)
        assert plan.change is not None
        assert not plan.change.whole, what
        rig.insert([{"id": number, "name": "n" * (1 if what == "added" else NAME_BYTES + 1)}])
        _follow(rig, stored, definition, lake)
        newest = lake.newest(definition)
        assert newest is not None
        assert newest.generation == first.generation, what
        assert lake.generation(definition, newest)[-1].rejected == 0
        seen = {each.change for each in drift(definition, rig.reader, lake)} - {"added"}
        assert seen == ({"nullable"} if rig.kind == "postgres" and not definition["name"].nullable else set()), what

    narrow = _with(removed, "name", type=varchar(NAME_BYTES + 8))
    keyed = replace(_with(removed, "name", nullable=False), key=("id", "name"))
    for table, reason in ((narrow, "which does not take every value of it"), (keyed, "its key was (id) and is (id, name)")):
        change = schema_change(table, lake, lake.newest(table))
        assert change is not None
        assert reason in change.whole[0 if table is keyed else -1]
    _follow(rig, stored, narrow, lake)


def test_a_proposed_definition_takes_over_each_change_but_the_key() -> None:
    names = [c.name for c in ITEMS.columns]
    found = [
        Drift("", "key", "the key", is_error=True),
        Drift("more", "added", "new", 'Column("more", varchar(12), path="More", description="It\'s more.")'),
        Drift(names[1], "wider", "wider", "varchar(512)"),
        Drift(names[1], "nullable", "null"),
    ]
    table = proposed(ITEMS, found)
    assert table["more"] == Column("more", varchar(12), path="More", description="It's more.")
    assert (table[names[1]].type, table[names[1]].nullable, table.key) == (varchar(512), True, ITEMS.key)
    assert len(lines(ITEMS, found)) == 3
    assert proposed(ITEMS, found[:1]) is ITEMS
