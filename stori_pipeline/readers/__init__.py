"""How each kind of source is read: one module per kind, all behind the same few functions.

Belongs here: the reader contract. Each module beside this one keeps it, and the conformance suite
(`stori_pipeline_tests/readers/test_conformance.py`) holds every one of them to it. What fits a record and what goes to
quarantine is `contract`'s business; where rows go is `lake`'s.
"""

from __future__ import annotations

import importlib
from contextlib import AbstractContextManager
from datetime import date
from typing import Protocol

from stori_pipeline.model.reading import Position, Reading
from stori_pipeline.model.table import Table


class SourceError(RuntimeError):
    """A source could not be read. The message says which table, what went wrong and what to do; no row is lost by it."""


class SourceUnavailable(SourceError):
    """The source cannot be reached at the moment: the only SourceError that is worth retrying."""


class PositionLost(SourceError):
    """The source no longer knows enough to continue from a position; a new generation must be read."""


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


READERS: dict[str, str] = {
    "postgres": "stori_pipeline.readers.postgres",
    "mongodb": "stori_pipeline.readers.mongo",
    "sqs": "stori_pipeline.readers.sqs",
    "s3_drop": "stori_pipeline.readers.s3_drop",
    "http_api": "stori_pipeline.readers.http_api",
}
"""The package of each kind of source: it has `reader`, which makes the reader of an address, and `scaffold`. A text, so that a driver is
imported only where its kind is read. Dagster has an icon for a kind of that name, where it has one."""


def reader_for(kind: str, url: str) -> Reader:
    """The reader of that kind, for the source at `url`."""
    reader: Reader = importlib.import_module(READERS[kind]).reader(url)
    return reader


def scaffold(kind: str, url: str, source: str, name: str) -> str:
    """The definition of a table that exists in a source of that kind at `url`, as Python to paste into the project.

    Args:
        source: what the project calls the source; the definition itself says `SOURCE`, as the project's modules do.
        name: the table, as the source calls it.

    Raises:
        SourceUnavailable: the source is away.
        SourceError: it has no such table, or none that may be read.
    """
    text: str = importlib.import_module(READERS[kind]).scaffold(url, name, source=source)
    return text
