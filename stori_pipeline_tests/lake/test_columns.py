"""Batches of the kind `columns`: their manifests, and two runs that land one at once."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from stori_pipeline.lake import Lake, LandingConflict, Manifest
from stori_pipeline.lake.column_batches import land_columns
from stori_pipeline.lake.columns import schema_of
from stori_pipeline.model.schema import Schema
from stori_pipeline.model.table import Column
from stori_pipeline.model.types import date
from stori_pipeline_tests.readings import TABLE, Given, rows

DATED = replace(TABLE, columns=(*TABLE.columns, Column("born", date)))


def test_of_two_runs_that_change_the_columns_at_once_one_lands(lake: Lake) -> None:
    first = lake.land(TABLE, Given([rows({"id": 1, "customer": "ann"}, table=TABLE)]), newest=None, run_id="run")
    assert first is not None
    assert schema_of(lake, TABLE, first) == Schema.of(TABLE)

    def land(run_id: str) -> Manifest:
        return land_columns(lake, DATED, first, ("born",), chunks=(), until=lambda: first.until, taken_at=first.taken_at, run_id=run_id)

    landed = land("one")
    with pytest.raises(LandingConflict, match="another run landed batch 2 first"):
        land("two")
    newest = lake.newest(DATED)
    assert newest == landed
    assert (landed.kind, landed.brings, landed.columns_at, landed.generation) == ("columns", ("born",), 2, first.generation)
    assert schema_of(lake, DATED, landed) == Schema.of(DATED)
    assert lake.live(DATED).select("id", "customer", "born").collect().rows() == [(1, "ann", None)]


def test_a_manifest_with_a_type_that_is_gone_is_a_batch_whose_schema_is_unknown(lake: Lake) -> None:
    """A project may take a type of its own away; the table's other batches must stay readable."""
    landed = lake.land(TABLE, Given([rows({"id": 1, "customer": "ann"}, table=TABLE)]), newest=None, run_id="run")
    assert landed is not None
    document = json.loads(landed.to_json())
    document["meta"]["schema"]["columns"][1]["type"] = "geography"
    found = Manifest.from_json(json.dumps(document).encode(), TABLE, 1, "here")
    assert found == replace(landed, schema=None)
