"""What a load gets: the new batches as COPY manifests, by the columns with which they landed.

Belongs here: cutting batches into pieces with the same columns. Does not belong here: which batches are new (`sync`), or how a piece
gets into the mirror (`warehouse.load`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from stori_pipeline.lake import Lake, LakeError, Manifest
from stori_pipeline.lake.columns import schema_of
from stori_pipeline.model.schema import carried, to_land
from stori_pipeline.model.table import Table
from stori_pipeline.pipeline.batch_runs import runs
from stori_pipeline.warehouse.load import Pending, Piece


def pending(table: Table, lake: Lake, after: tuple[int, int] | None, batches: Sequence[Manifest], run_id: str) -> Pending:
    """The new batches, at least one, as a load takes them. `after` is the ledger's entry that they follow.

    Raises:
        LakeError: a batch landed under another definition, and the lake does not say under which.
    """
    last = batches[-1]
    is_uniform = all(each.fingerprint == table.fingerprint and each.kind != "columns" for each in batches)
    in_pieces = not is_uniform and last.fingerprint == table.fingerprint
    with_parts = [each for each in batches if each.parts]
    return Pending(
        generation=last.generation,
        batch=last.batch,
        batch_id=last.id,
        replaces=any(each.kind == "snapshot" for each in batches),
        # A source that cannot be replayed has each row once, so its snapshot must not remove rows: after a loss of the lake, only the
        # mirror has them.
        keeps=not table.changes.is_replayable,
        rows=sum(each.rows for each in batches),
        url=lake.copy_manifest(table, with_parts, run_id) if with_parts and not in_pieces else "",
        pieces=tuple(_pieces(table, lake, batches, run_id)) if in_pieces else (),
        mirrored=_mirrored(table, lake, after) if in_pieces else None,
        is_one_snapshot=len(batches) == 1 and last.kind == "snapshot" and is_uniform,
    )


def _mirrored(table: Table, lake: Lake, after: tuple[int, int] | None) -> dict[str, str] | None:
    """The columns of the present definition that the mirror has, each with its name there; None if the lake does not say."""
    newest = lake.find(table, after[1]) if after else None
    schema = schema_of(lake, table, newest) if newest and newest.order == after else None
    return carried(schema, table) if schema else None


def _pieces(table: Table, lake: Lake, new: Sequence[Manifest], run_id: str) -> Iterator[Piece]:
    for batches in _of_same_columns(new):
        first = batches[0]
        schema = schema_of(lake, table, first)
        if schema is None:
            raise LakeError(f"{table.full_name}: its definition changed since batch {first.batch} landed; {table.snapshot_advice}")
        as_landed, names, is_columns = schema.table(table), carried(schema, table), first.kind == "columns"
        with_parts = [each for each in batches if each.parts]
        yield Piece(
            landed=to_land(as_landed, first.brings) if is_columns else as_landed,
            names={now: was for now, was in names.items() if was in first.brings} if is_columns else names,
            rows=sum(each.rows for each in batches),
            url=lake.copy_manifest(as_landed, with_parts, run_id) if with_parts else "",
            replaces=first.kind == "snapshot",
            is_columns=is_columns,
        )


def _of_same_columns(batches: Sequence[Manifest]) -> Iterator[list[Manifest]]:
    """The batches cut before and after each of the kind `columns`."""
    for run in runs(batches, lambda each: each.kind == "columns"):
        is_columns = run[0].kind == "columns"
        yield from filter(None, (run[:1], run[1:]) if is_columns else (run,))
