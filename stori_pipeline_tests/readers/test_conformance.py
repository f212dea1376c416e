"""The conformance suite: what is true of every reader, tested with every kind of source on a real server.

Belongs here: the protocol of readers. What only one kind does is tested beside its own module.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

import pytest

from stori_pipeline.contract import rejected_schema
from stori_pipeline.lake import Lake
from stori_pipeline.model import row_checksum
from stori_pipeline.model.changes import Changes
from stori_pipeline.model.comparable import ListsKeys
from stori_pipeline.model.types.documents import json_text
from stori_pipeline.pipeline import sync
from stori_pipeline.pipeline.drift import drift
from stori_pipeline.readers import READERS, SourceError, SourceUnavailable, source_kind
from stori_pipeline_tests.readers.drained import Drained, drained, mirrored
from stori_pipeline_tests.readers.rigs import RIGS, with_whole_rows
from stori_pipeline_tests.readers.shop import COLUMNS, EDGES, NAME_BYTES, UTC, Rig, Row, items

if TYPE_CHECKING:
    pass


def _ids(reading: Drained) -> list[int]:
    return [row["id"] for row in reading.rows]


_state = partial(mirrored, "name")
"""The name of every row in the mirror after these readings."""


def _read(rig: Rig, changed: list[int], live: list[int]) -> list[int]:
    """The ids that a reading after some changes gives: those that changed, or all where a change makes the reader read the whole table."""
    return live if rig.table.changes.reads_whole else changed


def _eventually(condition: Callable[[], bool], seconds: float = 30) -> bool:
    """Whether a condition becomes true within a time limit; servers may publish changes a moment later."""
    deadline = time.monotonic() + seconds
    while not (met := condition()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return met


def test_every_kind_of_source_has_a_rig() -> None:
    assert {rig.kind for rig in RIGS} == set(READERS)


@pytest.mark.parametrize("kind", READERS)
def test_every_change_strategy_has_a_rig(kind: str) -> None:
    tested = {type(changes) for rig in RIGS for changes in rig.ways.values() if rig.kind == kind}
    assert tested == set(source_kind(kind).CHANGES)


class _AnotherWay(Changes):
    """A change strategy that no kind supports."""


def test_an_unsupported_change_strategy_is_refused_with_the_supported_ones(rig: Rig) -> None:
    rig.insert(items(1))
    until = drained(rig.reader, rig.table).until
    table = replace(rig.table, changes=_AnotherWay())
    acts: list[Callable[[], object]] = [
        lambda: drained(rig.reader, table),
        lambda: rig.reader.head(table, None),
        lambda: rig.reader.head(table, until),
    ]
    for act in acts:
        with pytest.raises(SourceError, match=r"shop\.items.*_AnotherWay") as raised:
            act()
        assert all(f"{way.__name__}(…)" in str(raised.value) for way in source_kind(rig.kind).CHANGES)


@pytest.mark.clock
def test_the_first_reading_is_a_snapshot_of_everything(rig: Rig) -> None:
    rig.insert(items(*range(1, 301)))
    before = datetime.now(UTC)
    first = drained(rig.reader, rig.table)
    assert first.kind == "snapshot"
    assert sorted(_ids(first)) == list(range(1, 301))
    assert first.rejected == []
    with rig.reader.read(rig.table, None) as reading:
        assert before <= reading.taken_at <= datetime.now(UTC)
        list(reading)


def test_a_source_without_changes_yields_nothing_and_need_not_land(rig: Rig) -> None:
    rig.insert(items(1, 2))
    quiet = drained(rig.reader, rig.table, drained(rig.reader, rig.table).until)
    assert (quiet.kind, quiet.rows, quiet.rejected, quiet.must_land) == ("changes", [], [], False)
    again = drained(rig.reader, rig.table, quiet.until)
    assert (again.rows, again.must_land) == ([], False)


def test_inserts_and_updates_are_seen_once(rig: Rig) -> None:
    rig.insert(items(1, 2, 3))
    first = drained(rig.reader, rig.table)
    rig.insert(items(4))
    rig.update(2, name="new")
    second = drained(rig.reader, rig.table, first.until)
    assert sorted(_ids(second)) == _read(rig, [2, 4], [1, 2, 3, 4])
    assert _state(first, second) == {1: "item 1", 2: "new", 3: "item 3", 4: "item 4"}
    assert drained(rig.reader, rig.table, second.until).rows == []


def test_of_several_changes_to_a_row_the_last_one_counts(rig: Rig) -> None:
    rig.insert(items(1))
    first = drained(rig.reader, rig.table)
    for name in ("a", "b", "c"):
        rig.update(1, name=name)
    assert _state(drained(rig.reader, rig.table, first.until)) == {1: "c"}


def test_a_commit_during_a_reading_is_in_it_or_in_the_next(rig: Rig) -> None:
    rig.insert(items(1, 2))
    for since in (None, drained(rig.reader, rig.table).until):
        base = 10 if since is None else 20
        rig.insert(items(base))
        with rig.reader.read(rig.table, since) as reading:
            rig.insert(items(base + 1))
            rig.update(2, name=f"during {base}")
            chunks = list(reading)
            rig.insert(items(base + 2))
            rows = [row for chunk in chunks for row in chunk.rows.to_pylist()]
            during = Drained(reading.kind, rows, [], reading.until, must_land=False)
        after = drained(rig.reader, rig.table, during.until)
        assert {base, base + 1, base + 2} <= set(_ids(during)) | set(_ids(after))
        assert base + 2 in _ids(after)
        assert _state(during, after)[2] == f"during {base}"


def test_a_position_is_plain_json(rig: Rig) -> None:
    rig.insert(items(1))
    until = drained(rig.reader, rig.table).until
    rig.insert(items(2))
    thawed = json.loads(json.dumps(until))
    assert thawed == until
    assert sorted(_ids(drained(rig.reader, rig.table, thawed))) == _read(rig, [2], [1, 2])


def test_a_reading_from_an_old_position_gives_the_same_state(rig: Rig) -> None:
    rig.insert(items(1, 2))
    first = drained(rig.reader, rig.table)
    rig.update(1, name="b")
    rig.insert(items(3))
    second = drained(rig.reader, rig.table, first.until)
    rig.update(1, name="c")
    third = drained(rig.reader, rig.table, second.until)
    skipping = drained(rig.reader, rig.table, first.until)
    assert _state(first, second, third) == _state(first, second, third, skipping) == {1: "c", 2: "item 2", 3: "item 3"}
    if not rig.table.changes.is_replayable:
        assert (skipping.kind, skipping.rows, skipping.rejected) == ("changes", [], [])
    else:
        assert _state(first, skipping) == _state(first, second, third)


@pytest.mark.parametrize("end", ["never begun", "abandoned", "failed"])
def test_an_abandoned_reading_loses_nothing(rig: Rig, end: str) -> None:
    rig.insert(items(1))
    first = drained(rig.reader, rig.table)
    rig.insert(items(*range(2, 50)))
    with nullcontext() if end != "failed" else pytest.raises(ConnectionAbortedError), rig.reader.read(rig.table, first.until) as reading:
        if end != "never begun":
            next(iter(reading))
        if end == "failed":
            raise ConnectionAbortedError
    assert sorted(_ids(drained(rig.reader, rig.table, first.until))) == _read(rig, [*range(2, 50)], [*range(1, 50)])


def test_a_position_is_reached_only_at_the_end(rig: Rig) -> None:
    rig.insert(items(1))
    with rig.reader.read(rig.table, None) as reading, pytest.raises(SourceError, match=r"shop\.items"):
        _ = reading.until


def test_the_head_moves_when_something_changed(rig: Rig) -> None:
    rig.insert(items(1))
    until = drained(rig.reader, rig.table).until
    still = ""

    def settled() -> bool:
        nonlocal still
        last, still = still, rig.reader.head(rig.table, until)
        return last == still

    assert _eventually(settled)
    rig.insert(items(2))
    assert _eventually(lambda: rig.reader.head(rig.table, until) != still)


def test_the_head_stays_when_nothing_changed(rig: Rig) -> None:
    rig.insert(items(1))
    until = drained(rig.reader, rig.table).until
    heads: list[str] = []

    def resting() -> bool:
        heads.append(rig.reader.head(rig.table, until))
        return heads[-3:] == heads[-1:] * 3

    assert _eventually(resting)
    assert rig.reader.head(rig.table, None) == rig.reader.head(rig.table, None)


@with_whole_rows
def test_every_source_row_lands_or_is_rejected(rig: Rig) -> None:
    rig.insert(items(*range(1, 21)))
    rig.insert([{"id": 21, "name": "ż" * NAME_BYTES}, {"id": 22, "price": Decimal("1.23456789"), "name": "n"}])
    first = drained(rig.reader, rig.table)
    assert sorted(_ids(first)) == list(range(1, 21))
    assert {(row["code"], row["column"]) for row in first.rejected} == {("too_long", "name"), ("scale", "price")}
    assert all(row.keys() == set(rejected_schema().names) and json.loads(row["raw"]) for row in first.rejected)
    rig.update(21, name="fits")
    second = drained(rig.reader, rig.table, first.until)
    assert sorted(_ids(second)) == _read(rig, [21], [*range(1, 22)])
    assert _state(second)[21] == "fits"


def _as_landed(row: Row) -> Row:
    encoded = json_text(row["doc"]).encode() if row.get("doc") is not None else None
    return {**dict.fromkeys(column.name for column in COLUMNS), **row, "doc": encoded}


@with_whole_rows
@pytest.mark.parametrize("row", EDGES, ids=lambda row: str(row["id"]))
def test_values_at_the_edges_of_every_type_land_exactly(rig: Rig, row: Row) -> None:
    rig.insert([row])
    result = drained(rig.reader, rig.table)
    assert result.rejected == []
    (landed,) = result.rows
    meant = _as_landed(row)
    canonical = {c.name: row_checksum.canonical(c, meant[c.name]) for c in COLUMNS if c.name != "changed_at"}
    assert {c.name: row_checksum.canonical(c, landed[c.name]) for c in COLUMNS if c.name != "changed_at"} == canonical
    assert landed["price"] is None or landed["price"] == row["price"]
    assert landed["name"] == row.get("name")


def test_an_empty_table_gives_an_empty_snapshot_with_a_position(rig: Rig) -> None:
    first = drained(rig.reader, rig.table)
    assert (first.kind, first.rows, first.rejected) == ("snapshot", [], [])
    assert drained(rig.reader, rig.table, first.until).rows == []
    rig.insert(items(1))
    assert _ids(drained(rig.reader, rig.table, first.until)) == [1]


def test_an_unreachable_source_is_unavailable_and_its_password_stays_secret(rig: Rig) -> None:
    away = rig.unreachable()
    key_range = row_checksum.KeyRange(0, 10)
    acts: list[Callable[[], object]] = [
        lambda: drained(away, rig.table),
        lambda: away.describe("shop"),
        lambda: away.drift(rig.table) if rig.shows_unread_rows else away.head(rig.table, None),
    ]
    if isinstance(away, ListsKeys):
        side = away
        acts += [
            lambda: side.key_range(rig.table),
            lambda: side.digests(rig.table, key_range, 1),
            lambda: side.checksums(rig.table, key_range),
            lambda: side.existing(rig.table, [("1",)]),
        ]
    for act in acts:
        with pytest.raises(SourceUnavailable, match=r"127\.0\.0\.1") as raised:
            act()
        assert "s3cret" not in f"{raised.value} {away!r}"


def test_deletes_are_read_if_the_source_reports_them_and_else_harmless(rig: Rig) -> None:
    rig.insert(items(1, 2, 3))
    first = drained(rig.reader, rig.table)
    rig.delete(2)
    second = drained(rig.reader, rig.table, first.until)
    assert second.rejected == []
    if rig.table.changes.reads_whole:
        assert (second.kind, sorted(_ids(second))) == ("snapshot", [1, 3])
    elif rig.table.changes.sees_deletes:
        assert [(row["id"], row["_deleted"], row["name"]) for row in second.rows] == [(2, True, None)]
    else:
        assert second.rows == []
    rig.insert(items(2))
    assert 2 in _state(first, second, drained(rig.reader, rig.table, second.until))


def test_ack_may_be_called_again(rig: Rig) -> None:
    rig.insert(items(1))
    with rig.reader.read(rig.table, None) as reading:
        list(reading)
        reading.ack()
        reading.ack()
        until = reading.until
    rig.insert(items(2))
    assert sorted(_ids(drained(rig.reader, rig.table, until))) == _read(rig, [2], [1, 2])


@with_whole_rows
def test_a_day_read_again_keeps_the_position_or_is_refused(rig: Rig) -> None:
    midnight = datetime(2026, 3, 29, tzinfo=UTC)
    moments = {
        1: midnight - timedelta(milliseconds=1),
        2: midnight,
        3: midnight + timedelta(days=1, milliseconds=-1),
        4: midnight + timedelta(days=1),
        5: None,
    }
    rig.insert([{"id": key, "at": at} for key, at in moments.items()])
    if rig.table.changes.is_replayable:
        until = drained(rig.reader, rig.table).until
        result = drained(rig.reader, rig.table, until, day=midnight.date())
        assert sorted(_ids(result)) == [2, 3]
        assert (result.kind, result.until, result.must_land) == ("changes", until, False)
    with pytest.raises(SourceError, match=r"shop\.items"):
        drained(rig.reader, rig.table, None, day=midnight.date())
    assert sorted(_ids(drained(rig.reader, rig.table))) == [1, 2, 3, 4, 5]


@with_whole_rows
def test_drift_names_a_field_that_no_column_reads(rig: Rig, lake: Lake) -> None:
    rig.insert([{**row, "id": 1} for row in EDGES[5:6]])
    assert drift(rig.table, rig.reader, lake) == []
    rig.add_field("colour")
    if not rig.shows_unread_rows:
        assert drift(rig.table, rig.reader, lake) == []
        sync.land(rig.table, rig.reader, lake, run_id="run")
    (line,) = drift(rig.table, rig.reader, lake)
    assert 'Column("colour", ' in line.text
