"""A database as applications leave them behind: every table is suggested, brought and proved equal, without a line by hand."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import pytest

from stori_pipeline.local.stack import Stack
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Table
from stori_pipeline.pipeline.repair import repair
from stori_pipeline.readers import Reader, SourceError, reader_for, scaffold, suggest
from stori_pipeline.readers.postgres import Snapshot, Xmin
from stori_pipeline.readers.scaffolding import Suggestions
from stori_pipeline.verify.proof import prove
from stori_pipeline_tests.conftest import SourceDatabase, source_database
from stori_pipeline_tests.databases import drop_schemas, execute
from stori_pipeline_tests.pasting import pasted
from stori_pipeline_tests.readers.drained import drained
from stori_pipeline_tests.scaffolded.journeys import brought, defined
from stori_pipeline_tests.stores import Stores

_MADE = """
CREATE TYPE mood AS ENUM ('glad', 'sad');
CREATE SCHEMA person; CREATE SCHEMA "Sales"; CREATE SCHEMA closed;
CREATE TABLE "Album" ("AlbumId" serial PRIMARY KEY, "Title" varchar(160) NOT NULL, "ArtistId" int);
INSERT INTO "Album" ("Title", "ArtistId") VALUES ('Für Elise', 1), ('Größe', 2);
CREATE TABLE "Order Details" ("OrderID" int, "ProductID" int, "Unit Price" numeric(10,2), PRIMARY KEY ("OrderID", "ProductID"));
INSERT INTO "Order Details" VALUES (1, 2, 3.50), (1, 3, 4), (2, 2, NULL);
CREATE TABLE "LabOrder" ("orderId" serial PRIMARY KEY, "customerId" int, customer_id int);
INSERT INTO "LabOrder" ("customerId", customer_id) VALUES (1, 2);
CREATE TABLE person.person (businessentityid int PRIMARY KEY, mood mood, tags text[], _batch int, "order" text, modified timestamp);
INSERT INTO person.person VALUES (1, 'glad', '{a,b}', 7, 'first', now());
CREATE TABLE "Sales".person (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text);
INSERT INTO "Sales".person (name) VALUES ('x'), (NULL);
CREATE TABLE "Sales"."a.b" (id int PRIMARY KEY);
CREATE TABLE log (at timestamptz, line text); INSERT INTO log SELECT '2026-11-21', 'twice' FROM generate_series(1, 2);
CREATE TABLE unique_only (a int, b int NOT NULL, UNIQUE (a), UNIQUE (b)); INSERT INTO unique_only VALUES (NULL, 1), (NULL, 2);
CREATE TABLE readings (at date NOT NULL, n int NOT NULL, PRIMARY KEY (at, n)) PARTITION BY RANGE (at);
CREATE TABLE readings_2025 PARTITION OF readings FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE readings_2026 PARTITION OF readings FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
INSERT INTO readings VALUES ('2025-05-05', 1), ('2026-05-05', 1);
CREATE TABLE city (id int PRIMARY KEY); CREATE TABLE capital (of text) INHERITS (city);
INSERT INTO city VALUES (1); INSERT INTO capital VALUES (1, 'both have the id 1');
CREATE TABLE staff (id int PRIMARY KEY, name text, salary numeric); INSERT INTO staff VALUES (1, 'a', 2), (2, 'b', 3);
CREATE TABLE nothing ();
CREATE VIEW per_artist AS SELECT "ArtistId" AS artist, count(*) AS albums FROM "Album" GROUP BY 1;
CREATE MATERIALIZED VIEW titles AS SELECT "AlbumId" AS id, "Title" AS title FROM "Album"; CREATE UNIQUE INDEX ON titles (id);
CREATE MATERIALIZED VIEW words AS SELECT 'same' AS word FROM "Album";
CREATE VIEW broken AS SELECT 1 / (count(*) - count(*)) AS n FROM "Album";
CREATE TABLE guarded (id int PRIMARY KEY); INSERT INTO guarded VALUES (1); ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE TABLE hashed (id int PRIMARY KEY, "$row" text); INSERT INTO hashed VALUES (1, 'a'); CREATE TABLE unhashed ("$row" text);
CREATE TABLE secrets (id int PRIMARY KEY); CREATE TABLE closed.room (id int PRIMARY KEY);
GRANT USAGE ON SCHEMA person, "Sales" TO reader;
GRANT SELECT ON ALL TABLES IN SCHEMA public, person, "Sales", closed TO reader;
REVOKE SELECT ON secrets, staff FROM reader; GRANT SELECT (id, name) ON staff TO reader;
"""

_ROWS = {
    "album": 2, "order_details": 3, "lab_order": 1, "person_person": 1, "sales_person": 2, "sales_a_b": 0, "log": 2, "unique_only": 2,
    "readings": 2, "city": 2, "capital": 1, "staff": 2, "per_artist": 2, "titles": 2, "words": 2, "hashed": 1,
}  # fmt: skip


@dataclass
class Shop:
    """A database, what is suggested for it, and its tables by name."""

    database: SourceDatabase
    source: Source
    found: Suggestions
    reader: Reader
    tables: Mapping[str, Table]

    def write(self, *statements: str) -> None:
        execute(self.database.admin_url, *statements)


def opened(database: SourceDatabase) -> Shop:
    execute(database.admin_url, _MADE)
    source = Source(f"shop_{uuid.uuid4().hex[:8]}", "postgres", "A shop.")
    found = suggest("postgres", database.reader_url, source.name)
    tables = {table.name: table for table in defined(source, found.tables)}
    return Shop(database, source, found, reader_for("postgres", database.reader_url), tables)


@pytest.fixture(scope="module")
def shop(sources: Stack) -> Iterator[Shop]:
    """A shop whose rows and shapes stay as they are."""
    with source_database(sources) as database:
        yield opened(database)


@pytest.fixture
def own_shop(source_db: SourceDatabase, warehouse_url: str) -> Iterator[Shop]:
    """A shop for one test to write to, and to bring to the warehouse."""
    shop = opened(source_db)
    yield shop
    drop_schemas(warehouse_url, shop.source.name)


def test_every_table_is_equal_without_editing_a_line(own_shop: Shop, stores: Stores) -> None:
    assert {name: brought(table, own_shop.reader, stores) for name, table in own_shop.tables.items()} == _ROWS
    own_shop.write(
        """INSERT INTO "Album" ("Title", "ArtistId") VALUES ('another', 2)""",
        "INSERT INTO log SELECT '2026-11-21', 'twice' FROM generate_series(1, 3)",
        "DELETE FROM log WHERE ctid = (SELECT min(ctid) FROM log)",
        "INSERT INTO log VALUES (NULL, NULL), (NULL, '')",
        "INSERT INTO capital VALUES (2, NULL)",
        "UPDATE unique_only SET a = b",
        "REFRESH MATERIALIZED VIEW titles",
    )
    later = {"album": 3, "log": 6, "city": 3, "capital": 2, "titles": 3}
    assert {name: brought(table, own_shop.reader, stores) for name, table in own_shop.tables.items()} == _ROWS | later


def test_a_key_is_what_the_source_guarantees_and_else_a_hash_of_the_row(shop: Shop) -> None:
    keys = {name: (table.key, type(table.changes)) for name, table in shop.tables.items()}
    assert keys["order_details"] == (("order_id", "product_id"), Xmin)
    assert keys["readings"] == (("at", "n"), Xmin)
    assert keys["unique_only"] == (("b",), Xmin)
    assert keys["titles"] == (("id",), Snapshot)
    assert [name for name, (key, _) in keys.items() if key == ("row_id",)] == ["capital", "city", "log", "per_artist", "words"]
    assert shop.tables["lab_order"].source_name == "LabOrder"
    assert [(c.name, c.path) for c in shop.tables["lab_order"].columns] == [
        ("order_id", "orderId"),
        ("customer_id_2", "customerId"),
        ("customer_id", ""),
    ]


def test_what_is_left_out_says_why_and_what_to_do(shop: Shop) -> None:
    left_out = "\n".join(shop.found.left_out)
    assert 'GRANT SELECT ON "public"."secrets" TO "reader"' in left_out
    assert (
        'closed.room: the role \'reader\' may not read it; as the table\'s owner, run GRANT USAGE ON SCHEMA "closed" TO "reader"'
        in left_out
    )
    assert "nothing: it has no column at all; add one" in left_out
    assert "broken: " in left_out
    assert "division by zero" in left_out
    assert "guarded: " in left_out
    assert 'ALTER ROLE "reader" BYPASSRLS' in left_out
    assert "unhashed: it has no unique key, and a column '$row'" in left_out
    assert len(shop.found.left_out) == 6
    (staff,) = (table for table in shop.found.tables if table.name == "staff")
    assert [column.name for column in staff.columns] == ["id", "name"]
    assert staff.notes[0].startswith("the role reader may not read salary; to land all of them, and only changes, GRANT SELECT ON")
    assert staff.changes == "Snapshot()", "nor may it read the system column xmin"
    assert shop.reader.drift(shop.tables["staff"]) == []


def test_tables_that_the_project_has_are_left_alone_and_keep_their_names(shop: Shop) -> None:
    known = [
        shop.tables["album"],
        replace(shop.tables["log"], name="city", source_name="log"),
        replace(shop.tables["staff"], source_name="public.staff"),
    ]
    found = suggest("postgres", shop.database.reader_url, shop.source.name, known=known)
    names = {table.name: table.source_name for table in found.tables}
    assert {name: source_name for name, source_name in names.items() if "city" in name} == {"city_2": "city"}
    assert not {"album", "log", "staff"} & names.keys()
    (again,) = suggest("postgres", shop.database.reader_url, shop.source.name, names=["Album"], known=known).tables
    assert again.name == "album"


def test_one_table_is_suggested_by_its_own_name_in_its_schema(shop: Shop) -> None:
    table = pasted(scaffold("postgres", shop.database.reader_url, "shop", "Sales.person"), shop.source)
    assert (table.name, table.source_name) == ("sales_person", "Sales.person")
    for name in ("public.Album", '"Album"', "Album"):
        assert pasted(scaffold("postgres", shop.database.reader_url, "shop", name), shop.source).source_name == "Album"
    with pytest.raises(SourceError, match="GRANT SELECT ON"):
        scaffold("postgres", shop.database.reader_url, "shop", "secrets")


# ---- snapshots


def test_a_snapshot_whose_rows_are_the_same_lands_nothing(shop: Shop) -> None:
    for name in ("per_artist", "titles", "log"):
        first = drained(shop.reader, shop.tables[name])
        shop.write("""UPDATE "Album" SET "Title" = "Title" || '' """, "UPDATE log SET line = line")
        again = drained(shop.reader, shop.tables[name], first.until)
        assert (again.kind, again.rows, again.must_land, again.until) == ("changes", [], False, first.until)


def test_the_head_of_a_view_moves_with_the_tables_below_it(shop: Shop) -> None:
    view = shop.tables["per_artist"]
    until = drained(shop.reader, view).until
    before = shop.reader.head(view, until)
    shop.write("""UPDATE "Album" SET "Title" = "Title" """)
    deadline = time.monotonic() + 30
    while (moved := shop.reader.head(view, until)) == before and time.monotonic() < deadline:
        time.sleep(0.1)
    assert moved != before


def test_rows_of_a_view_with_the_same_key_are_refused_before_one_is_lost(shop: Shop) -> None:
    shop.write("CREATE VIEW doubled AS SELECT 1 AS id, 'a' AS word UNION ALL SELECT 1, 'b'", "GRANT SELECT ON doubled TO reader")
    doubled = pasted(scaffold("postgres", shop.database.reader_url, "shop", "doubled"), shop.source)
    by_id = replace(doubled, columns=(replace(doubled["id"], nullable=False), doubled["word"]), key=("id",))
    with pytest.raises(SourceError, match=r"1 of 2 rows of .* have the same key \(id\).*path='\$row'"):
        drained(shop.reader, by_id)
    assert len(drained(shop.reader, doubled).rows) == 2


def test_a_table_without_a_key_can_be_read_by_its_new_rows(own_shop: Shop, stores: Stores) -> None:
    log = replace(own_shop.tables["log"], changes=Xmin())
    assert brought(log, own_shop.reader, stores) == 2
    own_shop.write("INSERT INTO log SELECT '2026-11-21', 'twice' FROM generate_series(1, 3)", "INSERT INTO log VALUES (NULL, NULL)")
    assert brought(log, own_shop.reader, stores) == 6
    newest = stores.lake.newest(log)
    assert newest is not None
    assert (newest.kind, newest.rows) == ("changes", 4)
    own_shop.write("DELETE FROM log WHERE line IS NULL", "UPDATE log SET line = 'once' WHERE ctid = (SELECT min(ctid) FROM log)")
    assert brought(log, own_shop.reader, stores) == 5


def test_a_row_that_a_view_has_anew_does_not_hide_one_that_differs(own_shop: Shop, stores: Stores) -> None:
    """A reading of the whole table does not say which rows changed. If all of them were in flight, no difference would ever count."""
    view = own_shop.tables["per_artist"]
    brought(view, own_shop.reader, stores)
    landed = stores.lake.newest(view)
    own_shop.write("""INSERT INTO "Album" ("Title", "ArtistId") VALUES ('another', 2)""")
    proof = prove(view, own_shop.reader, stores.lake, stores.warehouse)
    assert (proof.equal, len(proof.in_flight)) == (True, 2)  # the counted row before and after: all values are its key
    assert landed is not None
    assert proof.verified_through == landed.taken_at
    ((key,),) = {tuple(row) for row in stores.query(f'SELECT "{view.key[0]}" FROM {view.full_name}')} - proof.in_flight
    stores.execute(f"DELETE FROM {view.full_name} WHERE \"{view.key[0]}\" = '{key}'")
    proof = prove(view, own_shop.reader, stores.lake, stores.warehouse)
    assert [(each.key, each.why) for each in proof.differing] == [((key,), "missing")]


def test_a_mirror_without_a_key_is_repaired(own_shop: Shop, stores: Stores) -> None:
    """Regression: its position has no server, and the repair said that it was lost."""
    log = own_shop.tables["log"]
    brought(log, own_shop.reader, stores)
    assert isinstance(log.changes, Snapshot)
    stores.execute(
        f"INSERT INTO {log.full_name} SELECT * FROM {log.full_name} WHERE line = 'twice'",
        f"UPDATE {log.full_name} SET line = 'changed by hand' WHERE line = 'twice'",
    )
    repaired = repair(log, own_shop.reader, stores.lake, stores.warehouse, run_id="run")
    assert repaired.rows_landed == 2
    assert prove(log, own_shop.reader, stores.lake, stores.warehouse).equal


# ---- keys


def test_a_key_that_is_narrower_than_the_sources_is_refused(shop: Shop) -> None:
    details = replace(shop.tables["order_details"], key=("order_id",))
    refused = "key (order_id) would merge rows that the source's key (OrderID, ProductID) tells apart"
    with pytest.raises(SourceError, match=re.escape(refused)):
        drained(shop.reader, details)
    (found,) = [each for each in shop.reader.drift(details) if each.change == "key"]
    assert found.is_error
    assert refused in found.text


def test_a_key_that_the_source_no_longer_guarantees_is_drift(own_shop: Shop) -> None:
    assert own_shop.reader.drift(own_shop.tables["album"]) == []
    own_shop.write('ALTER TABLE "Album" DROP CONSTRAINT "Album_pkey"')
    (line,) = own_shop.reader.drift(own_shop.tables["album"])
    assert "has no unique index on (album_id), the definition's key" in line.text
    assert len(drained(own_shop.reader, own_shop.tables["album"]).rows) == 2
