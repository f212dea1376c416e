"""Star tables in the warehouse: from landed rows through their functions to tables and views that people query.

The star tables are those of totesys, in a schema of the test's own; the rows are few, so that every value can be written down.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl
import psycopg2
import pytest

from stori_pipeline import catalog
from stori_pipeline.lake import Lake
from stori_pipeline.local.stack import COPY_ROLE
from stori_pipeline.model import row_checksum
from stori_pipeline.model.star import Star
from stori_pipeline.model.table import Column
from stori_pipeline.model.types import varchar
from stori_pipeline.pipeline import sync
from stori_pipeline.pipeline.derive import derive
from stori_pipeline.project import find_table
from stori_pipeline.star import STARS
from stori_pipeline.warehouse import Warehouse
from stori_pipeline.warehouse.dialect import create_views, relation
from stori_pipeline.warehouse.load import Loaded
from stori_pipeline_tests.lake.readings import Given, rows
from stori_pipeline_tests.redshift.shops import own, run

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

AT = datetime(2024, 11, 14, 9, 30, 5, 123000, tzinfo=timezone.utc)
ORDER = {
    "created_at": AT,
    "last_updated": AT,
    "design_id": 7,
    "staff_id": 3,
    "counterparty_id": 5,
    "units_sold": 1500,
    "unit_price": Decimal("2.50"),
    "currency_id": 1,
    "agreed_delivery_date": "2024-11-18",
    "agreed_payment_date": "2024-11-16",
    "agreed_delivery_location_id": 9,
}


@dataclass
class Company:
    """The source tables and star tables of totesys, the latter as `schema` in the warehouse."""

    lake: Lake
    warehouse: Warehouse
    url: str
    stars: dict[str, Star]
    schema: str

    def land(self, kind: str, name: str, *given: dict[str, Any]) -> None:
        table = find_table(f"totesys.{name}")
        reading = Given([rows(*given, table=table)], kind="snapshot" if kind == "snapshot" else "changes", must_land=True)
        assert self.lake.land(table, reading, newest=self.lake.newest(table), run_id="land") is not None

    def derive(self, *names: str) -> None:
        tables = {table.full_name: table for table in (*catalog.TABLES, *(star.table for star in self.stars.values()))}
        for name in names or self.stars:
            derive(self.stars[name], self.lake, self.lake, tables=tables, run_id="run")

    def load(self, *names: str) -> list[Loaded | None]:
        stars = [self.stars[name] for name in names or self.stars]
        return [self.load_star(star) for star in stars]

    def load_star(self, star: Star) -> Loaded | None:
        return sync.load(star.table, self.lake, self.warehouse, run_id="run", views=create_views(star.table, star.aliases))

    def rows(self, name: str, columns: str = "*", rest: str = "") -> list[tuple[Any, ...]]:
        return self.warehouse.query(f'SELECT {columns} FROM "{self.schema}"."{name}" {rest}')

    def all_rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """Of every star table the record's columns."""
        found = {}
        for name, star in self.stars.items():
            columns = ", ".join(f'"{column.name}"' for column in star.table.columns)
            found[name] = self.rows(name, columns, f'ORDER BY "{star.table.key[0]}"')
        return found


@pytest.fixture
def company(s3: S3Client, bucket: str, warehouse_url: str) -> Iterator[Company]:
    """Two sales and nothing else, in eleven star tables."""
    schema = own(STARS["dim_date"].table).source
    stars = {
        name: replace(
            star,
            table=replace(star.table, source=schema),
            inputs={parameter: full_name.replace("star.", f"{schema.name}.") for parameter, full_name in star.inputs.items()},
        )
        for name, star in STARS.items()
    }
    made = Company(Lake(s3, bucket), Warehouse(warehouse_url, COPY_ROLE), warehouse_url, stars, schema.name)
    for table in catalog.TABLES:
        if table.source.name == "totesys" and table.name != "sales_order":
            made.land("snapshot", table.name)
    made.land("snapshot", "sales_order", {"sales_order_id": 1, **ORDER}, {"sales_order_id": 2, **ORDER})
    made.derive()
    made.load()
    yield made
    run(warehouse_url, [f"DROP SCHEMA IF EXISTS {schema.name} CASCADE"])


def _edit(company: Company) -> None:
    """A silent edit of one sale, and the deletion of the other."""
    company.land("changes", "sales_order", {"sales_order_id": 1, **ORDER, "staff_id": 4})
    company.land("changes", "sales_order", {"sales_order_id": 2, "_deleted": True})
    company.derive("fact_sales_order", "dim_date")
    company.load("fact_sales_order", "dim_date")


def test_a_fact_has_its_exact_values_and_every_version(company: Company) -> None:
    (first,) = company.rows("fact_sales_order", "*", "WHERE sales_order_id = 1")
    assert first[:15] == (
        1, 1, date(2024, 11, 14), time(9, 30, 5, 123000), date(2024, 11, 14), time(9, 30, 5, 123000), 3, 5, 1500, Decimal("2.50"), 1, 7,
        date(2024, 11, 16), date(2024, 11, 18), 9,
    )  # fmt: skip
    # A view that someone dropped is made with the next rows.
    run(company.url, [f'DROP VIEW "{company.schema}"."fact_sales_order_current"'])
    _edit(company)
    versions = company.rows("fact_sales_order", "sales_record_id, sales_order_id, sales_staff_id, _removed", "ORDER BY 1")
    assert versions == [(1, 1, 3, False), (2, 2, 3, False), (3, 1, 4, False), (4, 2, 3, True)]
    assert company.rows("fact_sales_order_current", "sales_record_id, sales_order_id, sales_staff_id") == [(3, 1, 4)]
    assert company.rows("dim_date", "MIN(date_id), MAX(date_id), COUNT(*)") == [(date(2024, 1, 1), date(2024, 12, 31), 366)]
    assert company.rows("fact_purchase_order", "COUNT(*)") == [(0,)]
    assert company.load() == [None] * len(company.stars)


def test_a_dropped_warehouse_comes_back_the_same_and_as_the_lake_has_it(company: Company) -> None:
    _edit(company)
    before = company.all_rows()
    run(company.url, [f'DROP SCHEMA "{company.schema}" CASCADE'])
    assert None not in company.load()
    assert company.all_rows() == before
    assert company.rows("fact_sales_order_current", "sales_record_id") == [(3,)]
    assert company.rows("fact_purchase_order", "COUNT(*)") == [(0,)]
    for star in company.stars.values():
        live = company.lake.live(star.table).collect()
        meant = sum(row_checksum.checksums(star.table, {name: live[name].to_list() for name in live.columns}))
        count, key_range = company.warehouse.key_range(star.table)
        found = company.warehouse.digests(star.table, key_range, key_range.width(1)) if count else {}
        assert (count, sum(each.checksum for each in found.values())) == (live.height, meant), star.name


def test_a_mirror_whose_record_changed_is_dropped_with_the_views_over_it_and_made_again(company: Company) -> None:
    star = company.stars["fact_sales_order"]
    report = f'"{company.schema}"."report"'
    run(company.url, [f"CREATE VIEW {report} AS SELECT sales_order_id FROM {relation(star.table)}"])
    with pytest.raises(psycopg2.Error, match="other objects depend on it"):
        run(company.url, [f"DROP TABLE {relation(star.table)}"])
    *columns, observed, removed = star.table.columns
    wider = (*columns, Column("note", varchar(8), path="sales_order.design_id"), observed, removed)
    company.stars["fact_sales_order"] = replace(
        star,
        table=replace(star.table, columns=wider),
        make=lambda sales_order: star.make(sales_order).with_columns(pl.lit("1").alias("note")),
    )
    company.derive("fact_sales_order")
    assert company.load("fact_sales_order") != [None]
    assert company.rows("fact_sales_order_current", "sales_record_id, note", "ORDER BY 1") == [(1, "1"), (2, "1")]
    with pytest.raises(psycopg2.Error, match="does not exist"):
        run(company.url, [f"SELECT 1 FROM {report}"])
