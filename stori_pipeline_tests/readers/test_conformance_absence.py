"""The conformance suite, continued: absence is never emptiness. What a table is read from may be gone, and every reader says so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from stori_pipeline.model import row_checksum
from stori_pipeline.model.comparable import ListsKeys
from stori_pipeline.readers import SourceError, SourceUnavailable
from stori_pipeline_tests.readers.drained import Drained, drained
from stori_pipeline_tests.readers.shop import Rig, items


def test_what_is_not_there_is_an_error_and_never_an_empty_table(rig: Rig) -> None:
    """Regression: a collection whose name was wrong landed no rows, and the proof compared nothing with nothing."""
    rig.insert(items(1, 2))
    until = drained(rig.reader, rig.table).until
    rig.drop()
    key_range = row_checksum.KeyRange(0, 10)
    acts: dict[str, Callable[[], object]] = {
        "the first reading": lambda: drained(rig.reader, rig.table),
        "a later reading": lambda: drained(rig.reader, rig.table, until),
        "the sensor": lambda: rig.reader.head(rig.table, until),
    }
    if rig.shows_unread_rows:
        acts["drift"] = lambda: rig.reader.drift(rig.table)
    if rig.table.changes.is_replayable:
        acts["a day"] = lambda: drained(rig.reader, rig.table, until, day=date(2026, 3, 2))
    side = rig.reader
    if isinstance(side, ListsKeys):
        acts["the count of a proof"] = lambda: side.key_range(rig.table)
        acts["the digests of a proof"] = lambda: side.digests(rig.table, key_range, 1)
        acts["the rows of a proof"] = lambda: side.checksums(rig.table, key_range)
        acts["the keys to delete"] = lambda: side.existing(rig.table, [("1",)])
    assert [name for name, act in acts.items() if not _is_told(act)] == []


def _is_told(act: Callable[[], object]) -> bool:
    """Whether an act raises an error that names the table, or gives a reason."""
    try:
        found = act()
    except SourceError as error:
        return "shop.items" in str(error) and not isinstance(error, SourceUnavailable)
    return isinstance(found, Drained) and bool(found.rejected)
