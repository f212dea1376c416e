"""Loads with a failing warehouse or lake: all or nothing is loaded, with a clear error."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pyarrow.parquet as pq
import pytest

from stori_pipeline.lake import LakeError
from stori_pipeline.lake.manifest import Manifest
from stori_pipeline.local.servers import COPY_ROLE
from stori_pipeline.model.changes import Changes
from stori_pipeline.model.table import Column
from stori_pipeline.model.types import integer, varchar
from stori_pipeline.pipeline import sync
from stori_pipeline.readers.postgres import Xmin
from stori_pipeline.readers.sqs import Queue
from stori_pipeline.warehouse import Warehouse, WarehouseError, WarehouseUnavailable
from stori_pipeline.warehouse.load import Pending, load_batches
from stori_pipeline_tests.stores import ITEMS, StoredTable, StoreTable, under_own_source

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


# ---- parts that are not what their manifest says


def _shorten(s3: S3Client, manifest: Manifest, bucket: str, rows: int) -> None:
    """Replaces the batch's part by one with only its first so many rows, padded to the same length, which COPY compares too."""
    key = manifest.parts[0].url.removeprefix(f"s3://{bucket}/")
    body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    table = pq.read_table(io.BytesIO(body)).slice(0, rows)
    for padding in range(len(body)):
        shorter = io.BytesIO()
        with pq.ParquetWriter(shorter, table.schema, store_schema=False) as writer:
            writer.write_table(table)
            writer.add_key_value_metadata({"padding": "x" * padding})
        if len(shorter.getvalue()) == len(body):
            s3.put_object(Bucket=bucket, Key=key, Body=shorter.getvalue())
            return
    raise AssertionError("no padding gave that length")


def test_a_copy_of_fewer_rows_than_the_manifest_says_loads_nothing(items: StoredTable, s3: S3Client, bucket: str) -> None:
    items.snapshot((1, "a"))
    items.loaded()
    manifest = items.changes(*((n, f"note {n}" * 3) for n in range(2, 200)))
    _shorten(s3, manifest, bucket, rows=20)
    with pytest.raises(WarehouseError, match="COPY loaded 20 rows, but the manifests up to batch 2 say 198; nothing was loaded") as raised:
        items.load()
    assert not isinstance(raised.value, WarehouseUnavailable)
    assert items.mirror() == [(1, "a")]
    assert items.loads() == [(1, 1, 1, 0)]
    items.snapshot((5, "whole again"))
    items.loaded()
    assert items.mirror() == [(5, "whole again")]


@pytest.mark.parametrize(
    ("changes", "advice"),
    [(Xmin(), "restore it, or land a new snapshot with `stori sync --full {}`"), (Queue(), "restore it from a version or a copy")],
    ids=["replayable", "queue"],
)
def test_a_part_that_was_removed_loads_nothing_and_is_named(
    items: StoredTable, s3: S3Client, bucket: str, changes: Changes, advice: str
) -> None:
    """Regression: the error ended with COPY's, and did not say what to do."""
    items.snapshot((1, "a"))
    items.loaded()
    manifest = items.changes((2, "b"))
    key = manifest.parts[0].url.removeprefix(f"s3://{bucket}/")
    s3.delete_object(Bucket=bucket, Key=key)
    table = replace(items.table, changes=changes)
    with pytest.raises(WarehouseError, match="Mandatory url is not present") as raised:
        sync.load(table, items.stores.lake, items.stores.warehouse, run_id="run")
    assert f"the file {manifest.parts[0].url} of batch 2 is gone from the lake, and nothing was loaded: " in str(raised.value)
    assert str(raised.value).split("nothing was loaded: ")[1].startswith(advice.format(items.table.full_name))
    assert items.mirror() == [(1, "a")]


# ---- tables that were dropped


@pytest.mark.parametrize("lost", ["mirror", "schema", "ledger entries", "mirror and ledger entries"])
def test_a_dropped_mirror_is_loaded_again_from_the_lake(items: StoredTable, lost: str) -> None:
    items.snapshot((1, "a"), (2, "b"))
    items.changes((1,), (3, "c"))
    items.loaded()
    if "mirror" in lost:
        items.stores.execute(f"DROP TABLE {items.table.full_name}")
    if "schema" in lost:
        items.stores.execute(f"DROP SCHEMA {items.table.source.name} CASCADE")
    if "ledger" in lost:
        items.stores.execute(f"DELETE FROM pipeline.loads WHERE target = '{items.table.full_name}'")
    assert items.stores.warehouse.ledger(items.table) is None
    assert items.loaded().batch == 2
    assert items.mirror() == [(2, "b"), (3, "c")]
    assert items.load() is None


def test_a_dropped_ledger_is_created_and_filled_again(items: StoredTable) -> None:
    items.snapshot((1, "a"))
    items.loaded()
    items.stores.execute("DROP TABLE pipeline.loads")
    items.changes((2, "b"))
    assert items.loaded().rows_copied == 2
    assert items.mirror() == [(1, "a"), (2, "b")]


def test_an_interrupted_first_load_leaves_no_empty_mirror_with_an_old_entry(items: StoredTable, s3: S3Client, bucket: str) -> None:
    manifest = items.snapshot((1, "a"))
    items.loaded()
    items.stores.execute(f"DROP TABLE {items.table.full_name}")  # the ledger still says that batch 1 is loaded
    key = manifest.parts[0].url.removeprefix(f"s3://{bucket}/")
    body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    s3.delete_object(Bucket=bucket, Key=key)
    with pytest.raises(WarehouseError):
        items.load()  # the mirror had been created when COPY failed
    assert items.stores.warehouse.ledger(items.table) is None
    s3.put_object(Bucket=bucket, Key=key, Body=body)
    items.loaded()
    assert items.mirror() == [(1, "a")]


def test_the_first_snapshot_of_a_new_lake_replaces_the_old_rows(items: StoredTable, s3: S3Client, bucket: str) -> None:
    items.snapshot((1, "a"), (2, "b"))
    items.changes((3, "c"))
    items.loaded()
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for found in page.get("Contents", []):
            s3.delete_object(Bucket=bucket, Key=found["Key"])
    assert items.load() is None  # nothing to load is not a reason to empty the mirror
    assert len(items.mirror()) == 3
    items.snapshot((2, "b"), (4, "d"))
    assert items.loaded().batch == 1
    assert items.mirror() == [(2, "b"), (4, "d")]


# ---- definitions that changed

WIDER = replace(ITEMS, columns=(Column("id", integer, nullable=False), Column("size", varchar(8)), Column("note", varchar(128))))


def test_changes_under_a_changed_definition_are_refused_with_advice(items: StoredTable) -> None:
    items.snapshot((1, "a"))
    items.loaded()
    items.changes((2, "b"))
    changed = replace(items, table=replace(WIDER, source=items.table.source))
    with pytest.raises(
        LakeError, match=f"{items.table.full_name}: batch 2 landed under another definition, .* If not, land a new snapshot"
    ):
        changed.load()
    assert items.mirror() == [(1, "a")]


def test_a_ledger_entry_of_another_definition_refuses_changes(items: StoredTable) -> None:
    items.snapshot((1, "a"))
    items.loaded()
    changed = replace(WIDER, source=items.table.source)
    work = Pending(generation=1, batch=2, replaces=False, rows=0, url="")
    with pytest.raises(WarehouseError, match=f"its definition has changed since .* `stori sync --full {items.table.full_name}`"):
        load_batches(items.stores.warehouse, changed, work, after=items.stores.warehouse.ledger(changed), run_id="run")
    assert len(items.loads()) == 1


def test_a_snapshot_under_a_changed_definition_rebuilds_the_mirror(items: StoredTable) -> None:
    items.snapshot((1, "a"), (2, "b"))
    items.loaded()
    changed = replace(items, table=replace(WIDER, source=items.table.source))
    changed.snapshot((1, "big", "a"), (3, None, "c"))
    assert changed.loaded().rows_inserted == 2
    assert changed.mirror() == [(1, "big", "a"), (3, None, "c")]
    columns = "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = %s ORDER BY ordinal_position"
    assert changed.stores.warehouse.query(columns, (items.table.source.name,))[:2] == [("id", "integer"), ("size", "character varying")]
    changed.changes((3,))
    changed.loaded()
    assert changed.mirror() == [(1, "big", "a")]


def test_a_mirror_that_cannot_be_rebuilt_is_unchanged(items: StoredTable, s3: S3Client, bucket: str) -> None:
    items.snapshot((1, "a"))
    items.loaded()
    changed = replace(items, table=replace(WIDER, source=items.table.source))
    manifest = changed.snapshot((1, "big", "a"))
    s3.delete_object(Bucket=bucket, Key=manifest.parts[0].url.removeprefix(f"s3://{bucket}/"))
    with pytest.raises(WarehouseError):
        changed.load()
    assert items.mirror() == [(1, "a")]


def test_a_definition_that_now_keeps_deleted_rows_rebuilds_the_mirror(items: StoredTable) -> None:
    items.snapshot((1, "a"))
    items.loaded()
    keeping = replace(items, table=replace(items.table, keep_deleted=True))
    keeping.snapshot((1, "a"))
    keeping.changes((1,))
    keeping.loaded()
    keeping.snapshot((1, "a"), (2, "b"))
    keeping.loaded()
    assert keeping.mirror("_deleted") == [(1, "a", False), (2, "b", False)]


# ---- what errors say


def test_a_warehouse_that_is_away_is_named_without_its_password(items: StoredTable) -> None:
    parts = urlsplit(items.stores.warehouse_url)
    assert parts.password
    away = Warehouse(items.stores.warehouse_url.replace(f":{parts.port}/", ":1/"), COPY_ROLE)
    with pytest.raises(WarehouseUnavailable, match=r"ledger of .* the warehouse at 127\.0\.0\.1:1 cannot be reached") as raised:
        sync.load(items.table, items.stores.lake, away, run_id="run")
    assert parts.password not in str(raised.value) + repr(raised.value) + repr(raised.value.__cause__)
    assert parts.password not in repr(away)


def test_a_wrong_password_is_not_repeated(items: StoredTable) -> None:
    parts = urlsplit(items.stores.warehouse_url)
    wrong = Warehouse(items.stores.warehouse_url.replace(f":{parts.password}@", ":hunter2@"), COPY_ROLE)
    with pytest.raises(WarehouseError) as raised:
        wrong.ledger(items.table)
    assert "hunter2" not in str(raised.value) + repr(raised.value.__cause__)


def test_a_malformed_address_is_refused_without_quoting_it() -> None:
    with pytest.raises(WarehouseError) as raised:
        Warehouse("postgresql://loader:hunter2@[half", COPY_ROLE).ledger(under_own_source(ITEMS))
    assert "hunter2" not in str(raised.value)


def test_a_statement_that_is_refused_names_the_load_and_the_reason(store: StoreTable) -> None:
    items = store(replace(ITEMS, columns=(Column("id", integer, nullable=False), Column("note", varchar(4)))))
    wider = replace(items, table=replace(items.table, columns=(Column("id", integer, nullable=False), Column("note", varchar(64)))))
    wider.snapshot((1, "x" * 60))
    items.stores.execute(f"CREATE SCHEMA {items.table.source.name}")
    # A row that got past its contract: COPY is the second to look.
    new = sync.new_batches(wider.table, items.stores.lake, None)
    with pytest.raises(WarehouseError, match=f"load of {items.table.full_name}: ") as raised:
        sync.load_new(
            replace(new, table=items.table, batches=tuple(replace(each, fingerprint=items.table.fingerprint) for each in new.batches)),
            items.stores.warehouse,
            run_id="run",
        )
    assert not isinstance(raised.value, WarehouseUnavailable)
    assert items.stores.warehouse.ledger(items.table) is None
