"""A type defined outside the platform: one object, and it lands, loads, verifies, is suggested and is documented."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2
import pyarrow as pa
import pytest

from stori_pipeline.contract import conform
from stori_pipeline.lake import Lake
from stori_pipeline.model import Column, Source, Table, bigint
from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.types import REGISTRY, Type, parse, register, registered, suggestions, type_of, varchar
from stori_pipeline.pipeline.sync import land, load
from stori_pipeline.readers import reader_for, scaffold
from stori_pipeline.readers.postgres import Xmin, copy_text
from stori_pipeline.readers.postgres.copy_text import BlockParser
from stori_pipeline.verify.comparables import comparable_source
from stori_pipeline.verify.compare import verify
from stori_pipeline.warehouse import Warehouse
from stori_pipeline.warehouse.frames import Target, read_table, replace_rows
from stori_pipeline_tests.conftest import SourceDatabase
from stori_pipeline_tests.databases import drop_schemas, execute
from stori_pipeline_tests.model.types import own_types
from stori_pipeline_tests.pasting import pasted

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture
def timetz() -> Iterator[Type]:
    yield register(own_types.timetz)
    del REGISTRY["timetz"]


@pytest.fixture
def shifts(source_db: SourceDatabase, warehouse_url: str, timetz: Type) -> Iterator[Table]:
    """A table of shifts in Postgres, and its definition with the type."""
    name = f"shop_{uuid.uuid4().hex[:8]}"
    _write(source_db, "CREATE TABLE shifts (id bigint PRIMARY KEY, begins timetz, ends text)")
    _write(source_db, "INSERT INTO shifts VALUES (1, '08:00+01', '16:30:00+01'), (2, '22:15:00.5-03:30', NULL), (3, NULL, '06:00:00+00')")
    columns = (Column("id", bigint, nullable=False), Column("begins", timetz), Column("ends", timetz))
    yield Table(Source(name, "postgres", "A shop."), "shifts", columns, ("id",), Xmin(), sortkey=("begins",))
    with Warehouse(warehouse_url, "arn:x").session("clean-up") as connection, connection.cursor() as cursor:
        cursor.execute(f'DROP SCHEMA IF EXISTS "{name}" CASCADE')
        connection.commit()


def _write(source: SourceDatabase, statement: str) -> None:
    with closing(psycopg2.connect(source.admin_url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement)


def test_it_lands_loads_and_verifies(shifts: Table, source_db: SourceDatabase, warehouse_url: str, s3: S3Client, bucket: str) -> None:
    reader, lake, warehouse = reader_for("postgres", source_db.reader_url), Lake(s3, bucket), Warehouse(warehouse_url, "arn:x")
    land(shifts, reader, lake, run_id="first")
    load(shifts, lake, warehouse, run_id="first")
    mirror = f"SELECT id, CAST(begins AS VARCHAR), CAST(ends AS VARCHAR) FROM {shifts.full_name} ORDER BY id"
    assert warehouse.query(mirror) == [(1, "08:00:00+01", "16:30:00+01"), (2, "22:15:00.5-03:30", None), (3, None, "06:00:00+00")]
    declared = "SELECT data_type FROM information_schema.columns WHERE table_schema = %s AND column_name = 'begins'"
    with warehouse.session("look") as connection, connection.cursor() as cursor:
        cursor.execute(declared, (shifts.source.name,))
        assert cursor.fetchall() == [("time with time zone",)]
    assert verify(shifts, comparable_source(reader, lake), warehouse).equal
    _write(source_db, "UPDATE shifts SET begins = '09:00+01' WHERE id = 1; INSERT INTO shifts VALUES (4, NULL, 'noon')")
    found = verify(shifts, comparable_source(reader, lake), warehouse)
    assert {each.key: each.verdict for each in found.differing} == {("1",): "different", ("4",): "not in the warehouse"}
    landed = land(shifts, reader, lake, run_id="second")
    assert landed.manifest
    assert (landed.manifest.rows, landed.manifest.rejected) == (1, 1)


def test_a_type_whose_sql_engines_write_differently_verifies(
    shifts: Table, source_db: SourceDatabase, warehouse_url: str, s3: S3Client, bucket: str
) -> None:
    """In Postgres a time with its offset is a column of that type; in Redshift it is the text that landed."""
    as_text = replace(
        own_types.timetz, redshift="VARCHAR(24)", load="{}", canonical_sql=lambda x, engine: f"{x}::text" if engine == "postgres" else x
    )
    table = replace(shifts, columns=(shifts["id"], Column("begins", as_text)), sortkey=())
    reader, lake, warehouse = reader_for("postgres", source_db.reader_url), Lake(s3, bucket), Warehouse(warehouse_url, "arn:x")
    land(table, reader, lake, run_id="first")
    load(table, lake, warehouse, run_id="first")
    assert warehouse.query(f"SELECT begins FROM {table.full_name} ORDER BY id") == [("08:00:00+01",), ("22:15:00.5-03:30",), (None,)]
    assert verify(table, comparable_source(reader, lake), warehouse).equal


def test_a_value_that_does_not_fit_goes_to_quarantine_with_its_code(shifts: Table) -> None:
    rows, rejected = conform(shifts, [{"id": 1, "begins": "07:00:00.500+00:00"}, {"id": 2, "ends": "noon"}])
    assert rows.column("begins").to_pylist() == ["07:00:00.5+00"]
    assert [(each["code"], each["column"]) for each in rejected.to_pylist()] == [("bad_date", "ends")]


def test_only_its_own_column_is_read_value_by_value(shifts: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """A type that only converts single values does not slow down the columns beside it."""

    def never(*_: object) -> None:
        raise AssertionError("a row went through the contract")

    monkeypatch.setattr(copy_text, "conform", never)
    (chunk,) = BlockParser(shifts).parse(b"1\t08:00:00.50+01:00\t\\N\n2\t\\N\t06:00:00+00\n")
    assert chunk.rows.to_pydict() == {
        "id": [1, 2],
        "begins": ["08:00:00.5+01", None],
        "ends": [None, "06:00:00+00"],
        "_deleted": [False, False],
    }
    monkeypatch.undo()
    (chunk,) = BlockParser(shifts).parse(b"1\t08:00:00+01\tnoon\n2\t\\N\t06:00:00+00\n")
    assert (chunk.rows.column("id").to_pylist(), chunk.rejected.column("code").to_pylist()) == ([2], ["bad_date"])


def test_it_is_found_by_name_and_documented(timetz: Type) -> None:
    assert parse("timetz") is timetz
    assert timetz.docs_row() == (
        "| `timetz` | a time of day with its offset, as Postgres writes it | string | TIMETZ | `time with time zone`, `text` |"
    )


def test_a_suggested_definition_with_the_type_can_be_pasted(shifts: Table, source_db: SourceDatabase) -> None:
    text = scaffold("postgres", source_db.reader_url, "shop", "shifts")
    assert 'Column("begins", timetz)' in text
    assert "from stori_pipeline_tests.model.types.own_types import timetz\n" in text
    assert pasted(text, shifts.source)["begins"].type is own_types.timetz


def test_it_is_suggested_for_files_too(timetz: Type) -> None:
    assert suggestions.for_values(["08:00:00+01", "22:15:00.5-03:30"]).python == "timetz"
    assert suggestions.for_values(["08:00:00+01", "noon"]).python == suggestions.WIDE_TEXT
    assert suggestions.for_arrow(pa.time64("ns")) == "timetz"


def test_another_type_with_its_arrow_type_still_holds_frames(timetz: Type) -> None:
    assert type_of(pa.string()) == varchar(65_535)


def test_a_frame_in_the_warehouse_keeps_its_table_if_it_has_the_type(timetz: Type, warehouse_url: str) -> None:
    """The catalog has another name for the type; a second load must not take it for another type."""
    warehouse = Warehouse(warehouse_url, "arn:x")
    target = Target(f"own_{uuid.uuid4().hex[:8]}", "shifts", "lab/shifts")
    replace_rows(warehouse, target, {"begins": timetz}, "", 0)
    with closing(psycopg2.connect(warehouse_url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE VIEW {target.schema}.seen AS SELECT begins FROM {target.full_name}")
    replace_rows(warehouse, target, {"begins": timetz}, "", 0)
    assert warehouse.query(f"SELECT COUNT(*) FROM {target.schema}.seen") == [(0,)], "the table was made anew, and the view went with it"
    with closing(psycopg2.connect(warehouse_url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(f"DROP SCHEMA {target.schema} CASCADE")


def test_it_can_have_only_the_roles_that_it_names(shifts: Table) -> None:
    with pytest.raises(DefinitionError, match=r"column 'begins': a timetz column cannot be a distkey"):
        Table(shifts.source, "shifts", shifts.columns, ("id",), Xmin(), distkey="begins")
    with pytest.raises(DefinitionError, match=r"column 'begins': the cursor must be a date or a timestamptz, .*; it is a timetz"):
        Table(shifts.source, "shifts", shifts.columns, ("id",), Xmin(), cursor="begins")


def test_another_type_of_the_same_name_is_refused(timetz: Type) -> None:
    assert register(timetz) is timetz
    with pytest.raises(DefinitionError, match="type timetz: there is a type of that name already"):
        register(replace(timetz, redshift="VARCHAR(24)"))


def test_the_page_of_types_has_a_row_of_each_type() -> None:
    page = (Path(__file__).parents[3] / "docs" / "types.md").read_text()
    assert [kind.name for kind in registered() if kind.docs_row() not in page] == []


def test_its_values_are_read_back_as_it_says(timetz: Type, warehouse_url: str) -> None:
    schema = f"own_{uuid.uuid4().hex[:8]}"
    insert = f"INSERT INTO {schema}.shifts VALUES ('08:00:00+01'), ('22:15:00.5-03:30'), (NULL)"
    execute(warehouse_url, f"CREATE SCHEMA {schema}", f"CREATE TABLE {schema}.shifts (begins TIMETZ)", insert)
    try:
        frame = read_table(Warehouse(warehouse_url, "arn:x"), schema, "shifts")
    finally:
        drop_schemas(warehouse_url, schema)
    assert frame["begins"].to_list() == ["08:00:00+01", "22:15:00.5-03:30", None]


@pytest.mark.parametrize("name", ["bigint", "decimal(9,2)", "varchar(64)", "super", "timestamptz"])
def test_a_type_is_found_by_its_name(name: str) -> None:
    assert parse(name).name == name


@pytest.mark.parametrize("name", ["money", "varchar", "varchar(64", "decimal(9)", "bigint(3)"])
def test_another_name_is_refused(name: str) -> None:
    with pytest.raises(DefinitionError, match=re.escape(name)):
        parse(name)
