"""From source to lake: when everything is read, when only changes are, and when a reading is acknowledged.

The readers are real (a Postgres table, read by xmin), except one that records the order of its calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date as day
from typing import TYPE_CHECKING, Any

import pytest

from stori_pipeline.lake import Lake, LakeError
from stori_pipeline.model.reading import Position
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import bigint, timestamptz, varchar
from stori_pipeline.pipeline import sync
from stori_pipeline.pipeline.sync import Landed
from stori_pipeline.readers import PositionLost, SourceError, reader_for
from stori_pipeline.readers.postgres import Xmin
from stori_pipeline.readers.postgres.reader import PostgresReader
from stori_pipeline.warehouse import Warehouse
from stori_pipeline.warehouse.session import LedgerEntry
from stori_pipeline_tests.conftest import SourceDatabase
from stori_pipeline_tests.databases import execute
from stori_pipeline_tests.readings import Given, changes, rows

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ITEMS = Table(
    source=Source("shop", "postgres", "A items."),
    name="items",
    columns=(Column("id", bigint, nullable=False), Column("note", varchar(64)), Column("at", timestamptz)),
    key=("id",),
    changes=Xmin(),
    cursor="at",
)


@dataclass(frozen=True)
class SourceTable:
    """A table of a source, read as the pipeline reads it."""

    url: str = field(repr=False)
    reader: PostgresReader
    lake: Lake

    def write(self, statement: str) -> None:
        execute(self.url, statement)

    def land(self, table: Table = ITEMS, **more: Any) -> Landed:
        return sync.land(table, self.reader, self.lake, run_id="run", **more)

    def landed(self, table: Table = ITEMS) -> list[int]:
        return sorted(self.lake.live(table).collect()["id"])


@pytest.fixture
def items(source_db: SourceDatabase, lake: Lake) -> SourceTable:
    """A table of five rows, one a day."""
    source_table = SourceTable(source_db.admin_url, PostgresReader(source_db.reader_url), lake)
    source_table.write("CREATE TABLE items (id bigint PRIMARY KEY, note text, at timestamptz DEFAULT now(), size int DEFAULT 1)")
    source_table.write(
        "INSERT INTO items SELECT n, 'a', timestamptz '2026-11-20 12:00Z' + n * interval '1 day' FROM generate_series(0, 4) n"
    )
    return source_table


def test_the_first_landing_reads_everything_and_says_why(items: SourceTable) -> None:
    counts: list[int] = []
    landed = items.land(progress=counts.append)
    assert landed.manifest is not None
    assert (landed.manifest.batch, landed.manifest.kind, landed.manifest.rows) == (1, "snapshot", 5)
    assert landed.manifest == landed.newest == items.lake.newest(ITEMS)
    assert landed.full_refresh_reason == "nothing has landed yet"
    assert sum(counts) == 5


def test_later_landings_land_only_changes_in_the_same_generation(items: SourceTable) -> None:
    first = items.land().manifest
    items.write("UPDATE items SET note = 'b' WHERE id = 3")
    landed = items.land()
    assert first is not None
    assert landed.manifest is not None
    assert (landed.manifest.batch, landed.manifest.kind, landed.manifest.rows) == (2, "changes", 1)
    assert (landed.manifest.generation, landed.manifest.since) == (first.generation, first.until)
    assert landed.full_refresh_reason == ""


def test_a_source_without_changes_lands_nothing(items: SourceTable) -> None:
    first = items.land().manifest
    landed = items.land()
    assert landed.manifest is None
    assert landed.newest == first
    assert landed.full_refresh_reason == ""


def test_full_reads_everything_again_as_a_new_generation(items: SourceTable) -> None:
    first = items.land().manifest
    items.write("DELETE FROM items WHERE id = 0")
    landed = items.land(full=True)
    assert first is not None
    assert landed.manifest is not None
    assert (landed.manifest.batch, landed.manifest.kind, landed.manifest.rows) == (2, "snapshot", 4)
    assert landed.manifest.generation > first.generation
    assert landed.full_refresh_reason == "a full refresh was requested"
    assert items.landed() == [1, 2, 3, 4]
    items.write("INSERT INTO items VALUES (9)")
    assert items.land().full_refresh_reason == ""


def test_a_changed_definition_reads_everything_again(items: SourceTable) -> None:
    items.land()
    wider = replace(ITEMS, columns=(*ITEMS.columns, Column("weight", varchar(8), path="note")))
    landed = items.land(wider)
    assert landed.full_refresh_reason == "its definition has changed"
    assert landed.manifest is not None
    assert (landed.manifest.kind, landed.manifest.rows, landed.manifest.fingerprint) == ("snapshot", 5, wider.fingerprint)
    assert items.land(wider).manifest is None


def test_a_lost_position_reads_everything_again_and_says_why(items: SourceTable) -> None:
    items.land()
    # Another table of the same name: the reader knows it by its identity, as it knows another server.
    items.write("ALTER TABLE items RENAME TO old")
    items.write("CREATE TABLE items (LIKE old)")
    items.write("INSERT INTO items SELECT * FROM old WHERE id < 2")
    landed = items.land()
    assert landed.manifest is not None
    assert landed.manifest.kind == "snapshot"
    assert "its position is lost" in landed.full_refresh_reason
    assert items.landed() == [0, 1]


def test_a_lake_that_was_wiped_begins_a_new_generation(items: SourceTable, s3: S3Client, bucket: str) -> None:
    first = items.land().manifest
    for found in s3.list_objects_v2(Bucket=bucket)["Contents"]:
        s3.delete_object(Bucket=bucket, Key=found["Key"])
    landed = items.land()
    assert first is not None
    assert landed.manifest is not None
    assert (landed.manifest.batch, landed.full_refresh_reason) == (1, "nothing has landed yet")
    assert landed.manifest.generation > first.generation


def test_a_day_read_again_lands_its_rows_and_keeps_the_position(items: SourceTable) -> None:
    first = items.land().manifest
    items.write("UPDATE items SET note = 'changed meanwhile' WHERE id = 0")
    landed = items.land(day=day(2026, 11, 22))
    assert first is not None
    assert landed.manifest is not None
    assert (landed.manifest.kind, landed.manifest.rows, landed.manifest.until) == ("changes", 1, first.until)
    assert landed.manifest.generation == first.generation
    after = items.land().manifest  # the row that changed was not skipped
    assert after is not None
    assert after.rows == 1
    assert dict(items.lake.live(ITEMS).select("id", "note").collect().iter_rows())[0] == "changed meanwhile"


def test_a_past_day_of_a_table_that_has_not_landed_is_a_snapshot(items: SourceTable) -> None:
    landed = items.land(day=day(2026, 11, 22))
    assert landed.manifest is not None
    assert (landed.manifest.kind, landed.manifest.rows) == ("snapshot", 5)
    assert items.land().manifest is None


def test_a_source_that_fails_lands_nothing(items: SourceTable) -> None:
    first = items.land().manifest
    items.write("ALTER TABLE items DROP COLUMN note")
    with pytest.raises(SourceError, match="note"):
        items.land()
    assert items.lake.newest(ITEMS) == first


@pytest.mark.parametrize("kind", ["postgres", "mongodb"])
def test_every_kind_of_source_has_a_reader(kind: str) -> None:
    address = {"postgres": "postgresql://reader:hunter2@127.0.0.1:1/x", "mongodb": "mongodb://reader:hunter2@127.0.0.1:1/x"}[kind]
    assert "hunter2" not in repr(reader_for(kind, address))


# ---- in which order


@dataclass
class Asked:
    """A reader of given readings that records its calls, and the lake's newest batch at each acknowledgement."""

    lake: Lake
    given: list[Given | PositionLost]
    seen: list[str] = field(default_factory=list)

    @contextmanager
    def read(self, _: Table, since: Position | None, **_more: object) -> Iterator[Given]:
        self.seen.append(f"read {dict(since) if since else None}")
        reading = self.given.pop(0)
        if isinstance(reading, PositionLost):
            raise reading
        reading.ack = self._ack  # type: ignore[method-assign]
        yield reading

    def _ack(self) -> None:
        newest = self.lake.newest(ITEMS)
        self.seen.append(f"ack with batch {newest.batch if newest else None} landed")


ROW = rows({"id": 1}, table=ITEMS)


def asked(lake: Lake, *given: Given | PositionLost) -> Any:
    return Asked(lake, list(given))


def test_a_reading_is_acknowledged_only_after_the_manifest_is_written(lake: Lake) -> None:
    reader = asked(lake, Given([ROW]), changes(ROW))
    sync.land(ITEMS, reader, lake, run_id="run")
    sync.land(ITEMS, reader, lake, run_id="run")
    assert reader.seen == ["read None", "ack with batch 1 landed", "read {'at': 1}", "ack with batch 2 landed"]


def test_a_failed_landing_acknowledges_nothing(lake: Lake) -> None:
    class Broken(RuntimeError):
        pass

    def broken() -> None:
        raise Broken

    reader = asked(lake, Given([ROW], before_until=broken))
    with pytest.raises(Broken):
        sync.land(ITEMS, reader, lake, run_id="run")
    assert reader.seen == ["read None"]
    assert lake.newest(ITEMS) is None


def test_a_position_lost_in_a_full_reading_fails_the_landing(lake: Lake) -> None:
    reader = asked(lake, PositionLost("lost"), PositionLost("lost"))
    with pytest.raises(PositionLost):
        sync.land(ITEMS, reader, lake, run_id="run")
    assert reader.seen == ["read None"]


def test_a_position_lost_during_the_reading_is_read_again_in_full(lake: Lake) -> None:
    sync.land(ITEMS, asked(lake, Given([ROW])), lake, run_id="run")
    reader = asked(lake, PositionLost("the oplog has rolled over"), Given([ROW], at=7))
    landed = sync.land(ITEMS, reader, lake, run_id="run")
    assert reader.seen == ["read {'at': 1}", "read None", "ack with batch 2 landed"]
    assert landed.full_refresh_reason == "the oplog has rolled over"


# ---- what is new


def test_new_batches_are_those_after_the_ledgers(lake: Lake) -> None:
    assert sync.new_batches(ITEMS, lake, None).batches == ()
    first = sync.land(ITEMS, asked(lake, Given([ROW])), lake, run_id="run").manifest
    assert first is not None
    whole = sync.new_batches(ITEMS, lake, None)
    assert [(each.order, each.kind, each.rows) for each in whole.batches] == [(first.order, "snapshot", 1)]
    assert sync.new_batches(ITEMS, lake, LedgerEntry(*first.order)).batches == ()
    sync.land(ITEMS, asked(lake, changes(ROW, ROW)), lake, run_id="run")
    later = sync.new_batches(ITEMS, lake, LedgerEntry(*first.order))
    assert [(each.order, each.kind, each.rows) for each in later.batches] == [((first.generation, 2), "changes", 2)]
    assert later.order == (first.generation, 2)


def test_changes_under_another_definition_are_refused(lake: Lake, warehouse_url: str) -> None:
    first = sync.land(ITEMS, asked(lake, Given([ROW])), lake, run_id="run").manifest
    assert first is not None
    sync.land(ITEMS, asked(lake, changes(ROW)), lake, run_id="run")
    changed = replace(ITEMS, columns=(ITEMS.columns[0], Column("note", varchar(65)), ITEMS.columns[2]))
    new = sync.new_batches(changed, lake, LedgerEntry(*first.order))
    with pytest.raises(LakeError, match="landed under another definition"):
        sync.load_new(new, Warehouse(warehouse_url, "arn:x"), run_id="run")
