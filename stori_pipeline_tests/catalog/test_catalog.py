"""The catalog as a whole: what every definition in it must say, and how a table is found in it."""

from __future__ import annotations

import pytest

from stori_pipeline.catalog import SOURCES, TABLES, totesys
from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Table
from stori_pipeline.project import find_table
from stori_pipeline.readers import READERS


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


def test_the_catalog_names_every_table_once_and_every_kind_has_a_reader() -> None:
    names = [table.full_name for table in TABLES]
    assert len(names) == len(set(names))
    assert {table.source for table in TABLES} <= set(SOURCES)
    assert {source.kind for source in SOURCES} <= READERS.keys()
    for table in TABLES:
        assert find_table(table.full_name) is table


def test_a_table_that_is_not_in_the_catalog_is_told_with_those_that_are() -> None:
    with pytest.raises(DefinitionError, match=r"no source table 'shop\.orders'.*app\.users, bank\.transactions, .*exchange\.trades"):
        find_table("shop.orders")


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.full_name)
def test_every_table_and_column_of_the_catalog_is_described(table: Table) -> None:
    assert table.description
    assert table.source.description
    assert all(column.description for column in table.columns)
