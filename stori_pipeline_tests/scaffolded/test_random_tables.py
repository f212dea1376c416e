"""Whatever tables a Postgres database has: suggested definitions take all their rows, and the mirrors are proved equal."""

from __future__ import annotations

import uuid
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Table
from stori_pipeline.pipeline import sync
from stori_pipeline.pipeline.detect_deletes import detect_deletes
from stori_pipeline.readers import Reader, reader_for, suggest
from stori_pipeline.readers.definition_modules import module_text
from stori_pipeline.verify.proof import prove
from stori_pipeline_tests.conftest import SourceDatabase
from stori_pipeline_tests.databases import drop_schemas, execute
from stori_pipeline_tests.scaffolded.databases import OWN_TYPES, TableMade, tables
from stori_pipeline_tests.stores import Stores

SCHEMAS = ("public", 'Sales "2026"')


def defined(source: Source, url: str) -> tuple[Table, ...]:
    """The tables of the module that is written for a source."""
    found = suggest(source.kind, url, source.name)
    assert found.left_out == ()
    known: dict[str, Any] = {}
    exec(compile(module_text(source, found.tables), "catalog", "exec"), known)  # noqa: S102  (running what is written is the test)
    return tuple(known["TABLES"])


def brought(table: Table, reader: Reader, stores: Stores) -> None:
    """Lands and loads what is new, and proves that the mirror equals the source, with no row in quarantine."""
    landed = sync.land(table, reader, stores.lake, run_id="run").manifest
    assert landed is None or landed.rejected == 0, stores.quarantine(landed)
    stores.load(table)
    if not table.changes.sees_deletes and detect_deletes(table, reader, stores.lake, stores.warehouse, run_id="run", force=True):
        stores.load(table)
    proof = prove(table, reader, stores.lake, stores.warehouse)
    assert proof.equal, proof
    assert proof.source_rows == proof.warehouse_rows, proof


@given(made=tables(SCHEMAS), more=st.lists(st.integers(0, 60), min_size=1, max_size=4))
@settings(
    max_examples=6,
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
        definitions = defined(source, source_db.reader_url)
        assert len(definitions) == len(made)
        for table in definitions:
            brought(table, reader, stores)
        execute(admin, *(statement for each in made for statement in (each.insert(more, first=False), each.update(more[0]))))
        for table in definitions:
            brought(table, reader, stores)
            assert reader.drift(table) == []
    finally:
        drop_schemas(stores.warehouse_url, source.name)
