"""A star table, from the batches of its inputs to a batch of its own.

Belongs here: what of the inputs is new, whether anything follows from it, and landing that in the processed bucket. Does not belong
here: how a star table is made (`star`), how versions come about (`star.history`), or when it happens (`defs`).

The position of a star table is in its manifests, like any other's. `until` holds, for each input's full name, the generation and batch
that it was made up to, and `made_by`, what code made it; a history's also `versions`, its highest number, and `began`, the first batch
that it was made from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl
import pyarrow as pa

from stori_pipeline.contract import CODES, REJECTED, raw_text
from stori_pipeline.lake import Lake, LakeError, Manifest
from stori_pipeline.lake.upkeep import compact_if_due
from stori_pipeline.model.changes import History
from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.reading import Chunk, Kind
from stori_pipeline.model.star import Star
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import date, super_
from stori_pipeline.pipeline import history
from stori_pipeline.pipeline.gate import blocked_batches, refuse_blocked
from stori_pipeline.pipeline.row_stream import Landed, RowStream
from stori_pipeline.pipeline.sync import since_last_snapshot

_CHUNK_ROWS = 65_536
_OWN = ("_batch", "_seq", "_deleted")


def derive(star: Star, landing: Lake, processed: Lake, *, tables: Mapping[str, Table], run_id: str, full: bool = False) -> Landed:
    """Bring a star table up to its inputs' newest batches, as one batch of its own. The arguments are those of `derived_rows`.

    Raises:
        LandingConflict: another run derived it meanwhile; nothing was changed.
    """
    landed = derived_rows(star, landing, processed, tables=tables, full=full).land(run_id=run_id)
    if landed.manifest:
        compact_if_due(processed, star.table, landed.manifest)
    return landed


def derived_rows(star: Star, landing: Lake, processed: Lake, *, tables: Mapping[str, Table], full: bool = False) -> RowStream:
    """What brings a star table up to its inputs' newest batches; empty where its rows stay as they are.

    A table that holds the present is made whole, and is a snapshot where that differs from what it was. A history adds the versions
    that come of the batches it has not seen. Where nothing follows from those, an empty batch says that they are seen. Either is made from
    the inputs' whole past, with the same numbers, where its definition or its module has changed, or where `full` asks for it.
    A history never loses versions by that: where the landing lake no longer has the batches that it began with, it goes on
    from what it has, or refuses where its definition has changed.

    Args:
        landing: the lake of source tables.
        processed: the lake of star tables, this one and those among its inputs.
        tables: the definitions of the inputs, by full name.

    Raises:
        LoadBlocked: the contract blocks a batch of an input.
        LakeUnavailable: S3 is away.
        LakeError: an input has not landed yet, or older versions would be lost.
    """
    newest = processed.newest(star.table)
    inputs = {}
    for parameter, name in star.inputs.items():
        lake = processed if tables[name].is_derived else landing
        landed = lake.newest(tables[name])
        if landed is None:
            raise LakeError(f"{star.table.full_name}: its input {name} has not landed yet; run its landing first")
        inputs[parameter] = _Input(tables[name], lake, landed)
    reason = _full_refresh_reason(star, newest, full)
    if newest is not None and not reason and all(newest.until.get(each.name) == list(each.newest.order) for each in inputs.values()):
        return RowStream(star.table, processed, newest)
    for each in inputs.values():
        position = newest.until.get(each.name) if newest else None
        refuse_blocked(each.table, since_last_snapshot(each.lake.manifests(each.table, after=(*position,) if position else None)))
    derived: _Derived | None
    if isinstance(star.table.changes, History):
        ((parameter, source),) = inputs.items()
        derived = _versions(star, parameter, source, processed, newest, reason, full)
    else:
        derived = _present(star, inputs, processed, newest, full)
    return RowStream(star.table, processed, newest, derived, full_refresh_reason=reason)


@dataclass(frozen=True)
class _Input:
    table: Table
    lake: Lake
    newest: Manifest

    @property
    def name(self) -> str:
        return self.table.full_name


@dataclass
class _Derived:
    """The rows of a star table as a reading."""

    table: Table
    kind: Kind
    taken_at: datetime
    until: Mapping[str, Any]
    rows: pl.DataFrame
    rejected: pa.RecordBatch
    must_land: bool = True

    def ack(self) -> None:
        return None  # nobody waits for it

    def __iter__(self) -> Iterator[Chunk]:
        rows = self.rows.with_columns(pl.lit(value=False).alias("_deleted")).to_arrow().cast(self.table.read_schema)
        for batch in rows.to_batches(max_chunksize=_CHUNK_ROWS):
            yield Chunk(batch, self.rejected.slice(0, 0))
        yield Chunk(pa.RecordBatch.from_pylist([], schema=self.table.read_schema), self.rejected)


def _full_refresh_reason(star: Star, newest: Manifest | None, full: bool) -> str:
    if newest is None:
        return "nothing has landed yet"
    if newest.fingerprint != star.table.fingerprint:
        return "its definition has changed"
    if newest.until.get("made_by") != star.made_by:
        return "the module that makes it has changed"
    return "a full refresh was requested" if full else ""


# --- tables that hold the present ------------------------------------------------------------------------------------


def _present(star: Star, inputs: Mapping[str, _Input], processed: Lake, newest: Manifest | None, full: bool) -> _Derived | None:
    table = star.table
    frames = {}
    for parameter, each in inputs.items():
        live = each.lake.live(each.table)
        frames[parameter] = live.filter(~pl.col("_deleted")).drop("_deleted") if each.table.keep_deleted else live
    made = star.make(**frames).select(_cast(table, [c.name for c in table.columns])).sort(table.key).collect()
    fits = made.select(_fits(table.columns)).to_series()
    rows = made.filter(fits)
    broken = [_refused(star, row, row) for row in made.filter(~fits).to_dicts()]
    until = {each.name: list(each.newest.order) for each in inputs.values()} | {"made_by": star.made_by}
    taken_at = max(each.newest.taken_at for each in inputs.values())
    if (
        newest is not None
        and not full
        and newest.fingerprint == table.fingerprint
        and newest.rejected == len(broken)
        and processed.live(table).sort(table.key).collect().equals(rows)
    ):
        # What it was made up to is worth an empty batch, or every later run would make it again; but then what does not fit would not
        # be among the newest batch's any more.
        return None if broken else _Derived(table, "changes", taken_at, until, rows.clear(), _rejected([]))
    return _Derived(table, "snapshot", taken_at, until, rows, _rejected(broken))


# --- histories -------------------------------------------------------------------------------------------------------


def _versions(star: Star, parameter: str, source: _Input, processed: Lake, newest: Manifest | None, reason: str, full: bool) -> _Derived:
    table, number = star.table, star.table.key[0]
    kept = pl.DataFrame(schema=_kinds(table))
    position = began = None
    if newest is not None and newest.fingerprint == table.fingerprint:
        kept = processed.live(table).collect().sort(number)
        position, began = tuple(newest.until[source.name]), newest.until["began"]
    if reason and newest is not None:
        if newest.until["began"] == list(source.lake.manifests(source.table)[0].order):
            position = None  # all that the versions were made of is still there, so they are made again
        elif position is None:
            raise LakeError(
                f"{table.full_name}: its definition has changed, and the landing lake no longer has all that its versions were made of, so"
                f" older ones would be lost. Restore {source.name} there, or undo the change; or, to begin a history anew, remove"
                f" everything under {table.prefix}/ in the processed bucket"
            )
    before = kept if position else kept.clear()

    manifests = source.lake.manifests(source.table, after=position)
    blocked = blocked_batches(source.table, manifests)  # each followed by a snapshot, or `refuse_blocked` had not let it pass
    manifests = [each for each in manifests if each not in blocked]
    batches, broken = _batches(star, parameter, source, manifests)
    added = history.added(table, history.newest(table, before), before.height, batches)
    versions = pl.concat([before, added])

    last = manifests[-1] if manifests else source.newest
    until = {
        source.name: list(last.order) if manifests or position is None else list(position),
        "made_by": star.made_by,
        "versions": versions.height,
        "began": began if position else list(manifests[0].order),
    }
    if newest is None or newest.fingerprint != table.fingerprint or full or not (position or versions.equals(kept)):
        return _Derived(table, "snapshot", last.taken_at, until, versions, _rejected(broken))
    if position:
        return _Derived(table, "changes", last.taken_at, until, added, _rejected(broken))
    return _Derived(table, "changes", last.taken_at, until, versions.clear(), _rejected([]))


def _batches(star: Star, parameter: str, source: _Input, manifests: list[Manifest]) -> tuple[list[history.Batch], list[dict[str, str]]]:
    """What the batches hold, as rows of the star table; and what of it does not fit, for quarantine."""
    table, of = star.table, history.identifiers(star.table)
    for name in of:
        if not {path.partition(".")[2] for path in table[name].path.split()} <= set(source.table.key):
            raise DefinitionError(
                f"table {table.full_name}, column {name!r}: a history is of rows that its input's key identifies, and this is made of "
                f"{table[name].path!r}; a deleted row has its key and nothing else"
            )
    columns = [column for column in table.columns if column.name not in (table.key[0], "_observed_at", "_removed")]
    given = source.lake.rows(source.table, *manifests).collect()
    made = star.make(**{parameter: given.lazy()}).select(*_cast(table, [c.name for c in columns]), *_OWN).collect()
    identified = _fits([table[name] for name in of])
    fits = made.select(pl.when("_deleted").then(identified).otherwise(_fits(columns))).to_series()
    rows, broken = (frame.partition_by("_batch", as_dict=True) for frame in (made.filter(fits), made.filter(~fits)))
    none = made.clear()
    batches = [
        history.Batch(
            each.batch, each.kind == "snapshot", each.taken_at, rows.get((each.batch,), none), broken.get((each.batch,), none).select(of)
        )
        for each in manifests
    ]
    misfits = made.filter(~fits)
    read = misfits.select("_batch", "_seq").join(given, on=["_batch", "_seq"], how="left", maintain_order="left").drop(_OWN)
    return batches, [_refused(star, row, raw) for row, raw in zip(misfits.to_dicts(), read.to_dicts(), strict=True)]


# --- what fits -------------------------------------------------------------------------------------------------------


def _kinds(table: Table) -> dict[str, pl.DataType]:
    """The polars types of the record's columns; `super_` is text."""
    kinds = pl.DataFrame(table.schema.empty_table()).schema
    return {column.name: pl.String() if column.type == super_ else kinds[column.name] for column in table.columns}


def _cast(table: Table, names: list[str]) -> list[pl.Expr]:
    kinds = _kinds(table)
    return [pl.col(name).cast(kinds[name]) for name in names]


def _fits(columns: Iterable[Column]) -> pl.Expr:
    """Whether a row has all that may not be missing and no text that is too long: for either the warehouse would refuse the whole load."""
    there = [pl.col(column.name).is_not_null() for column in columns if not column.nullable]
    short = [(pl.col(c.name).str.len_bytes() <= c.type.max_bytes).fill_null(value=True) for c in columns if c.type.max_bytes is not None]
    return pl.all_horizontal(pl.lit(value=True), *there, *short)


def _refused(star: Star, row: dict[str, Any], raw: dict[str, Any]) -> dict[str, str]:
    """The line of quarantine for a row that does not fit; `raw` is the input's row, or this one where it is made of several."""
    found = []
    for column in star.table.columns:
        value, kind = row.get(column.name), column.type
        if value is None and column.name in row and not column.nullable:
            came = any(raw.get(path.partition(".")[2]) is not None for path in column.path.split())
            code = ("bad_date" if kind == date else "type") if came else "missing"
            found.append((code, column.name, f"{column.name}: {CODES[code]}"))
        elif isinstance(value, str) and kind.max_bytes is not None and len(value.encode()) > kind.max_bytes:
            found.append(("too_long", column.name, f"{column.name}: {len(value.encode())} bytes, where {kind} holds {kind.max_bytes}"))
    code, name, _ = found[0]
    return {"code": code, "column": name, "reason": "; ".join(reason for _, _, reason in found), "raw": raw_text(raw)}


def _rejected(broken: list[dict[str, str]]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(broken, schema=REJECTED)
