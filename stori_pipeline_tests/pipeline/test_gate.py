"""A blocked batch is neither loaded nor read by a computation, whoever asks. The callers in Dagster are in `defs/test_gate.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from stori_pipeline.lake import Lake, Manifest, upkeep
from stori_pipeline.lake.quarantine import blocking
from stori_pipeline.model.reading import Chunk
from stori_pipeline.model.table import Table
from stori_pipeline.pipeline import quarantine, sync
from stori_pipeline.pipeline.derive import derive
from stori_pipeline.pipeline.gate import LoadBlocked, block_message
from stori_pipeline.pipeline.loaded_rows import loadable_rows
from stori_pipeline.pipeline.replayed_rows import RowId
from stori_pipeline.pipeline.sync import NewBatches
from stori_pipeline_tests.pipeline.sales import DIM, FACT, ITEM, SALE, TABLES, sale
from stori_pipeline_tests.readings import Given, rejected, rows
from stori_pipeline_tests.stores import StoredTable, Stores


def land(lake: Lake, table: Table, kind: str, *given: dict[str, Any], broken: int = 0) -> Manifest:
    """Lands a batch of these rows, and of `broken` rows that do not fit the definition. Two of them block it."""
    newest = lake.newest(table)

    class Rows(Given):
        def __iter__(self) -> Iterator[Chunk]:
            yield Chunk(rows(*given, table=table), rejected(*map(str, range(broken))))

    reading = Rows(kind="snapshot" if kind == "snapshot" else "changes")
    manifest = lake.land(table, reading, newest=newest, run_id="land")
    assert manifest is not None
    return manifest


class OvertakenLake(Lake):
    """A lake in which another run lands a batch just before the nth call of `manifests`, `live` or `rows`, whichever `asked` names."""

    overtake: Callable[[], object]
    asked: str
    nth: int

    def _count(self, asked: str) -> None:
        if asked == self.asked:
            self.nth -= 1
            if self.nth == 0:
                self.overtake()

    def manifests(self, table: Table, *, after: tuple[int, int] | None = None) -> list[Manifest]:
        self._count("manifests")
        return super().manifests(table, after=after)

    def live(self, table: Table, at: Manifest | None = None) -> pl.LazyFrame:
        self._count("live")
        return super().live(table, at)

    def rows(self, table: Table, *manifests: Manifest) -> pl.LazyFrame:
        self._count("rows")
        return super().rows(table, *manifests)


def test_a_load_refuses_blocked_batches_whoever_found_them(items: StoredTable) -> None:
    lake = items.stores.lake
    land(lake, items.table, "snapshot", {"id": 1})
    items.loaded()
    blocked = land(lake, items.table, "changes", {"id": 2}, broken=11)
    new = NewBatches(items.table, lake, items.stores.warehouse.ledger(items.table), (blocked,))
    with pytest.raises(LoadBlocked, match="11 of the 12 rows of batch 2"):
        sync.load_new(new, items.stores.warehouse, run_id="by hand")
    assert items.mirror() == [(1, None)]


def test_live_rows_are_refused_until_a_snapshot_follows_the_blocked_batch(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "COMPACT_AFTER", 1)
    land(lake, SALE, "snapshot", sale(1))
    land(lake, SALE, "changes", sale(2), broken=1)
    assert upkeep.compact(lake, SALE)
    assert loadable_rows(SALE, lake).collect().height == 2
    land(lake, SALE, "changes", sale(3), broken=11)
    land(lake, SALE, "changes", sale(4))
    assert not upkeep.compact(lake, SALE)  # the gate would not find the blocked batch in the file
    with pytest.raises(LoadBlocked, match="11 of the 12 rows of batch 3"):
        loadable_rows(SALE, lake)
    land(lake, SALE, "snapshot", sale(5))
    assert loadable_rows(SALE, lake).collect()["sale_id"].to_list() == [5]


def test_a_blocked_batch_is_counted_by_the_rows_that_nobody_has_decided_about(lake: Lake) -> None:
    """Whoever mends rows one by one sees how many are left."""
    land(lake, SALE, "snapshot", sale(1), broken=11)
    two = quarantine.Selection(rows=frozenset({RowId(1, 1), RowId(1, 2)}))
    quarantine.discard(SALE, lake, two, run_id="run")
    with pytest.raises(LoadBlocked, match="9 of the 12 rows of batch 1"):
        loadable_rows(SALE, lake)


def _overtaken(stores: Stores, asked: str, nth: int, overtake: Callable[[], object]) -> Lake:
    lake = OvertakenLake(stores.s3, stores.bucket)
    lake.asked, lake.nth, lake.overtake = asked, nth, overtake
    return lake


def _begun(stores: Stores) -> None:
    land(stores.lake, SALE, "snapshot", sale(1))
    land(stores.lake, ITEM, "snapshot", {"item_id": 1, "name": "tea"})


def test_a_table_of_the_present_is_computed_from_the_judged_batches(stores: Stores) -> None:
    _begun(stores)
    lake = _overtaken(stores, "live", 1, lambda: land(stores.lake, SALE, "changes", sale(2), broken=11))
    derive(DIM, lake, stores.processed, tables=TABLES, run_id="run")
    assert stores.processed.live(DIM.table).collect()["sold"].to_list() == [1]
    with pytest.raises(LoadBlocked, match=r"shop\.sale: 11 of the 12 rows of batch 2"):
        derive(DIM, lake, stores.processed, tables=TABLES, run_id="run")


def test_a_snapshot_that_lands_meanwhile_does_not_open_the_gate_for_older_batches(stores: Stores) -> None:
    """The snapshot replaces the blocked batch, but only for a run that reads the snapshot."""
    _begun(stores)
    land(stores.lake, SALE, "changes", sale(2), broken=11)
    lake = _overtaken(stores, "manifests", 1, lambda: land(stores.lake, SALE, "snapshot", sale(3)))
    with pytest.raises(LoadBlocked, match="batch 2"):
        derive(DIM, lake, stores.processed, tables=TABLES, run_id="run")
    assert stores.processed.newest(DIM.table) is None


def test_a_history_reads_no_batch_that_was_not_judged(stores: Stores) -> None:
    """A blocked batch and a good one land after the gate has judged. The next run must find the blocked one."""
    _begun(stores)
    derive(FACT, stores.lake, stores.processed, tables=TABLES, run_id="run")
    land(stores.lake, SALE, "changes", sale(2))

    def overtake() -> None:
        land(stores.lake, SALE, "changes", sale(3), broken=11)
        land(stores.lake, SALE, "changes", sale(4))

    lake = _overtaken(stores, "rows", 1, overtake)
    derive(FACT, lake, stores.processed, tables=TABLES, run_id="run")
    assert stores.processed.live(FACT.table).collect()["sale_id"].sort().to_list() == [1, 2]
    with pytest.raises(LoadBlocked, match=r"shop\.sale: 11 of the 12 rows of batch 3"):
        derive(FACT, lake, stores.processed, tables=TABLES, run_id="run")


def test_the_advice_of_the_error_opens_a_blocked_star_table(stores: Stores) -> None:
    """A corrected function opens it. New versions do not, and a full refresh with the same function does not."""
    land(stores.lake, SALE, "snapshot", *(sale(number, due="soon") for number in range(11)), sale(11))
    first = derive(FACT, stores.lake, stores.processed, tables=TABLES, run_id="run").manifest
    assert first is not None
    message = block_message(FACT.table, blocking(FACT.table, [first]))
    assert "11 of the 12 rows of batch 1" in message
    assert "more than max_rejected=0.01 and max_rejected_rows=1 allow" in message
    assert message.endswith("materialize the asset `star/fact_sale` with `full: true` in its config")

    land(stores.lake, SALE, "changes", sale(12))
    for full in (False, True):
        assert derive(FACT, stores.lake, stores.processed, tables=TABLES, run_id="run", full=full).manifest is not None
        with pytest.raises(LoadBlocked):
            loadable_rows(FACT.table, stores.processed)

    corrected = replace(FACT, make=lambda sale: FACT.make(sale.with_columns(pl.col("due").str.replace("soon", "2026-11-21"))))
    derive(corrected, stores.lake, stores.processed, tables=TABLES, run_id="run", full=True)
    assert loadable_rows(FACT.table, stores.processed).collect().height == 13
