"""Versions, compared with a naive model: a dictionary that is filled row by row."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from stori_pipeline.model.changes import History
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import boolean, integer, timestamptz, varchar
from stori_pipeline.pipeline.history import Batch, added_versions, newest_versions

STEADY = settings(max_examples=60)
START = datetime(2026, 11, 21, tzinfo=timezone.utc)
PRICES = Table(
    Source("star", "polars", "A star."),
    "prices",
    (
        Column("record_id", integer, nullable=False),
        Column("shop", integer, nullable=False),
        Column("item", varchar(8), nullable=False),
        Column("price", integer),
        Column("note", varchar(8)),
        Column("_observed_at", timestamptz, nullable=False),
        Column("_removed", boolean, nullable=False),
    ),
    ("record_id",),
    History(("shop", "item")),
)
SCHEMA: dict[str, pl.DataType] = {
    "record_id": pl.Int32(),
    "shop": pl.Int32(),
    "item": pl.String(),
    "price": pl.Int32(),
    "note": pl.String(),
    "_observed_at": pl.Datetime("us", "UTC"),
    "_removed": pl.Boolean(),
}
NONE = pl.DataFrame(schema=SCHEMA)
ROWS = {name: SCHEMA[name] for name in ("shop", "item", "price", "note")} | {
    "_batch": pl.Int64(),
    "_seq": pl.Int64(),
    "_deleted": pl.Boolean(),
}

Row = dict[str, Any]


def batch(number: int, is_snapshot: bool, rows: list[Row], broken: list[Row] | None = None) -> Batch:
    """A batch of these rows; one with no values but its key's is a deleted one."""
    numbered = [
        {"price": None, "note": None} | row | {"_batch": number, "_seq": seq, "_deleted": len(row) == 2} for seq, row in enumerate(rows)
    ]
    refused = [{"shop": row["shop"], "item": row["item"]} for row in broken or []]
    taken_at = START + timedelta(minutes=number)
    broken_keys = pl.DataFrame(refused, schema={"shop": pl.Int32, "item": pl.String})
    return Batch(number, is_snapshot, taken_at, pl.DataFrame(numbered, schema=ROWS), broken_keys)


class Model:
    """The expected history, computed as simply as possible."""

    def __init__(self) -> None:
        self.versions: list[Row] = []
        self.now: dict[tuple[int, str], Row] = {}

    def take(self, given: Batch) -> None:
        for row in given.rows.to_dicts():
            key = (row["shop"], row["item"])
            if not row["_deleted"]:
                self.add(key, {"price": row["price"], "note": row["note"], "_removed": False}, given)
            elif key in self.now:
                self.add(key, self.now[key] | {"_removed": True}, given)
        if given.is_snapshot:
            held = {(row["shop"], row["item"]) for frame in (given.rows, given.broken) for row in frame.to_dicts()}
            for key in sorted(self.now.keys() - held):
                self.add(key, self.now[key] | {"_removed": True}, given)

    def add(self, key: tuple[int, str], row: Row, given: Batch) -> None:
        if self.now.get(key) != row:
            self.now[key] = row
            own = {"record_id": len(self.versions) + 1, "shop": key[0], "item": key[1], "_observed_at": given.taken_at}
            self.versions.append(own | row)


def with_batches(batches: list[Batch], before: pl.DataFrame = NONE) -> pl.DataFrame:
    """All versions after these batches were added to those before."""
    return pl.concat([before, added_versions(PRICES, newest_versions(PRICES, before), before.height, batches)])


_KEYS = st.fixed_dictionaries({"shop": st.integers(1, 2), "item": st.sampled_from(["a", "b"])})
_LIVE = st.fixed_dictionaries(
    {
        "shop": st.integers(1, 2),
        "item": st.sampled_from(["a", "b"]),
        "price": st.none() | st.integers(0, 1),
        "note": st.sampled_from([None, "x"]),
    }
)
_BATCHES = st.lists(
    st.tuples(st.booleans(), st.lists(_LIVE | _LIVE | _KEYS, max_size=6), st.lists(_KEYS, max_size=1)), min_size=1, max_size=7
).map(lambda contents: [batch(number + 1, *each) for number, each in enumerate(contents)])


@STEADY
@given(_BATCHES, st.data())
def test_versions_equal_the_model_for_any_number_of_batches_at_once(batches: list[Batch], data: st.DataObject) -> None:
    model = Model()
    for each in batches:
        model.take(each)
    at_once = with_batches(batches)
    assert at_once.to_dicts() == [{name: row[name] for name in SCHEMA} for row in model.versions]
    cuts = sorted(data.draw(st.sets(st.integers(0, len(batches)))) | {0, len(batches)})
    versions = NONE
    for start, end in pairwise(cuts):
        versions = with_batches(batches[start:end], versions)
    assert versions.equals(at_once)
    # Replayed, a batch adds nothing: here the last one, as the source's present is all that can be read again.
    assert with_batches([batches[-1]], at_once).height == at_once.height or _contradicts_itself(batches[-1])


def _contradicts_itself(given: Batch) -> bool:
    """Whether a batch has two versions of one row, which are two changes again when it is replayed."""
    return bool(given.rows.select("shop", "item").is_duplicated().any())


def test_a_history_in_words() -> None:
    a, b = {"shop": 1, "item": "a"}, {"shop": 1, "item": "b"}
    versions = with_batches(
        [
            batch(1, True, [{**a, "price": 1, "note": None}, {**b, "price": 5, "note": None}]),
            batch(2, False, [{**a, "price": 1, "note": None}]),  # sent again: nothing new
            batch(3, False, [{**a, "price": 2, "note": None}, {**a, "price": 3, "note": "x"}]),  # twice in one batch
            batch(4, False, [a]),  # deleted
            batch(5, False, [a, {"shop": 9, "item": "z"}]),  # deleted again, and one that never was
            batch(6, True, [{**a, "price": 3, "note": "x"}], broken=[b]),  # back; the other is there, but not fit to be seen
            batch(7, True, [{**a, "price": 3, "note": "x"}]),  # the other is gone
        ]
    )
    found = [(*(v[name] for name in ("record_id", "item", "price", "note", "_removed")), v["_observed_at"]) for v in versions.to_dicts()]
    assert [(*rest, (at - START).seconds // 60) for *rest, at in found] == [
        (1, "a", 1, None, False, 1),
        (2, "b", 5, None, False, 1),
        (3, "a", 2, None, False, 3),
        (4, "a", 3, "x", False, 3),
        (5, "a", 3, "x", True, 4),
        (6, "a", 3, "x", False, 6),
        (7, "b", 5, None, True, 7),
    ]
