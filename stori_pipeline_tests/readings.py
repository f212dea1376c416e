"""What a test lands: a table's definition, and readings over rows that the test gives."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date as day
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa

from stori_pipeline.contract import rejected_schema
from stori_pipeline.model.reading import Chunk, Kind, Position
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import bigint, date, decimal, double, super_, timestamptz, varchar
from stori_pipeline.readers.postgres import Xmin

TABLE = Table(
    source=Source(name="shop", kind="postgres", description="A shop."),
    name="orders",
    columns=(
        Column("id", bigint, nullable=False),
        Column("day", date),
        Column("customer", varchar(64)),
        Column("price", decimal(18, 2)),
        Column("rate", decimal(38, 9)),
        Column("weight", double),
        Column("detail", super_),
        Column("at", timestamptz),
    ),
    key=("id",),
    changes=Xmin(),
)
KEEPING_DELETED = replace(TABLE, name="orders_kept", keep_deleted=True)
MB = 1024 * 1024
VALUES = {
    "day": day(1969, 12, 31),
    "customer": "Zoë 漢字 🦊",
    "price": Decimal("-9999999999999999.99"),
    "rate": Decimal("12345678901234567890123456789.123456789"),
    "weight": 0.1,
    "detail": b'{"a": [1, null]}',
    "at": datetime(2026, 11, 21, 23, 59, 59, 999999, tzinfo=timezone.utc),
}
"""Of every column but the key a value at the edge of what its type holds."""


def rows(*given: dict[str, Any], table: Table = TABLE) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([{"_deleted": False} | row for row in given], schema=table.read_schema)


def rejected(*raw: str) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(
        [{"code": "too_long", "column": "customer", "reason": "it is too long", "raw": each} for each in raw], schema=rejected_schema()
    )


def orders(first: int, count: int, **values: Any) -> pa.RecordBatch:
    """Rows whose ids count up from `first`."""
    return rows(*({"id": first + i} | values for i in range(count)))


def incompressible(first: int, count: int) -> pa.RecordBatch:
    """Rows that take about a hundred bytes each, whatever the compression."""
    bits = random.Random(first).randbytes(96 * count)
    noise = pa.array([base64.b64encode(bits[i : i + 96]).decode() for i in range(0, len(bits), 96)])
    chunk = orders(first, count)
    return chunk.set_column(chunk.schema.get_field_index("customer"), chunk.schema.field("customer"), noise)


@dataclass
class Given:
    """A reading of the chunks that a test gives; `before_until` is called when the lake asks how far the reading got, which is
    after the parts are uploaded and before the manifest is written."""

    chunks: Sequence[pa.RecordBatch] = ()
    rejects: Sequence[pa.RecordBatch] = ()
    kind: Kind = "snapshot"
    at: int = 1
    must_land: bool = False
    taken_at: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    before_until: Callable[[], object] = lambda: None

    @property
    def until(self) -> Position:
        self.before_until()
        return {"at": self.at}

    def __iter__(self) -> Iterator[Chunk]:
        for chunk in self.chunks:
            yield Chunk(chunk, rejected())
        for chunk in self.rejects:
            yield Chunk(rows(), chunk)

    def ack(self) -> None:
        return None


def changes(*chunks: pa.RecordBatch, at: int = 2, **more: Any) -> Given:
    return Given(chunks, kind="changes", at=at, **more)
