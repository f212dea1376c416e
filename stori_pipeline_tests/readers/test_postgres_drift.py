"""Drift of Postgres: what the reader says of columns and keys that changed, before a row is lost or rejected."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import bigint, decimal, integer, varchar
from stori_pipeline.readers import SourceError
from stori_pipeline.readers.postgres import Xmin
from stori_pipeline.readers.postgres.reader import PostgresReader
from stori_pipeline_tests.conftest import SourceDatabase
from stori_pipeline_tests.databases import execute
from stori_pipeline_tests.readers.drained import drained

CUSTOMERS = Table(
    Source("shop", "postgres", "A shop."),
    "customers",
    (
        Column("id", integer, nullable=False),
        Column("d", integer, nullable=False),
        Column("name", varchar(160)),
        Column("visits", integer),
        Column("credit", decimal(10, 2)),
    ),
    ("id",),
    Xmin(),
)


@pytest.fixture
def reader(source_db: SourceDatabase) -> PostgresReader:
    columns = "id integer PRIMARY KEY, d integer NOT NULL, name varchar(40), visits integer, credit numeric(10,2)"
    execute(source_db.admin_url, f"CREATE TABLE customers ({columns})", "INSERT INTO customers VALUES (1, 1, 'a', 1, 1)")
    reader = PostgresReader(source_db.reader_url)
    assert reader.drift(CUSTOMERS) == []
    return reader


@pytest.mark.parametrize(
    ("change", "column", "declared", "written"),
    [
        ("ALTER name TYPE varchar(80)", "name", "character varying(80)", "varchar(320)"),
        ("ALTER visits TYPE bigint", "visits", "bigint", "bigint"),
        ("ALTER credit TYPE numeric(10,4)", "credit", "numeric(10,4)", "decimal(10, 4)"),
        ("ALTER credit TYPE numeric(12,2)", "credit", "numeric(12,2)", "decimal(12, 2)"),
    ],
)
def test_a_widened_column_warns_before_a_longer_value_is_quarantined(
    reader: PostgresReader, source_db: SourceDatabase, change: str, column: str, declared: str, written: str
) -> None:
    execute(source_db.admin_url, f"ALTER TABLE customers {change}")
    (found,) = reader.drift(CUSTOMERS)
    assert (found.column, found.change, found.python, found.is_error) == (column, "wider", written, False)
    assert f"declares {column!r} as {declared}, wider than {CUSTOMERS[column].type}, the definition's type" in found.text
    assert found.text.endswith(f"write {written}")
    assert drained(reader, CUSTOMERS).rejected == [], "nothing is lost yet"


@pytest.mark.parametrize("change", ["ALTER name TYPE varchar(9)", "ALTER visits TYPE smallint", "ALTER credit TYPE numeric(4,1)"])
def test_a_narrowed_column_is_no_drift(reader: PostgresReader, source_db: SourceDatabase, change: str) -> None:
    execute(source_db.admin_url, f"ALTER TABLE customers {change}")
    assert reader.drift(CUSTOMERS) == []


def test_a_column_that_may_be_null_by_now_warns(reader: PostgresReader, source_db: SourceDatabase) -> None:
    execute(source_db.admin_url, "ALTER TABLE customers ALTER d DROP NOT NULL")
    (found,) = reader.drift(CUSTOMERS)
    assert (found.column, found.change, found.is_error) == ("d", "nullable", False)
    assert "nullable=False" in found.text


def test_a_dropped_primary_key_is_an_error_that_names_the_key(reader: PostgresReader, source_db: SourceDatabase) -> None:
    execute(source_db.admin_url, "ALTER TABLE customers DROP CONSTRAINT customers_pkey", "INSERT INTO customers VALUES (1, 2, 'b')")
    (found,) = reader.drift(CUSTOMERS)
    assert (found.change, found.is_error) == ("key", True)
    assert "has no unique index on (id), the definition's key, so rows with the same key become one row" in found.text


def test_a_primary_key_of_more_columns_is_an_error_that_names_both(reader: PostgresReader, source_db: SourceDatabase) -> None:
    execute(source_db.admin_url, "ALTER TABLE customers DROP CONSTRAINT customers_pkey, ADD PRIMARY KEY (id, d)")
    (found,) = reader.drift(CUSTOMERS)
    assert (found.change, found.is_error) == ("key", True)
    assert "the definition's key (id) would merge rows that the source's key (id, d) tells apart" in found.text
    with pytest.raises(SourceError, match=r"source's key \(id, d\)"):
        drained(reader, CUSTOMERS)
    assert reader.drift(replace(CUSTOMERS, key=("id", "d"))) == []


def test_a_dropped_and_a_retyped_column_are_errors(reader: PostgresReader, source_db: SourceDatabase) -> None:
    execute(source_db.admin_url, "ALTER TABLE customers DROP name, ALTER visits TYPE text")
    found = reader.drift(replace(CUSTOMERS, columns=(*CUSTOMERS.columns[:4], Column("credit", bigint, path="credit"))))
    assert [(each.column, each.change, each.is_error) for each in found] == [
        ("name", "dropped", True),
        ("visits", "type", True),
        ("credit", "type", True),
    ]
