"""Versions: the rows that a history adds when its input has changed. Pure functions of polars frames.

Belongs here: which rows are new versions, and their numbers. Does not belong here: finding batches, or where versions are kept (`history`).

A row of the input is a new version if it differs, in any column, from the version before it. So a row that is sent again unchanged
adds none, and the result does not depend on how many batches are taken at once.
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
    """A batch of the input.

    `rows` has the columns of the versions except the number, `_observed_at` and `_removed`, and has `_batch`, `_seq` and `_deleted`; of a
    deleted row only the columns that identify it count. A row that a snapshot does not have is gone from the source, unless its key is in
    `broken`: the keys of rows that do not fit.
    """

    number: int
    is_snapshot: bool
    taken_at: datetime
    rows: pl.DataFrame
    broken: pl.DataFrame


def newest(table: Table, versions: pl.DataFrame) -> pl.DataFrame:
    """The newest version of each row of the input, removed rows included."""
    return versions.sort(table.key).unique(subset=identifiers(table), keep="last", maintain_order=True)


def added(table: Table, before: pl.DataFrame, highest: int, batches: Sequence[Batch]) -> pl.DataFrame:
    """The versions that these batches add, in the order of their numbers, which continue from `highest`.

    Args:
        table: the history's definition.
        before: the newest version of each row so far (see `newest`), in the definition's columns.
        batches: in the order in which they landed.
    """
    number = table.key[0]
    found = [before.clear()]
    for run in _runs(batches):
        numbers = (pl.int_range(pl.len()) + highest + 1).cast(before.schema[number], strict=True)
        versions = _added_by(table, before, run).select(numbers.alias(number), pl.exclude(number)).select(before.columns)
        found.append(versions)
        highest += versions.height
        before = newest(table, pl.concat([before, versions]))
    return pl.concat(found)


def identifiers(table: Table) -> list[str]:
    """The columns that identify the row of the input that a version belongs to."""
    assert isinstance(table.changes, History)  # noqa: S101  (for the type checker: only histories come here)
    return list(table.changes.of)


def _runs(batches: Sequence[Batch]) -> Iterator[list[Batch]]:
    """Batches that can be taken at once. A snapshot begins a run: which rows it lacks depends on every version before it."""
    run: list[Batch] = []
    for batch in batches:
        if batch.is_snapshot and run:
            yield run
            run = []
        run.append(batch)
    if run:
        yield run


def _added_by(table: Table, before: pl.DataFrame, run: list[Batch]) -> pl.DataFrame:
    """The versions that a run adds, in order, without their numbers."""
    key = identifiers(table)
    attributes = [name for name in before.columns if name not in (*key, table.key[0], "_observed_at", "_removed")]
    rows = pl.concat([batch.rows.select(*key, *attributes, *_OWN) for batch in run])
    if run[0].is_snapshot:
        rows = pl.concat([rows, _absent(before, run[0], key, attributes)])
    versioned = before.join(rows.select(key), on=key, how="semi").select(
        *key,
        *attributes,
        pl.lit(-1, pl.Int64).alias("_batch"),
        pl.lit(-1, pl.Int64).alias("_seq"),
        pl.lit(value=False).alias("_deleted"),
        "_removed",
    )
    # Sorted below the version before it, a row is a new version if it differs from the row above.
    ordered = (
        pl.concat([versioned, rows.with_columns(pl.col("_deleted").alias("_removed"))]).sort(*key, "_batch", "_seq").with_row_index("_at")
    )
    # A deleted row takes its values from the last row above that is not deleted. If that row has another key, there is nothing to remove.
    ordered = ordered.with_columns(pl.when(~pl.col("_deleted")).then("_at").forward_fill().alias("_valued"))
    ordered = ordered.with_columns(pl.col(attributes).gather(pl.col("_valued"))).filter(_same_as(key, pl.col("_valued")))
    above = pl.int_range(pl.len()) - 1
    ordered = ordered.with_columns((_same_as([*key, *attributes, "_removed"], above) & (above >= 0)).alias("_same"))
    taken = pl.DataFrame(
        {"_batch": [batch.number for batch in run], "_observed_at": [batch.taken_at for batch in run]},
        schema={"_batch": pl.Int64, "_observed_at": before.schema["_observed_at"]},
    )
    return ordered.filter(~pl.col("_same") & (pl.col("_batch") >= 0)).sort("_batch", "_seq").join(taken, on="_batch", maintain_order="left")


def _same_as(columns: list[str], at: pl.Expr) -> pl.Expr:
    """Whether a row has the same values as the row at that index, nulls included."""
    return pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).gather(at)) for name in columns)


def _absent(before: pl.DataFrame, batch: Batch, key: list[str], attributes: list[str]) -> pl.DataFrame:
    """A deleted row, after all of the batch's own, for each row that is not removed yet and that the snapshot does not have."""
    held = pl.concat([batch.rows.select(key), batch.broken.select(key)])
    return (
        before.filter(~pl.col("_removed"))
        .join(held, on=key, how="anti")
        .sort(key)
        .with_columns(
            pl.lit(batch.number, pl.Int64).alias("_batch"),
            (pl.int_range(pl.len(), dtype=pl.Int64) + _AFTER_ALL).alias("_seq"),
            pl.lit(value=True).alias("_deleted"),
        )
        .select(*key, *attributes, *_OWN)
    )
