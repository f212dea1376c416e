"""The catalog: what every definition in it must have, and finding a table by its name."""

from __future__ import annotations

import re

import pytest

from stori_pipeline.catalog import totesys
from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Table
from stori_pipeline.project import find_table
from stori_pipeline.readers import READERS
from stori_pipeline.readers.postgres.reader import PostgresReader
from stori_pipeline_tests.conftest import ROOT, SourceDatabase
from stori_pipeline_tests.databases import execute
from stori_pipeline_tests.shipped import SOURCES, TABLES


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_every_source_has_a_description_and_an_owner(source: Source) -> None:
    assert source.description.endswith(".")
    assert source.owners
    assert all(owner.startswith("team:") for owner in source.owners)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.full_name)
def test_every_table_description_says_what_a_row_is(table: Table) -> None:
    assert table.description.endswith(".")


@pytest.mark.parametrize("table", totesys.TABLES, ids=lambda table: table.full_name)
def test_each_column_of_totesys_is_described(table: Table) -> None:
    assert [column.name for column in table.columns if not column.description.endswith(".")] == []


def test_totesys_has_eleven_tables_without_its_migrations() -> None:
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


def test_an_unknown_table_raises_an_error_that_lists_the_tables() -> None:
    with pytest.raises(DefinitionError, match=r"no source table 'shop\.orders'") as refused:
        find_table("shop.orders")
    assert re.findall(r"\w+\.\w+", str(refused.value))[1:] == sorted(table.full_name for table in TABLES)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.full_name)
def test_every_table_and_column_of_the_catalog_is_described(table: Table) -> None:
    assert table.description
    assert table.source.description
    assert all(column.description for column in table.columns)


@pytest.mark.parametrize(("name", "rows"), [("rates.daily", 8), ("events.app_events", 30), ("drops.card_settlements", 500)])
def test_a_batch_that_is_garbage_as_a_whole_is_blocked_however_small(name: str, rows: int) -> None:
    """All eight rates of a day are -1; all events of a burst are no JSON; all files of a drop are broken."""
    assert find_table(name).blocks(0, rows)


@pytest.mark.parametrize(("name", "rows"), [("rates.daily", 7), ("events.app_events", 2), ("drops.card_settlements", 0)])
def test_one_bad_row_of_a_small_batch_is_not_blocked(name: str, rows: int) -> None:
    assert not find_table(name).blocks(rows, 1)


@pytest.mark.parametrize("source", ["app", "bank", "totesys"])
def test_no_definition_of_postgres_differs_from_its_source(source: str, source_db: SourceDatabase) -> None:
    execute(source_db.admin_url, (ROOT / f"sql/sources/{source}.sql").read_text())
    execute(source_db.admin_url, "GRANT USAGE ON SCHEMA public TO reader", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
    reader = PostgresReader(source_db.reader_url)
    assert [each.text for table in TABLES if table.source.name == source for each in reader.drift(table)] == []
