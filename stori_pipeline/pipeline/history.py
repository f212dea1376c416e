"""Star tables that keep every version of each row of their one input.

Belongs here: which batches of the input are new, whether a computation from all of them would lose versions, and which rows are new
versions. Does not belong here: tables of the present (`derive`), or what fits a definition (`star_rows`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl
import pyarrow as pa

from stori_pipeline.lake import Lake, LakeError, Manifest
from stori_pipeline.lake.newest_versions import newest_versions as versions_in_lake
from stori_pipeline.lake.quarantine import blocked_batches
from stori_pipeline.model.changes import History
from stori_pipeline.model.star import Star, refuse_unidentified_versions
from stori_pipeline.model.table import Table
from stori_pipeline.pipeline.batch_runs import runs
from stori_pipeline.pipeline.star_rows import Input, StarRows, fits, polars_types, rejected_rows, typed

_OWN = ("_batch", "_seq", "_deleted")
_AFTER_ALL = 1 << 62


def version_rows(
    star: Star, parameter: str, source: Input, processed: Lake, newest: Manifest | None, *, reason: str, full: bool
) -> StarRows:
    """The versions that bring a history up to its input's newest batch.

    Args:
        parameter: the function's parameter for the input.
        newest: the history's newest batch.
        reason: why all batches are to be read again; empty if only new ones are.

    Raises:
        LakeError: the definition has changed, and older versions could not be computed again.
    """
    table = star.table
    continues = newest is not None and newest.fingerprint == table.fingerprint
    position, began = (tuple(newest.until[source.name]), newest.until["began"]) if newest and continues else (None, None)
    if reason and newest is not None:
        if newest.until["began"] == list(source.lake.manifests(source.table)[0].order):
            position = None  # the lake still has every batch that the versions were computed from, so all are computed again
        elif position is None:
            raise LakeError(
                f"{table.full_name}: its definition has changed, and the landing lake no longer has every batch that its versions were"
                f" computed from, so older ones would be lost. Restore {source.name} there, or undo the change; or, to begin anew,"
                f" remove everything under {table.prefix}/ in the processed bucket"
            )

    manifests = source.batches(position)
    blocked = blocked_batches(source.table, manifests)  # a snapshot follows each of them, or `refuse_blocked` would have raised
    manifests = [each for each in manifests if each not in blocked]
    batches, rejected = _batches(star, parameter, source, manifests)
    last = manifests[-1] if manifests else source.newest
    until = {
        source.name: list(last.order) if manifests or position is None else list(position),
        "code_hash": star.code_hash,
        "began": began if position else list(manifests[0].order),
    }
    if newest is not None and position and not full:
        highest = int(newest.until["versions"])
        added = added_versions(table, _versions_before(processed, table, newest, batches), highest, batches)
        return StarRows(table, "changes", last.taken_at, until | {"versions": highest + added.height}, added, rejected)

    none = pl.DataFrame(schema=polars_types(table))
    present = processed.live(table, newest).collect().sort(table.key) if continues else none
    before = present if position else none
    after = pl.concat([before, added_versions(table, newest_versions(table, before), before.height, batches)])
    until["versions"] = after.height
    if not continues or full or not after.equals(present):
        return StarRows(table, "snapshot", last.taken_at, until, after, rejected)
    return StarRows(table, "changes", last.taken_at, until, none, rejected_rows(table, []))


def _versions_before(processed: Lake, table: Table, newest: Manifest, batches: Sequence[Batch]) -> pl.DataFrame:
    """The newest versions, as of a batch of the history, of the rows that the batches may change: the rest of it is not read for them."""
    if any(batch.is_snapshot for batch in batches):  # what it lacks depends on every row
        return newest_versions(table, processed.live(table, newest).collect())
    key = identifiers(table)
    changed = [batch.rows.select(key).drop_nulls() for batch in batches if not batch.rows.is_empty()]
    if not changed:
        return pl.DataFrame(schema=polars_types(table))
    return versions_in_lake(processed, table, newest, key, pl.concat(changed).unique())


def _batches(star: Star, parameter: str, source: Input, manifests: list[Manifest]) -> tuple[list[Batch], pa.RecordBatch]:
    """The batches as rows of the star table, and the rows that do not fit it, for quarantine."""
    table, key = star.table, identifiers(star.table)
    refuse_unidentified_versions(table, source.table)
    columns = [column for column in table.columns if column.name not in (table.key[0], "_observed_at", "_removed")]
    landed = source.lake.rows(source.table, *manifests).collect()
    result = star.make(**{parameter: landed.lazy()}).select(*typed(table, [c.name for c in columns]), *_OWN).collect()
    # A deleted row has its key and nothing else.
    has_key = fits([table[name] for name in key])
    fitting = result.select(pl.when("_deleted").then(has_key).otherwise(fits(columns))).to_series()
    misfits = result.filter(~fitting)
    rows, broken = (frame.partition_by("_batch", as_dict=True) for frame in (result.filter(fitting), misfits))
    none = result.clear()
    batches = [
        Batch(
            number=each.batch,
            is_snapshot=each.kind == "snapshot",
            taken_at=each.taken_at,
            rows=rows.get((each.batch,), none),
            broken=broken.get((each.batch,), none).select(key),
        )
        for each in manifests
    ]
    raw = misfits.select("_batch", "_seq").join(landed, on=["_batch", "_seq"], how="left", maintain_order="left").drop(_OWN)
    return batches, rejected_rows(table, zip(misfits.to_dicts(), raw.to_dicts(), strict=True))


# --- versions: pure functions of polars frames ---------------------------------------------------------------------------
#
# A row of the input is a new version if it differs in any column from the version before it. So a row that arrives again unchanged adds no
# version, and the result does not depend on how many batches are processed at once.


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


def newest_versions(table: Table, versions: pl.DataFrame) -> pl.DataFrame:
    """The newest version of each row of the input, removed rows included."""
    return versions.sort(table.key).unique(subset=identifiers(table), keep="last", maintain_order=True)


def added_versions(table: Table, before: pl.DataFrame, highest: int, batches: Sequence[Batch]) -> pl.DataFrame:
    """The versions that these batches add, in the order of their numbers, which continue from `highest`.

    Args:
        table: the history's definition.
        before: the newest version of each row so far (see `newest_versions`), in the definition's columns.
        batches: in the order in which they landed.
    """
    number = table.key[0]
    added = [before.clear()]
    # A snapshot begins a run, because the rows that it lacks depend on every version before it.
    for run in runs(batches, lambda batch: batch.is_snapshot):
        numbers = (pl.int_range(pl.len()) + highest + 1).cast(before.schema[number], strict=True)
        versions = _added_by(table, before, run).select(numbers.alias(number), pl.exclude(number)).select(before.columns)
        added.append(versions)
        highest += versions.height
        before = newest_versions(table, pl.concat([before, versions]))
    return pl.concat(added)


def identifiers(table: Table) -> list[str]:
    """The columns that identify the row of the input that a version belongs to."""
    assert isinstance(table.changes, History)  # noqa: S101  (for the type checker: only histories come here)
    return list(table.changes.of)


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
    """A deleted row for each row that is not removed yet and that the snapshot does not have, after the batch's own rows."""
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
