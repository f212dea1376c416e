"""Definitions for the tests of reports: two source tables, star tables of every kind, and reports that a test gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from stori_pipeline.model.changes import History, Rebuilt
from stori_pipeline.model.report import Report, load_reports
from stori_pipeline.model.source import Source
from stori_pipeline.model.star import OBSERVED_AT, REMOVED, STAR, Star
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import decimal, integer, super_, varchar
from stori_pipeline.readers.postgres import Xmin

SHOP = Source("shop", "postgres", "A shop.")
_ID = Column("id", integer, nullable=False)

ORDERS = Table(SHOP, "orders", (_ID, Column("item", integer), Column("price", decimal(10, 2)), Column("quote", super_)), ("id",), Xmin())
ITEMS = replace(ORDERS, name="items", columns=(_ID, Column("label", varchar(64))), keep_deleted=True)
TABLES = (ORDERS, ITEMS)


def _unmade(**_: Any) -> Any:
    raise AssertionError("reports read the definition of a star table, never its function")


_ITEM = Table(STAR, "dim_item", (_ID, Column("label", varchar(64))), ("id",), Rebuilt())
_SALE = Table(
    STAR,
    "fact_sale",
    (
        Column("sale_record_id", integer, nullable=False),
        _ID,
        Column("item", integer),
        Column("amount", decimal(10, 2)),
        OBSERVED_AT,
        REMOVED,
    ),
    ("sale_record_id",),
    History(("id",)),
    aliases=("fact_sales",),
)
STARS = {
    "dim_item": Star(_ITEM, _unmade, {"items": "shop.items"}),
    "fact_sale": Star(_SALE, _unmade, {"orders": "shop.orders"}),
}


def reports_of(folder: Path, files: Mapping[str, str]) -> list[Report]:
    """The reports of these texts, by their names, written to files of the folder."""
    for name, statement in files.items():
        file = folder / f"{name}.sql"
        file.parent.mkdir(exist_ok=True, parents=True)
        file.write_text(statement if statement.startswith("--") else f"-- What it shows.\n{statement}\n")
    return load_reports(folder, TABLES, STARS)
