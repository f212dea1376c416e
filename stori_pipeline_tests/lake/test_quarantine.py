"""Which rejected rows are open, as manifests of this version and of earlier ones say it."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from stori_pipeline.lake import Lake, Manifest
from stori_pipeline.lake.column_batches import land_columns
from stori_pipeline.lake.decisions import Decision
from stori_pipeline.lake.manifest import manifest_key
from stori_pipeline.lake.quarantine import blocked_batches, open_rows, rejected_batches, rows_in_quarantine
from stori_pipeline.model.table import Column
from stori_pipeline.model.types import bigint
from stori_pipeline.pipeline import quarantine
from stori_pipeline_tests.readings import TABLE, Given, orders, rejected


def _land(lake: Lake, kind: str, bad: int, *decisions: Decision, good: int = 1) -> Manifest:
    newest = lake.newest(TABLE)
    reading = Given([orders(1, good)] if good else [], [rejected(*map(str, range(bad)))], kind=kind, must_land=True)  # type: ignore[arg-type]
    landed = lake.land(TABLE, reading, newest=newest, run_id="run", decisions=decisions)
    assert landed is not None
    return landed


def _numbers(lake: Lake) -> dict[int, list[int]]:
    return {each.manifest.batch: open_rows(lake, TABLE, each).collect()["number"].to_list() for each in rejected_batches(lake, TABLE)}


def test_open_rows_are_counted_by_each_batch_and_found_from_the_newest(lake: Lake) -> None:
    _land(lake, "snapshot", 3)
    _land(lake, "changes", 0, Decision.of_rows("discarded", 1, [1]))
    _land(lake, "changes", 2)
    _land(lake, "changes", 0, Decision.of_rows("replayed", 3, [1, 2]), Decision.of_rows("superseded", 1, [3]))
    newest = _land(lake, "changes", 0)
    assert (newest.still_open, newest.decided, rows_in_quarantine(lake, TABLE)) == (1, 4, 1)
    assert _numbers(lake) == {1: [2]}
    assert _land(lake, "snapshot", 4).still_open == 4  # a new generation has read the source again
    assert _numbers(lake) == {6: [1, 2, 3, 4]}


def test_an_accepted_batch_is_not_blocked_and_keeps_its_rows_open(lake: Lake) -> None:
    _land(lake, "snapshot", 0)
    _land(lake, "changes", 5)
    _land(lake, "changes", 5)
    assert [each.batch for each in blocked_batches(TABLE, lake.manifests(TABLE))] == [2, 3]
    quarantine.accept(TABLE, lake, run_id="accept", batch=2)
    assert [each.batch for each in blocked_batches(TABLE, lake.manifests(TABLE))] == [3]
    _land(lake, "changes", 0, Decision.of_rows("discarded", 3, range(1, 5)))
    assert blocked_batches(TABLE, lake.manifests(TABLE)) == []  # one bad row of six is left
    assert rows_in_quarantine(lake, TABLE) == 6


def test_a_lake_of_an_earlier_version_is_counted_by_its_files(lake: Lake) -> None:
    first = _land(lake, "snapshot", 2)
    key = manifest_key(TABLE, 1)
    document = json.loads(lake.bucket.get(key) or b"")
    for name in ("decisions", "decided", "still_open"):
        del document["meta"][name]
    lake.bucket.put(key, json.dumps(document).encode())
    old = pl.read_parquet(lake.bucket.get(lake.bucket.key(first.quarantine)) or b"").drop("seq")
    lake.bucket.put(lake.bucket.key(first.quarantine), _parquet(old))
    assert _land(lake, "changes", 1).still_open is None
    assert (rows_in_quarantine(lake, TABLE), _numbers(lake)) == (3, {1: [1, 2], 2: [1]})
    _land(lake, "changes", 0, Decision.of_rows("discarded", 1, [2]))
    assert (rows_in_quarantine(lake, TABLE), _numbers(lake)) == (2, {1: [1], 2: [1]})


def test_decisions_survive_a_changed_definition_that_keeps_the_generation(lake: Lake) -> None:
    """Otherwise a row that was replayed would be open again, and could land twice."""
    _land(lake, "snapshot", 2)
    newest = _land(lake, "changes", 0, Decision.of_rows("replayed", 1, [1]))
    wider = replace(TABLE, columns=(*TABLE.columns, Column("extra", bigint)))
    landed = land_columns(lake, wider, newest, ("extra",), chunks=(), until=lambda: newest.until, taken_at=newest.taken_at, run_id="run")
    assert (landed.kind, landed.decided, landed.still_open) == ("columns", 2, 1)
    assert rows_in_quarantine(lake, wider) == 1
    ((batch,),) = [rejected_batches(lake, wider)]
    assert open_rows(lake, wider, batch).collect()["number"].to_list() == [2]


def _parquet(frame: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.write_parquet(file)
    return file.getvalue()


@given(st.sets(st.integers(1, 60)))
def test_a_decision_is_the_same_after_its_way_through_json(numbers: set[int]) -> None:
    decision = Decision.of_rows("discarded", 7, numbers)
    again = Decision.from_json(json.loads(json.dumps(decision.to_json())))
    assert (again, again.numbers) == (decision, numbers)
