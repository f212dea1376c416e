"""A shop's sales and items, and the two star tables that are derived from them: a history and one of the present."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import polars as pl

from stori_pipeline.model.changes import History, Rebuilt
from stori_pipeline.model.source import Source
from stori_pipeline.model.star import OBSERVED_AT, REMOVED, STAR, Star
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import date, decimal, integer, varchar
from stori_pipeline.readers.postgres import Xmin

SHOP = Source("shop", "postgres", "A shop.")
SALE = Table(
    SHOP,
    "sale",
    (
        Column("sale_id", integer, nullable=False),
        Column("item_id", integer, nullable=False),
        Column("price", decimal(10, 2), nullable=False),
        Column("due", varchar(10), nullable=False),
        Column("note", varchar(64)),
    ),
    ("sale_id",),
    Xmin(),
)
ITEM = Table(SHOP, "item", (Column("item_id", integer, nullable=False), Column("name", varchar(32))), ("item_id",), Xmin())
TABLES = {table.full_name: table for table in (SALE, ITEM)}


def _fact(sale: pl.LazyFrame) -> pl.LazyFrame:
    return sale.with_columns(pl.col("due").str.to_date(strict=False), pl.col("note").alias("said"))


def _dim(item: pl.LazyFrame, sale: pl.LazyFrame) -> pl.LazyFrame:
    sold = sale.group_by("item_id").agg(pl.len().alias("sold"))
    return item.join(sold, on="item_id", how="left").with_columns(pl.col("sold").fill_null(0))


FACT = Star(
    Table(
        STAR,
        "fact_sale",
        (
            Column("sale_record_id", integer, nullable=False),
            Column("sale_id", integer, nullable=False, path="sale.sale_id"),
            Column("price", decimal(10, 2), nullable=False, path="sale.price"),
            Column("due", date, nullable=False, path="sale.due"),
            Column("said", varchar(8), path="sale.note"),
            OBSERVED_AT,
            REMOVED,
        ),
        ("sale_record_id",),
        History(("sale_id",)),
    ),
    _fact,
    {"sale": "shop.sale"},
)
DIM = Star(
    Table(
        STAR,
        "dim_item",
        (
            Column("item_id", integer, nullable=False, path="item.item_id"),
            Column("name", varchar(32), nullable=False, path="item.name"),
            Column("sold", integer, nullable=False, path="sale.item_id item.item_id"),
        ),
        ("item_id",),
        Rebuilt(),
    ),
    _dim,
    {"item": "shop.item", "sale": "shop.sale"},
)


def sale(number: int, price: str = "1.00", due: str = "2026-11-21", **more: Any) -> dict[str, Any]:
    return {"sale_id": number, "item_id": 1, "price": Decimal(price), "due": due} | more


def gone(number: int) -> dict[str, Any]:
    return {"sale_id": number, "_deleted": True}
