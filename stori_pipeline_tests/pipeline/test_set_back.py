"""A lake that lost its newest batches after the mirror was loaded, or that counts from one again, below the ledger."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, timezone

import pytest

from stori_pipeline.lake import Lake, LakeSetBack, Manifest
from stori_pipeline.lake.manifest import manifest_key
from stori_pipeline.model.drift import Drift
from stori_pipeline.model.reading import Position, Reading
from stori_pipeline.model.table import Table
from stori_pipeline.pipeline import sync
from stori_pipeline.pipeline.derive import derive
from stori_pipeline.pipeline.set_back import set_back_reason
from stori_pipeline.readers import SourceError
from stori_pipeline.warehouse.session import LedgerEntry
from stori_pipeline_tests.databases import execute
from stori_pipeline_tests.pipeline.sales import DIM, ITEM, SALE, TABLES, sale
from stori_pipeline_tests.readings import Given, rows
from stori_pipeline_tests.stores import StoredTable, Stores


@dataclass
class Shop:
    """A source of items whose position is the number of items read so far."""

    ids: list[int]

    def describe(self, source: str) -> str:
        return f"{source}: {len(self.ids)} items"

    def drift(self, table: Table) -> list[Drift]:
        assert table.columns
        return []

    def head(self, table: Table, since: Position | None) -> str:
        return str((table.name, since, len(self.ids)))

    @contextmanager
    def read(self, table: Table, since: Position | None, *, day: date | None = None) -> Iterator[Reading]:
        assert day is None
        read = since["at"] if since else 0
        chunk = rows(*({"id": each} for each in self.ids[read:]), table=table)
        yield Given([chunk], kind="changes" if since else "snapshot", at=len(self.ids))


def land(items: StoredTable, shop: Shop, lake: Lake | None = None, *, asked: bool = True) -> sync.Landed:
    """Lands what is new; `asked` says whether the warehouse can be reached."""
    loaded = items.stores.warehouse.ledger_entry(items.table) if asked else None
    return sync.land(items.table, shop, lake or items.stores.lake, run_id="run", loaded=loaded)


def lose(items: StoredTable, *batches: Manifest | None) -> None:
    for batch in batches:
        assert batch is not None
        items.stores.s3.delete_object(Bucket=items.stores.bucket, Key=manifest_key(items.table, batch.batch))


@pytest.fixture
def shop(items: StoredTable) -> Shop:
    """Four items, in a snapshot and three batches, all of them loaded."""
    shop = Shop([])
    for each in (1, 2, 3, 4):
        shop.ids.append(each)
        land(items, shop)
        items.loaded()
    return shop


def ids(items: StoredTable) -> list[int]:
    return sorted(row[0] for row in items.mirror())


def test_a_lake_without_its_newest_batches_begins_a_generation_above_the_ledgers(items: StoredTable, shop: Shop) -> None:
    before = items.stores.warehouse.ledger_entry(items.table)
    assert before is not None
    lose(items, *items.stores.lake.manifests(items.table)[-2:])
    shop.ids.append(5)

    landed = land(items, shop)

    assert "the lake does not have batch 4" in landed.full_refresh_reason
    assert landed.newest is not None
    assert landed.newest.kind == "snapshot"
    assert landed.newest.generation > before.generation
    items.loaded()
    assert ids(items) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("batches", [1, 2, 3])
def test_batches_under_lost_numbers_are_not_taken_for_the_loaded_ones(items: StoredTable, shop: Shop, batches: int) -> None:
    """The lake lost batches 3 and 4, and landed others under these numbers while the warehouse was away."""
    lose(items, *items.stores.lake.manifests(items.table)[-2:])
    for _ in range(batches):
        shop.ids.append(len(shop.ids) + 1)
        land(items, shop, asked=False)

    with pytest.raises(LakeSetBack, match=r"batch 4 of generation .* Nothing was loaded"):
        items.stores.load(items.table)
    assert ids(items) == [1, 2, 3, 4]

    assert land(items, shop).full_refresh_reason
    items.loaded()
    assert ids(items) == shop.ids


def test_a_prefix_wiped_while_the_clock_is_behind_is_read_again(items: StoredTable, shop: Shop) -> None:
    lose(items, *items.stores.lake.manifests(items.table))
    behind = Lake(items.stores.s3, items.stores.bucket, clock=lambda: datetime(2001, 1, 1, tzinfo=timezone.utc))
    shop.ids = [7]
    assert land(items, shop, behind, asked=False).newest  # below the ledger, so it can never load
    with pytest.raises(LakeSetBack, match="its newest is batch 1"):
        items.stores.load(items.table)

    land(items, shop, behind)
    items.loaded()
    assert ids(items) == [7]


def test_a_wiped_prefix_begins_above_the_ledger_at_once(items: StoredTable, shop: Shop) -> None:
    lose(items, *items.stores.lake.manifests(items.table))
    behind = Lake(items.stores.s3, items.stores.bucket, clock=lambda: datetime(2001, 1, 1, tzinfo=timezone.utc))
    land(items, shop, behind)
    assert items.loaded()
    assert ids(items) == [1, 2, 3, 4]


def test_a_batch_that_another_run_lands_and_loads_meanwhile_is_no_loss(items: StoredTable, shop: Shop) -> None:
    class Overtaken(Lake):
        overtaken = False

        def newest(self, table: Table) -> Manifest | None:
            found = super().newest(table)
            if not self.overtaken:
                self.overtaken = True
                shop.ids.append(5)
                land(items, shop)
                items.loaded()
            return found

    lake = Overtaken(items.stores.s3, items.stores.bucket)
    newest = lake.newest(items.table)
    entry = items.stores.warehouse.ledger_entry(items.table)
    assert newest is not None
    assert entry is not None
    assert newest.order < entry.order
    assert set_back_reason(items.table, lake, newest, entry) == ""


def test_a_ledger_without_ids_of_batches_gets_the_column_at_the_next_load(items: StoredTable, shop: Shop) -> None:
    execute(items.stores.warehouse_url, "ALTER TABLE pipeline.loads DROP COLUMN batch_id")
    entry = items.stores.warehouse.ledger_entry(items.table)
    assert entry is not None
    assert entry.batch_id == ""
    shop.ids.append(5)
    newest = land(items, shop).manifest
    assert newest is not None
    assert newest.kind == "changes"
    items.loaded()
    assert items.stores.warehouse.ledger_entry(items.table) == (*newest.order, items.table.fingerprint, newest.id)


def test_the_id_of_a_batch_survives_its_file_and_what_is_added_to_it(items: StoredTable) -> None:
    manifest = items.snapshot({"id": 1})
    document = json.loads(manifest.to_json())
    document["meta"]["of_a_later_version"] = 1
    again = Manifest.from_json(json.dumps(document).encode(), items.table, manifest.batch, "here")
    assert again.id == manifest.id
    assert replace(manifest, written_at=manifest.written_at + timedelta(microseconds=1)).id != manifest.id
    assert replace(manifest, run_id="another").id != manifest.id


def test_no_row_in_the_source_does_not_empty_a_mirror_unasked(items: StoredTable, shop: Shop) -> None:
    """A wrong folder, or a table that was emptied by mistake, and then a lost manifest: the mirror was emptied without a word."""
    lose(items, items.stores.lake.newest(items.table))
    shop.ids.clear()
    with pytest.raises(
        SourceError, match=r"the lake does not have batch 4.*and the source has none, although 3 versions of rows have landed"
    ):
        land(items, shop)
    assert items.loads()[-1][0] == 4
    emptied = replace(items.table, may_be_empty=True)
    entry = items.stores.warehouse.ledger_entry(emptied)
    assert sync.land(emptied, shop, items.stores.lake, run_id="run", loaded=entry).full_refresh_reason
    lose(items, items.stores.lake.newest(items.table))
    assert sync.land(items.table, shop, items.stores.lake, run_id="run", full=True).manifest is not None
    items.loaded()
    assert ids(items) == []


def test_a_star_table_whose_batches_were_set_back_is_derived_anew(stores: Stores) -> None:
    stores.land_rows(SALE, "snapshot", sale(1))
    stores.land_rows(ITEM, "snapshot", {"item_id": 1, "name": "tea"})
    derive(DIM, stores.lake, stores.processed, tables=TABLES, run_id="run")
    stores.land_rows(SALE, "changes", sale(2))
    lost = derive(DIM, stores.lake, stores.processed, tables=TABLES, run_id="run").newest
    assert lost is not None
    loaded = LedgerEntry(*lost.order, DIM.table.fingerprint, lost.id)
    stores.s3.delete_object(Bucket=stores.processed.bucket.name, Key=manifest_key(DIM.table, lost.batch))

    again = derive(DIM, stores.lake, stores.processed, tables=TABLES, run_id="run", loaded=loaded)

    assert "the lake does not have" in again.full_refresh_reason
    assert again.newest is not None
    assert again.newest.kind == "snapshot"
    assert again.newest.order > loaded.order
