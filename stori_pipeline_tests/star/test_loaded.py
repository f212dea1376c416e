"""Star tables in the warehouse: from landed rows through their functions to tables and views that people query.

The star tables are those of totesys, in a schema of the test's own, with few rows, so that every expected value can be written down.
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

from stori_pipeline.model import row_checksum
from stori_pipeline.model.star import Star
from stori_pipeline.model.table import Column
from stori_pipeline.model.types import varchar
from stori_pipeline.pipeline.derive import derive
from stori_pipeline.project import find_table
from stori_pipeline.warehouse.dialect import relation
from stori_pipeline.warehouse.load import Loaded
from stori_pipeline_tests.shipped import STARS, TABLES
from stori_pipeline_tests.stores import Stores, under_own_source

if TYPE_CHECKING:
    pass

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


@dataclass(frozen=True)
class StarStores(Stores):
    """The source tables and star tables of totesys, the latter as `schema` in the warehouse."""

    tables: dict[str, Star]
    schema: str

    def land(self, kind: str, name: str, *given: dict[str, Any]) -> None:
        assert self.land_rows(find_table(f"totesys.{name}"), kind, *given, must_land=True) is not None

    def derive(self, *names: str) -> None:
        tables = {table.full_name: table for table in (*TABLES, *(star.table for star in self.tables.values()))}
        for name in names or self.tables:
            derive(self.tables[name], self.lake, self.lake, tables=tables, run_id="run")

    def load_stars(self, *names: str) -> list[Loaded | None]:
        stars = [self.tables[name] for name in names or self.tables]
        return [self.load(star.table) for star in stars]

    def rows(self, name: str, columns: str = "*", rest: str = "") -> list[tuple[Any, ...]]:
        return self.warehouse.query(f'SELECT {columns} FROM "{self.schema}"."{name}" {rest}')

    def all_rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """The rows of every star table, in the definition's columns."""
        found = {}
        for name, star in self.tables.items():
            columns = ", ".join(f'"{column.name}"' for column in star.table.columns)
            found[name] = self.rows(name, columns, f'ORDER BY "{star.table.key[0]}"')
        return found


@pytest.fixture
def stars(stores: Stores) -> Iterator[StarStores]:
    """Two sales and nothing else, in eleven star tables."""
    schema = under_own_source(STARS["dim_date"].table).source
    tables = {
        name: replace(
            star,
            table=replace(star.table, source=schema),
            inputs={parameter: full_name.replace("star.", f"{schema.name}.") for parameter, full_name in star.inputs.items()},
        )
        for name, star in STARS.items()
    }
    stars = StarStores(**vars(stores), tables=tables, schema=schema.name)
    for table in TABLES:
        if table.source.name == "totesys" and table.name != "sales_order":
            stars.land("snapshot", table.name)
    stars.land("snapshot", "sales_order", {"sales_order_id": 1, **ORDER}, {"sales_order_id": 2, **ORDER})
    stars.derive()
    stars.load_stars()
    yield stars
    stores.execute(f"DROP SCHEMA IF EXISTS {schema.name} CASCADE")


def _edit(stars: StarStores) -> None:
    """A silent edit of one sale, and the deletion of the other."""
    stars.land("changes", "sales_order", {"sales_order_id": 1, **ORDER, "staff_id": 4})
    stars.land("changes", "sales_order", {"sales_order_id": 2, "_deleted": True})
    stars.derive("fact_sales_order", "dim_date")
    stars.load_stars("fact_sales_order", "dim_date")


def test_a_fact_has_its_exact_values_and_every_version(stars: StarStores) -> None:
    (first,) = stars.rows("fact_sales_order", "*", "WHERE sales_order_id = 1")
    assert first[:15] == (
        1, 1, date(2024, 11, 14), time(9, 30, 5, 123000), date(2024, 11, 14), time(9, 30, 5, 123000), 3, 5, 1500, Decimal("2.50"), 1, 7,
        date(2024, 11, 16), date(2024, 11, 18), 9,
    )  # fmt: skip
    # A view that someone dropped is created with the next rows.
    stars.execute(f'DROP VIEW "{stars.schema}"."fact_sales_order_current"')
    _edit(stars)
    versions = stars.rows("fact_sales_order", "sales_record_id, sales_order_id, sales_staff_id, _removed", "ORDER BY 1")
    assert versions == [(1, 1, 3, False), (2, 2, 3, False), (3, 1, 4, False), (4, 2, 3, True)]
    assert stars.rows("fact_sales_order_current", "sales_record_id, sales_order_id, sales_staff_id") == [(3, 1, 4)]
    assert stars.rows("dim_date", "MIN(date_id), MAX(date_id), COUNT(*)") == [(date(2024, 1, 1), date(2024, 12, 31), 366)]
    assert stars.rows("fact_purchase_order", "COUNT(*)") == [(0,)]
    assert stars.load_stars() == [None] * len(stars.tables)


def test_dropped_star_tables_are_loaded_again_with_the_same_rows(stars: StarStores) -> None:
    _edit(stars)
    before = stars.all_rows()
    stars.execute(f'DROP SCHEMA "{stars.schema}" CASCADE')
    assert None not in stars.load_stars()
    assert stars.all_rows() == before
    assert stars.rows("fact_sales_order_current", "sales_record_id") == [(3,)]
    assert stars.rows("fact_purchase_order", "COUNT(*)") == [(0,)]
    for star in stars.tables.values():
        live = stars.lake.live(star.table).collect()
        meant = sum(row_checksum.checksums(star.table, {name: live[name].to_list() for name in live.columns}))
        count, key_range = stars.warehouse.key_range(star.table)
        found = stars.warehouse.digests(star.table, key_range, key_range.width(1)) if count else {}
        assert (count, sum(each.checksum for each in found.values())) == (live.height, meant), star.name


def test_a_mirror_with_a_changed_definition_is_rebuilt_without_its_views(stars: StarStores) -> None:
    star = stars.tables["fact_sales_order"]
    report = f'"{stars.schema}"."report"'
    stars.execute(f"CREATE VIEW {report} AS SELECT sales_order_id FROM {relation(star.table)}")
    with pytest.raises(psycopg2.Error, match="other objects depend on it"):
        stars.execute(f"DROP TABLE {relation(star.table)}")
    *columns, observed, removed = star.table.columns
    wider = (*columns, Column("note", varchar(8), path="sales_order.design_id"), observed, removed)
    stars.tables["fact_sales_order"] = replace(
        star,
        table=replace(star.table, columns=wider),
        make=lambda sales_order: star.make(sales_order).with_columns(pl.lit("1").alias("note")),
    )
    stars.derive("fact_sales_order")
    assert stars.load_stars("fact_sales_order") != [None]
    assert stars.rows("fact_sales_order_current", "sales_record_id, note", "ORDER BY 1") == [(1, "1"), (2, "1")]
    with pytest.raises(psycopg2.Error, match="does not exist"):
        stars.execute(f"SELECT 1 FROM {report}")
