"""A star table, from the batches of its inputs to a batch of its own.

Belongs here: whether the inputs have anything new, and tables of the present (`Rebuilt`). Does not belong here: tables that keep versions
(`history`), what fits a definition (`star_rows`), the functions themselves (a project's star tables), or when a step runs (`defs`).
"""

# The position of a star table is in its manifests, as for any table. `until` holds the generation and batch of each input, by its full
# name, and `code_hash`, the hash of the code that computed the rows. Of a history it also holds `versions`, its highest number, and
# `began`, the first batch of its input.

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import polars as pl

from stori_pipeline.lake import Lake, LakeError, Manifest
from stori_pipeline.model.changes import History
from stori_pipeline.model.star import Star
from stori_pipeline.model.table import Table
from stori_pipeline.pipeline.gate import refuse_blocked
from stori_pipeline.pipeline.history import version_rows
from stori_pipeline.pipeline.set_back import set_back_reason
from stori_pipeline.pipeline.star_rows import Input, StarRows, fits, rejected_rows, typed
from stori_pipeline.pipeline.sync import Landed, RowStream, since_last_snapshot
from stori_pipeline.warehouse.session import LedgerEntry


def derive(
    star: Star,
    landing: Lake,
    processed: Lake,
    *,
    tables: Mapping[str, Table],
    run_id: str,
    full: bool = False,
    loaded: LedgerEntry | None = None,
) -> Landed:
    """Brings a star table up to its inputs' newest batches, as one batch of its own. The arguments are those of `derived_rows`.

    Raises:
        LandingConflict: another run derived it first; nothing was changed.
    """
    return derived_rows(star, landing, processed, tables=tables, full=full, loaded=loaded).land(run_id=run_id)


def derived_rows(
    star: Star,
    landing: Lake,
    processed: Lake,
    *,
    tables: Mapping[str, Table],
    full: bool = False,
    loaded: LedgerEntry | None = None,
    known: Mapping[str, Manifest] = MappingProxyType({}),
) -> RowStream:
    """The rows that bring a star table up to its inputs' newest batches; empty if its rows stay as they are.

    A table of the present is computed from all rows, and becomes a snapshot if the result differs from its rows. A history adds the
    versions that the new batches bring. If they bring none, an empty batch records that they were read. Either is computed from all
    batches of the inputs, with the same version numbers, if its definition or its module has changed, if its own batches were set back
    since the load `loaded`, or if `full` asks for it. A history
    never loses versions that way: if the landing lake no longer has the batches that it began with, it continues from the versions that
    it has; if its definition has changed as well, it is refused.

    Args:
        landing: the lake of source tables.
        processed: the lake of star tables, this one and those among its inputs.
        tables: the definitions of the inputs, by full name.
        loaded: the ledger's entry for the mirror; None if nothing is loaded, or the warehouse was not asked.
        known: batches of inputs up to which it is derived, by full name; of the others, the lakes are asked for the newest.

    Raises:
        LoadBlocked: the contract blocks a batch of an input.
        LakeUnavailable: S3 cannot be reached.
        LakeError: an input has not landed yet, or older versions would be lost.
    """
    newest = processed.newest(star.table)
    inputs = {parameter: _input(star, tables[name], landing, processed, known.get(name)) for parameter, name in star.inputs.items()}
    set_back = set_back_reason(star.table, processed, newest, loaded)
    reason, full = _full_refresh_reason(star, newest, full) or set_back, full or bool(set_back)
    if newest is not None and not reason and all(newest.until.get(each.name) == list(each.newest.order) for each in inputs.values()):
        return RowStream(star.table, processed, newest, loaded=loaded)
    for each in inputs.values():
        position = newest.until.get(each.name) if newest else None
        refuse_blocked(each.table, since_last_snapshot(each.batches((*position,) if position else None)))
    rows: StarRows | None
    if isinstance(star.table.changes, History):
        ((parameter, source),) = inputs.items()
        rows = version_rows(star, parameter, source, processed, newest, reason=reason, full=full)
    else:
        rows = _present_rows(star, inputs, processed, newest, full=full)
    return RowStream(star.table, processed, newest, rows, full_refresh_reason=reason, loaded=loaded)


def _input(star: Star, table: Table, landing: Lake, processed: Lake, known: Manifest | None) -> Input:
    lake = processed if table.is_derived else landing
    newest = known or lake.newest(table)
    if newest is None:
        raise LakeError(f"{star.table.full_name}: its input {table.full_name} has not landed yet; run its landing first")
    return Input(table, lake, newest)


def _full_refresh_reason(star: Star, newest: Manifest | None, full: bool) -> str:
    if newest is None:
        return "nothing has landed yet"
    if newest.fingerprint != star.table.fingerprint:
        return "its definition has changed"
    if newest.until.get("code_hash") != star.code_hash:
        return "the module of its function has changed"
    return "a full refresh was requested" if full else ""


def _present_rows(star: Star, inputs: Mapping[str, Input], processed: Lake, newest: Manifest | None, *, full: bool) -> StarRows | None:
    table = star.table
    frames = {parameter: present(each.lake.live(each.table, each.newest), each.table) for parameter, each in inputs.items()}
    result = star.make(**frames).select(typed(table, [c.name for c in table.columns])).sort(table.key).collect()
    fitting = result.select(fits(table.columns)).to_series()
    rows, misfits = result.filter(fitting), result.filter(~fitting).to_dicts()
    until = {each.name: list(each.newest.order) for each in inputs.values()} | {"code_hash": star.code_hash}
    taken_at = max(each.newest.taken_at for each in inputs.values())
    if (
        newest is not None
        and not full
        and newest.fingerprint == table.fingerprint
        and newest.rejected == len(misfits)
        and processed.live(table, newest).sort(table.key).collect().equals(rows)
    ):
        # An empty batch keeps the position, or every later run would compute the table again. If there are misfits, land nothing: an empty
        # batch would hide them, because only the newest batch's misfits are shown.
        return None if misfits else StarRows(table, "changes", taken_at, until, rows.clear(), rejected_rows(table, []))
    return StarRows(table, "snapshot", taken_at, until, rows, rejected_rows(table, ((row, row) for row in misfits)))


def present(live: pl.LazyFrame, table: Table) -> pl.LazyFrame:
    """Live rows without rows that are kept as deleted."""
    return live.filter(~pl.col("_deleted")).drop("_deleted") if table.keep_deleted else live
