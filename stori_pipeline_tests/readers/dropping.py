"""A bucket to drop files into, and its reader, for tests of dropped files."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from stori_pipeline.contract import conform
from stori_pipeline.model.reading import Position
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import date, decimal, integer, super_, timestamptz, varchar
from stori_pipeline.readers import Reader
from stori_pipeline.readers.s3_drop import Objects, formats
from stori_pipeline.readers.s3_drop.bucket import Dropped
from stori_pipeline.readers.s3_drop.decoding import unzipped
from stori_pipeline_tests.readers.drained import Drained, drained

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

TABLE = Table(
    Source("partners", "s3_drop", "Partners."),
    "sales",
    (
        Column("id", integer, nullable=False),
        Column("amount", decimal(10, 2)),
        Column("sold_on", date, path="Sold On"),
        Column("note", varchar(64)),
        Column("tags", super_),
        Column("file", varchar(1024), nullable=False, path="$key"),
        Column("line", integer, nullable=False, path="$line"),
        Column("dropped_at", timestamptz, nullable=False, path="$modified"),
    ),
    key=("id",),
    changes=Objects("sales/"),
    cursor="dropped_at",
)


@dataclass
class Drops:
    s3: S3Client
    bucket: str
    reader: Reader
    table: Table = TABLE

    def put(self, key: str, body: bytes | str) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body.encode() if isinstance(body, str) else body)

    def read(self, since: Position | None = None) -> Drained:
        return drained(self.reader, self.table, since)

    def keyed_by_file(self) -> Drops:
        return replace(
            self, table=replace(self.table, key=("file", "line"), columns=(replace(TABLE["id"], nullable=True), *TABLE.columns[1:]))
        )


FILE = Dropped(datetime(2024, 11, 15, 8, tzinfo=timezone.utc), "sales/a b.json", '"e"', 1)
_OBJECTS = Objects("sales/")

Found = tuple[list[dict[str, Any]], list[dict[str, Any]]]


def read_bytes(kind: str, body: bytes, *columns: Column, options: Objects = _OBJECTS, key: Column = TABLE["id"]) -> Found:
    """The rows of a file without a bucket, and those that are rejected: of a table with a key and these columns."""
    table = replace(TABLE, columns=(key, *columns), key=(key.name,), cursor="")
    with unzipped(io.BytesIO(body)) as file:
        rows, rejected = conform(table, list(formats.rows(table, kind, file, FILE, options)))
    return rows.to_pylist(), rejected.to_pylist()
