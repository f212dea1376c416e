"""Versions: what a history adds when its input has changed. Pure functions of polars frames.

Belongs here: which rows are new versions, and their numbers. Does not belong here: which batches there are, or where versions are kept
(`derive`).

A row of the input is a new version if it differs, in any column, from the version before it. So a row that is sent again unchanged
makes none, and what comes out does not depend on how many batches are taken at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from stori_pipeline.model.changes import History
from stori_pipeline.model.table import Table

_OWN = ("_batch", "_seq", "_deleted")
_AFTER_ALL = 1 << 62


@dataclass(frozen=True)
class Batch:
    """What a history needs to know of a batch of its input.

    `rows` has the columns of the versions but for the number, `_observed_at` and `_removed`, and has `_batch`, `_seq` and `_deleted`; of a
    deleted row only the columns that identify it count. `whole` says that what the batch does not name is gone, except for the
    keys in `broken`, of which it held rows that do not fit.
    """

    number: int
    whole: bool
    taken_at: datetime
    rows: pl.DataFrame
    broken: pl.DataFrame


def newest(table: Table, versions: pl.DataFrame) -> pl.DataFrame:
    """The newest version of each row of the input, `_removed` ones included."""
    return versions.sort(table.key).unique(subset=identifiers(table), keep="last", maintain_order=True)


def added(table: Table, before: pl.DataFrame, highest: int, batches: Sequence[Batch]) -> pl.DataFrame:
    """The versions that these batches add, in the order of their numbers, which go on from `highest`.

    Args:
        table: the history's record.
        before: the newest version of each row so far (see `newest`), in the record's columns.
        batches: in the order in which they landed.
    """
    number = table.key[0]
    made = [before.clear()]
    for run in _runs(batches):
        numbers = (pl.int_range(pl.len()) + highest + 1).cast(before.schema[number], strict=True)
        versions = _added_by(table, before, run).select(numbers.alias(number), pl.exclude(number)).select(before.columns)
        made.append(versions)
        highest += versions.height
        before = newest(table, pl.concat([before, versions]))
    return pl.concat(made)


def identifiers(table: Table) -> list[str]:
    """The columns that say of which row a version is."""
    assert isinstance(table.changes, History)  # noqa: S101  (for the type checker: only histories come here)
    return list(table.changes.of)


def _runs(batches: Sequence[Batch]) -> Iterator[list[Batch]]:
    """Batches that can be taken at once. A whole one begins a run: which rows it lacks depends on every version before it."""
    run: list[Batch] = []
    for batch in batches:
        if batch.whole and run:
            yield run
            run = []
        run.append(batch)
    if run:
        yield run


def _added_by(table: Table, before: pl.DataFrame, run: list[Batch]) -> pl.DataFrame:
    """The versions that a run adds, in order, without their numbers."""
    of = identifiers(table)
    attributes = [name for name in before.columns if name not in (*of, table.key[0], "_observed_at", "_removed")]
    rows = pl.concat([batch.rows.select(*of, *attributes, *_OWN) for batch in run])
    if run[0].whole:
        rows = pl.concat([rows, _absent(before, run[0], of, attributes)])
    known = before.join(rows.select(of), on=of, how="semi").select(
        *of,
        *attributes,
        pl.lit(-1, pl.Int64).alias("_batch"),
        pl.lit(-1, pl.Int64).alias("_seq"),
        pl.lit(value=False).alias("_deleted"),
        "_removed",
    )
    # Beneath the version before it, each row either differs from the one above or says nothing new.
    ordered = pl.concat([known, rows.with_columns(pl.col("_deleted").alias("_removed"))]).sort(*of, "_batch", "_seq").with_row_index("_at")
    # A deleted row has the values of the last one above it that has any. Where that is another key's, there is nothing to remove.
    ordered = ordered.with_columns(pl.when(~pl.col("_deleted")).then("_at").forward_fill().alias("_valued"))
    ordered = ordered.with_columns(pl.col(attributes).gather(pl.col("_valued"))).filter(_same_as(of, pl.col("_valued")))
    above = pl.int_range(pl.len()) - 1
    ordered = ordered.with_columns((_same_as([*of, *attributes, "_removed"], above) & (above >= 0)).alias("_same"))
    taken = pl.DataFrame(
        {"_batch": [batch.number for batch in run], "_observed_at": [batch.taken_at for batch in run]},
        schema={"_batch": pl.Int64, "_observed_at": before.schema["_observed_at"]},
    )
    return ordered.filter(~pl.col("_same") & (pl.col("_batch") >= 0)).sort("_batch", "_seq").join(taken, on="_batch", maintain_order="left")


def _same_as(columns: list[str], at: pl.Expr) -> pl.Expr:
    """Whether a row has the same values as the one at that place, nulls included."""
    return pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).gather(at)) for name in columns)


def _absent(before: pl.DataFrame, batch: Batch, of: list[str], attributes: list[str]) -> pl.DataFrame:
    """A deletion, after all of the batch's own rows, for each row that is not removed yet and that the batch does not name."""
    named = pl.concat([batch.rows.select(of), batch.broken.select(of)])
    return (
        before.filter(~pl.col("_removed"))
        .join(named, on=of, how="anti")
        .sort(of)
        .with_columns(
            pl.lit(batch.number, pl.Int64).alias("_batch"),
            (pl.int_range(pl.len(), dtype=pl.Int64) + _AFTER_ALL).alias("_seq"),
            pl.lit(value=True).alias("_deleted"),
        )
        .select(*of, *attributes, *_OWN)
    )
