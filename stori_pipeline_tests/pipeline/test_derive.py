"""From landed batches to a star table: when a batch lands, what is in it, and what survives a lost lake.

Batches and S3 are real. The star tables are small and defined here, so that every expected row can be written down.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date as day
from decimal import Decimal
from threading import Barrier
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from stori_pipeline.contract import rejected_schema
from stori_pipeline.lake import LakeError, LandingConflict, Manifest, upkeep
from stori_pipeline.lake.column_batches import land_columns
from stori_pipeline.model.changes import History
from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.reading import Chunk
from stori_pipeline.model.schema import to_land
from stori_pipeline.model.star import Star
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import integer, varchar
from stori_pipeline.pipeline.derive import derive
from stori_pipeline.pipeline.sync import Landed
from stori_pipeline_tests.pipeline.sales import DIM, FACT, ITEM, SALE, TABLES, _fact, gone, sale
from stori_pipeline_tests.stores import Stores


@dataclass(frozen=True)
class Works(Stores):
    """A lake of the shop's tables, and one of the star tables that are derived from them."""

    def land(self, kind: str, *given: dict[str, Any], table: Table = SALE) -> Manifest:
        manifest = self.land_rows(table, kind, *given, must_land=True)
        assert manifest is not None
        return manifest

    def derive(self, star: Star = FACT, *, tables: Mapping[str, Table] = TABLES, **more: Any) -> Landed:
        return derive(star, self.lake, self.processed, tables=tables, run_id="run", **more)

    def rows(self, star: Star = FACT) -> list[dict[str, Any]]:
        return self.processed.live(star.table).collect().sort(star.table.key).to_dicts()

    def versions(self, star: Star = FACT) -> list[tuple[Any, ...]]:
        """(number, sale, price, removed) of each version."""
        return [(row["sale_record_id"], row["sale_id"], str(row["price"]), row["_removed"]) for row in self.rows(star)]


@pytest.fixture
def works(stores: Stores) -> Works:
    return Works(**vars(replace(stores, processed=stores.lake)))


@pytest.fixture
def history(works: Works) -> Works:
    """A history of three sales: two at first, one changed, one added, and one deleted."""
    works.land("snapshot", sale(1), sale(2))
    works.derive()
    works.land("changes", sale(2, "2.00"), sale(3))
    works.land("changes", gone(1))
    works.derive()
    return works


HISTORY = [(1, 1, "1.00", False), (2, 2, "1.00", False), (3, 2, "2.00", False), (4, 3, "1.00", False), (5, 1, "1.00", True)]


def test_a_history_adds_versions_by_batch_and_records_its_position(works: Works) -> None:
    first = works.land("snapshot", sale(1), sale(2))
    landed = works.derive()
    assert landed.manifest is not None
    assert (landed.manifest.kind, landed.manifest.rows, landed.full_refresh_reason) == ("snapshot", 2, "nothing has landed yet")
    assert landed.manifest.until["shop.sale"] == list(first.order)
    assert landed.manifest.taken_at == first.taken_at
    nothing = works.derive()
    assert (nothing.manifest, nothing.newest) == (None, landed.newest)
    works.land("changes", sale(2, "2.00"), sale(3))
    second = works.land("changes", gone(1))
    landed = works.derive()
    assert landed.manifest is not None
    assert (landed.manifest.kind, landed.manifest.rows, landed.full_refresh_reason) == ("changes", 3, "")
    assert (landed.manifest.until["shop.sale"], landed.manifest.until["versions"]) == (list(second.order), 5)
    assert works.versions() == HISTORY
    assert works.rows()[0] == {
        "sale_record_id": 1,
        "sale_id": 1,
        "price": Decimal("1.00"),
        "due": day(2026, 11, 21),
        "said": None,
        "_observed_at": first.taken_at,
        "_removed": False,
    }


def test_a_row_that_is_sent_again_unchanged_adds_no_version(history: Works) -> None:
    history.land("snapshot", sale(3), sale(2, "2.00"))  # everything, read again
    history.land("changes", sale(3), gone(1))  # a batch replayed
    history.land("changes", sale(3, item_id=7))  # a change that the star table does not keep
    landed = history.derive()
    assert landed.manifest is not None
    assert (landed.manifest.kind, landed.manifest.rows) == ("changes", 0)
    assert history.versions() == HISTORY
    assert history.derive().manifest is None


def test_a_row_missing_from_a_snapshot_is_removed_and_returns_as_a_new_version(history: Works) -> None:
    history.land("snapshot", sale(1), sale(3))
    history.derive()
    assert history.versions() == [*HISTORY, (6, 1, "1.00", False), (7, 2, "2.00", True)]


def test_a_lost_lake_of_star_tables_is_derived_again_with_the_same_numbers(history: Works) -> None:
    history.land("snapshot", sale(2, "2.00"), sale(3, "9.00"))
    history.derive()
    before = history.rows()
    history.lose(FACT.table)
    landed = history.derive()
    assert landed.manifest is not None
    assert (landed.manifest.batch, landed.manifest.kind) == (1, "snapshot")
    assert history.rows() == before
    assert len(before) == len(HISTORY) + 1


def test_a_lost_landing_lake_loses_no_version_even_in_a_full_refresh(history: Works) -> None:
    history.lose(SALE)
    history.land("snapshot", sale(2, "2.00"), sale(3))
    landed = history.derive()
    assert landed.manifest is not None
    assert landed.manifest.rows == 0
    history.land("changes", sale(3, "5.00"))
    assert history.derive(full=True).manifest is not None
    assert history.versions() == [*HISTORY, (6, 3, "5.00", False)]
    assert history.derive(full=True).newest is not None
    assert history.versions() == [*HISTORY, (6, 3, "5.00", False)]


def test_a_changed_definition_is_refused_if_older_versions_would_be_lost(history: Works) -> None:
    history.lose(SALE)
    history.land("snapshot", sale(2, "2.00"), sale(3))
    longer = replace(FACT, table=replace(FACT.table, columns=(*FACT.table.columns[:4], *FACT.table.columns[5:])))
    with pytest.raises(LakeError, match=r"older ones would be lost\. Restore shop\.sale there"):
        history.derive(longer)
    assert history.versions() == HISTORY


def test_a_full_refresh_computes_all_versions_with_the_same_numbers(history: Works) -> None:
    before = history.rows()
    landed = history.derive(full=True)
    assert landed.manifest is not None
    assert (landed.manifest.kind, landed.manifest.rows, landed.full_refresh_reason) == ("snapshot", 5, "a full refresh was requested")
    assert history.rows() == before


def test_a_changed_definition_computes_all_versions_again(history: Works) -> None:
    columns = tuple(replace(each, type=varchar(16)) if each.name == "said" else each for each in FACT.table.columns)
    wider = replace(FACT, table=replace(FACT.table, columns=columns))
    before = history.rows()
    landed = history.derive(wider)
    assert landed.manifest is not None
    assert (landed.manifest.kind, landed.manifest.rows, landed.full_refresh_reason) == ("snapshot", 5, "its definition has changed")
    assert history.rows(wider) == before


def test_batches_that_landed_under_an_older_definition_of_the_input_count(works: Works) -> None:
    older = replace(SALE, columns=SALE.columns[:-1])
    works.land("snapshot", sale(1), table=older)
    works.land("snapshot", sale(1, note="new"))
    works.derive()
    assert [(row["sale_record_id"], row["said"]) for row in works.rows()] == [(1, None), (2, "new")]


def test_a_history_is_the_same_step_by_step_and_anew_if_columns_come_and_go(history: Works) -> None:
    """A batch of columns adds no version. The old versions keep what landed in a column that the source has dropped since."""
    history.land("changes", sale(4, note="kept"))
    history.derive()
    shop = Column("shop_no", integer)
    placed = replace(SALE, columns=(SALE.columns[0], shop, *SALE.columns[1:]))
    emptied = replace(placed, columns=tuple(replace(c, dropped=True) if c.name == "note" else c for c in placed.columns))
    for table, brings in ((placed, ("shop_no",)), (emptied, ())):
        before = history.rows()
        newest = history.lake.newest(table)
        assert newest is not None
        rows = pa.RecordBatch.from_pylist(
            [{"sale_id": 2, "shop_no": 7, "_deleted": False}] if brings else [], schema=to_land(table, brings).read_schema
        )
        none = pa.RecordBatch.from_pylist([], schema=rejected_schema())
        land_columns(history.lake, table, newest, brings, chunks=[Chunk(rows, none)], until=dict, taken_at=newest.taken_at, run_id="run")
        history.derive(tables={**TABLES, SALE.full_name: table})
        assert history.rows() == before
        history.land("changes", sale(2, f"{len(brings)}.50") | {"shop_no": 8}, table=table)
        history.derive(tables={**TABLES, SALE.full_name: table})
        assert len(history.rows()) == len(before) + 1
    before = history.rows()
    assert [row["said"] for row in before if row["sale_id"] == 4] == ["kept"]
    history.lose(FACT.table)
    history.derive(tables={**TABLES, SALE.full_name: emptied})
    assert history.rows() == before


def test_a_changed_module_lands_a_snapshot_only_if_versions_differ(history: Works, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Star, "code_hash", "another")
    landed = history.derive()
    assert landed.manifest is not None
    assert (landed.manifest.rows, landed.full_refresh_reason) == (0, "the module of its function has changed")
    dearer = replace(FACT, make=lambda sale: _fact(sale).with_columns(pl.col("price") + 1))
    monkeypatch.setattr(Star, "code_hash", "a third")
    landed = history.derive(dearer)
    assert landed.manifest is not None
    assert (landed.manifest.kind, landed.manifest.rows) == ("snapshot", 5)
    assert history.versions()[0] == (1, 1, "2.00", False)
    assert history.derive(dearer).manifest is None


def test_rows_that_do_not_fit_go_to_quarantine_and_do_not_count_as_deleted(works: Works) -> None:
    works.land("snapshot", sale(1), sale(2), sale(4))
    works.derive()
    works.land("snapshot", sale(1, due="soon"), sale(2, "2.00"), sale(3, note="far too long"))
    landed = works.derive()
    assert landed.manifest is not None
    assert landed.manifest.rejected == 2
    assert works.versions()[3:] == [(4, 2, "2.00", False), (5, 4, "1.00", True)]
    one, two = works.quarantine(landed.manifest)
    assert (one["code"], one["column"]) == ("bad_date", "due")
    assert json.loads(one["raw"]) == {"sale_id": 1, "item_id": 1, "price": 1.0, "due": "soon", "note": None}
    assert (two["code"], two["column"], two["reason"]) == ("too_long", "said", "said: 12 bytes, but varchar(8) holds 8")
    works.land("changes", sale(1, "3.00"))
    works.derive()
    assert works.versions()[5:] == [(6, 1, "3.00", False)]


def test_a_long_history_continues_from_compacted_versions(works: Works, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "COMPACT_AFTER", 3)
    kinds = []
    for price in range(12):
        works.land("changes" if price else "snapshot", sale(1, f"{price}.00"))
        manifest = works.derive().manifest
        assert manifest is not None
        kinds.append((manifest.kind, manifest.rows))
    assert kinds == [("snapshot", 1), *[("changes", 1)] * 11]  # none is loaded again for it
    assert works.versions() == [(price + 1, 1, f"{price}.00", False) for price in range(12)]


def test_one_of_two_concurrent_derivations_wins_and_nothing_is_lost(history: Works) -> None:
    history.land("changes", sale(7), sale(8))
    start = Barrier(2)

    def attempt(_: int) -> str:
        start.wait(timeout=30)
        try:
            return "landed" if history.derive().manifest else "nothing to do"
        except LandingConflict:
            return "conflict"

    with ThreadPoolExecutor(2) as pool:
        outcomes = sorted(pool.map(attempt, range(2)))
    assert outcomes in (["conflict", "landed"], ["landed", "nothing to do"])
    assert history.derive().manifest is None
    assert history.versions() == [*HISTORY, (6, 7, "1.00", False), (7, 8, "1.00", False)]


def test_a_history_that_its_inputs_key_does_not_identify_is_refused(works: Works) -> None:
    works.land("snapshot", sale(1))
    wrong = replace(FACT, table=replace(FACT.table, changes=History(("due",))))
    with pytest.raises(DefinitionError, match=r"star\.fact_sale, column 'due'.*its input's key"):
        works.derive(wrong)


def test_an_input_that_has_not_landed_is_named(works: Works) -> None:
    works.land("snapshot", sale(1))
    with pytest.raises(LakeError, match=r"star\.dim_item: its input shop\.item has not landed yet"):
        works.derive(DIM)


def test_a_table_of_the_present_lands_a_snapshot_if_it_differs(works: Works) -> None:
    works.land("snapshot", {"item_id": 1, "name": "pen"}, {"item_id": 2, "name": None}, table=ITEM)
    works.land("snapshot", sale(1), sale(2))
    landed = works.derive(DIM)
    assert landed.manifest is not None
    assert (landed.manifest.kind, landed.manifest.rows, landed.manifest.rejected) == ("snapshot", 1, 1)
    assert works.quarantine(landed.manifest)[0]["code"] == "missing"
    assert works.rows(DIM) == [{"item_id": 1, "name": "pen", "sold": 2}]
    works.land("changes", sale(2, "5.00"))
    assert works.derive(DIM).manifest is None  # nothing that it holds has changed
    works.land("changes", gone(2))  # a change in the joined table alone
    assert works.derive(DIM).manifest is not None
    assert works.rows(DIM) == [{"item_id": 1, "name": "pen", "sold": 1}]
    works.land("changes", {"item_id": 2, "name": "ink"}, {"item_id": 1, "_deleted": True}, table=ITEM)
    assert works.derive(DIM).manifest is not None
    assert works.rows(DIM) == [{"item_id": 2, "name": "ink", "sold": 0}]
    assert works.derive(DIM).manifest is None
    assert works.derive(DIM, full=True).manifest is not None


def test_a_batch_that_changes_no_row_of_the_present_is_read_once(works: Works) -> None:
    """Regression: every later run computed the table again, until a row changed."""
    works.land("snapshot", {"item_id": 1, "name": "pen"}, table=ITEM)
    works.land("snapshot", sale(1))
    works.derive(DIM)
    works.land("changes", sale(1, "5.00"))
    seen = works.derive(DIM).manifest
    assert seen is not None
    assert (seen.kind, seen.rows, seen.parts) == ("changes", 0, ())
    assert works.derive(DIM).manifest is None
    assert works.rows(DIM) == [{"item_id": 1, "name": "pen", "sold": 1}]
