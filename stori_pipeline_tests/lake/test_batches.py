"""Batches, manifests and positions: what exists when, and in which order."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stori_pipeline.clock import utc_now
from stori_pipeline.lake import Lake, LakeError, LandingConflict, Manifest
from stori_pipeline.lake.manifest import MAX_BATCH
from stori_pipeline.lake.manifests import highest_batch
from stori_pipeline.lake.upkeep import sweep
from stori_pipeline.model.reading import Reading
from stori_pipeline.model.table import Column
from stori_pipeline.model.types import integer
from stori_pipeline_tests.lake.landings import land, write_manifests
from stori_pipeline_tests.readings import TABLE, Given, changes, orders, rejected, rows

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def keys(s3: S3Client, bucket: str, prefix: str = "") -> list[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [item["Key"] for page in pages for item in page.get("Contents", [])]


def test_a_reading_of_a_reader_can_be_landed() -> None:
    """mypy checks it: the lake has a protocol of its own, because it may not import the readers."""

    def fits(reading: Reading) -> Reading:
        return reading

    assert fits(Given()) is not None


def test_nothing_has_landed_at_first(lake: Lake) -> None:
    assert lake.newest(TABLE) is None
    assert lake.manifests(TABLE) == []


@pytest.mark.clock
def test_a_landing_is_committed_by_a_manifest_that_copy_can_read(lake: Lake, s3: S3Client, bucket: str) -> None:
    taken = datetime(2026, 11, 21, 10, 0, 0, 123456, tzinfo=timezone.utc)
    before = datetime.now(timezone.utc)
    counts: list[int] = []
    reading = Given([orders(1, 3), orders(4, 2)], at=7, taken_at=taken)
    manifest = lake.land(TABLE, reading, newest=None, run_id="r1", progress=counts.append)
    assert manifest is not None
    assert manifest == lake.newest(TABLE)
    assert (manifest.batch, manifest.kind, manifest.since, manifest.until) == (1, "snapshot", None, {"at": 7})
    assert (manifest.rows, manifest.rejected, manifest.run_id, manifest.taken_at) == (5, 0, "r1", taken)
    assert manifest.generation >= int(before.timestamp() * 1_000_000)
    assert counts == [3, 2]

    document = json.loads(s3.get_object(Bucket=bucket, Key="shop/orders/_manifests/00000001.json")["Body"].read())
    (part,) = manifest.parts
    stored = s3.head_object(Bucket=bucket, Key=part.url.removeprefix(f"s3://{bucket}/"))["ContentLength"]
    assert document["entries"] == [{"url": part.url, "mandatory": True, "meta": {"content_length": stored}}]
    day = f"{manifest.written_at:%Y-%m-%d}"
    assert part.url.startswith(f"s3://{bucket}/shop/orders/date={day}/batch=00000001/part-00000-")
    assert document["meta"]["part_rows"] == [5]


def test_changes_continue_the_generation_from_the_position(lake: Lake) -> None:
    first = land(lake, Given([orders(1, 3)], at=1))
    second = land(lake, changes(orders(2, 1), at=2))
    assert (second.generation, second.batch, second.snapshot) == (first.generation, 2, 1)
    assert (second.since, second.until) == ({"at": 1}, {"at": 2})
    assert lake.newest(TABLE) == second


def test_a_snapshot_starts_a_later_generation_even_when_the_clock_was_set_back(lake: Lake) -> None:
    first = land(lake, Given([orders(1, 1)]))
    ahead = replace(first, generation=first.generation + 10**12)
    assert land(lake, Given([orders(1, 1)]), newest=ahead).order == (ahead.generation + 1, 2)


def test_a_wiped_lake_counts_from_1_again_in_a_later_generation(lake: Lake, s3: S3Client, bucket: str) -> None:
    land(lake, Given([orders(1, 1)]))
    old = land(lake, changes(orders(2, 1)))
    for key in keys(s3, bucket):
        s3.delete_object(Bucket=bucket, Key=key)
    new = land(lake, Given([orders(1, 2)]))
    assert new.batch == 1
    assert new.order > old.order
    assert lake.manifests(TABLE, after=old.order) == [new]


def test_a_wiped_lake_that_grew_past_the_old_number_is_read_from_its_start(lake: Lake, s3: S3Client, bucket: str) -> None:
    old = land(lake, Given([orders(1, 1)]))
    s3.delete_object(Bucket=bucket, Key="shop/orders/_manifests/00000001.json")
    new = [land(lake, Given([orders(1, 1)])), land(lake, changes(orders(2, 1))), land(lake, changes(orders(3, 1)))]
    assert lake.manifests(TABLE, after=(old.generation, 2)) == new


def test_a_reading_without_changes_writes_nothing(lake: Lake, s3: S3Client, bucket: str) -> None:
    land(lake, Given([orders(1, 1)]))
    before = keys(s3, bucket)
    assert lake.land(TABLE, changes(rows(), at=9), newest=lake.newest(TABLE), run_id="r") is None
    assert keys(s3, bucket) == before


def test_a_reading_without_changes_that_must_land_lands_an_empty_batch(lake: Lake, s3: S3Client, bucket: str) -> None:
    land(lake, Given([orders(1, 1)]))
    manifest = land(lake, changes(at=9, must_land=True))
    assert (manifest.batch, manifest.rows, manifest.parts, manifest.until) == (2, 0, (), {"at": 9})
    assert len(keys(s3, bucket, "shop/orders/date=")) == 1


def test_an_empty_table_lands_a_snapshot_without_parts(lake: Lake) -> None:
    manifest = land(lake, Given())
    assert (manifest.kind, manifest.rows, manifest.parts, manifest.quarantine) == ("snapshot", 0, (), "")
    assert lake.newest(TABLE) == manifest
    assert lake.copy_manifest(TABLE, [manifest], "r") == ""


def test_batches_stay_in_order_past_a_thousand_manifests(lake: Lake, s3: S3Client, bucket: str) -> None:
    template = land(lake, Given([orders(1, 1)]))
    write_manifests(s3, bucket, template, range(2, 1006))
    newest = lake.newest(TABLE)
    assert newest is not None
    assert newest.batch == 1005
    assert newest.until == {"at": 1005}
    assert [each.batch for each in lake.manifests(TABLE)] == list(range(1, 1006))
    assert [each.batch for each in lake.manifests(TABLE, after=(template.generation, 1002))] == [1003, 1004, 1005]


@given(
    batches=st.sets(st.one_of(st.integers(1, 200), st.integers(1, 3_000), st.integers(1, MAX_BATCH)), max_size=80),
    size=st.integers(1, 50),
)
def test_the_highest_batch_is_found_despite_gaps(batches: set[int], size: int) -> None:
    asked = 0

    def page(after: int) -> tuple[list[int], bool]:
        nonlocal asked
        asked += 1
        above = sorted(each for each in batches if each > after)
        return above[:size], len(above) > size

    assert highest_batch(page) == max(batches, default=0)
    assert asked <= 60, "twice the doublings and halvings from 1 to the highest number there is"


def test_the_highest_of_half_a_million_batches_is_found_in_a_few_requests() -> None:
    asked = []

    def page(after: int) -> tuple[list[int], bool]:
        asked.append(after)
        return list(range(after + 1, min(after + 1000, 500_000) + 1)), after + 1000 < 500_000

    assert highest_batch(page) == 500_000
    assert len(asked) <= 20


def test_a_foreign_file_among_the_manifests_is_named(lake: Lake, s3: S3Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="shop/orders/_manifests/notes.txt", Body=b"hello")
    with pytest.raises(LakeError, match=r"shop/orders/_manifests/notes\.txt"):
        lake.newest(TABLE)


@pytest.mark.parametrize("body", [b"", b"{}", b"[1]", b'{"entries": [], "meta": {"table": "shop.orders"}}', b"\xff\xfe"])
def test_an_unreadable_manifest_is_named(lake: Lake, s3: S3Client, bucket: str, body: bytes) -> None:
    s3.put_object(Bucket=bucket, Key="shop/orders/_manifests/00000003.json", Body=body)
    with pytest.raises(LakeError, match=r"_manifests/00000003\.json is not the manifest of batch 3 of shop\.orders"):
        lake.newest(TABLE)


def test_another_tables_manifest_is_refused(lake: Lake, s3: S3Client, bucket: str) -> None:
    manifest = land(lake, Given())
    body = replace(manifest, table="shop.customers").to_json()
    s3.put_object(Bucket=bucket, Key="shop/orders/_manifests/00000001.json", Body=body)
    with pytest.raises(LakeError, match=r"it is the manifest of batch 1 of shop\.customers"):
        lake.newest(TABLE)


def test_rejected_rows_are_in_quarantine_and_counted(lake: Lake, s3: S3Client, bucket: str) -> None:
    import io

    import pyarrow.parquet as pq

    reading = Given([orders(1, 2)], rejects=[rejected('{"id": 8}'), rejected('{"id": 9}')])
    manifest = land(lake, reading)
    assert (manifest.rows, manifest.rejected) == (2, 2)
    day = f"{manifest.written_at:%Y-%m-%d}"
    assert manifest.quarantine.startswith(f"s3://{bucket}/shop/orders/_quarantine/date={day}/00000001-")
    body = s3.get_object(Bucket=bucket, Key=manifest.quarantine.removeprefix(f"s3://{bucket}/"))["Body"].read()
    assert pq.read_table(io.BytesIO(body))["raw"].to_pylist() == ['{"id": 8}', '{"id": 9}']


def test_changes_whose_rows_are_all_rejected_still_land(lake: Lake) -> None:
    land(lake, Given([orders(1, 2)]))
    manifest = land(lake, changes(at=5, rejects=[rejected("{}")]))
    assert (manifest.rows, manifest.rejected, manifest.until, manifest.parts) == (0, 1, {"at": 5}, ())


def test_one_of_two_concurrent_landings_wins_and_the_other_changes_nothing(lake: Lake) -> None:
    newest = land(lake, Given([orders(1, 1)]))
    for turn in range(5):
        both = threading.Barrier(2, timeout=30)

        def attempt(run: str, newest: Manifest = newest, both: threading.Barrier = both, turn: int = turn) -> Manifest | LandingConflict:
            mine = orders(100 * turn + (50 if run == "b" else 0), 3, customer=run)
            try:
                return land(lake, changes(mine, at=turn + 2, before_until=both.wait), newest=newest, run=run)
            except LandingConflict as conflict:
                return conflict

        with ThreadPoolExecutor(2) as pool:
            ended = list(pool.map(attempt, ["a", "b"]))
        (won,) = [each for each in ended if isinstance(each, Manifest)]
        (lost,) = [each for each in ended if isinstance(each, LandingConflict)]
        assert f"shop.orders: another run landed batch {won.batch} first" in str(lost)
        assert lake.newest(TABLE) == won
        assert lake.manifests(TABLE, after=newest.order) == [won]
        live = lake.live(TABLE).collect()
        assert set(live.filter(live["id"] >= 100 * turn + 2)["customer"]) == {won.run_id}
        newest = won


def test_a_manifest_and_its_parts_survive_a_rival_of_the_same_number(lake: Lake, s3: S3Client, bucket: str) -> None:
    """Two runs land the same batch with different rows; part names without a unique suffix would let the loser overwrite the
    winner's parts, whose sizes the manifest then gets wrong."""
    newest = land(lake, Given([orders(1, 1)]))
    won = land(lake, changes(orders(2, 1)), newest=newest)
    with pytest.raises(LandingConflict):
        land(lake, changes(orders(50, 40)), newest=newest)
    for part in won.parts:
        assert s3.head_object(Bucket=bucket, Key=part.url.removeprefix(f"s3://{bucket}/"))["ContentLength"] == part.bytes


def test_changes_need_a_snapshot_first(lake: Lake) -> None:
    with pytest.raises(LakeError, match=r"shop\.orders: changes cannot land before a snapshot"):
        lake.land(TABLE, changes(orders(1, 1)), newest=None, run_id="r")


def test_changes_under_another_definition_need_a_new_generation(lake: Lake) -> None:
    newest = land(lake, Given([orders(1, 1)]))
    wider = replace(TABLE, columns=(*TABLE.columns, Column("size", integer)))
    with pytest.raises(LakeError, match=r"batch 1 landed under another definition, .* If not, land a new snapshot"):
        lake.land(wider, changes(), newest=newest, run_id="r")
    with pytest.raises(LakeError, match=r"batch 1 landed under another definition"):
        lake.copy_manifest(wider, [newest], "r")


def test_one_copy_manifest_names_the_parts_of_several_batches(lake: Lake, s3: S3Client, bucket: str) -> None:
    batches = [land(lake, Given([orders(1, 2)])), land(lake, changes(must_land=True)), land(lake, changes(orders(3, 2)))]
    url = lake.copy_manifest(TABLE, batches, "run/7")
    assert url == f"s3://{bucket}/shop/orders/_loads/run-7-00000001-00000003.json"
    document = json.loads(s3.get_object(Bucket=bucket, Key=url.removeprefix(f"s3://{bucket}/"))["Body"].read())
    assert [entry["url"] for entry in document["entries"]] == [batches[0].parts[0].url, batches[2].parts[0].url]
    assert all(entry["mandatory"] and entry["meta"]["content_length"] > 0 for entry in document["entries"])


@pytest.mark.clock
def test_a_sweep_removes_what_no_manifest_names_and_nothing_else(lake: Lake, s3: S3Client, bucket: str) -> None:
    kept = land(lake, Given([orders(1, 2)], rejects=[rejected("{}")]))
    with pytest.raises(LandingConflict):
        lake.land(TABLE, Given([orders(5, 1)], rejects=[rejected("{}")]), newest=replace(kept, batch=0), run_id="loser")
    lake.copy_manifest(TABLE, [kept, kept], "r")  # of one batch, its own manifest serves
    s3.put_object(Bucket=bucket, Key="shop/orders_too/date=2026-01-01/batch=00000001/part-00000-00000000.parquet", Body=b"another table's")
    stale = "shop/orders/date=2026-01-01/batch=00000009/part-00000-00000000.parquet"
    s3.create_multipart_upload(Bucket=bucket, Key=stale)
    tomorrow = utc_now() + timedelta(days=1, hours=1)
    young = f"shop/orders/date={tomorrow:%Y-%m-%d}/batch=00000009/part-00000-00000000.parquet"
    s3.create_multipart_upload(Bucket=bucket, Key=young)

    assert sweep(lake, TABLE) == 1, "only the upload broken off long ago is older than a day"
    later = Lake(s3, bucket, clock=lambda: tomorrow)
    assert sweep(later, TABLE) >= 3
    assert sorted(keys(s3, bucket, "shop/orders/")) == sorted(
        url.removeprefix(f"s3://{bucket}/")
        for url in [f"s3://{bucket}/shop/orders/_manifests/00000001.json", kept.quarantine, *(part.url for part in kept.parts)]
    )
    assert len(keys(s3, bucket, "shop/orders_too/")) == 1
    assert [upload["Key"] for upload in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])] == [young]
    assert sweep(later, TABLE) == 0
    assert lake.live(TABLE).collect().height == 2


@pytest.mark.clock
def test_a_sweep_may_look_at_the_last_days_only(lake: Lake, s3: S3Client, bucket: str) -> None:
    land(lake, Given([orders(1, 2)], rejects=[rejected("{}")]))
    tomorrow = utc_now() + timedelta(days=1, hours=1)
    for days in (0, 3, 5):
        day = f"date={tomorrow - timedelta(days=days):%Y-%m-%d}"
        for name in (f"{day}/batch=00000001/part-00000-00000000.parquet", f"_quarantine/{day}/00000001-00000000.parquet"):
            s3.put_object(Bucket=bucket, Key=f"shop/orders/{name}", Body=b"left")
    later = Lake(s3, bucket, clock=lambda: tomorrow)
    assert sweep(later, TABLE, back=timedelta(days=4)) == 4
    assert sweep(later, TABLE) == 2
    assert lake.live(TABLE).collect().height == 2


def test_an_interrupted_landing_keeps_the_position_and_a_later_one_works(lake: Lake, s3: S3Client, bucket: str) -> None:
    first = land(lake, Given([orders(1, 1)]))

    class KilledError(Exception):
        """Stands for the end of the process between the parts and the manifest."""

    def die() -> None:
        raise KilledError

    with pytest.raises(KilledError):
        land(lake, changes(orders(2, 5), before_until=die))
    assert len(keys(s3, bucket, "shop/orders/date=")) == 2, "the parts were there already"
    assert lake.newest(TABLE) == first
    assert lake.live(TABLE).collect().height == 1
    second = land(lake, changes(orders(2, 3)))
    assert (second.batch, second.since) == (2, first.until)
    assert lake.live(TABLE).collect().height == 4
