"""A lake and the warehouse, without sources: a test gives the rows that land.

Belongs here: landing rows, loading them, reading the results, emptying both. Does not belong here: sources and the command (`platforms`).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import polars as pl

from stori_pipeline.lake import Lake, Manifest
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import bigint, integer, varchar
from stori_pipeline.pipeline import sync
from stori_pipeline.readers.postgres import Xmin
from stori_pipeline.warehouse import Warehouse
from stori_pipeline.warehouse.dialect import relation
from stori_pipeline.warehouse.load import Loaded
from stori_pipeline_tests.databases import drop_schemas, execute
from stori_pipeline_tests.readings import Given, rows
from stori_pipeline_tests.shipped import SOURCES

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Row = dict[str, Any] | tuple[Any, ...]

ITEMS = Table(
    source=Source("shop", "postgres", "A shop."),
    name="items",
    columns=(Column("id", bigint, nullable=False), Column("note", varchar(64))),
    key=("id",),
    changes=Xmin(),
)

BY_TWO = replace(
    ITEMS,
    columns=(Column("no", integer, nullable=False), Column("line", varchar(8), nullable=False), Column("note", varchar(64))),
    key=("no", "line"),
    distkey="no",
    sortkey=("no", "line"),
)
"""Items with a key of two columns, and ways to lie in the warehouse."""


def under_own_source(table: Table) -> Table:
    """The same definition under a source that no other test has, so that its mirror is in a schema of its own."""
    return replace(table, source=replace(table.source, name=f"shop_{uuid.uuid4().hex[:12]}"))


@dataclass(frozen=True)
class Stores:
    """One test's buckets, and the session's warehouse at `warehouse_url`."""

    s3: S3Client = field(repr=False)
    bucket: str
    lake: Lake
    processed: Lake
    warehouse: Warehouse
    warehouse_url: str = field(repr=False)

    def land_rows(self, table: Table, kind: str, *given: Row, must_land: bool = False) -> Manifest | None:
        """Land a batch of these rows: mappings, or tuples of the first columns' values. A tuple of a key alone is a tombstone."""
        newest = self.lake.newest(table)
        chunk = rows(*(_as_mapping(table, each) for each in given), table=table)
        at = newest.batch + 1 if newest else 1
        reading = Given([chunk], kind="snapshot" if kind == "snapshot" else "changes", at=at, must_land=must_land)
        return self.lake.land(table, reading, newest=newest, run_id=f"land-{at}")

    def load(self, table: Table) -> Loaded | None:
        return sync.load(table, self.lake, self.warehouse, run_id="run")

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """The rows of a SELECT in the warehouse."""
        return self.warehouse.query(statement)

    def execute(self, *statements: str) -> None:
        """Run statements of another session in the warehouse, each committed."""
        execute(self.warehouse_url, *statements, autocommit=True)

    def objects(self, table: Table, under: str = "") -> list[str]:
        """The keys in the bucket below the table's prefix, or below a folder in it."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=f"{table.prefix}/{under}")
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def lose(self, table: Table) -> None:
        """Remove all that has landed of a table."""
        for key in self.objects(table):
            self.s3.delete_object(Bucket=self.bucket, Key=key)

    def body(self, url: str) -> bytes:
        """The object at an address in the bucket."""
        return self.s3.get_object(Bucket=self.bucket, Key=url.removeprefix(f"s3://{self.bucket}/"))["Body"].read()

    def quarantine(self, manifest: Manifest | None) -> list[dict[str, Any]]:
        """The rejected rows of a batch."""
        assert manifest is not None
        found = pl.read_parquet(self.body(manifest.quarantine)).to_dicts()
        assert len(found) == manifest.rejected
        return found


def _as_mapping(table: Table, given: Row) -> dict[str, Any]:
    if isinstance(given, dict):
        return given
    return dict(zip((c.name for c in table.columns), given, strict=False)) | {"_deleted": len(given) == len(table.key)}


@dataclass(frozen=True)
class StoredTable:
    """One table in the stores, whose mirror is in a schema of its own."""

    table: Table
    stores: Stores

    def snapshot(self, *given: Row) -> Manifest:
        manifest = self.stores.land_rows(self.table, "snapshot", *given)
        assert manifest is not None
        return manifest

    def changes(self, *given: Row, must_land: bool = False) -> Manifest:
        manifest = self.stores.land_rows(self.table, "changes", *given, must_land=must_land)
        assert manifest is not None
        return manifest

    def load(self) -> Loaded | None:
        return self.stores.load(self.table)

    def loaded(self) -> Loaded:
        """Load what must be there to load."""
        loaded = self.load()
        assert loaded is not None
        return loaded

    def mirror(self, *more: str) -> list[tuple[Any, ...]]:
        """The mirror's rows in the order of their key: the definition's columns, and others by name."""
        names = ", ".join(f'"{name}"' for name in (*(c.name for c in self.table.columns), *more))
        key = ", ".join(f'"{name}"' for name in self.table.key)
        return self.stores.query(f"SELECT {names} FROM {relation(self.table)} ORDER BY {key}")

    def loads(self) -> list[tuple[Any, ...]]:
        """(batch, rows copied, inserted, deleted) of every load, oldest first."""
        return self.stores.query(
            f"SELECT batch, rows_copied, rows_inserted, rows_deleted FROM pipeline.loads WHERE target = '{self.table.full_name}'"
            " ORDER BY generation, batch, finished_at"
        )


StoreTable = Callable[[Table], StoredTable]


@contextmanager
def storing(stores: Stores) -> Iterator[StoreTable]:
    """Gives a function that stores a table like the one it is given; the mirrors are gone after the block."""
    stored: list[StoredTable] = []

    def store(table: Table) -> StoredTable:
        stored.append(StoredTable(under_own_source(table), stores))
        return stored[-1]

    yield store
    drop_schemas(stores.warehouse_url, *(each.table.source.name for each in stored))


def empty_warehouse(url: str) -> None:
    """Drop all that the shipped project makes in the warehouse. The mirrors have one name each, so tests share them; the ledger knows
    generations by the clock, which a test may have set back since."""
    drop_schemas(url, *(source.name for source in SOURCES), "star", "reports", "pipeline")


@contextmanager
def s3_client(environ: Mapping[str, str]) -> Iterator[S3Client]:
    """A client of the S3 at the address and with the keys that `environ` has."""
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=environ["AWS_ENDPOINT_URL"],
        aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
        region_name=environ["AWS_DEFAULT_REGION"],
    )
    yield client
    client.close()


def empty_bucket(s3: S3Client, bucket: str) -> None:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        if objects := [{"Key": item["Key"]} for item in page.get("Contents", [])]:
            s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})  # type: ignore[typeddict-item]
