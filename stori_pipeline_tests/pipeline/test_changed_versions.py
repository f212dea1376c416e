"""A history that grows by the changed keys alone: the same as if everything was read, after any sequence of events."""

from __future__ import annotations

import io
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stori_pipeline.lake import Lake, LakeError, Manifest, Sizes, small_parts, upkeep
from stori_pipeline.lake import newest_versions as reading
from stori_pipeline.pipeline.derive import derive
from stori_pipeline.pipeline.history import newest_versions
from stori_pipeline_tests.extent import extent
from stori_pipeline_tests.pipeline.sales import FACT, SALE, TABLES, gone, sale
from stori_pipeline_tests.readings import Given, rows

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_KEYS = range(1, 6)
_ROWS = st.builds(sale, st.sampled_from(_KEYS), st.sampled_from(["1.00", "2.00"]), st.sampled_from(["2026-11-21", "soon"]))
_LANDINGS = st.tuples(
    st.sampled_from(["changes", "changes", "changes", "snapshot"]), st.lists(_ROWS | st.builds(gone, st.sampled_from(_KEYS)), max_size=5)
)
_EVENTS = st.sampled_from(["derive", "derive", "replay", "set landing back", "lose landing"])


@dataclass
class Shop:
    """A lake of sales, and one of the history that is derived from them."""

    landing: Lake
    processed: Lake
    landed: list[Any]

    def take(self, event: Any) -> None:
        newest = self.landing.newest(SALE)
        if event == "set landing back":
            self._forget(self.landing, [newest] if newest else [])
        elif event == "lose landing":
            self._forget(self.landing, self.landing.manifests(SALE))
        elif event == "replay" and self.landed and newest:
            self._land("changes", self.landed[-1][1], newest)
        elif isinstance(event, tuple):
            self._land(event[0] if newest else "snapshot", event[1], newest)
            self.landed.append(event)

    def _land(self, kind: Any, given_rows: Sequence[Any], newest: Manifest | None) -> None:
        reading_ = Given([rows(*given_rows, table=SALE)], kind=kind, at=newest.batch + 1 if newest else 1, must_land=True)
        self.landing.land(SALE, reading_, newest=newest, run_id="run")

    def _forget(self, lake: Lake, manifests: Sequence[Manifest]) -> None:
        lake.bucket.delete([f"{SALE.prefix}/_manifests/{each.batch:08d}.json" for each in manifests])

    def derive(self, into: Lake) -> Manifest | None:
        try:
            derive(FACT, self.landing, into, tables=TABLES, run_id="run")
        except LakeError:  # nothing has landed
            return None
        return into.newest(FACT.table)


def _shop(s3: S3Client) -> tuple[Shop, Lake]:
    """A shop, and an empty lake."""
    buckets = [f"test-{uuid.uuid4().hex[:12]}" for _ in range(3)]
    for bucket in buckets:
        s3.create_bucket(Bucket=bucket)
    return Shop(Lake(s3, buckets[0]), Lake(s3, buckets[1], sizes=Sizes(part_rows=2, group_rows=2)), []), Lake(s3, buckets[2])


def _versions(lake: Lake) -> pl.DataFrame:
    return lake.live(FACT.table).collect().sort(FACT.table.key)


@pytest.mark.parametrize(("small", "compact_after"), [(0, 50), (small_parts.SMALL, 50), (0, 2), (small_parts.SMALL, 2)])
@settings(max_examples=extent(8, 100), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(story=st.lists(_LANDINGS | _EVENTS, min_size=3, max_size=12), asked=st.sets(st.sampled_from(_KEYS), min_size=1))
def test_the_newest_versions_of_some_rows_are_those_among_all_versions(
    s3: S3Client, monkeypatch: pytest.MonkeyPatch, small: int, compact_after: int, story: list[Any], asked: set[int]
) -> None:
    monkeypatch.setattr(reading, "SMALL", small)
    monkeypatch.setattr(upkeep, "COMPACT_AFTER", compact_after)
    shop, _ = _shop(s3)
    for event in (*story, "derive"):
        shop.take(event)
        newest = shop.derive(shop.processed) if event == "derive" else None
        if newest is not None:
            everything = _versions(shop.processed)
            keys = pl.DataFrame({"sale_id": sorted(asked)}, schema={"sale_id": pl.Int32})
            some = reading.newest_versions(shop.processed, FACT.table, newest, ["sale_id"], keys).sort(FACT.table.key)
            assert some.equals(newest_versions(FACT.table, everything).join(keys, on="sale_id", how="semi").sort(FACT.table.key))
            assert newest.until["versions"] == everything.height


@settings(max_examples=extent(8, 100), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(story=st.lists(_LANDINGS | st.sampled_from(["derive", "replay"]), min_size=3, max_size=12))
def test_a_history_that_grew_step_by_step_equals_one_that_is_derived_at_once(s3: S3Client, story: list[Any]) -> None:
    shop, other = _shop(s3)
    for event in story:
        shop.take(event)
        if event == "derive":
            shop.derive(shop.processed)
    if shop.derive(shop.processed) is not None:
        shop.derive(other)
        assert _versions(shop.processed).equals(_versions(other))


def test_a_change_in_a_long_history_reads_of_the_other_versions_only_number_and_key(s3: S3Client) -> None:
    """Regression: every column of all versions was read for one change. Here the others cannot be read."""
    shop, _ = _shop(s3)
    shop.processed.sizes = Sizes(group_rows=1_000)
    shop.take(("snapshot", [sale(number, note=uuid.uuid4().hex[:8]) for number in range(1, 10_001)]))
    first = shop.derive(shop.processed)
    assert first is not None
    _damage(s3, first.parts[0].url, but=("sale_record_id", "sale_id"), group=4)
    shop.take(("changes", [sale(4_321, "9.00")]))
    newest = shop.derive(shop.processed)
    assert newest is not None
    assert (newest.kind, newest.rows, newest.until["versions"]) == ("changes", 1, 10_001)
    with pytest.raises(Exception, match=r"(?i)parquet|decompress|corrupt|decod|zstd|invalid"):
        shop.processed.live(FACT.table).collect()


def _damage(s3: S3Client, url: str, *, but: Sequence[str], group: int) -> None:
    """Makes every column of a Parquet file unreadable, except those columns, and that group of rows."""
    bucket, _, key = url.removeprefix("s3://").partition("/")
    body = bytearray(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    described = pq.ParquetFile(io.BytesIO(bytes(body))).metadata
    for number in range(described.num_row_groups):
        for column in (described.row_group(number).column(index) for index in range(described.num_columns)):
            if number != group and column.path_in_schema not in but:
                start = column.dictionary_page_offset or column.data_page_offset
                body[start : start + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    s3.put_object(Bucket=bucket, Key=key, Body=bytes(body))
