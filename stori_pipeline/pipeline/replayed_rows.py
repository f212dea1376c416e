"""Which rejected rows a replay lands: those that fit now, and that nothing newer stands against.

Belongs here: judging rows again, and the order of their versions. Does not belong here: the commit (`quarantine`), or what fits
(`contract`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pyarrow as pa

from stori_pipeline.contract import Refused, conform
from stori_pipeline.lake import Lake, Manifest
from stori_pipeline.model.comparable import ListsKeys
from stori_pipeline.model.reading import Chunk
from stori_pipeline.model.row_checksum import key_text
from stori_pipeline.model.table import Table
from stori_pipeline.readers import Reader
from stori_pipeline.readers.quarantined import rows_again
from stori_pipeline.verify.quarantine import keys_in_quarantine

if TYPE_CHECKING:
    import polars as pl

_OF_MANY = frozenset({"file", "day"})
"""The codes of rejected rows that stand for many: those that do not fit are rejected one by one, in the batch of the replay."""


class RowId(NamedTuple):
    """A rejected row of a table: its batch, and its number in the batch's quarantine, from 1. Written as `42:3`."""

    batch: int
    number: int

    def __str__(self) -> str:
        return f"{self.batch}:{self.number}"


@dataclass(frozen=True)
class Candidate:
    """An open row. `seq` is its place in its batch (`contract.rejected_schema`); `is_edited` says that somebody changed its raw form."""

    row: RowId
    refused: Refused
    seq: int | None
    is_edited: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a decision did with a row, and why. `rejected` and `waiting` rows stay open."""

    what: Literal["replayed", "superseded", "discarded", "rejected", "waiting"]
    why: str = ""


@dataclass
class ReplayedRows:
    """The rows to land, and the outcome of each candidate."""

    chunks: list[Chunk]
    outcomes: dict[RowId, Outcome] = field(default_factory=dict)


class _Fitting(NamedTuple):
    """A row that fits: its candidate, and its key as texts."""

    candidate: Candidate
    key: tuple[str, ...]


def replayed_rows(table: Table, reader: Reader, lake: Lake, newest: Manifest, found: Sequence[Candidate]) -> ReplayedRows:
    """Judges the candidates, which are in the order of their versions, by the present definition."""
    read = rows_again(table, reader, [each.refused for each in found], newest.until)
    # A row that can be read in two ways still can, unless somebody edited it.
    again = [
        [each.refused] if each.refused.code == "ambiguous" and not each.is_edited else rows for each, rows in zip(found, read, strict=True)
    ]
    inputs = [(candidate, row) for candidate, rows in zip(found, again, strict=True) for row in rows]
    batch, rejected = conform(table, [row for _, row in inputs])
    # The place of a rejected row among all: those that fit before it, and those that do not.
    places = {seq + number: number for number, seq in enumerate(rejected.column("seq").to_pylist())}
    outcomes: dict[RowId, Outcome] = {}
    own: list[int] = []
    for place, number in places.items():
        candidate, row = inputs[place]
        if candidate.refused.code in _OF_MANY and not isinstance(row, Refused):
            own.append(number)
        else:
            outcomes[candidate.row] = Outcome("rejected", rejected.column("reason")[number].as_py())
    keys = batch.select(list(table.key)).to_pylist()
    fitting = [
        _Fitting(candidate, key_text(table, key))
        for candidate, key in zip((each for place, (each, _) in enumerate(inputs) if place not in places), keys, strict=True)
    ]
    left_out = _left_out(table, reader, lake, newest, fitting, batch)
    keep = [number not in left_out for number in range(batch.num_rows)]
    for (candidate, _), kept in zip(fitting, keep, strict=True):
        if kept:
            outcomes[candidate.row] = Outcome("replayed")
    for number, outcome in left_out.items():
        candidate = fitting[number].candidate
        # A file counts as replayed, even if newer versions of its rows have landed.
        outcomes.setdefault(candidate.row, Outcome("replayed") if candidate.refused.code in _OF_MANY else outcome)
    empty = Outcome("rejected", "its raw form holds no row now")
    outcomes |= {candidate.row: empty for candidate, rows in zip(found, again, strict=True) if not rows}
    chunk = Chunk(batch.filter(pa.array(keep, pa.bool_())), _unplaced(rejected.take(pa.array(own, pa.int64()))))
    return ReplayedRows([chunk], {each.row: outcomes[each.row] for each in found})


def _unplaced(rejected: pa.RecordBatch) -> pa.RecordBatch:
    """Rejected rows without a place: the rows before them may have been left out."""
    index = rejected.schema.get_field_index("seq")
    return rejected.set_column(index, rejected.schema.field(index), pa.nulls(rejected.num_rows, pa.int64()))


def _left_out(
    table: Table, reader: Reader, lake: Lake, newest: Manifest, fitting: Sequence[_Fitting], batch: pa.RecordBatch
) -> dict[int, Outcome]:
    """The numbers of the fitting rows that may not land, each with the reason."""
    left_out: dict[int, Outcome] = {}
    if not fitting:
        return left_out
    gone = _gone(table, reader, newest, fitting)
    landed = _landed_later(table, lake, newest, fitting, batch)
    waiting = keys_in_quarantine(table, reader, lake)
    lands: dict[tuple[str, ...], RowId] = {}
    for number, (candidate, key) in reversed(list(enumerate(fitting))):
        newer = waiting.get(key)
        if number in landed:
            left_out[number] = Outcome("superseded", f"a newer version of its key landed in batch {landed[number]}")
        elif key in gone:
            why = "the source has no row with its key" + ("; discard it if that is right" if candidate.is_edited else "")
            left_out[number] = Outcome("rejected" if candidate.is_edited else "superseded", why)
        elif key in lands:
            left_out[number] = Outcome("superseded", f"row {lands[key]} is a newer version of its key, and is replayed")
        elif newer and (newer.batch, newer.number) > candidate.row:
            why = f"row {newer.batch}:{newer.number} is a newer version of its key, and waits in quarantine; mend or discard that one first"
            left_out[number] = Outcome("waiting", why)
        else:
            lands[key] = candidate.row
    return left_out


def _gone(table: Table, reader: Reader, newest: Manifest, fitting: Sequence[_Fitting]) -> set[tuple[str, ...]]:
    """The keys that the source does not have any more, if it can be asked."""
    keys = {key for _, key in fitting}
    return keys - reader.existing(table, keys, since=newest.until) if isinstance(reader, ListsKeys) else set()


def _landed_later(table: Table, lake: Lake, newest: Manifest, fitting: Sequence[_Fitting], batch: pa.RecordBatch) -> Mapping[int, int]:
    """The numbers of the rows whose key landed later than they, each with the number of that batch."""
    import polars as pl  # slow to import, and most steps do not need it

    oldest = min(candidate.row.batch for candidate, _ in fitting)
    # A batch of the kind `columns` has no versions of rows, only values of new columns.
    later = [each for each in lake.later(table, newest, oldest - 1) if each.batch <= newest.batch and each.kind != "columns"]
    manifests = [each for each in later if each.parts]
    asked: pl.DataFrame = pl.from_arrow(batch.select(list(table.key)))  # type: ignore[assignment]  # a batch makes a frame
    asked = asked.with_columns(
        _column("_number", range(len(fitting))),
        _column("_of_batch", [candidate.row.batch for candidate, _ in fitting]),
        _column("_place", [candidate.seq for candidate, _ in fitting]),
    )
    is_later = (pl.col("_batch") > pl.col("_of_batch")) | (
        # Without a place, as in files of earlier versions, whatever landed in the same batch counts as later.
        (pl.col("_batch") == pl.col("_of_batch")) & (pl.col("_seq") >= pl.col("_place").fill_null(0))
    )
    rows = lake.rows(table, *manifests).select(*table.key, "_batch", "_seq")
    found = rows.join(asked.lazy(), on=list(table.key), how="inner").filter(is_later)
    return dict(found.group_by("_number").agg(pl.col("_batch").max()).collect().iter_rows())


def _column(name: str, values: Sequence[Any]) -> pl.Series:
    import polars as pl

    return pl.Series(name, list(values), pl.Int64)
