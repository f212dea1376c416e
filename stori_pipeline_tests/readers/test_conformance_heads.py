"""The conformance suite, continued: the heads of several tables of a source, asked for at once."""

from __future__ import annotations

import time
from dataclasses import replace

from stori_pipeline.model.changes import Changes
from stori_pipeline.model.reading import Position
from stori_pipeline.model.table import Table
from stori_pipeline.readers import Reader, SourceError, SourceUnavailable
from stori_pipeline.readers.heads import heads
from stori_pipeline_tests.readers.drained import drained
from stori_pipeline_tests.readers.shop import Rig, items


class _AnotherWay(Changes):
    """A change strategy that no kind supports."""


def _asked(rig: Rig) -> dict[Table, Position | None]:
    """The table as it was read, the same under another name and never read, and one that no reader of the kind can read."""
    until = drained(rig.reader, rig.table).until
    here = rig.table.source_name or rig.table.name
    return {
        rig.table: until,
        replace(rig.table, name="again", source_name=here): None,
        replace(rig.table, name="wrong", source_name=here, changes=_AnotherWay()): until,
    }


def _alone(reader: Reader, table: Table, since: Position | None) -> str:
    """What the reader answers for one table, or the error."""
    try:
        return reader.head(table, since)
    except SourceError as error:
        return str(error)


def test_heads_of_several_tables_are_what_each_says_alone(rig: Rig) -> None:
    rig.insert(items(1))
    asked = _asked(rig)
    deadline = time.monotonic() + 30
    while True:  # a server may publish its counters between the two questions
        together = {name: str(answer) for name, answer in heads(rig.reader, asked).items()}
        alone = {table.full_name: _alone(rig.reader, table, since) for table, since in asked.items()}
        if together == alone or time.monotonic() > deadline:
            break
    assert together == alone
    assert "_AnotherWay" in together["shop.wrong"]
    assert not isinstance(heads(rig.reader, asked)["shop.items"], SourceError)


def test_the_head_among_several_moves_when_the_table_changed(rig: Rig) -> None:
    rig.insert(items(1))
    asked = _asked(rig)
    before: str | SourceError = ""
    deadline = time.monotonic() + 30
    while (now := heads(rig.reader, asked)["shop.items"]) != before and time.monotonic() < deadline:
        before = now
        time.sleep(0.1)
    rig.insert(items(2))
    while (now := heads(rig.reader, asked)["shop.items"]) == before and time.monotonic() < deadline:
        time.sleep(0.1)
    assert isinstance(now, str)
    assert now != before


def test_of_a_source_that_is_away_every_table_says_so(rig: Rig) -> None:
    rig.insert(items(1))
    asked = {replace(rig.table, name=name): None for name in ("items", "more")}
    away = rig.unreachable()
    for table, answer in zip(asked, heads(away, asked).values(), strict=True):
        if isinstance(answer, str):
            assert answer == away.head(table, None), "it needs no server to say that everything is new"
        else:
            assert isinstance(answer, SourceUnavailable)
            assert "s3cret" not in str(answer)


def test_no_table_has_no_head(rig: Rig) -> None:
    assert heads(rig.reader, {}) == {}
