"""Tables without a key whose new rows alone are read: each row arrives once, equal rows, too.

Belongs here: `Xmin()` with a column `$row`. Does not belong here: tables without a key that are read whole (`scaffolded`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import psycopg2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stori_pipeline.local.stack import Stack
from stori_pipeline.model.changes import Cursor
from stori_pipeline.model.reading import Position
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import timestamptz, varchar
from stori_pipeline.readers import SourceError
from stori_pipeline.readers.postgres import Xmin
from stori_pipeline.readers.postgres.reader import PostgresReader
from stori_pipeline_tests.conftest import SourceDatabase, source_database
from stori_pipeline_tests.extent import extent
from stori_pipeline_tests.readers.drained import drained

SOURCE = Source(name="shop", kind="postgres", description="A shop.")
CLICKS = Table(
    SOURCE, "clicks", (Column("row_id", varchar(64), nullable=False, path="$row"), Column("page", varchar(64))), ("row_id",), Xmin()
)


@pytest.fixture(scope="module")
def database(sources: Stack) -> Iterator[SourceDatabase]:
    with source_database(sources) as database:
        yield database


_STEPS = st.lists(st.sampled_from(["insert a", "insert b", "late a", "commit", "read", "delete a", "update b", "rewrite"]), max_size=12)


@settings(max_examples=extent(40, 400))
@given(_STEPS)
def test_all_rows_of_a_table_without_a_key_arrive(database: SourceDatabase, steps: list[str]) -> None:
    """Whatever is inserted, committed late or deleted between the readings: the mirror has each row as often as the source has it, and,
    until the detection of deletes, the rows that the source no longer has."""
    reader = PostgresReader(database.reader_url)
    app, late = (psycopg2.connect(database.admin_url) for _ in range(2))
    app.autocommit = True
    position: Position | None = None
    mirror: dict[str, str] = {}
    try:
        with app.cursor() as cursor, late.cursor() as late_cursor:
            cursor.execute("DROP TABLE IF EXISTS clicks; CREATE TABLE clicks (page varchar(64))")
            for step in [*steps, "commit", "read"]:
                verb, _, page = step.partition(" ")
                if verb == "insert":
                    cursor.execute("INSERT INTO clicks VALUES (%s), (%s)", [page, page])
                elif verb == "late":
                    late_cursor.execute("INSERT INTO clicks VALUES (%s)", [page])
                elif verb == "commit":
                    late.commit()
                elif verb == "delete":
                    cursor.execute("DELETE FROM clicks WHERE ctid = (SELECT ctid FROM clicks WHERE page = %s LIMIT 1)", [page])
                elif verb == "update":
                    cursor.execute("UPDATE clicks SET page = 'c' WHERE ctid = (SELECT ctid FROM clicks WHERE page = %s LIMIT 1)", [page])
                elif verb == "rewrite":
                    late.commit()  # the rewrite waits for open transactions
                    cursor.execute("VACUUM FULL clicks")
                else:
                    reading = drained(reader, CLICKS, position)
                    position = reading.until
                    mirror |= {row["row_id"]: row["page"] for row in reading.rows}
                    listed = {row["row_id"]: row["page"] for row in drained(reader, CLICKS).rows}
                    cursor.execute("SELECT page FROM clicks")
                    assert Counter(listed.values()) == Counter(page for (page,) in cursor.fetchall())
                    assert listed.items() <= mirror.items()
                    mirror = listed  # deletes are detected
    finally:
        late.close()
        app.close()


def test_only_the_new_rows_of_a_table_without_a_key_are_read(database: SourceDatabase) -> None:
    reader = PostgresReader(database.reader_url)
    with psycopg2.connect(database.admin_url) as app, app.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS clicks; CREATE TABLE clicks (page varchar(64)); INSERT INTO clicks VALUES ('a'), ('a'), ('b')")
        app.commit()
        first = drained(reader, CLICKS)
        cursor.execute("INSERT INTO clicks VALUES ('a')")
        app.commit()
        second = drained(reader, CLICKS, first.until)
    assert (second.kind, [row["page"] for row in second.rows]) == ("changes", ["a"])
    assert [row["row_id"][-2:] for row in second.rows] == ["-3"]


def test_a_cursor_over_a_table_without_a_key_is_refused(database: SourceDatabase) -> None:
    with psycopg2.connect(database.admin_url) as app, app.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS clicks; CREATE TABLE clicks (page varchar(64), at timestamptz)")
    columns = (*CLICKS.columns, Column("at", timestamptz))
    table = Table(SOURCE, "clicks", columns, ("row_id",), Cursor("at", lag=timedelta(minutes=5)), cursor="at")
    with pytest.raises(SourceError, match=r"needs changes=Snapshot\(\), or Xmin\(\) if rows are mostly added"):
        drained(PostgresReader(database.reader_url), table)
