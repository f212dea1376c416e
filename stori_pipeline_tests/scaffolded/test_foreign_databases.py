"""Databases of well-known shapes, with rows made for them: every table is brought by the definition that is suggested for it, and proved
equal, before and after its application has changed it.

Belongs here: which databases, and how many rows come. Does not belong here: their SQL (`foreign/`), or random tables
(`test_random_tables`).
"""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from stori_pipeline.local.stack import Stack
from stori_pipeline.model.source import Source
from stori_pipeline.readers import reader_for, suggest
from stori_pipeline_tests.databases import drop_schemas, execute
from stori_pipeline_tests.scaffolded.encoded import READABLE, encoded_database
from stori_pipeline_tests.scaffolded.journeys import brought, defined
from stori_pipeline_tests.stores import Stores

ROWS: dict[str, dict[str, tuple[int, int]]] = {
    "northwind": {
        "categories": (8, 8),
        "customers": (81, 82),
        "employee_territories": (49, 43),
        "employees": (9, 9),
        "order_details": (1200, 1176),
        "order_subtotals": (400, 392),
        "orders": (400, 393),
        "products": (77, 77),
        "products_above_average_price": (38, 38),
        "region": (3, 3),
    },
    "chinook": {
        "album": (300, 300),
        "artist": (120, 122),
        "employee": (8, 8),
        "invoice": (412, 413),
        "playlist_track": (1200, 1032),
        "track": (3500, 3401),
    },
    "pagila": {
        "film": (1000, 991),
        "film_actor": (500, 490),
        "film_list": (1000, 991),
        "language": (3, 3),
        "legacy_address": (2, 2),
        "payment": (2000, 1085),
        "payment_p2022_03": (200, 200),
        "payments_by_day": (56, 34),
        "staff": (2, 2),
    },
    "latin1": {"strasse": (1500, 1452), "umsatze": (3000, 2900)},
    "random_keys": {"events": (6005, 6042), "halves": (3003, 3000), "pairs": (2000, 1972)},
}
"""By database: how many rows each mirror has at first, and after the changes."""


@pytest.mark.parametrize("name", ROWS)
def test_every_table_of_a_foreign_database_is_brought_and_proved_equal(name: str, sources: Stack, stores: Stores) -> None:
    made, changes = (Path(__file__).parent / "foreign" / f"{name}.sql").read_text(encoding="utf-8").split("-- Then:\n")
    source = Source(f"{name}_{uuid.uuid4().hex[:8]}", "postgres", "Somebody's.")
    with encoded_database(sources, "LATIN1" if name == "latin1" else "UTF8") as database:
        execute(database.admin_url, made, READABLE)
        found = suggest("postgres", database.reader_url, source.name)
        assert found.left_out == ()
        tables, reader = defined(source, found.tables), reader_for("postgres", database.reader_url)
        first = {table.name: brought(table, reader, stores) for table in tables}
        execute(database.admin_url, changes)
        rows = {table.name: (first[table.name], brought(table, reader, stores)) for table in tables}
        assert rows == ROWS[name]
        assert [line for table in tables for line in reader.drift(table)] == []
        drop_schemas(stores.warehouse_url, source.name)
