"""Tables of frames: which are replaced, which are left as they are, conflicts, locks, and how columns are read back."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date, datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

import polars as pl
import psycopg2
import pytest
from mypy_boto3_s3 import S3Client

from stori_pipeline.lake.bucket import Bucket
from stori_pipeline.lake.frames import staged
from stori_pipeline.model.types import registered, type_in_catalog
from stori_pipeline.warehouse import Warehouse, WarehouseError, WarehouseUnavailable
from stori_pipeline.warehouse.frames import Target, read_table, replace_rows
from stori_pipeline_tests.databases import drop_schemas, execute


@pytest.fixture
def target(warehouse_url: str) -> Iterator[Target]:
    """The table of an asset, which does not exist yet."""
    target = Target(f"lab_{uuid.uuid4().hex[:8]}", "prices", "lab/prices")
    yield target
    drop_schemas(warehouse_url, target.schema)


@pytest.fixture
def lake(s3: S3Client, bucket: str) -> Bucket:
    return Bucket(s3, bucket)


def _replace(warehouse: Warehouse, lake: Bucket, target: Target, frame: pl.DataFrame) -> None:
    with staged(lake, "_staged/", frame) as stage:
        replace_rows(warehouse, target, stage.types, stage.manifest, stage.rows)


def _prices(*prices: str, precision: int = 9, scale: int = 2) -> pl.DataFrame:
    return pl.DataFrame({"price": [Decimal(each) for each in prices]}, schema={"price": pl.Decimal(precision, scale)})


def test_a_frame_with_another_precision_replaces_the_table(warehouse_url: str, lake: Bucket, target: Target) -> None:
    warehouse = Warehouse(warehouse_url, "arn:x")
    _replace(warehouse, lake, target, _prices("1.25"))
    exact = _prices("1.2345", precision=18, scale=4)
    _replace(warehouse, lake, target, exact)
    assert warehouse.query(f"SELECT price FROM {target.full_name}") == [(Decimal("1.2345"),)]
    assert read_table(warehouse, target.schema, target.name).equals(exact)


def test_a_shorter_text_column_is_replaced_before_a_frame_is_loaded(warehouse_url: str, lake: Bucket, target: Target) -> None:
    warehouse = Warehouse(warehouse_url, "arn:x")
    marker = f"COMMENT ON TABLE {target.full_name} IS '{target.comment}'"
    execute(warehouse_url, f"CREATE SCHEMA {target.schema}", f"CREATE TABLE {target.full_name} (note VARCHAR(3))", marker)
    _replace(warehouse, lake, target, pl.DataFrame({"note": ["longer than three"]}))
    assert warehouse.query(f"SELECT note FROM {target.full_name}") == [("longer than three",)]


@pytest.mark.parametrize(
    ("create", "comment"),
    [
        ("CREATE TABLE {} AS SELECT 1 AS n", "it has no comment"),
        ("CREATE VIEW {} AS SELECT 1 AS n", "it has no comment"),
        ("CREATE TABLE {0} AS SELECT 1 AS n; COMMENT ON TABLE {0} IS 'frame of asset own/lab/prices'", "frame of asset own/lab/prices"),
    ],
    ids=["a table", "a view", "another asset's table"],
)
def test_what_another_wrote_is_left_as_it_is(create: str, comment: str, warehouse_url: str, lake: Bucket, target: Target) -> None:
    warehouse = Warehouse(warehouse_url, "arn:x")
    execute(warehouse_url, f"CREATE SCHEMA {target.schema}", *create.format(target.full_name).split("; "))
    with pytest.raises(WarehouseError, match=rf"asset lab/prices: .*{target.full_name} that this asset did not write \(.*{comment}.*drop"):
        _replace(warehouse, lake, target, _prices("1.25"))
    assert warehouse.query(f"SELECT n FROM {target.full_name}") == [(1,)]


@pytest.mark.parametrize("elsewhere", [None, "y"], ids=["of no partition", "of another partition"])
def test_rows_outside_the_partition_are_refused(elsewhere: str | None, warehouse_url: str, lake: Bucket, target: Target) -> None:
    """Regression: they were added again by each load of the partition."""
    warehouse = Warehouse(warehouse_url, "arn:x")
    part = replace(target, partition_column="p", partitions=("x",))
    _replace(warehouse, lake, part, pl.DataFrame({"p": ["x"], "n": [1]}))
    with pytest.raises(WarehouseError, match="1 rows are outside the partition x, by their p; nothing was changed"):
        _replace(warehouse, lake, part, pl.DataFrame({"p": ["x", elsewhere], "n": [2, 3]}))
    assert warehouse.query(f"SELECT p, n FROM {target.full_name}") == [("x", 1)]


def test_the_schema_of_the_ledger_is_refused(warehouse_url: str, lake: Bucket) -> None:
    with pytest.raises(WarehouseError, match="asset pipeline/loads: the schema pipeline holds the ledger"):
        _replace(Warehouse(warehouse_url, "arn:x"), lake, Target("Pipeline", "loads", "pipeline/loads"), _prices("1.25"))


def test_views_over_a_table_are_never_dropped_with_it(warehouse_url: str, lake: Bucket, target: Target) -> None:
    warehouse = Warehouse(warehouse_url, "arn:x")
    _replace(warehouse, lake, target, _prices("1.25"))
    execute(warehouse_url, f"CREATE VIEW {target.schema}.seen AS SELECT price FROM {target.full_name}")
    with pytest.raises(WarehouseError, match=r"numeric\(9,2\).*numeric\(18,4\).*views depend on it \(.*seen.*nothing was changed"):
        _replace(warehouse, lake, target, _prices("1.2345", precision=18, scale=4))
    assert warehouse.query(f"SELECT price FROM {target.schema}.seen") == [(Decimal("1.25"),)]
    _replace(warehouse, lake, target, _prices("2.50"))
    assert warehouse.query(f"SELECT price FROM {target.schema}.seen") == [(Decimal("2.50"),)]


def test_a_frame_is_loaded_again_after_a_conflict(warehouse_url: str, lake: Bucket, target: Target) -> None:
    warehouse = Warehouse(warehouse_url, "arn:x")
    _replace(warehouse, lake, target, _prices("1.25"))
    execute(warehouse_url, "SET redshift_local.fail_commits_with_1023 TO 2", autocommit=True)
    try:
        _replace(warehouse, lake, target, _prices("2.50", "3.75"))
    finally:
        execute(warehouse_url, "SET redshift_local.fail_commits_with_1023 TO 0", autocommit=True)
    assert warehouse.query(f"SELECT price FROM {target.full_name} ORDER BY 1") == [(Decimal("2.50"),), (Decimal("3.75"),)]


def test_a_frame_waits_only_so_long_for_readers(warehouse_url: str, lake: Bucket, target: Target) -> None:
    hasty = Warehouse(warehouse_url, "arn:x", lock_patience=0.3)
    _replace(hasty, lake, target, _prices("1.25"))
    with closing(psycopg2.connect(warehouse_url)) as reader, reader.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {target.full_name}")
        with pytest.raises(WarehouseUnavailable, match=rf"have held {target.full_name} for 0\.3 s, so nothing was changed"):
            _replace(hasty, lake, target, _prices("2.50"))
    assert hasty.query(f"SELECT price FROM {target.full_name}") == [(Decimal("1.25"),)]


# ---- reading

VALUES = {
    "bigint": ("9007199254740993", 9007199254740993, pl.Int64()),
    "integer": ("-7", -7, pl.Int32()),
    "smallint": ("7", 7, pl.Int16()),
    "decimal": ("1.20", Decimal("1.20"), pl.Decimal(18, 2)),
    "double": ("0.5", 0.5, pl.Float64()),
    "boolean": ("TRUE", True, pl.Boolean()),
    "varchar": ("'Åre'", "Åre", pl.String()),
    "date": ("'2026-11-21'", date(2026, 11, 21), pl.Date()),
    "timestamptz": ("'2026-11-21 08:00:00.000001+01'", datetime(2026, 11, 21, 7, 0, 0, 1, ZoneInfo("UTC")), pl.Datetime("us", "UTC")),
    "time": ("'07:55:00'", time(7, 55), pl.Time()),
    "super": ("JSON_PARSE('{\"a\":[1]}')", '{"a":[1]}', pl.String()),
}
"""A literal of each type, the value that a frame then has, and its polars type."""


def test_every_type_is_read_back_as_its_object_says(warehouse_url: str, target: Target) -> None:
    types = {kind.base: kind for kind in registered()}
    assert set(VALUES) == set(types)
    columns = ", ".join(f'"{name}_" {types[name].redshift}' for name in VALUES)
    insert = f"INSERT INTO {target.full_name} SELECT "
    execute(
        warehouse_url,
        f"CREATE SCHEMA {target.schema}",
        f"CREATE TABLE {target.full_name} ({columns})",
        insert + ", ".join(literal for literal, _, _ in VALUES.values()),
        insert + ", ".join("NULL" for _ in VALUES),
    )
    warehouse = Warehouse(warehouse_url, "arn:x")
    frame = read_table(warehouse, target.schema, target.name).sort("bigint_", nulls_last=True)
    assert frame.schema == {f"{name}_": polars for name, (_, _, polars) in VALUES.items()}
    assert frame.row(0) == tuple(value for _, value, _ in VALUES.values())
    assert frame.row(1) == (None,) * len(VALUES)
    execute(warehouse_url, f"DELETE FROM {target.full_name}")
    assert read_table(warehouse, target.schema, target.name).equals(frame.clear())


def test_a_column_of_an_unregistered_type_gets_the_type_of_its_values(warehouse_url: str, target: Target) -> None:
    statement = f"CREATE TABLE {target.full_name} AS SELECT CAST(0.5 AS REAL) AS ratio, CAST(NULL AS CHAR(3)) AS code"
    execute(warehouse_url, f"CREATE SCHEMA {target.schema}", statement)
    frame = read_table(Warehouse(warehouse_url, "arn:x"), target.schema, target.name)
    assert (frame.schema, frame.rows()) == ({"ratio": pl.Float64(), "code": pl.String()}, [(0.5, None)])


@pytest.mark.parametrize("name", ["numeric", "real", "bigint(3)", "character varying(1,2)", "?"])
def test_a_name_that_no_type_has_in_the_catalog_finds_none(name: str) -> None:
    assert type_in_catalog(name) is None
