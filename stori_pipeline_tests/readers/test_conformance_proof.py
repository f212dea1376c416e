"""The conformance suite, continued: what each kind's rows are compared with, and their checksums."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from stori_pipeline.lake import Lake
from stori_pipeline.model import row_checksum
from stori_pipeline.model.business_hours import BusinessHours
from stori_pipeline.model.comparable import Comparable, ListsKeys
from stori_pipeline.pipeline import sync
from stori_pipeline.verify.comparables import LakeComparable, comparable_source
from stori_pipeline_tests.readers.rigs import with_whole_rows
from stori_pipeline_tests.readers.shop import EDGES, NAME_BYTES, Rig, Row, items

if TYPE_CHECKING:
    pass


def _landed(rig: Rig, lake: Lake) -> tuple[Comparable, list[Row]]:
    """What the rig's mirror would be compared with once everything has landed, and the rows that have, as a reader gives them."""
    sync.land(rig.table, rig.reader, lake, run_id="run")
    rows = lake.live(rig.table).collect().to_dicts()
    return comparable_source(rig.reader, lake), [row | {"doc": row["doc"] and row["doc"].encode()} for row in rows]


def test_a_mirror_is_compared_with_its_source_if_that_is_comparable(rig: Rig, lake: Lake) -> None:
    can_say = isinstance(rig.reader, Comparable)
    assert isinstance(comparable_source(rig.reader, lake), LakeComparable) != can_say
    assert not (can_say and not rig.table.changes.is_replayable)


@with_whole_rows
def test_key_range_digests_and_checksums_are_those_of_the_rows(rig: Rig, lake: Lake) -> None:
    rig.insert([row for row in EDGES if abs(row["id"]) < 1000])
    rig.insert(items(*range(100, 180)))
    side, rows = _landed(rig, lake)
    total, key_range = side.key_range(rig.table)
    assert (total, key_range) == (len(rows), row_checksum.KeyRange(1, 180))
    width = key_range.width(16)
    found = side.digests(rig.table, key_range, width)
    meant: dict[int, row_checksum.Digest] = {}
    for row in rows:
        bucket = (row_checksum.partition_value(rig.table, row) - key_range.low) // width
        sofar = meant.get(bucket, row_checksum.Digest(0, 0))
        meant[bucket] = row_checksum.Digest(sofar.rows + 1, sofar.checksum + row_checksum.checksum(rig.table, row))
    assert found == meant
    part = row_checksum.KeyRange(5, 120)
    assert side.checksums(rig.table, part) == {
        row_checksum.key_text(rig.table, row): row_checksum.checksum(rig.table, row) for row in rows if 5 <= row["id"] < 120
    }


def test_an_empty_table_has_no_digests(rig: Rig, lake: Lake) -> None:
    side, _ = _landed(rig, lake)
    assert side.key_range(rig.table)[0] == 0
    assert side.digests(rig.table, row_checksum.KeyRange(0, 10), 10) == {}
    assert side.checksums(rig.table, row_checksum.KeyRange(0, 10)) == {}


def test_digests_of_keys_do_not_depend_on_other_columns(rig: Rig, lake: Lake) -> None:
    rig.insert(items(1, 2, 3))
    key_range = row_checksum.KeyRange(0, 10)
    side, _ = _landed(rig, lake)
    before = side.digests(rig.table, key_range, 10, keys_only=True)
    rows = side.digests(rig.table, key_range, 10)
    # One that does not even fit, where the source itself is asked; what is compared with the lake has no such rows.
    rig.update(2, name="ż" * NAME_BYTES if not isinstance(side, LakeComparable) else "another")
    side, _ = _landed(rig, lake)
    assert side.digests(rig.table, key_range, 10, keys_only=True) == before
    assert side.digests(rig.table, key_range, 10) != rows
    rig.delete(2)
    assert side.digests(rig.table, key_range, 10, keys_only=True)[0].rows == (3 if isinstance(side, LakeComparable) else 2)


def test_a_table_whose_definition_has_arrivals_has_digests_of_keys_alone(rig: Rig, lake: Lake) -> None:
    """The definition of the keys alone has no column that arrivals could name."""
    hours = BusinessHours("changed_at", 8, 19, late_after=timedelta(hours=5), stopped_after=timedelta(hours=11))
    rig.table = replace(rig.table, arrivals=hours)
    rig.insert(items(1, 2, 3))
    side, _ = _landed(rig, lake)
    assert side.key_range(rig.table) == (3, row_checksum.KeyRange(1, 4))
    assert side.digests(rig.table, row_checksum.KeyRange(0, 10), 10, keys_only=True)[0].rows == 3


def test_a_source_is_asked_for_keys_themselves(rig: Rig, lake: Lake) -> None:
    """A tombstone must not rest on a checksum alone."""
    rig.insert([*items(1, 2), {"id": 3, "name": "ż" * NAME_BYTES}])
    side, _ = _landed(rig, lake)
    assert isinstance(side, ListsKeys) != isinstance(side, LakeComparable)
    if isinstance(side, ListsKeys):
        assert side.existing(rig.table, [("1",), ("3",), ("4",), ("-1",), ("x",)]) == {("1",), ("3",)}
        assert side.existing(rig.table, []) == set()


def test_a_row_that_does_not_fit_counts_in_the_source_but_not_in_the_lake(rig: Rig, lake: Lake) -> None:
    rig.insert([*items(1, 2), {"id": 3, "name": "ż" * NAME_BYTES}])
    side, rows = _landed(rig, lake)
    meant = {("1",), ("2",)} if isinstance(side, LakeComparable) else {("1",), ("2",), ("3",)}
    total, key_range = side.key_range(rig.table)
    assert (total, len(rows)) == (len(meant), 2)
    assert sum(found.rows for found in side.digests(rig.table, key_range, key_range.width(4)).values()) == len(meant)
    assert set(side.checksums(rig.table, key_range)) == meant
