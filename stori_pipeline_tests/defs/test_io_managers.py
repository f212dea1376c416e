"""The IO managers with assets that are not tables of the project: frames to S3 and to Redshift, and back."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import polars as pl
import pyarrow as pa
import pytest
from dagster import (
    AssetKey,
    AssetsDefinition,
    DagsterInstance,
    ExecuteInProcessResult,
    StaticPartitionsDefinition,
    asset,
    materialize,
)
from dagster_aws.redshift import RedshiftClientResource
from dagster_aws.s3 import S3Resource
from polars.testing import assert_frame_equal

from stori_pipeline.defs.build import build_defs
from stori_pipeline.defs.io_managers import RedshiftIOManager, S3ParquetIOManager
from stori_pipeline.defs.resources import LakeResource, WarehouseResource
from stori_pipeline.local.stack import Stack
from stori_pipeline_tests.databases import drop_schemas
from stori_pipeline_tests.defs.graphs import small_star

READINGS = pl.DataFrame(
    {
        "station": ["Åre", "Ely", None],
        "day": [date(2026, 11, 21), date(2026, 11, 22), date(2026, 11, 22)],
        "read_at": [
            datetime(2026, 11, 21, 7, 30, tzinfo=timezone.utc),
            None,
            datetime(2026, 11, 22, 23, 59, 59, 999_999, tzinfo=timezone.utc),
        ],
        "celsius": [Decimal("-3.50"), Decimal("0.00"), None],
        "count": [1, 2, 3],
        "ratio": [0.5, None, 1e-9],
        "checked": [True, None, False],
    },
    schema_overrides={"read_at": pl.Datetime("us", "UTC"), "celsius": pl.Decimal(9, 2)},
)


@pytest.fixture
def schema(warehouse_url: str) -> Iterator[str]:
    """The name of a schema that no other test has, gone after the test."""
    name = f"lab_{uuid.uuid4().hex[:8]}"
    yield name
    drop_schemas(warehouse_url, name)


@pytest.fixture
def resources(local_aws: None, bucket: str, warehouse_url: str) -> dict[str, Any]:
    lake = LakeResource(bucket=bucket)
    warehouse = WarehouseResource(url=warehouse_url, copy_role="arn:aws:iam::123456789012:role/copy")
    return {"s3_parquet": S3ParquetIOManager(lake=lake), "redshift": RedshiftIOManager(warehouse=warehouse, lake=lake)}


def _run(assets: list[AssetsDefinition], resources: dict[str, Any], **more: Any) -> ExecuteInProcessResult:
    return materialize(assets, resources=resources, **more)


def _metadata(result: ExecuteInProcessResult, key: AssetKey) -> dict[str, Any]:
    (event,) = [each for each in result.get_asset_materialization_events() if each.asset_key == key]
    return {name: value.value for name, value in event.materialization.metadata.items()}


def test_a_frame_is_stored_in_s3_and_redshift_and_reads_back_equal(resources: dict[str, Any], schema: str, bucket: str) -> None:
    seen: dict[str, Any] = {}

    @asset(key_prefix=schema, io_manager_key="s3_parquet")
    def readings() -> pl.DataFrame:
        return READINGS

    @asset(key_prefix=schema, io_manager_key="redshift")
    def cold(readings: pl.LazyFrame) -> pl.LazyFrame:
        return readings.filter(pl.col("count") > 1)

    @asset(key_prefix=schema, io_manager_key="s3_parquet")
    def checked(cold: pl.DataFrame, readings: pa.Table) -> pa.Table:
        seen["cold"], seen["readings"] = cold.sort("count"), readings
        return readings

    result = _run([readings, cold, checked], resources)
    assert_frame_equal(seen["cold"], READINGS.filter(pl.col("count") > 1))
    assert seen["readings"].equals(READINGS.to_arrow())
    shown = _metadata(result, AssetKey([schema, "readings"]))
    assert (shown["dagster/row_count"], shown["dagster/uri"]) == (3, f"s3://{bucket}/{schema}/readings/all.parquet")
    assert "Åre" in shown["preview"]
    assert [column.name for column in shown["dagster/column_schema"].columns] == READINGS.columns


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(lambda: READINGS, id="DataFrame"),
        pytest.param(READINGS.lazy, id="LazyFrame"),
        pytest.param(READINGS.to_arrow, id="Table"),
        pytest.param(lambda: iter(READINGS.to_arrow().to_batches(max_chunksize=2)), id="record batches"),
        pytest.param(lambda: READINGS.to_arrow().to_reader(max_chunksize=1), id="RecordBatchReader"),
        pytest.param(READINGS.clear, id="no rows"),
    ],
)
@pytest.mark.parametrize("kept_in", ["s3_parquet", "redshift"])
def test_every_kind_of_frame_reads_back_equal(frame: Any, kept_in: str, resources: dict[str, Any], schema: str) -> None:
    seen = []

    @asset(key_prefix=schema, io_manager_key=kept_in)
    def readings() -> Any:
        return frame()

    @asset(key_prefix=schema, io_manager_key="s3_parquet")
    def reader(readings: pl.DataFrame) -> pl.DataFrame:
        seen.append(readings)
        return readings

    assert _run([readings, reader], resources).success
    expected = READINGS.clear() if frame == READINGS.clear else READINGS
    assert_frame_equal(seen[0].sort("count"), expected, check_dtypes=True)


@pytest.mark.parametrize("kept_in", ["s3_parquet", "redshift"])
def test_a_frame_replaces_the_one_before_it_even_with_other_columns(kept_in: str, resources: dict[str, Any], schema: str) -> None:
    frames = [READINGS, READINGS.head(1), READINGS.select("count", pl.col("ratio").cast(pl.String).alias("text"))]
    seen: list[pl.DataFrame] = []

    @asset(key_prefix=schema, io_manager_key=kept_in)
    def readings() -> pl.DataFrame:
        return frames[len(seen)]

    @asset(key_prefix=schema, io_manager_key="s3_parquet")
    def reader(readings: pl.DataFrame) -> pl.DataFrame:
        seen.append(readings)
        return readings

    for _ in frames:
        assert _run([readings, reader], resources).success
    for before, after in zip(frames, seen, strict=True):
        assert_frame_equal(after.sort("count"), before)


@pytest.mark.parametrize("kept_in", ["s3_parquet", "redshift"])
def test_a_partition_replaces_itself_and_no_other(kept_in: str, resources: dict[str, Any], schema: str) -> None:
    partitions = StaticPartitionsDefinition(["2026-11-21", "2026-11-22"])
    factor, seen = [1], []

    @asset(key_prefix=schema, io_manager_key=kept_in, partitions_def=partitions, metadata={"partition_expr": "day"})
    def readings(context) -> pl.DataFrame:  # type: ignore[no-untyped-def]
        return READINGS.filter(pl.col("day") == date.fromisoformat(context.partition_key)).with_columns(pl.col("count") * factor[0])

    @asset(key_prefix=schema, io_manager_key="s3_parquet")
    def reader(readings: pl.DataFrame) -> pl.DataFrame:
        seen.append(readings)
        return readings

    with DagsterInstance.ephemeral() as instance:
        for day, factor[0] in (("2026-11-21", 1), ("2026-11-22", 1), ("2026-11-22", 10)):
            assert materialize([readings], resources=resources, instance=instance, partition_key=day).success
        assert materialize([readings, reader], resources=resources, instance=instance, selection=[reader]).success
    assert sorted(seen[0]["count"]) == [1, 20, 30]


def test_the_staged_files_of_a_frame_are_removed(resources: dict[str, Any], schema: str, s3: Any, bucket: str) -> None:
    @asset(key_prefix=schema, io_manager_key="redshift")
    def readings() -> pl.DataFrame:
        return READINGS

    assert _run([readings], resources).success
    assert s3.list_objects_v2(Bucket=bucket).get("KeyCount") == 0


@pytest.mark.parametrize(
    ("value", "kept_in", "message"),
    [
        (lambda: 42, "s3_parquet", "a int cannot be stored; return a polars DataFrame"),
        (lambda: None, "redshift", "a NoneType cannot be stored"),
        (lambda: iter(()), "s3_parquet", "the stream of record batches is empty"),
        (
            lambda: READINGS.select(pl.col("read_at").dt.replace_time_zone(None).alias("at")),
            "redshift",
            "column 'at': .* has no type in the warehouse; give it a time zone",
        ),
        (lambda: pl.DataFrame({"x": [[1]]}), "redshift", "column 'x': .* has no type in the warehouse; cast it first"),
    ],
)
def test_a_value_that_cannot_be_stored_is_refused_with_advice(
    value: Any, kept_in: str, message: str, resources: dict[str, Any], schema: str
) -> None:
    @asset(key_prefix=schema, io_manager_key=kept_in)
    def readings() -> Any:
        return value()

    result = _run([readings], resources, raise_on_error=False)
    (failure,) = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert failure.user_failure_data
    assert re.search(message, failure.user_failure_data.description or "")


def test_the_input_of_an_asset_that_was_never_materialized_says_so(resources: dict[str, Any], schema: str) -> None:
    @asset(key_prefix=schema, io_manager_key="s3_parquet")
    def readings() -> pl.DataFrame:
        return READINGS

    @asset(key_prefix=schema, io_manager_key="s3_parquet")
    def reader(readings: pl.DataFrame) -> pl.DataFrame:
        return readings

    result = _run([readings, reader], resources, selection=[reader], raise_on_error=False)
    (failure,) = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert failure.user_failure_data
    assert "readings/all.parquet does not exist; materialize the asset first" in (failure.user_failure_data.description or "")


def test_they_work_with_the_resources_of_dagster_aws(
    schema: str, bucket: str, warehouse_url: str, s3: Any, idle_stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And read nothing from the environment then."""
    environ, url = idle_stack.client_environ(), urlsplit(warehouse_url)
    for name in environ:
        monkeypatch.delenv(name, raising=False)
    client = S3Resource(
        endpoint_url=environ["AWS_ENDPOINT_URL"],
        aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
        region_name=environ["AWS_DEFAULT_REGION"],
    )
    cluster = RedshiftClientResource(
        host=url.hostname or "", port=url.port or 0, user=url.username, password=url.password, database=url.path.strip("/")
    )
    lake = LakeResource(bucket=bucket, s3=client)
    warehouse = WarehouseResource(cluster=cluster, copy_role="arn:aws:iam::123456789012:role/copy")
    seen = []

    @asset(key_prefix=schema, io_manager_key="s3_parquet")
    def readings() -> pl.DataFrame:
        return READINGS

    @asset(key_prefix=schema, io_manager_key="redshift")
    def copied(readings: pl.DataFrame) -> pl.DataFrame:
        return readings

    @asset(key_prefix=schema, io_manager_key="s3_parquet")
    def reader(copied: pl.DataFrame) -> pl.DataFrame:
        seen.append(copied)
        return copied

    managers = {"s3_parquet": S3ParquetIOManager(lake=lake), "redshift": RedshiftIOManager(warehouse=warehouse, lake=lake)}
    assert _run([readings, copied, reader], managers).success
    assert_frame_equal(seen[0].sort("count"), READINGS)


@pytest.mark.parametrize(
    ("prefix", "name", "taken"),
    [
        (["lab", "Bank"], "transactions", "bank.transactions"),
        (["lab", "star"], "dim_ticker", "star.dim_ticker"),
        (["lab", "star"], "fact_movement_current", "star.fact_movement_current"),
        (["lab", "reports"], "busiest_ticker", "reports.busiest_ticker"),
        (["lab", "pipeline"], "loads", "pipeline"),
    ],
)
def test_a_frame_cannot_replace_a_relation_of_the_project(
    prefix: list[str], name: str, taken: str, resources: dict[str, Any], tmp_path: Path
) -> None:
    """Before it is written anywhere, and although none of them exists in the warehouse yet."""

    @asset(key_prefix=prefix, name=name, io_manager_key="warehouse_io")
    def readings() -> pl.DataFrame:
        return READINGS

    manager = (build_defs(small_star(tmp_path)).resources or {})["warehouse_io"]
    configured = manager.model_copy(update={field: getattr(resources["redshift"], field) for field in ("lake", "warehouse")})
    result = _run([readings], {"warehouse_io": configured}, raise_on_error=False)
    (failure,) = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert failure.user_failure_data
    assert re.search(rf"{'/'.join([*prefix, name])}.*{taken}", failure.user_failure_data.description or "")
