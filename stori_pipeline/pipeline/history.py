"""Star tables that keep every version of each row of their one input.

Belongs here: which batches of the input are new, and whether a computation from all of them would lose versions. Does not belong here: how
versions follow from batches (`versions`: pure functions), or tables of the present (`derive`).
"""

from __future__ import annotations

import polars as pl
import pyarrow as pa

from stori_pipeline.lake import Lake, LakeError, Manifest
from stori_pipeline.model.star import Star, refuse_unidentified_versions
from stori_pipeline.pipeline import versions
from stori_pipeline.pipeline.gate import blocked_batches
from stori_pipeline.pipeline.star_rows import Input, StarRows, fits, polars_types, rejected_rows, typed

_OWN = ("_batch", "_seq", "_deleted")


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
    table, number = star.table, star.table.key[0]
    known = pl.DataFrame(schema=polars_types(table))
    position = began = None
    if newest is not None and newest.fingerprint == table.fingerprint:
        known = processed.live(table).collect().sort(number)
        position, began = tuple(newest.until[source.name]), newest.until["began"]
    if reason and newest is not None:
        if newest.until["began"] == list(source.lake.manifests(source.table)[0].order):
            position = None  # the lake still has every batch that the versions were computed from, so all are computed again
        elif position is None:
            raise LakeError(
                f"{table.full_name}: its definition has changed, and the landing lake no longer has all that its versions were made of, so"
                f" older ones would be lost. Restore {source.name} there, or undo the change; or, to begin a history anew, remove"
                f" everything under {table.prefix}/ in the processed bucket"
            )
    before = known if position else known.clear()

    manifests = source.lake.manifests(source.table, after=position)
    blocked = blocked_batches(source.table, manifests)  # a snapshot follows each of them, or `refuse_blocked` would have raised
    manifests = [each for each in manifests if each not in blocked]
    batches, rejected = _batches(star, parameter, source, manifests)
    added = versions.added(table, versions.newest(table, before), before.height, batches)
    after = pl.concat([before, added])

    last = manifests[-1] if manifests else source.newest
    until = {
        source.name: list(last.order) if manifests or position is None else list(position),
        "code_hash": star.code_hash,
        "versions": after.height,
        "began": began if position else list(manifests[0].order),
    }
    if newest is None or newest.fingerprint != table.fingerprint or full or not (position or after.equals(known)):
        return StarRows(table, "snapshot", last.taken_at, until, after, rejected)
    if position:
        return StarRows(table, "changes", last.taken_at, until, added, rejected)
    return StarRows(table, "changes", last.taken_at, until, after.clear(), rejected_rows(table, []))


def _batches(star: Star, parameter: str, source: Input, manifests: list[Manifest]) -> tuple[list[versions.Batch], pa.RecordBatch]:
    """The batches as rows of the star table, and the rows that do not fit it, for quarantine."""
    table, identifiers = star.table, versions.identifiers(star.table)
    refuse_unidentified_versions(table, source.table)
    columns = [column for column in table.columns if column.name not in (table.key[0], "_observed_at", "_removed")]
    landed = source.lake.rows(source.table, *manifests).collect()
    result = star.make(**{parameter: landed.lazy()}).select(*typed(table, [c.name for c in columns]), *_OWN).collect()
    # A deleted row has its key and nothing else.
    has_key = fits([table[name] for name in identifiers])
    fitting = result.select(pl.when("_deleted").then(has_key).otherwise(fits(columns))).to_series()
    misfits = result.filter(~fitting)
    rows, broken = (frame.partition_by("_batch", as_dict=True) for frame in (result.filter(fitting), misfits))
    none = result.clear()
    batches = [
        versions.Batch(
            number=each.batch,
            is_snapshot=each.kind == "snapshot",
            taken_at=each.taken_at,
            rows=rows.get((each.batch,), none),
            broken=broken.get((each.batch,), none).select(identifiers),
        )
        for each in manifests
    ]
    raw = misfits.select("_batch", "_seq").join(landed, on=["_batch", "_seq"], how="left", maintain_order="left").drop(_OWN)
    return batches, rejected_rows(table, zip(misfits.to_dicts(), raw.to_dicts(), strict=True))
