"""Rows that landed under different schemas, in the columns of the present definition.

Belongs here: the schema with which a batch landed, and what the rows before a batch of the kind `columns` have in its columns. Does not
belong here: landing one (`column_batches`), or the mirror (`warehouse`), which gets the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from stori_pipeline.lake.manifest import Manifest
from stori_pipeline.model.schema import Schema, carried
from stori_pipeline.model.table import Table

if TYPE_CHECKING:
    import polars as pl


class Files(Protocol):
    """What of a lake is asked here; `lake.Lake` is one."""

    def find(self, table: Table, number: int) -> Manifest | None: ...

    def scan_urls(self, table: Table, urls: Sequence[str]) -> pl.LazyFrame: ...


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


def schema_of(lake: Files, table: Table, batch: Manifest) -> Schema | None:
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


def live_rows(lake: Files, table: Table, parts: LiveParts, newest: Manifest) -> pl.LazyFrame:
    """Every row of the files of a generation, in order, with `_batch`, `_seq` and `_deleted`, in the columns of the present definition."""
    pieces = [_Piece([parts.compacted], schema_of(lake, table, newest), None)] if parts.compacted else []
    return _folded(lake, table, [*pieces, *_pieces(lake, table, parts.batches)])


def all_rows(lake: Files, table: Table, batches: Sequence[Manifest]) -> pl.LazyFrame:
    """Every row of these batches, likewise, for tables that keep versions: a column that the source has dropped since has its old values.
    Rows of an earlier generation have null in a column that came later."""
    return _folded(lake, table, _pieces(lake, table, batches), with_dropped=True)


def _pieces(lake: Files, table: Table, batches: Sequence[Manifest]) -> Iterator[_Piece]:
    schemas: dict[tuple[int, int], Schema | None] = {}
    for batch in batches:
        began = batch.generation, batch.columns_at or batch.snapshot
        if began not in schemas:
            schemas[began] = schema_of(lake, table, batch)
        yield _Piece([part.url for part in batch.parts], schemas[began], batch)


def _folded(lake: Files, table: Table, pieces: Iterable[_Piece], *, with_dropped: bool = False) -> pl.LazyFrame:
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
            names = carried(piece.schema, table, with_dropped=with_dropped) if piece.schema else None
            rows.append(_converted(lake.scan_urls(table, piece.urls), names, table))
    return pl.concat([*before, *rows])


def _converted(landed: pl.LazyFrame, names: Mapping[str, str] | None, table: Table) -> pl.LazyFrame:
    import polars as pl

    own = ("_batch", "_seq", "_deleted")
    there = landed.collect_schema().names()
    names = names if names is not None else {name: name for name in table.landed_schema.names if name in there}
    types = pl.DataFrame(table.landed_schema.empty_table()).schema
    return landed.select(
        (pl.col(names.get(name, name)).cast(kind, strict=False) if name in names or name in own else pl.lit(None, kind)).alias(name)
        for name, kind in types.items()
    )


def _with_columns(lake: Files, table: Table, rows: pl.LazyFrame, batch: Manifest) -> pl.LazyFrame:
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
