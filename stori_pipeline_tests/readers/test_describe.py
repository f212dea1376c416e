"""What every reader says of its source: see `Reader.describe`."""

from __future__ import annotations

from stori_pipeline.readers.postgres.reader import PostgresReader
from stori_pipeline_tests.conftest import SourceDatabase
from stori_pipeline_tests.databases import execute
from stori_pipeline_tests.readers.shop import Rig, items


def test_a_source_describes_itself_in_a_line(rig: Rig) -> None:
    rig.insert(items(1))
    said = rig.reader.describe("shop")
    assert said
    assert "\n" not in said
    assert "s3cret" not in said


def test_tables_in_schemas_without_usage_are_counted_and_the_schemas_named(source_db: SourceDatabase) -> None:
    """Regression: the role of a database whose tables are all in such a schema may read "0 of 0"."""
    execute(
        source_db.admin_url,
        'CREATE SCHEMA closed; CREATE SCHEMA "Shut"',
        'CREATE TABLE closed.items (id int); CREATE VIEW "Shut".more AS SELECT 1 AS n; CREATE TABLE items (id int)',
        "CREATE SCHEMA empty; GRANT SELECT ON closed.items, items TO reader",
    )
    said = PostgresReader(source_db.reader_url).describe("shop")
    assert said.endswith(': reader may read 1 of 3 tables and views; it lacks USAGE on the schema(s) "Shut", closed'), said
