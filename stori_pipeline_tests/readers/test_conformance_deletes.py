"""The conformance suite, continued: whatever a checksum or a listing says, a row is deleted only after its source was asked for its key."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from stori_pipeline.model.comparable import ListsKeys
from stori_pipeline.model.row_checksum import Digest, KeyRange
from stori_pipeline.model.table import Table
from stori_pipeline.pipeline import sync
from stori_pipeline.pipeline.detect_deletes import detect_deletes
from stori_pipeline.pipeline.repair import repair
from stori_pipeline.readers import Reader
from stori_pipeline_tests.readers.shop import Rig, items
from stori_pipeline_tests.stores import Stores, under_own_source


def lying(reader: Reader, hidden: set[str]) -> Reader:
    """The reader with checksums that are all wrong, and a listing without some keys."""
    honest: Any = type(reader)

    class Lying(honest):  # type: ignore[misc]
        def digests(self, table: Table, key_range: KeyRange, width: int, *, keys_only: bool = False) -> dict[int, Digest]:
            found = super().digests(table, key_range, width, keys_only=keys_only)
            return {bucket: Digest(each.rows, each.checksum + 1) for bucket, each in found.items()}

        def checksums(self, table: Table, *ranges: KeyRange) -> dict[tuple[str, ...], int]:
            found = super().checksums(table, *ranges)
            return {key: checksum + 1 for key, checksum in found.items() if key[0] not in hidden}

    liar = copy.copy(reader)
    liar.__class__ = Lying
    return liar


def test_no_lie_of_a_checksum_deletes_a_row_that_the_source_has(rig: Rig, stores: Stores) -> None:
    few = tuple(column for column in rig.table.columns if column.name not in ("ratio", "doc"))
    table, lake, warehouse = under_own_source(replace(rig.table, columns=few)), stores.lake, stores.warehouse
    if not isinstance(rig.reader, ListsKeys):
        rig.insert(items(1, 2))
        sync.land(table, rig.reader, lake, run_id="run")
        stores.load(table)
        assert detect_deletes(table, rig.reader, lake, warehouse, run_id="run", force=True) is None
        return
    keys = [str(number) for number in range(1, 9)]
    rig.insert(items(*map(int, keys)))
    sync.land(table, rig.reader, lake, run_id="run")
    stores.load(table)

    def mirrored() -> set[str]:
        return {str(key) for (key,) in stores.query(f"SELECT id FROM {table.full_name}")}

    @settings(max_examples=2, deadline=None)
    @given(st.sets(st.sampled_from(keys), min_size=1))
    def lie(hidden: set[str]) -> None:
        liar = lying(rig.reader, hidden)
        assert detect_deletes(table, liar, lake, warehouse, run_id="run", force=True) is None
        assert repair(table, liar, lake, warehouse, run_id="run").rows_deleted == 0
        assert mirrored() == set(keys)

    lie()
    rig.delete(3)
    if not table.changes.sees_deletes:
        liar = lying(rig.reader, {"2", "3"})
        assert repair(table, liar, lake, warehouse, run_id="run").rows_deleted == 1
    else:
        sync.land(table, rig.reader, lake, run_id="run")
        stores.load(table)
    assert mirrored() == set(keys) - {"3"}
