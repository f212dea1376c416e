"""A Postgres table of long rows, for tests of streaming, in this process and in others."""

from __future__ import annotations

from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import decimal, integer, varchar
from stori_pipeline.readers.postgres import Xmin

SOURCE = Source(name="shop", kind="postgres", description="A shop.")
EVENTS = Table(
    SOURCE,
    "events",
    (Column("id", integer, nullable=False), Column("note", varchar(400)), Column("amount", decimal(9, 2))),
    ("id",),
    Xmin(),
)
