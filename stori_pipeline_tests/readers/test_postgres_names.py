"""Tables that Postgres calls otherwise than we do: how their names are written, and that every function of the reader finds them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import integer
from stori_pipeline.readers import SourceError
from stori_pipeline.readers.postgres import Xmin, names
from stori_pipeline.readers.postgres.reader import PostgresReader
from stori_pipeline_tests.conftest import SourceDatabase
from stori_pipeline_tests.databases import execute
from stori_pipeline_tests.readers.drained import drained

SOURCE = Source(name="shop", kind="postgres", description="A shop.")


@pytest.mark.parametrize(
    ("source_name", "schema", "table"),
    [
        ("staff", "", "staff"),
        ("person.person", "person", "person"),
        ("Order Details", "", "Order Details"),
        ('"Person"."Order Details"', "Person", "Order Details"),
        ('Sales."a.b"', "Sales", "a.b"),
        ('"a ""quoted"" name"', "", 'a "quoted" name'),
        ("größe", "", "größe"),
    ],
)
def test_a_name_has_a_schema_and_a_table(source_name: str, schema: str, table: str) -> None:
    assert names.parsed(source_name) == (schema, table)


@given(st.text(min_size=0), st.text(min_size=1))
def test_every_name_can_be_written_and_is_read_as_it_was(schema: str, table: str) -> None:
    assert names.parsed(names.written(schema, table)) == (schema, table)


@pytest.mark.parametrize("source_name", ["", "a.b.c", ".a", "a.", 'a"b', '"a', '""'])
def test_what_is_no_name_is_refused_with_how_to_write_one(source_name: str) -> None:
    with pytest.raises(SourceError, match=r"write table or schema\.table as the catalogue has them"):
        names.parsed(source_name)


@pytest.mark.parametrize("source_name", ["Sales.Order Details", '"order.lines"', "größe"])
def test_every_function_of_the_reader_finds_a_table_by_its_own_name(source_db: SourceDatabase, source_name: str) -> None:
    name = names.sql(source_name)
    execute(
        source_db.admin_url,
        'CREATE SCHEMA "Sales"',
        f"CREATE TABLE {name} (id int PRIMARY KEY)",
        f"INSERT INTO {name} VALUES (1), (2)",
        'GRANT USAGE ON SCHEMA "Sales" TO reader',
        'GRANT SELECT ON ALL TABLES IN SCHEMA "Sales" TO reader',
    )
    table = Table(SOURCE, "details", (Column("id", integer, nullable=False),), ("id",), Xmin(), source_name=source_name)
    reader = PostgresReader(source_db.reader_url)
    read = drained(reader, table)
    assert [row["id"] for row in read.rows] == [1, 2]
    before = json.loads(reader.head(table, read.until))
    assert before[1], "head has the relation, and with it its counters"
    execute(source_db.admin_url, f"INSERT INTO {name} VALUES (3)", f"ALTER TABLE {name} ADD more int")
    assert [row["id"] for row in drained(reader, table, read.until).rows][-1] == 3
    rows, key_range = reader.key_range(table)
    assert rows == 3
    assert sum(digest.rows for digest in reader.digests(table, key_range, 10).values()) == 3
    assert len(reader.checksums(table, key_range)) == 3
    assert [line for line in reader.drift(table) if name in line.text]


def test_a_grant_that_is_missing_names_the_table_as_its_source_does(source_db: SourceDatabase) -> None:
    execute(source_db.admin_url, 'CREATE TABLE "Secret Things" (id int PRIMARY KEY)', 'REVOKE SELECT ON "Secret Things" FROM reader')
    table = Table(SOURCE, "secrets", (Column("id", integer, nullable=False),), ("id",), Xmin(), source_name="Secret Things")
    with pytest.raises(SourceError, match='GRANT SELECT ON "Secret Things" TO'):
        drained(PostgresReader(source_db.reader_url), table)
