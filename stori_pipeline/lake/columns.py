"""Batches of the kind `columns`, and rows that landed under different schemas, in the columns of the present definition.

Belongs here: landing such a batch, the schema with which a batch landed, and what the rows before it have in its columns. Does not belong
here: which definitions keep a generation (`model.schema`), or the mirror (`warehouse`), which gets the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from stori_pipeline.lake.manifest import Manifest
from stori_pipeline.model.reading import Chunk, Position
from stori_pipeline.model.schema import Schema, carried, to_land
from stori_pipeline.model.table import Table

if TYPE_CHECKING:
    import polars as pl

    from stori_pipeline.lake.batches import Lake


@dataclass(frozen=True)
class LiveParts:
    """The files that hold the live rows of a table.

    `compacted` is the url of a file with the live rows up to a batch, "" if there is none; `batches` are the batches after it.
    """

    compacted: str
    batches: list[Manifest]

    @property
    def urls(self) -> list[str]:
        """Every file, in the order of the rows."""
        return [*([self.compacted] if self.compacted else []), *(part.url for each in self.batches for part in each.parts)]


def land_columns(
    lake: Lake,
    table: Table,
    newest: Manifest,
    brings: tuple[str, ...],
    *,
    chunks: Iterable[Chunk],
    until: Callable[[], Position],
    taken_at: datetime,
    run_id: str,
    progress: Callable[[int], None] = lambda _rows: None,
) -> Manifest:
    """Lands a batch after which the table has the columns of its present definition. It keeps the generation and adds no row.

    Args:
        brings: the columns whose values have not landed. The rows before the batch get those of `chunks`, by key, and null without one.
        chunks: their rows, with the columns of `model.schema.to_land(table, brings)` among others.
        until: the position of the batch, called after the chunks have ended. It must not be past the rows that landed before.

    Raises:
        LandingConflict: another run landed a batch first; nothing was changed.
        LakeUnavailable: S3 cannot be reached.
    """
    generation, batch = lake.next_order("columns", newest)
    kept = to_land(table, brings)
    written = lake.write_files(kept, (Chunk(each.rows.select(kept.read_schema.names), each.rejected) for each in chunks), batch, progress)
    manifest = Manifest(
        table=table.full_name,
        generation=generation,
        batch=batch,
        kind="columns",
        since=newest.until,
        until=until(),
        rows=written.rows,
        rejected=written.rejected,
        fingerprint=table.fingerprint,
        run_id=run_id,
        taken_at=taken_at,
        parts=written.parts,
        quarantine=written.quarantine,
        snapshot=newest.snapshot,
        written_at=lake.clock(),
        schema=Schema.of(table),
        brings=brings,
        columns_at=batch,
    )
    return lake.commit(table, manifest)


def schema_of(lake: Lake, table: Table, batch: Manifest) -> Schema | None:
    """The schema with which a batch landed; None if the lake does not say."""
    if batch.schema is not None:
        return batch.schema
    began = lake.find(table, batch.columns_at or batch.snapshot)
    return began.schema if began and began.generation == batch.generation else None


def is_uniform(table: Table, newest: Manifest, compacted: str) -> bool:
    """Whether every file of the live rows has the columns of the present definition."""
    return newest.fingerprint == table.fingerprint and (bool(compacted) or not newest.columns_at)


# --- rows of different schemas ---------------------------------------------------------------------------------------


class _Piece(NamedTuple):
    """Files with one schema; None if it is not known, so that columns go by their names. `batch` is None for a compacted file."""

    urls: list[str]
    schema: Schema | None
    batch: Manifest | None


def live_rows(lake: Lake, table: Table, parts: LiveParts, newest: Manifest) -> pl.LazyFrame:
    """Every row of the files of a generation, in order, with `_batch`, `_seq` and `_deleted`, in the columns of the present definition."""
    pieces = [_Piece([parts.compacted], schema_of(lake, table, newest), None)] if parts.compacted else []
    return _folded(lake, table, [*pieces, *_pieces(lake, table, parts.batches)])


def all_rows(lake: Lake, table: Table, batches: Sequence[Manifest]) -> pl.LazyFrame:
    """Every row of these batches, likewise. Rows of an earlier generation have null in a column that came later."""
    return _folded(lake, table, _pieces(lake, table, batches))


def _pieces(lake: Lake, table: Table, batches: Sequence[Manifest]) -> Iterator[_Piece]:
    schemas: dict[tuple[int, int], Schema | None] = {}
    for batch in batches:
        began = batch.generation, batch.columns_at or batch.snapshot
        if began not in schemas:
            schemas[began] = schema_of(lake, table, batch)
        yield _Piece([part.url for part in batch.parts], schemas[began], batch)


def _folded(lake: Lake, table: Table, pieces: Iterable[_Piece]) -> pl.LazyFrame:
    import polars as pl

    before: list[pl.LazyFrame] = [lake.scan_urls(table, [])]
    rows: list[pl.LazyFrame] = []
    for piece in pieces:
        if piece.batch is not None and piece.batch.kind == "columns":
            rows = [_with_columns(lake, table, pl.concat(rows), piece.batch)] if rows else []
            continue
        if piece.batch is not None and piece.batch.kind == "snapshot":
            before, rows = [*before, *rows], []
        if piece.urls:
            rows.append(_converted(lake.scan_urls(table, piece.urls), piece.schema, table))
    return pl.concat([*before, *rows])


def _converted(landed: pl.LazyFrame, schema: Schema | None, table: Table) -> pl.LazyFrame:
    import polars as pl

    own = ("_batch", "_seq", "_deleted")
    there = landed.collect_schema().names()
    names = carried(schema, table) if schema else {name: name for name in table.landed_schema.names if name in there}
    types = pl.DataFrame(table.landed_schema.empty_table()).schema
    return landed.select(
        (pl.col(names.get(name, name)).cast(kind, strict=False) if name in names or name in own else pl.lit(None, kind)).alias(name)
        for name, kind in types.items()
    )


def _with_columns(lake: Lake, table: Table, rows: pl.LazyFrame, batch: Manifest) -> pl.LazyFrame:
    """The rows that landed before a batch of the kind `columns`, with its values."""
    import polars as pl

    names = {now: was for now, was in carried(batch.schema, table).items() if was in batch.brings} if batch.schema else {}
    if not names:
        return rows
    types = pl.DataFrame(table.landed_schema.empty_table()).schema
    if not batch.parts:
        return rows.with_columns(pl.lit(None, types[name]).alias(name) for name in names)
    key = list(table.key)
    read = lake.scan_urls(table, [part.url for part in batch.parts]).unique(subset=key, keep="last")
    values = read.select(
        *(pl.col(name).cast(types[name]) for name in key),
        *(pl.col(was).cast(types[now], strict=False).alias(now) for now, was in names.items()),
    )
    joined = rows.drop(list(names)).join(values, on=key, how="left", maintain_order="left")
    return joined.select(list(types))
