"""A shop for each test, on the local S3 and the local Redshift."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from stori_pipeline.lake import Lake
from stori_pipeline.local.stack import COPY_ROLE
from stori_pipeline.model.table import Table
from stori_pipeline.warehouse import Warehouse
from stori_pipeline_tests.warehouse.shops import ITEMS, Shop, own, run

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MakeShop = Callable[[Table], Shop]


@pytest.fixture
def shop_of(s3: S3Client, bucket: str, warehouse_url: str) -> Iterator[MakeShop]:
    """Makes a shop with a table like the one given; its schema is gone after the test."""
    made: list[Shop] = []

    def make(table: Table) -> Shop:
        made.append(Shop(own(table), Lake(s3, bucket), Warehouse(warehouse_url, COPY_ROLE), warehouse_url))
        return made[-1]

    yield make
    run(warehouse_url, [f"DROP SCHEMA IF EXISTS {shop.table.source.name} CASCADE" for shop in made])


@pytest.fixture
def shop(shop_of: MakeShop) -> Shop:
    return shop_of(ITEMS)
