"""How each kind of source is read: one module per kind, all behind the same few functions.

Belongs here: the reader contract. Each module beside this one keeps it, and the conformance suite
(`stori_pipeline_tests/readers/test_conformance.py`) holds every one of them to it. What fits a record and what goes to
quarantine is `contract`'s business; where rows go is `lake`'s.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, Protocol

import pyarrow as pa

from stori_pipeline.digest import Digest, Span
from stori_pipeline.spec import Table

Position = Mapping[str, Any]
"""How far a table has been read: plain JSON that only its reader understands. It is stored in manifests and nowhere else."""

Kind = Literal["snapshot", "changes"]


class SourceError(RuntimeError):
    """A source could not be read. The message says which table, what went wrong and what to do; no row is lost by it."""


class SourceUnavailable(SourceError):
    """The source cannot be reached at the moment: the only SourceError that is worth retrying."""


class PositionLost(SourceError):
    """The source no longer knows enough to continue from a position; a new generation must be read."""


@dataclass(frozen=True)
class Chunk:
    """A bounded piece of a reading.

    `rows` has `table.read_schema`; `rejected` has `contract.REJECTED` and holds the rows that broke the record.
    Every source row is in exactly one of the two.
    """

    rows: pa.RecordBatch
    rejected: pa.RecordBatch


class Reading(Protocol):
    """All rows changed since a position, in one consistent snapshot, as a stream.

    Iterate it once, to its end; only then is `until` the position that was reached. A later chunk holds later versions: where
    a key occurs twice, the row that comes last wins.
    """

    kind: Kind
    taken_at: datetime
    """When the source's snapshot was taken, in UTC."""

    @property
    def until(self) -> Position:
        """The position after this reading. Valid once the stream is exhausted."""

    @property
    def must_land(self) -> bool:
        """Whether `until` must be kept although no row came, because the old position would soon be too old."""

    def __iter__(self) -> Iterator[Chunk]: ...

    def ack(self) -> None:
        """Tell the source that everything up to `until` is durable. Called after the manifest is written; may be repeated."""


class Reader(Protocol):
    """The contract of a kind of source. Made with the source's address; holds no state between calls."""

    def head(self, table: Table, since: Position | None) -> str:
        """Cheap: an opaque text that differs from the last one when something may have changed past `since`.

        It may differ without a change (one reading too many), but never stay the same after one.
        """

    def read(self, table: Table, since: Position | None, *, day: date | None = None) -> AbstractContextManager[Reading]:
        """Everything changed since that position; a snapshot of the whole table where it is None.

        With `day`, instead the rows whose `table.cursor` falls in that UTC day, as `changes` that leave the position where it was.

        Raises:
            SourceUnavailable: the source is away; try again.
            PositionLost: `since` is too old, or belongs to another server; read with None.
            SourceError: the source's table no longer fits the record (a column is missing or of another type), or else failed.
        """

    def drift(self, table: Table) -> list[str]:
        """One line for each source column that the record does not name, saying what to add to it. Empty where there is none."""


class ProvableReader(Reader, Protocol):
    """A reader of a source that still has its rows, so that a mirror can be compared with it."""

    def span(self, table: Table) -> tuple[int, Span]:
        """How many rows the source has now, and the span that all their places lie in (see `digest`)."""

    def digests(self, table: Table, span: Span, width: int, *, keys_only: bool = False) -> dict[int, Digest]:
        """The digest of each bucket of `width` places in the span, by its number; a bucket without rows is left out.

        Computed in the source's own engine where that has an md5, otherwise from a bounded stream of its rows. A row that does not
        fit the record counts like any other: it is in the source and, being in quarantine, not in the mirror, so it must show.
        """

    def checksums(self, table: Table, *spans: Span) -> dict[tuple[str, ...], int]:
        """The checksum of every row in one or more (small) spans, by its key's texts; the sum, where a key occurs more than once."""


READERS: dict[str, str] = {
    "postgres": "stori_pipeline.readers.postgres:PostgresReader",
    "mongo": "stori_pipeline.readers.mongo:MongoReader",
    "sqs": "stori_pipeline.readers.sqs:SqsReader",
    "s3_drop": "stori_pipeline.readers.s3_drop:S3DropReader",
    "http_api": "stori_pipeline.readers.http_api:HttpApiReader",
}
"""Where the reader of each kind of source is; a text, so that a driver is imported only where its kind is read."""


def reader_for(kind: str, url: str) -> Reader:
    """The reader of that kind, for the source at `url`."""
    module, name = READERS[kind].split(":")
    reader: Reader = getattr(importlib.import_module(module), name)(url)
    return reader


_RECORDS: dict[str, str] = {
    "postgres": "stori_pipeline.readers.postgres.introspect:records",
    "mongo": "stori_pipeline.readers.mongo:records",
    "sqs": "stori_pipeline.readers.sqs:records",
    "s3_drop": "stori_pipeline.readers.s3_drop:records",
    "http_api": "stori_pipeline.readers.http_api:records",
}


def records_for(kind: str, url: str, source: str, name: str) -> str:
    """The record of a table that exists in a source of that kind at `url`, as Python to paste into the source's catalog module.

    Args:
        source: what the catalog calls the source; the record itself says `SOURCE`, as the catalog's modules do.
        name: the table, as the source calls it.

    Raises:
        SourceUnavailable: the source is away.
        SourceError: it has no such table, or none that may be read.
    """
    module, function = _RECORDS[kind].split(":")
    text: str = getattr(importlib.import_module(module), function)(url, name, source=source)
    return text
