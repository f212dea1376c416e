"""What the tests of the load share: a table of their own, its batches in a lake, its mirror in the local Redshift.

Belongs here: landing rows that a test writes down, loading them, and looking at what came of it. Does not belong here: what it
should be.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import psycopg2

from stori_pipeline.lake import Lake, Manifest
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import bigint, varchar
from stori_pipeline.pipeline import sync
from stori_pipeline.readers.postgres import Xmin
from stori_pipeline.warehouse import Warehouse
from stori_pipeline.warehouse.dialect import relation
from stori_pipeline.warehouse.load import Loaded
from stori_pipeline_tests.lake.readings import Given, rows

ITEMS = Table(
    source=Source("shop", "postgres", "A shop."),
    name="items",
    columns=(Column("id", bigint, nullable=False), Column("note", varchar(64))),
    key=("id",),
    changes=Xmin(),
)


def own(table: Table) -> Table:
    """The same record under a source that nobody else has, so that its mirror is in a schema of its own."""
    return replace(table, source=replace(table.source, name=f"shop_{uuid.uuid4().hex[:12]}"))


@dataclass
class Shop:
    """One table with its lake and its warehouse. `url` is the warehouse's address."""

    table: Table
    lake: Lake
    warehouse: Warehouse
    url: str

    def land(self, kind: str, *given: dict[str, Any] | tuple[Any, ...], must_land: bool = False) -> Manifest | None:
        """A batch of these rows: mappings, or tuples of the first columns' values. A tuple of a key alone is a tombstone."""
        newest = self.lake.newest(self.table)
        chunk = rows(*(self._row(each) for each in given), table=self.table)
        at = newest.batch + 1 if newest else 1
        reading = Given([chunk], kind="snapshot" if kind == "snapshot" else "changes", at=at, must_land=must_land)
        return self.lake.land(self.table, reading, newest=newest, run_id=f"land-{at}")

    def snapshot(self, *given: dict[str, Any] | tuple[Any, ...]) -> Manifest:
        manifest = self.land("snapshot", *given)
        assert manifest is not None
        return manifest

    def changes(self, *given: dict[str, Any] | tuple[Any, ...], must_land: bool = False) -> Manifest:
        manifest = self.land("changes", *given, must_land=must_land)
        assert manifest is not None
        return manifest

    def _row(self, given: dict[str, Any] | tuple[Any, ...]) -> dict[str, Any]:
        if isinstance(given, dict):
            return given
        return dict(zip((c.name for c in self.table.columns), given, strict=False)) | {"_deleted": len(given) == len(self.table.key)}

    def load(self) -> Loaded | None:
        return sync.load(self.table, self.lake, self.warehouse, run_id="run")

    def loaded(self) -> Loaded:
        loaded = self.load()
        assert loaded is not None
        return loaded

    def mirror(self, *more: str) -> list[tuple[Any, ...]]:
        """The mirror's rows in the order of their key: the record's columns, and others by name."""
        names = ", ".join(f'"{name}"' for name in (*(c.name for c in self.table.columns), *more))
        key = ", ".join(f'"{name}"' for name in self.table.key)
        return self.warehouse.query(f"SELECT {names} FROM {relation(self.table)} ORDER BY {key}")

    def ledger(self) -> list[tuple[Any, ...]]:
        """(batch, rows copied, inserted, deleted) of every load, oldest first."""
        return self.warehouse.query(
            "SELECT batch, rows_copied, rows_inserted, rows_deleted FROM pipeline.loads WHERE target = %s"
            " ORDER BY generation, batch, finished_at",
            (self.table.full_name,),
        )

    def run(self, *statements: str) -> None:
        """Statements of somebody else, each committed."""
        run(self.url, statements)


def run(url: str, statements: Sequence[str]) -> None:
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
