"""The live rows, compared with a model."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stori_pipeline.clock import utc_now
from stori_pipeline.lake import Lake, LakeError, Sizes, upkeep
from stori_pipeline.lake.upkeep import compact, sweep
from stori_pipeline.model.table import Table
from stori_pipeline_tests.readings import KEEPING_DELETED, TABLE, VALUES, Given, rows

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from polars._typing import EngineType


@dataclass(frozen=True)
class Write:
    """One version of a row in a reading: a customer, or None for a deleted row."""

    id: int
    customer: str | None


writes = st.builds(Write, id=st.integers(1, 5), customer=st.none() | st.sampled_from(["ann", "bob", "cyd"]))
readings = st.tuples(st.sampled_from(["changes", "changes", "snapshot"]), st.lists(writes, max_size=8), st.integers(1, 3))


def versions(given: list[Write], table: Table, size: int) -> Iterator[Any]:
    """The chunks of a reading: its writes in order, `size` at a time."""
    for start in range(0, len(given), size):
        some = given[start : start + size]
        yield rows(*({"id": each.id, "customer": each.customer, "_deleted": each.customer is None} for each in some), table=table)


def version(ids: pa.Array, customer: str) -> pa.RecordBatch:
    """A row for each id, of that customer."""
    given: dict[str, pa.Array] = {
        "id": ids,
        "customer": pa.repeat(pa.scalar(customer), len(ids)),
        "_deleted": pa.repeat(pa.scalar(value=False), len(ids)),
    }
    columns = [given[field.name] if field.name in given else pa.nulls(len(ids), field.type) for field in TABLE.read_schema]
    return pa.RecordBatch.from_arrays(columns, schema=TABLE.read_schema)


@pytest.mark.parametrize("compact_after", [1, 50])
@pytest.mark.parametrize("table", [TABLE, KEEPING_DELETED], ids=["removed", "kept"])
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(history=st.lists(readings, min_size=1, max_size=6))
def test_the_live_rows_are_those_of_a_dictionary_written_in_order(
    s3: S3Client, table: Table, compact_after: int, monkeypatch: pytest.MonkeyPatch, history: list[Any]
) -> None:
    monkeypatch.setattr(upkeep, "COMPACT_AFTER", compact_after)
    bucket = f"test-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=bucket)
    lake = Lake(s3, bucket, sizes=Sizes(part_rows=2, group_rows=2))
    model: dict[int, str | None] = {}
    newest = None
    for at, (kind, given_writes, size) in enumerate(history):
        whole = kind == "snapshot" or newest is None
        if whole:
            model = {}
        model |= {each.id: each.customer for each in given_writes}
        reading = Given(list(versions(given_writes, table, size)), kind="snapshot" if whole else "changes", at=at)
        newest = lake.land(table, reading, newest=newest, run_id="r") or newest
        live = lake.live(table).collect()
        if table.keep_deleted:
            expected = {id_: (customer, customer is None) for id_, customer in model.items()}
            assert {row["id"]: (row["customer"], row["_deleted"]) for row in live.to_dicts()} == expected
        else:
            expected_live = {id_: customer for id_, customer in model.items() if customer is not None}
            assert {row["id"]: row["customer"] for row in live.to_dicts()} == expected_live
        assert live["id"].is_unique().all()


@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
def test_the_last_version_wins_in_tables_too_large_for_one_thread_or_one_part(s3: S3Client, bucket: str, engine: EngineType) -> None:
    lake = Lake(s3, bucket, sizes=Sizes(part_rows=60_000, group_rows=30_000))
    count = 200_000
    newest = None
    for batch in (1, 2, 3):
        ids = pa.arange(0, count // batch)
        # Each row twice: the later one must win within its batch too.
        reading = Given([version(ids, "stale"), version(ids, f"batch {batch}")], kind="changes" if newest else "snapshot", at=batch)
        newest = lake.land(TABLE, reading, newest=newest, run_id="r")
    live = lake.live(TABLE).select("id", "customer").collect(engine=engine)
    assert live.height == count
    expected = pl.when(pl.col("id") < count // 3).then(pl.lit("batch 3")).when(pl.col("id") < count // 2).then(pl.lit("batch 2"))
    assert live.filter(pl.col("customer") != expected.otherwise(pl.lit("batch 1"))).height == 0


def test_live_rows_have_the_types_of_the_definition_and_documents_as_text(s3: S3Client, bucket: str) -> None:
    lake = Lake(s3, bucket)
    lake.land(TABLE, Given([rows({"id": 1, **VALUES})]), newest=None, run_id="r")
    live = lake.live(TABLE).collect()
    assert live.to_dicts() == [{"id": 1, **VALUES, "detail": '{"a": [1, null]}'}]
    assert live.schema == {
        "id": pl.Int64,
        "day": pl.Date,
        "customer": pl.String,
        "price": pl.Decimal(18, 2),
        "rate": pl.Decimal(38, 9),
        "weight": pl.Float64,
        "detail": pl.String,
        "at": pl.Datetime("us", "UTC"),
    }


def test_an_empty_table_has_the_same_columns_and_no_rows(s3: S3Client, bucket: str) -> None:
    lake = Lake(s3, bucket)
    lake.land(TABLE, Given(), newest=None, run_id="r")
    empty = lake.live(TABLE).collect()
    lake.land(TABLE, Given([rows({"id": 1, "price": Decimal("1.00")})]), newest=lake.newest(TABLE), run_id="r")
    assert empty.height == 0
    assert empty.schema == lake.live(TABLE).collect().schema


def test_a_table_that_never_landed_has_no_live_rows_to_show(s3: S3Client, bucket: str) -> None:
    with pytest.raises(LakeError, match=r"shop\.orders: nothing has landed"):
        Lake(s3, bucket).live(TABLE)


def test_live_rows_without_their_snapshot_are_refused(s3: S3Client, bucket: str) -> None:
    lake = Lake(s3, bucket)
    first = lake.land(TABLE, Given([rows({"id": 1})]), newest=None, run_id="r")
    lake.land(TABLE, Given([rows({"id": 2})], kind="changes"), newest=first, run_id="r")
    s3.delete_object(Bucket=bucket, Key="shop/orders/_manifests/00000001.json")
    with pytest.raises(LakeError, match=r"batch 1, the snapshot of its generation, is gone"):
        lake.live(TABLE)


def landed(lake: Lake, batches: int) -> None:
    """So many batches, each with a row of its own, a new version of row 1, and row 2 deleted or there again in turn."""
    newest = lake.newest(TABLE)
    first = newest.batch + 1 if newest else 1
    for batch in range(first, first + batches):
        batch_rows = rows({"id": batch + 2}, {"id": 1, "customer": f"batch {batch}"}, {"id": 2, "_deleted": batch % 2 == 0})
        newest = lake.land(TABLE, Given([batch_rows], kind="changes" if newest else "snapshot"), newest=newest, run_id="r")


def compacted(s3: S3Client, bucket: str) -> list[str]:
    return [each["Key"] for each in s3.list_objects_v2(Bucket=bucket, Prefix="shop/orders/_compacted/").get("Contents", [])]


def test_live_rows_in_many_batches_are_read_from_one_file_and_the_later_batches(
    s3: S3Client, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "COMPACT_AFTER", 4)
    lake = Lake(s3, bucket)
    landed(lake, 4)
    assert not compact(lake, TABLE)
    assert compacted(s3, bucket) == []
    landed(lake, 1)
    assert compact(lake, TABLE)
    frames = [lake.live(TABLE) for _ in range(2)]
    (key,) = compacted(s3, bucket)
    landed(lake, 3)
    for each in lake.manifests(TABLE)[:5]:  # nothing of them is needed any more for what lives
        for part in each.parts:
            s3.delete_object(Bucket=bucket, Key=part.url.removeprefix(f"s3://{bucket}/"))
        s3.delete_object(Bucket=bucket, Key=f"shop/orders/_manifests/{each.batch:08d}.json")
    frames.append(lake.live(TABLE))
    assert compacted(s3, bucket) == [key]
    first, second, later = (dict(frame.select("id", "customer").collect().iter_rows()) for frame in frames)
    assert first == second == {1: "batch 5", 2: None} | dict.fromkeys(range(3, 8))
    assert later == {1: "batch 8"} | dict.fromkeys(range(3, 11))


def test_compacted_rows_have_every_type_that_landed_ones_have(s3: S3Client, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "COMPACT_AFTER", 0)
    lake = Lake(s3, bucket)
    newest = lake.land(TABLE, Given([rows({"id": 1, **VALUES})]), newest=None, run_id="r")
    compact(lake, TABLE)
    lake.land(TABLE, Given([rows({"id": 2, **VALUES})], kind="changes"), newest=newest, run_id="r")
    for of_both in (False, True):  # from one file and one batch, and from a file of both
        assert not of_both or compact(lake, TABLE)
        found = lake.live(TABLE).sort("id").collect().to_dicts()
        assert found == [{"id": id_, **VALUES, "detail": '{"a": [1, null]}'} for id_ in (1, 2)]
    newest_file = compacted(s3, bucket)[-1]
    body = s3.get_object(Bucket=bucket, Key=newest_file)["Body"].read()
    assert pq.read_schema(pa.BufferReader(body)).equals(TABLE.landed_schema)


def test_a_new_generation_ignores_compacted_rows_of_an_older_one(s3: S3Client, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "COMPACT_AFTER", 1)
    lake = Lake(s3, bucket)
    landed(lake, 3)
    assert compact(lake, TABLE)
    lake.land(TABLE, Given([rows({"id": 9})]), newest=lake.newest(TABLE), run_id="r")
    assert lake.live(TABLE).select("id").collect()["id"].to_list() == [9]


def test_live_rows_as_of_an_older_batch_ignore_newer_compacted_rows(s3: S3Client, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "COMPACT_AFTER", 1)
    lake = Lake(s3, bucket)
    landed(lake, 3)
    before = lake.newest(TABLE)
    landed(lake, 2)
    assert compact(lake, TABLE)
    monkeypatch.setattr(lake, "newest", lambda _: before)  # as if the others had come just after it was asked for
    assert set(lake.live(TABLE).select("id").collect()["id"]) == set(range(1, 8))
    assert len(compacted(s3, bucket)) == 1


@pytest.mark.clock
def test_a_sweep_leaves_the_newest_compacted_rows(s3: S3Client, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "COMPACT_AFTER", 1)
    lake = Lake(s3, bucket)
    for _ in range(3):
        landed(lake, 2)
        compact(lake, TABLE)
    newest = compacted(s3, bucket)[-1]
    assert len(compacted(s3, bucket)) == 3
    assert sweep(lake, TABLE) == 0
    assert sweep(Lake(s3, bucket, clock=lambda: utc_now() + timedelta(days=1, hours=1)), TABLE) >= 2
    assert compacted(s3, bucket) == [newest]
    assert set(lake.live(TABLE).select("id").collect()["id"]) == {1, *range(3, 9)}


def test_reading_live_rows_writes_nothing(s3: S3Client, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proof needs no permission to write."""
    monkeypatch.setattr(upkeep, "COMPACT_AFTER", 1)
    lake = Lake(s3, bucket)
    landed(lake, 4)
    before = [(each["Key"], each["ETag"]) for each in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert lake.live(TABLE).collect().height == 5
    assert [(each["Key"], each["ETag"]) for each in s3.list_objects_v2(Bucket=bucket)["Contents"]] == before


def test_a_landing_compacts_after_a_number_of_batches(s3: S3Client, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "COMPACT_AFTER", 2)
    lake = Lake(s3, bucket)
    done = []
    for _ in range(7):
        landed(lake, 1)
        newest = lake.newest(TABLE)
        assert newest is not None
        done.append(upkeep.compact_if_due(lake, TABLE, newest))
    assert done == [False, False, True, False, True, False, True]
