"""Definitions suggested from a database: they can be pasted, they are right, and the reader can use them."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg2
import pytest
from psycopg2 import extensions

from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import bigint, boolean, date, decimal, double, integer, smallint, super_, timestamptz, varchar
from stori_pipeline.readers import SourceError, scaffold
from stori_pipeline.readers.postgres import Snapshot, Xmin
from stori_pipeline.readers.postgres.reader import PostgresReader
from stori_pipeline_tests.conftest import SourceDatabase
from stori_pipeline_tests.pasting import pasted
from stori_pipeline_tests.readers.drained import drained

SOURCE = Source(name="shop", kind="postgres", description="A shop.")


EVERYTHING = Table(
    SOURCE,
    "everything",
    (
        Column("region", integer, nullable=False),
        Column("order_id", bigint, nullable=False, path="orderID"),
        Column("small", smallint),
        Column("amount", decimal(18, 2)),
        Column("loose", decimal(38, 10)),
        Column("huge", varchar(53)),
        Column("rounded", decimal(7, 0)),
        Column("price", decimal(19, 2)),
        Column("ratio", double),
        Column("rough", double),
        Column("flag", boolean, nullable=False),
        Column("on_day", date),
        Column("at", timestamptz, nullable=False),
        Column("naive", timestamptz),
        Column("doc", super_),
        Column("old_doc", super_),
        Column("tags", super_),
        Column("code", varchar(40)),
        Column("fixed", varchar(12)),
        Column("name", varchar(65535), description='A "name", it\'s\nsaid \\ é'),
        Column("long", varchar(65535)),
        Column("empty", varchar(65535)),
        Column("longest", super_),
        Column("ref", varchar(36)),
        Column("feeling", varchar(256)),
        Column("raw", varchar(65535)),
        Column("took", varchar(128)),
        Column("c_7th", varchar(65535), path="7th"),
    ),
    ("order_id", "region"),
    Xmin(),
    description='It\'s "all" there',
)


@pytest.fixture
def app(source_db: SourceDatabase) -> Iterator[extensions.connection]:
    connection = psycopg2.connect(source_db.admin_url)
    connection.autocommit = True
    yield connection
    connection.close()


def run(connection: extensions.connection, *statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def test_a_scaffolded_definition_of_every_type_reads_its_table(app: extensions.connection, source_db: SourceDatabase) -> None:
    run(
        app,
        "CREATE TYPE mood AS ENUM ('glad', 'sad')",
        """CREATE TABLE everything (
             region integer, "orderID" bigint, small smallint,
             amount numeric(18,2), loose numeric, huge numeric(50,5), rounded numeric(5,-2), price money,
             ratio double precision, rough real, flag boolean NOT NULL,
             on_day date, at timestamptz NOT NULL, naive timestamp,
             doc jsonb, old_doc json, tags text[],
             code varchar(10), fixed char(3), name text, long text, empty text, longest text,
             ref uuid, feeling mood, raw bytea, took interval, "7th" text,
             PRIMARY KEY ("orderID", region))""",
        "COMMENT ON TABLE everything IS 'It''s \"all\" there'",
        r"COMMENT ON COLUMN everything.name IS E'A \"name\", it''s\nsaid \\ é'",
        """INSERT INTO everything VALUES (
             1, 2, 3, 4.5, 1.2345, 5, 12345, 6.78, 0.5, 0.5, true, '2026-11-21', '2026-11-21', '2026-11-21 10:00', '{}', '{}', '{a}',
             'c', 'f', repeat('n', 20), repeat('l', 3000), NULL, repeat('x', 70000), gen_random_uuid(), 'glad', 'ab', '1 day', 's')""",
    )
    text = scaffold("postgres", source_db.reader_url, "shop", "public.everything")
    table = pasted(text, SOURCE)
    assert table == EVERYTHING
    assert "# naive in the source: read as UTC" in text
    reader = PostgresReader(source_db.reader_url)
    result = drained(reader, table)
    assert (len(result.rows), result.rejected) == (1, [])
    assert reader.drift(table) == []


def test_without_a_primary_key_a_unique_index_or_a_hash_is_the_key(app: extensions.connection, source_db: SourceDatabase) -> None:
    run(
        app,
        "CREATE TABLE keyed (a int, b int NOT NULL UNIQUE, UNIQUE (a))",
        "CREATE TABLE keyless (a int)",
    )
    assert pasted(scaffold("postgres", source_db.reader_url, "shop", "keyed"), SOURCE).key == ("b",)
    keyless = pasted(scaffold("postgres", source_db.reader_url, "shop", "keyless"), SOURCE)
    assert (keyless.key, keyless["row_id"].path, keyless.changes) == (("row_id",), "$row", Snapshot())


def test_no_definition_is_scaffolded_of_a_missing_table(source_db: SourceDatabase) -> None:
    with pytest.raises(SourceError, match=r"there is no table 'public\.nowhere'"):
        scaffold("postgres", source_db.reader_url, "shop", "public.nowhere")


def test_drift_names_each_new_column_with_the_line_to_add(app: extensions.connection, source_db: SourceDatabase) -> None:
    run(app, "CREATE TABLE orders (id int PRIMARY KEY)")
    table = Table(SOURCE, "orders", (Column("id", integer, nullable=False),), ("id",), Xmin())
    reader = PostgresReader(source_db.reader_url)
    assert reader.drift(table) == []
    run(app, "ALTER TABLE orders ADD note text, ADD paid boolean NOT NULL", "INSERT INTO orders VALUES (1, 'twenty characters...', true)")
    note, paid = reader.drift(table)
    assert note.text.startswith("shop.orders: ")
    assert note.text.endswith('Column("note", varchar(65535)),')
    assert paid.text.endswith('Column("paid", boolean),')
    assert [row["id"] for row in drained(reader, table).rows] == [1], "a new column stops nothing"
