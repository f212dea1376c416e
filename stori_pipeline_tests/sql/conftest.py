"""A warehouse whose mirrors and star tables hold the rows of the reports' tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest

from stori_pipeline.local.servers import COPY_ROLE
from stori_pipeline.warehouse import Warehouse
from stori_pipeline_tests.sql import mirrors, report_rows


@pytest.fixture(scope="module")
def reported(warehouse_url: str) -> Iterator[Warehouse]:
    """The warehouse with the report rows, and no report."""
    with closing(psycopg2.connect(warehouse_url)) as connection:
        with connection, connection.cursor() as cursor:
            report_rows.fill(cursor)
        yield Warehouse(warehouse_url, COPY_ROLE)
        with connection, connection.cursor() as cursor:
            mirrors.drop(cursor)
