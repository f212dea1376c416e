"""Quarantine's round trip with every kind of source: a row is rejected, mended and replayed, exactly once, wherever the process dies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from stori_pipeline.lake import Lake, LakeUnavailable, Manifest
from stori_pipeline.lake.quarantine import rows_in_quarantine
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import varchar
from stori_pipeline.pipeline import quarantine, sync
from stori_pipeline.pipeline.gate import LoadBlocked
from stori_pipeline.pipeline.quarantine import Decided
from stori_pipeline.pipeline.replayed_rows import RowId
from stori_pipeline.pipeline.sync import Landed
from stori_pipeline.verify.quarantine import keys_in_quarantine, older_in_mirror
from stori_pipeline_tests.readers.rigs import CASES
from stori_pipeline_tests.readers.shop import NAME_BYTES, Rig, items
from stori_pipeline_tests.stores import StoredTable, Stores, storing

KINDS = ("postgres by xmin", "mongodb by change stream", "sqs by receiving", "s3_drop by files", "http_api by page")
LONG = "x" * (NAME_BYTES + 1)


class Killed(BaseException):
    """The process ends here."""


class DyingLake(Lake):
    """A lake whose process dies just before, or just after, a commit."""

    dies = ""

    def commit(self, table: Table, manifest: Manifest) -> Manifest:
        if self.dies == "before the commit":
            raise Killed
        landed = super().commit(table, manifest)
        if self.dies == "after the commit":
            raise Killed
        return landed


@dataclass(frozen=True)
class Trip:
    """A rig's table, whose mirror is in a schema of its own."""

    rig: Rig
    stored: StoredTable

    @property
    def table(self) -> Table:
        return self.stored.table

    @property
    def lake(self) -> Lake:
        return self.stored.stores.lake

    def sync(self, table: Table | None = None) -> Landed:
        landed = sync.land(table or self.table, self.rig.reader, self.lake, run_id="run")
        sync.load(table or self.table, self.lake, self.stored.stores.warehouse, run_id="run")
        return landed

    def replay(self, lake: Lake | None = None, **more: Any) -> Decided:
        return quarantine.replay(self.table, self.rig.reader, lake or self.lake, run_id="replay", **more)

    def mended(self, to: str = "mended") -> dict[RowId, str]:
        """What somebody makes of the open rows."""
        return {each.row: each.refused.raw.replace(LONG, to) for each in quarantine.candidates(self.table, self.lake)}

    def names(self) -> dict[int, str]:
        return {row[0]: row[1] for row in self.stored.stores.query(f'SELECT id, name FROM "{self.table.source.name}"."items" ORDER BY id')}

    def versions(self, key: int) -> list[str]:
        """The versions of a key that have landed, in order."""
        rows = self.lake.rows(self.table, *self.lake.manifests(self.table)).collect()
        return [row["name"] for row in rows.iter_rows(named=True) if row["id"] == key]


@pytest.fixture
def trip(request: pytest.FixtureRequest, stores: Stores) -> Iterator[Trip]:
    kind, changes = CASES[request.param]
    rig = kind(request, changes)
    with storing(stores) as store:
        # A lone rejected row passes the gate.
        yield Trip(rig, store(replace(rig.table, cursor="")))


every_kind = pytest.mark.parametrize("trip", KINDS, indirect=True)


@every_kind
def test_a_rejected_row_is_mended_and_replayed_once_wherever_the_process_dies(trip: Trip) -> None:
    trip.rig.insert([*items(1, 2), {"id": 3, "name": LONG}])
    assert trip.sync().manifest is not None
    assert (sorted(trip.names()), rows_in_quarantine(trip.lake, trip.table)) == ([1, 2], 1)
    trip.rig.insert(items(4))
    trip.sync()
    assert rows_in_quarantine(trip.lake, trip.table) == 1  # a later batch does not hide it

    as_it_was = trip.replay()
    assert (as_it_was.batches, as_it_was.count("rejected")) == ((), 1)
    mended = trip.mended()
    stores = trip.stored.stores
    for dies, is_open in (("before the commit", 1), ("after the commit", 0)):
        dying = DyingLake(stores.s3, stores.bucket)
        dying.dies = dies
        with pytest.raises(Killed):
            trip.replay(dying, edited=mended)
        assert rows_in_quarantine(trip.lake, trip.table) == is_open
    again = trip.replay(edited=mended)
    assert (again.batches, dict(again.outcomes)) == ((), {})
    trip.stored.load()
    trip.sync()
    assert trip.versions(3) == ["mended"]
    assert trip.names() == {1: "item 1", 2: "item 2", 3: "mended", 4: "item 4"}


@every_kind
def test_a_row_that_a_mended_definition_takes_is_in_the_mirror_once(trip: Trip) -> None:
    trip.rig.insert([*items(1), {"id": 2, "name": LONG}])
    trip.sync()
    columns = tuple(replace(each, type=varchar(64)) if each.name == "name" else each for each in trip.table.columns)
    wider = replace(trip.table, columns=columns)
    with pytest.raises(quarantine.QuarantineRefused, match="its definition has changed since batch 1 landed; run `stori sync"):
        quarantine.replay(wider, trip.rig.reader, trip.lake, run_id="replay")
    trip.sync(wider)
    assert trip.names() == {1: "item 1", 2: LONG}
    assert rows_in_quarantine(trip.lake, wider) == 0


@every_kind
def test_a_replayed_row_does_not_overwrite_a_newer_version(trip: Trip) -> None:
    trip.rig.insert(items(1))
    trip.sync()
    trip.rig.update(1, name=LONG)
    trip.sync()
    assert trip.names() == {1: "item 1"}
    mended = trip.mended()
    trip.rig.update(1, name="newer")
    trip.sync()
    decided = trip.replay(edited=mended)
    ((row, outcome),) = decided.outcomes.items()
    assert (row, outcome.what, outcome.why) == (RowId(2, 1), "superseded", "a newer version of its key landed in batch 3")
    assert rows_in_quarantine(trip.lake, trip.table) == 0
    trip.stored.load()
    assert trip.names() == {1: "newer"}


@pytest.mark.parametrize("trip", ["postgres by xmin", "mongodb by change stream"], indirect=True)
def test_values_of_a_new_column_are_no_newer_version_of_a_rejected_row(trip: Trip) -> None:
    """A batch of new columns has every key of the source, that of the rejected row too."""
    trip.rig.insert([*items(1), {"id": 2, "name": LONG}])
    trip.sync()
    trip.rig.add_field("colour")
    coloured = replace(trip.table, columns=(*trip.table.columns, Column("colour", varchar(16))))
    trip.sync(coloured)
    wide = replace(trip, stored=replace(trip.stored, table=coloured))
    assert [each.kind for each in trip.lake.manifests(coloured)][:2] == ["snapshot", "columns"]
    assert wide.replay(edited=wide.mended()).count("replayed") == 1
    wide.stored.load()
    assert wide.names() == {1: "item 1", 2: "mended"}


@every_kind
def test_of_two_rejected_versions_the_older_waits_for_the_newer(trip: Trip) -> None:
    trip.rig.insert(items(1, 2))
    trip.sync()
    for name in (LONG, LONG + "y"):
        trip.rig.update(1, name=name)
        trip.sync()
    first, second = [each.row for each in quarantine.candidates(trip.table, trip.lake)]
    mended = trip.mended()
    waiting = trip.replay(edited={first: mended[first]}).outcomes[first]
    assert (waiting.what, "row 3:1 is a newer version of its key" in waiting.why) == ("waiting", True)
    both = trip.replay(edited={first: mended[first], second: mended[second].replace("mendedy", "newest")}).outcomes
    assert {row: each.what for row, each in both.items()} == {first: "superseded", second: "replayed"}
    trip.stored.load()
    assert trip.names() == {1: "newest", 2: "item 2"}


@every_kind
def test_a_rejected_version_shows_that_the_mirror_has_an_older_one(trip: Trip) -> None:
    trip.rig.insert(items(1, 2))
    trip.sync()
    trip.rig.update(1, name=LONG)
    trip.sync()
    trip.rig.insert([{"id": 3, "name": LONG}])
    trip.sync()
    trip.stored.load()
    keys = keys_in_quarantine(trip.table, trip.rig.reader, trip.lake)
    assert {key: (each.code, each.column) for key, each in keys.items()} == {("1",): ("too_long", "name"), ("3",): ("too_long", "name")}
    assert set(older_in_mirror(trip.table, trip.stored.stores.warehouse, keys)) == {("1",)}  # 3 is not in the mirror at all
    trip.rig.update(1, name="fits")
    trip.sync()
    assert older_in_mirror(trip.table, trip.stored.stores.warehouse, keys) == {}


@pytest.mark.parametrize("trip", ["postgres by xmin", "mongodb by change stream"], indirect=True)
def test_a_row_that_its_source_deleted_is_not_replayed(trip: Trip) -> None:
    trip.rig.insert([*items(1), {"id": 2, "name": LONG}])
    trip.sync()
    mended = trip.mended(LONG)
    trip.rig.delete(2)
    wide = {row: raw.replace(LONG, "mended") for row, raw in mended.items()}
    outcome = trip.replay(edited=wide).outcomes[RowId(1, 1)]
    # An edit may have a wrong key, so it stays open.
    assert (outcome.what, outcome.why) == ("rejected", "the source has no row with its key; discard it if that is right")
    trip.stored.load()
    assert trip.names() == {1: "item 1"}


@pytest.mark.parametrize("trip", ["sqs by receiving"], indirect=True)
def test_after_a_burst_of_bad_messages_later_good_ones_load_without_a_full_refresh(trip: Trip) -> None:
    trip.rig.insert(items(1))
    trip.sync()
    trip.rig.insert([{"id": number, "name": LONG} for number in range(10, 40)])
    with pytest.raises(LoadBlocked, match=r"30 of the 30 rows of batch 2 .*stori quarantine accept shop_\w+\.items --batch 2"):
        trip.sync()
    trip.rig.insert(items(2, 3))
    with pytest.raises(LoadBlocked, match="batch 2"):
        trip.sync()
    assert sorted(trip.names()) == [1]
    stores = trip.stored.stores
    dying = DyingLake(stores.s3, stores.bucket)
    dying.dies = "before the commit"
    with pytest.raises(Killed):
        quarantine.accept(trip.table, dying, batch=2, run_id="accept")
    with pytest.raises(LoadBlocked, match="batch 2"):
        trip.stored.load()
    quarantine.accept(trip.table, trip.lake, batch=2, run_id="accept")
    assert quarantine.accept(trip.table, trip.lake, batch=2, run_id="accept").batches == ()  # told once
    trip.stored.load()
    assert sorted(trip.names()) == [1, 2, 3]
    assert rows_in_quarantine(trip.lake, trip.table) == 30
    assert [each.kind for each in trip.lake.manifests(trip.table)].count("snapshot") == 1
    # A full refresh of the queue judges the rows in quarantine again, but no row that was discarded.
    rows = frozenset(RowId(2, number) for number in range(1, 30))
    quarantine.discard(trip.table, trip.lake, quarantine.Selection(rows=rows), run_id="discard")
    refreshed = sync.land(trip.table, trip.rig.reader, trip.lake, run_id="full", full=True).manifest
    assert refreshed is not None
    assert (refreshed.rows, refreshed.rejected, rows_in_quarantine(trip.lake, trip.table)) == (3, 1, 1)


@pytest.mark.parametrize("trip", ["sqs by receiving"], indirect=True)
def test_a_killed_attempt_leaves_no_second_copy_in_quarantine(trip: Trip) -> None:
    stores = trip.stored.stores
    trip.rig.insert([*items(1), {"id": 2, "name": LONG}])
    dying = DyingLake(stores.s3, stores.bucket)
    dying.dies = "before the commit"
    with pytest.raises((Killed, LakeUnavailable)):
        sync.land(trip.table, trip.rig.reader, dying, run_id="killed")
    trip.sync()
    assert len(stores.objects(trip.table, "_quarantine/")) == 2
    assert [str(each.row) for each in quarantine.candidates(trip.table, trip.lake)] == ["1:1"]
    assert rows_in_quarantine(trip.lake, trip.table) == 1
