"""The rows of a star table as a reading: cast to the definition's types, and checked.

Belongs here: which rows fit the definition of a star table, and the reading that a `RowStream` lands. Does not belong here: computing the
rows (`derive` for tables of the present, `history` for those that keep versions).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import polars as pl
import pyarrow as pa

from stori_pipeline.contract import CODES, raw_text, rejected_schema
from stori_pipeline.lake import Lake, Manifest
from stori_pipeline.model.reading import Chunk, Kind
from stori_pipeline.model.table import Column, Table

_CHUNK_ROWS = 65_536


@dataclass(frozen=True)
class Input:
    """An input of a star table: its definition, the lake that holds it, and its newest batch."""

    table: Table
    lake: Lake
    newest: Manifest
    _asked: dict[tuple[int, int] | None, list[Manifest]] = field(default_factory=dict, compare=False, repr=False)

    @property
    def name(self) -> str:
        return self.table.full_name

    def batches(self, after: tuple[int, int] | None) -> list[Manifest]:
        """The batches after a (generation, batch), up to `newest`. Later batches are left out, because the gate has not judged them."""
        if after not in self._asked:
            self._asked[after] = [each for each in self.lake.manifests(self.table, after=after) if each.order <= self.newest.order]
        return self._asked[after]


@dataclass
class StarRows:
    """The rows of a star table as a reading, in the definition's columns."""

    table: Table
    kind: Kind
    taken_at: datetime
    until: Mapping[str, Any]
    rows: pl.DataFrame
    rejected: pa.RecordBatch
    must_land: bool = True

    def ack(self) -> None:
        return None  # there is no source to acknowledge to

    def __iter__(self) -> Iterator[Chunk]:
        rows = self.rows.with_columns(pl.lit(value=False).alias("_deleted")).to_arrow().cast(self.table.read_schema)
        for batch in rows.to_batches(max_chunksize=_CHUNK_ROWS):
            yield Chunk(batch, self.rejected.slice(0, 0))
        yield Chunk(pa.RecordBatch.from_pylist([], schema=self.table.read_schema), self.rejected)


def polars_types(table: Table) -> dict[str, pl.DataType]:
    """The polars types of the definition's columns; `super_` is text."""
    schema = pl.DataFrame(table.schema.empty_table()).schema
    return {column.name: pl.String() if column.type.is_document else schema[column.name] for column in table.columns}


def typed(table: Table, names: Iterable[str]) -> list[pl.Expr]:
    """These columns, cast to the definition's types."""
    types = polars_types(table)
    return [pl.col(name).cast(types[name]) for name in names]


def fits(columns: Iterable[Column]) -> pl.Expr:
    """Whether a row has no null in a column that may not be null, and no text that is too long. Redshift would refuse both."""
    columns = list(columns)
    present = [pl.col(column.name).is_not_null() for column in columns if not column.nullable]
    short = [(pl.col(c.name).str.len_bytes() <= c.type.max_bytes).fill_null(value=True) for c in columns if c.type.max_bytes is not None]
    return pl.all_horizontal(pl.lit(value=True), *present, *short)


def rejected_rows(table: Table, misfits: Iterable[tuple[dict[str, Any], dict[str, Any]]]) -> pa.RecordBatch:
    """The rows of quarantine for rows that do not fit.

    Args:
        misfits: each row, and the raw row to keep: the input's row, or the row itself if it has several inputs.
    """
    return pa.RecordBatch.from_pylist([_rejected_row(table, row, raw) for row, raw in misfits], schema=rejected_schema())


def _rejected_row(table: Table, row: dict[str, Any], raw: dict[str, Any]) -> dict[str, str]:
    reasons = []
    for column in table.columns:
        value, type_ = row.get(column.name), column.type
        if value is None and column.name in row and not column.nullable:
            has_input = any(raw.get(path.partition(".")[2]) is not None for path in column.path.split())
            code = type_.unfit_code if has_input else "missing"
            reasons.append((code, column.name, f"{column.name}: {CODES[code]}"))
        elif isinstance(value, str) and type_.max_bytes is not None and len(value.encode()) > type_.max_bytes:
            reasons.append(("too_long", column.name, f"{column.name}: {len(value.encode())} bytes, but {type_} holds {type_.max_bytes}"))
    code, name, _ = reasons[0]
    return {"code": code, "column": name, "reason": "; ".join(reason for _, _, reason in reasons), "raw": raw_text(raw)}
