"""A source that cannot be replayed: no full refresh loses a row, unless the lake itself was lost."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import pytest

from stori_pipeline.lake import Lake, LakeError, Manifest
from stori_pipeline.lake.quarantine import rejected_rows
from stori_pipeline.model.drift import Drift
from stori_pipeline.model.reading import Reading
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import bigint, decimal, integer, super_, timestamptz, varchar
from stori_pipeline.pipeline import sync
from stori_pipeline.pipeline.detect_deletes import detect_deletes
from stori_pipeline.pipeline.gate import LoadBlocked
from stori_pipeline.pipeline.sync import Landed
from stori_pipeline.readers.sqs import Queue
from stori_pipeline.readers.sqs.reader import SqsReader
from stori_pipeline.verify import compare
from stori_pipeline.verify.comparables import comparable_source
from stori_pipeline_tests.queues import TestQueue
from stori_pipeline_tests.readings import Given
from stori_pipeline_tests.stores import StoreTable


def orders(*more: Column, **changed: Column) -> Table:
    columns = {
        "id": Column("id", bigint, nullable=False),
        "note": Column("note", varchar(8)),
        "price": Column("price", decimal(10, 2)),
        "at": Column("at", timestamptz),
        "detail": Column("detail", super_),
    }
    return Table(Source("shop", "sqs", "A shop."), "orders", (*(columns | changed).values(), *more), ("id",), Queue())


ORDERS = orders()
MORE: dict[str, Any] = {"price": "1.50", "at": "2026-11-21 10:00:00", "detail": {"b": [1, 2.5]}, "size": 7}


def landed(messages: TestQueue, lake: Lake, table: Table = ORDERS, *, full: bool = False) -> Landed:
    return sync.land(table, SqsReader(messages.url), lake, run_id="run", full=full)


def rows(lake: Lake, table: Table = ORDERS) -> dict[int, dict[str, Any]]:
    return {row["id"]: row for row in lake.live(table).collect().to_dicts()}


def _quarantine(lake: Lake, manifest: Manifest | None) -> list[dict[str, Any]]:
    assert manifest is not None
    return rejected_rows(lake, ORDERS, manifest).collect().to_dicts()


def begun(messages: TestQueue, lake: Lake) -> None:
    """Two batches: three orders, of which the second has changed since."""
    messages.send({"id": 1, "note": "a", **MORE}, {"id": 2, "note": "b"})
    landed(messages, lake)
    messages.send({"id": 2, "note": "B", **MORE}, {"id": 3, "note": "c"}, {"note": "no id"})
    landed(messages, lake)


def test_a_full_landing_begins_with_the_landed_rows(messages: TestQueue, lake: Lake) -> None:
    begun(messages, lake)
    before = rows(lake)
    messages.send({"id": 4, "note": "d"}, {"id": 1, "note": "A"})
    refreshed = landed(messages, lake, full=True)
    assert refreshed.full_refresh_reason == "a full refresh was requested"
    assert refreshed.manifest is not None
    assert (refreshed.manifest.kind, refreshed.manifest.batch, refreshed.manifest.rejected) == ("snapshot", 3, 1)
    assert [json.loads(json.loads(row["raw"])["body"]) for row in _quarantine(lake, refreshed.manifest)] == [{"note": "no id"}]
    assert {key: row["note"] for key, row in rows(lake).items()} == {1: "A", 2: "B", 3: "c", 4: "d"}
    assert {key: rows(lake)[key] for key in (2, 3)} == {key: before[key] for key in (2, 3)}
    assert messages.left() == 0
    # And from there on changes land as before.
    messages.send({"id": 5})
    following = landed(messages, lake).manifest
    assert following is not None
    assert (following.kind, following.generation, following.rows) == ("changes", refreshed.manifest.generation, 1)


def test_a_definition_with_a_new_column_keeps_the_landed_rows(messages: TestQueue, lake: Lake) -> None:
    begun(messages, lake)
    wider = orders(Column("size", integer), Column("memo", varchar(20), path="note"), note=Column("note", varchar(64)))
    messages.send({"id": 4, "note": "d" * 10, "size": 9})
    refreshed = landed(messages, lake, wider)
    assert refreshed.full_refresh_reason == "its definition has changed"
    found = {key: (row["note"], row["memo"], row["size"]) for key, row in rows(lake, wider).items()}
    # What was not read at the time cannot be read now; what lies in the lake under the path's name can.
    assert found == {1: ("a", "a", None), 2: ("B", "B", None), 3: ("c", "c", None), 4: ("d" * 10, "d" * 10, 9)}
    assert json.loads(rows(lake, wider)[1]["detail"]) == MORE["detail"]


@pytest.mark.parametrize(
    "narrower",
    [orders(note=Column("note", varchar(1)), price=Column("price", integer)), orders(Column("size", integer, nullable=False))],
    ids=["a type that holds less", "a column that may not be null"],
)
def test_a_definition_that_would_lose_rows_is_refused_and_nothing_changes(messages: TestQueue, lake: Lake, narrower: Table) -> None:
    begun(messages, lake)
    newest = lake.newest(ORDERS)
    messages.send({"id": 4, "size": 9})
    with pytest.raises(LakeError, match=r"shop\.orders: .* do not fit the table's present definition.*Nothing was changed"):
        landed(messages, lake, narrower)
    assert lake.newest(ORDERS) == newest
    assert messages.counts() == (1, 0)
    assert landed(messages, lake).manifest is not None  # the old definition still can


def test_a_full_landing_of_an_empty_queue_lands_the_same_rows_again(messages: TestQueue, lake: Lake) -> None:
    begun(messages, lake)
    before = rows(lake)
    for _ in range(2):
        assert landed(messages, lake, full=True).manifest is not None
        assert rows(lake) == before


# ---- rows in quarantine


LONG = "x" * 9
"""One byte more than the definition allows."""


def test_rejected_rows_land_in_their_original_order_when_the_definition_fits(messages: TestQueue, lake: Lake) -> None:
    for note, other in (("a", LONG), (LONG, "b")):
        messages.send({"id": 1, "note": note}, {"id": 2, "note": other})
        landed(messages, lake)
    assert {key: row["note"] for key, row in rows(lake).items()} == {1: "a", 2: "b"}
    wider = orders(note=Column("note", varchar(9)))
    refreshed = landed(messages, lake, wider).manifest
    assert refreshed is not None
    assert (refreshed.kind, refreshed.rows, refreshed.rejected) == ("snapshot", 4, 0)
    assert {key: row["note"] for key, row in rows(lake, wider).items()} == {1: LONG, 2: "b"}


def test_a_reader_that_cannot_judge_again_leaves_rows_rejected(messages: TestQueue, lake: Lake) -> None:
    class Plain:
        def head(self, *_: Any) -> str:
            return ""

        def read(self, *_: Any, **__: Any) -> AbstractContextManager[Reading]:
            return nullcontext(Given())

        def drift(self, *_: Any) -> list[Drift]:
            return []

        def describe(self, *_: Any) -> str:
            return "given"

    begun(messages, lake)
    before = _quarantine(lake, lake.newest(ORDERS))
    refreshed = sync.land(ORDERS, Plain(), lake, run_id="run", full=True).manifest
    assert refreshed is not None
    assert (refreshed.rows, refreshed.rejected) == (4, 1)
    assert _quarantine(lake, refreshed) == before


def test_a_full_landing_whose_quarantine_is_gone_changes_nothing(messages: TestQueue, lake: Lake) -> None:
    begun(messages, lake)
    newest = lake.newest(ORDERS)
    assert newest is not None
    lake.bucket.delete([lake.bucket.key(newest.quarantine)])
    with pytest.raises(LakeError, match=r"the quarantine of batch 2, is gone, and 1 rejected rows with it; restore the file"):
        landed(messages, lake, full=True)
    assert lake.newest(ORDERS) == newest


def test_a_full_landing_opens_the_gate_only_after_the_definition_is_corrected(messages: TestQueue, lake: Lake, store: StoreTable) -> None:
    stored = store(ORDERS)
    stores, table = stored.stores, stored.table
    count = f"SELECT COUNT(*) FROM {table.full_name}"
    messages.send(*({"id": number, "note": "a"} for number in range(50)))
    landed(messages, lake, table)
    stores.load(table)
    messages.send({"id": 50, "note": "a"}, *({"id": number, "note": LONG} for number in range(51, 71)))
    landed(messages, lake, table)
    with pytest.raises(LoadBlocked, match="20 of the 21 rows of batch 2"):
        stores.load(table)

    refreshed = landed(messages, lake, table, full=True).manifest
    assert refreshed is not None
    assert (refreshed.kind, refreshed.rows, refreshed.rejected) == ("snapshot", 51, 20)
    with pytest.raises(LoadBlocked, match="20 of the 71 rows of batch 3"):
        stores.load(table)
    assert stores.query(count) == [(50,)]

    wider = replace(table, columns=tuple(replace(c, type=varchar(9)) if c.name == "note" else c for c in table.columns))
    assert landed(messages, lake, wider).full_refresh_reason == "its definition has changed"
    stores.load(wider)
    assert stores.query(count) == [(71,)]


# ---- with the warehouse


def test_the_mirror_follows_a_new_generation_and_is_equal_to_the_lake(messages: TestQueue, lake: Lake, store: StoreTable) -> None:
    stored = store(ORDERS)
    stores, table, warehouse = stored.stores, stored.table, stored.stores.warehouse
    messages.send({"id": 1, "note": "a", **MORE}, {"id": 2, "note": "b"})
    landed(messages, lake, table)
    stores.load(table)
    wider = replace(table, columns=(*table.columns, Column("size", integer)))
    messages.send({"id": 2, "note": "B", **MORE})
    landed(messages, lake, wider)
    stores.load(wider)
    assert warehouse.query(f"SELECT id, note, size FROM {wider.full_name} ORDER BY id") == [(1, "a", None), (2, "B", 7)]
    reader = SqsReader(messages.url)
    assert compare.verify(wider, comparable_source(reader, lake), warehouse).equal
    # A queue that is empty is no reason to delete anything.
    assert detect_deletes(wider, reader, lake, warehouse, run_id="run", force=True) is None
    stores.execute(f"UPDATE {wider.full_name} SET note = 'x' WHERE id = 1", f"DELETE FROM {wider.full_name} WHERE id = 2")
    found = compare.verify(wider, comparable_source(reader, lake), warehouse)
    assert {d.key: d.verdict for d in found.differing} == {("1",): "different", ("2",): "not in the warehouse"}
    landed(messages, lake, wider, full=True)
    stores.load(wider)
    assert compare.verify(wider, comparable_source(reader, lake), warehouse).equal


def test_a_lost_lake_removes_no_row_and_verify_lists_the_missing_ones(messages: TestQueue, lake: Lake, store: StoreTable) -> None:
    stored = store(ORDERS)
    stores, table, warehouse = stored.stores, stored.table, stored.stores.warehouse
    messages.send({"id": 1, "note": "a"}, {"id": 2, "note": "b"})
    landed(messages, lake, table)
    stores.load(table)
    stores.lose(table)
    messages.send({"id": 2, "note": "B"}, {"id": 3, "note": "c"})
    assert landed(messages, lake, table).full_refresh_reason == "nothing has landed yet"
    stores.load(table)
    assert warehouse.query(f"SELECT id, note FROM {table.full_name} ORDER BY id") == [(1, "a"), (2, "B"), (3, "c")]
    proof = compare.verify(table, comparable_source(SqsReader(messages.url), lake), warehouse)
    assert [(d.key, d.verdict) for d in proof.differing] == [(("1",), "not in the source")]

    landed(messages, lake, table, full=True)
    stores.load(table)
    assert warehouse.query(f"SELECT id, note FROM {table.full_name} ORDER BY id") == [(1, "a"), (2, "B"), (3, "c")]
