"""A star table whose inputs are tables of two sources: derived from both, and again when either has changed."""

from __future__ import annotations

from typing import Any

import polars as pl

from stori_pipeline.model.source import Source
from stori_pipeline.model.star import StarSchema, carried
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import integer, varchar
from stori_pipeline.pipeline.derive import derive
from stori_pipeline.readers.postgres import Xmin
from stori_pipeline_tests.stores import Stores

_ID = Column("item_id", integer, nullable=False)
ITEM = Table(Source("shop", "postgres", "A shop."), "item", (_ID, Column("name", varchar(32))), ("item_id",), Xmin())
STOCK = Table(Source("depot", "postgres", "A depot."), "item", (_ID, Column("shelf", varchar(8))), ("item_id",), Xmin())
SCHEMA = StarSchema(ITEM, STOCK)


@SCHEMA.star_table(
    carried("item.item_id"),
    carried("item.name"),
    carried("stock.shelf", joined_by="item.item_id stock.item_id"),
    key="item_id",
    inputs={"item": "shop.item", "stock": "depot.item"},
)
def dim_stock(item: pl.LazyFrame, stock: pl.LazyFrame) -> pl.LazyFrame:
    return item.join(stock, on="item_id", how="left")


def test_a_star_table_is_derived_from_tables_of_two_sources(stores: Stores) -> None:
    (star,) = SCHEMA.stars
    tables = {table.full_name: table for table in (ITEM, STOCK)}

    def rows() -> list[dict[str, Any]]:
        assert derive(star, stores.lake, stores.processed, tables=tables, run_id="run").manifest is not None
        return stores.processed.live(star.table).sort("item_id").collect().to_dicts()

    stores.land_rows(ITEM, "snapshot", (1, "pen"), (2, "ink"))
    stores.land_rows(STOCK, "snapshot", (1, "A1"))
    assert rows() == [{"item_id": 1, "name": "pen", "shelf": "A1"}, {"item_id": 2, "name": "ink", "shelf": None}]
    stores.land_rows(STOCK, "changes", (2, "B2"))
    assert rows()[1] == {"item_id": 2, "name": "ink", "shelf": "B2"}
    stores.land_rows(ITEM, "changes", (1, "nib"))
    assert rows()[0] == {"item_id": 1, "name": "nib", "shelf": "A1"}
