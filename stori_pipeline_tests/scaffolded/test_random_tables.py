"""Whatever tables a Postgres database has: suggested definitions take all their rows, and the mirrors are proved equal."""

from __future__ import annotations

import uuid

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from stori_pipeline.model.source import Source
from stori_pipeline.readers import reader_for, suggest
from stori_pipeline_tests.conftest import SourceDatabase
from stori_pipeline_tests.databases import drop_schemas, execute
from stori_pipeline_tests.extent import extent
from stori_pipeline_tests.scaffolded.databases import OWN_TYPES, TableMade, tables
from stori_pipeline_tests.scaffolded.journeys import brought, defined
from stori_pipeline_tests.stores import Stores

SCHEMAS = ("public", 'Sales "2026"')


@given(made=tables(SCHEMAS), more=st.lists(st.integers(0, 60), min_size=1, max_size=4))
@settings(
    max_examples=extent(6, 40),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_suggested_definitions_bring_every_row_of_random_tables(
    made: list[TableMade], more: list[int], source_db: SourceDatabase, stores: Stores
) -> None:
    admin = source_db.admin_url
    execute(source_db.superuser_url, 'DROP SCHEMA IF EXISTS public, "Sales ""2026""" CASCADE')
    execute(source_db.superuser_url, *(f"CREATE SCHEMA {name} AUTHORIZATION app" for name in ("public", '"Sales ""2026"""')))
    execute(
        admin,
        *OWN_TYPES,
        *(statement for each in made for statement in (each.create(), each.insert(each.seeds, first=True))),
        *(f"GRANT USAGE ON SCHEMA {name} TO reader" for name in ("public", '"Sales ""2026"""')),
        *(f"GRANT SELECT ON ALL TABLES IN SCHEMA {name} TO reader" for name in ("public", '"Sales ""2026"""')),
    )
    source = Source(f"any_{uuid.uuid4().hex[:8]}", "postgres", "Anybody's.")
    reader = reader_for("postgres", source_db.reader_url)
    try:
        found = suggest(source.kind, source_db.reader_url, source.name)
        assert found.left_out == ()
        definitions = defined(source, found.tables)
        assert len(definitions) == len(made)
        for table in definitions:
            brought(table, reader, stores)
        execute(admin, *(statement for each in made for statement in (each.insert(more, first=False), each.update(more[0]))))
        for table in definitions:
            brought(table, reader, stores)
            assert reader.drift(table) == []
    finally:
        drop_schemas(stores.warehouse_url, source.name)
