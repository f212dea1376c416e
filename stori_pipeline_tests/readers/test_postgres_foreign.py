"""Rows that another server holds: foreign tables, alone and as parts of a table. No transaction of this server wrote them.

Belongs here: which strategies can read them. Does not belong here: parts whose rows are here (`test_postgres_unwritten`).
"""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from stori_pipeline.model.changes import Changes, Cursor
from stori_pipeline.model.table import Column
from stori_pipeline.model.types import date, integer
from stori_pipeline.readers import SourceError
from stori_pipeline.readers.postgres import Snapshot, Xmin
from stori_pipeline_tests.conftest import SourceDatabase
from stori_pipeline_tests.databases import execute
from stori_pipeline_tests.readers.mirrors import mirror

COLUMNS = (Column("id", integer, nullable=False), Column("d", date, nullable=False))


@pytest.fixture
def database(source_db: SourceDatabase) -> SourceDatabase:
    """Its table `items` has a partition of its own, and one that is in another schema as in another server."""
    reader = urlsplit(source_db.reader_url)
    execute(
        source_db.superuser_url,
        "CREATE EXTENSION postgres_fdw; CREATE SCHEMA far; CREATE TABLE far.y2023 (id int, d date)",
        "CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw"
        f" OPTIONS (host '{reader.hostname}', port '{reader.port}', dbname '{source_db.name}')",
        f"CREATE USER MAPPING FOR reader SERVER far OPTIONS (user 'reader', password '{reader.password}')",
        "CREATE TABLE items (id int NOT NULL, d date NOT NULL) PARTITION BY RANGE (d)",
        "CREATE TABLE y2024 PARTITION OF items FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')",
        "CREATE FOREIGN TABLE y2023 PARTITION OF items FOR VALUES FROM ('2023-01-01') TO ('2024-01-01')"
        " SERVER far OPTIONS (schema_name 'far', table_name 'y2023')",
        "GRANT USAGE ON SCHEMA far TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA public, far TO reader",
        "INSERT INTO far.y2023 VALUES (1, '2023-05-05'); INSERT INTO y2024 VALUES (2, '2024-05-05')",
    )
    return source_db


@pytest.mark.parametrize("changes", [Xmin(), Cursor("d")])
def test_changes_of_a_table_with_a_foreign_partition_are_refused_not_lost(database: SourceDatabase, changes: Changes) -> None:
    """Regression: a foreign row counted as older than every position, so only the first snapshot had any."""
    with pytest.raises(
        SourceError, match=r"a foreign table or the parent of one, in which changed rows cannot be found; write changes=Snap"
    ):
        mirror(database, COLUMNS, changes=changes).read()


def test_a_table_with_a_foreign_partition_is_read_whole(database: SourceDatabase) -> None:
    items = mirror(database, COLUMNS, changes=Snapshot())
    assert items.read().values("id") == [1, 2]
    assert items.read().rows == []
    before = items.reader.head(items.table, items.position)
    execute(database.superuser_url, "INSERT INTO far.y2023 VALUES (3, '2023-05-05')")
    assert items.reader.head(items.table, items.position) != before
    assert items.read().values("id") == [1, 2, 3]
