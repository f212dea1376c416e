"""A type made outside the platform: one object, and it lands, loads, verifies, is suggested and is documented."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2
import pyarrow as pa
import pytest

from stori_pipeline.contract import conform
from stori_pipeline.lake import Lake
from stori_pipeline.model import Column, Source, Table, bigint
from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.types import MisfitError, Type, parse, register, registered
from stori_pipeline.model.types.type import _FAMILIES
from stori_pipeline.pipeline.sync import land, load
from stori_pipeline.readers import reader_for, scaffold
from stori_pipeline.readers.postgres import Xmin
from stori_pipeline.verify.comparables import source_side
from stori_pipeline.verify.compare import verify
from stori_pipeline.warehouse import Warehouse
from stori_pipeline_tests.conftest import SourceDatabase

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_TIMETZ = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?[+-][0-9]{2}(:[0-9]{2})?")


def _to_timetz(value: object) -> str:
    if not isinstance(value, str) or not _TIMETZ.fullmatch(value):
        raise MisfitError("bad_date", f"{value!r} is not a time of day with its offset")
    return value


TIMETZ = Type(
    name="timetz",
    arrow=pa.string(),
    redshift="VARCHAR(24)",
    max_bytes=24,
    convert=_to_timetz,
    canonical=str,
    canonical_sql=lambda x, _: x,
    roles=frozenset({"sortkey"}),
    postgres={"time with time zone": "{x}::text", "text": "{x}"},
    suggested_for={"time with time zone": "timetz"},
    docs="a time of day with its offset, as Postgres writes it",
)


@pytest.fixture
def timetz() -> Iterator[Type]:
    yield register(TIMETZ)
    del _FAMILIES["timetz"]


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
    assert warehouse.query(f"SELECT * FROM {shifts.full_name} ORDER BY id")[0][:3] == (1, "08:00:00+01", "16:30:00+01")
    assert verify(shifts, source_side(reader, lake), warehouse).equal
    _write(source_db, "UPDATE shifts SET begins = '09:00+01' WHERE id = 1; INSERT INTO shifts VALUES (4, NULL, 'noon')")
    found = verify(shifts, source_side(reader, lake), warehouse)
    assert {each.key: each.verdict for each in found.differing} == {("1",): "different", ("4",): "not in the warehouse"}
    landed = land(shifts, reader, lake, run_id="second")
    assert landed.manifest
    assert (landed.manifest.rows, landed.manifest.rejected) == (1, 1)


def test_what_does_not_fit_it_goes_to_quarantine_with_its_code(shifts: Table) -> None:
    rows, rejected = conform(shifts, [{"id": 1, "begins": "07:00:00+00"}, {"id": 2, "ends": "noon"}])
    assert rows.column("id").to_pylist() == [1]
    assert [(each["code"], each["column"]) for each in rejected.to_pylist()] == [("bad_date", "ends")]


def test_it_is_found_by_name_suggested_and_documented(shifts: Table, source_db: SourceDatabase) -> None:
    assert parse("timetz") is TIMETZ
    assert 'Column("begins", timetz)' in scaffold("postgres", source_db.reader_url, "shop", "shifts")
    assert TIMETZ.docs_row() == (
        "| `timetz` | a time of day with its offset, as Postgres writes it | string | VARCHAR(24) | `time with time zone`, `text` |"
    )


def test_it_plays_only_the_roles_that_it_names(shifts: Table) -> None:
    with pytest.raises(DefinitionError, match=r"column 'begins': a timetz column cannot be a distkey"):
        Table(shifts.source, "shifts", shifts.columns, ("id",), Xmin(), distkey="begins")


def test_the_page_of_types_has_a_row_of_each_type() -> None:
    page = (Path(__file__).parents[3] / "docs" / "types.md").read_text()
    assert [kind.name for kind in registered() if kind.docs_row() not in page] == []


@pytest.mark.parametrize("name", ["bigint", "decimal(9,2)", "varchar(64)", "super", "timestamptz"])
def test_a_type_is_found_by_its_name(name: str) -> None:
    assert parse(name).name == name


@pytest.mark.parametrize("name", ["money", "varchar", "varchar(64", "decimal(9)", "bigint(3)"])
def test_another_name_is_refused(name: str) -> None:
    with pytest.raises(DefinitionError, match=re.escape(name)):
        parse(name)
