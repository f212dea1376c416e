"""From the tables of a Postgres database to mirrors that are proved equal, by the definitions that are suggested for them.

Belongs here: the steps. Does not belong here: tables (`databases`, and the tests).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Table
from stori_pipeline.pipeline import sync
from stori_pipeline.pipeline.detect_deletes import detect_deletes
from stori_pipeline.readers import Reader
from stori_pipeline.readers.definition_modules import module_text
from stori_pipeline.readers.scaffolding import SuggestedTable
from stori_pipeline.verify.proof import prove
from stori_pipeline_tests.stores import Stores


def defined(source: Source, tables: Sequence[SuggestedTable]) -> tuple[Table, ...]:
    """The tables of the module that is written for a source."""
    known: dict[str, Any] = {}
    exec(compile(module_text(source, tables), "catalog", "exec"), known)  # noqa: S102  (running what is written is the test)
    return tuple(known["TABLES"])


def brought(table: Table, reader: Reader, stores: Stores) -> int:
    """Lands and loads what is new, and proves that the mirror equals the source, with no row in quarantine. Returns the rows of both."""
    landed = sync.land(table, reader, stores.lake, run_id="run").manifest
    assert landed is None or landed.rejected == 0, stores.quarantine(landed)
    stores.load(table)
    if not table.changes.sees_deletes and detect_deletes(table, reader, stores.lake, stores.warehouse, run_id="run", force=True):
        stores.load(table)
    proof = prove(table, reader, stores.lake, stores.warehouse)
    assert proof.equal, proof
    assert proof.source_rows == proof.warehouse_rows, proof
    return proof.source_rows
