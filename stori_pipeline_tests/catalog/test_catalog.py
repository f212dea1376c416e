"""The catalog as a whole: what every record must say, whichever source it is of."""

from __future__ import annotations

import pytest

from stori_pipeline.catalog import SOURCES, TABLES, totesys
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Table


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_a_source_says_what_it_is_and_whose(source: Source) -> None:
    assert source.description.endswith(".")
    assert source.owners
    assert all(owner.startswith("team:") for owner in source.owners)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.full_name)
def test_a_table_says_what_a_row_is(table: Table) -> None:
    assert table.description.endswith(".")


@pytest.mark.parametrize("table", totesys.TABLES, ids=lambda table: table.full_name)
def test_each_column_of_totesys_is_described(table: Table) -> None:
    assert [column.name for column in table.columns if not column.description.endswith(".")] == []


def test_totesys_lands_its_eleven_tables_and_not_its_migrations() -> None:
    assert {table.name for table in totesys.TABLES} == {
        "address", "counterparty", "currency", "department", "design", "payment", "payment_type", "purchase_order", "sales_order",
        "staff", "transaction",
    }  # fmt: skip
