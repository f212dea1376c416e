"""How each kind of source is read: one package a kind, all behind the same few functions.

Belongs here: what every kind has (`SourceKind`, `Reader`), and finding a kind by its name or by an address. Does not belong here: any
kind (the packages beside this module), which rows fit a definition (`contract`), or where rows go (`lake`).
The conformance suite, `stori_pipeline_tests/readers/test_conformance.py`, holds every kind to the protocol.
"""

from __future__ import annotations

import importlib
from contextlib import AbstractContextManager
from datetime import date
from typing import Protocol, TypeVar, cast

from stori_pipeline.model.changes import Changes
from stori_pipeline.model.reading import Position, Reading
from stori_pipeline.model.table import Table


class SourceError(RuntimeError):
    """A source could not be read. The message says which table, what went wrong and what to do. No row is lost by it."""


class SourceUnavailable(SourceError):
    """The source cannot be reached at the moment: the only SourceError that is worth retrying."""


class PositionLost(SourceError):
    """The source no longer knows enough to continue from a position; a new generation must be read."""


class Reader(Protocol):
    """What reads the sources of one kind. Made with the source's address; holds no state between calls.

    Each function raises SourceError where the kind cannot find changes as `table.changes` says, see `changes_of`.
    """

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
            SourceError: the source's table no longer fits its definition (a column is missing or of another type), or else failed.
        """

    def drift(self, table: Table) -> list[str]:
        """One line for each source column that the definition does not name, saying what to add to it. Empty where there is none.

        A check asks, so it must leave the source as it is. A source that cannot show a row without handing it over gives nothing here: its
        positions keep what was read (`pipeline.drift.RemembersDrift`).
        """


class SourceKind(Protocol):
    """What the package of a kind has in its `__init__`. To import that imports no driver, since every definition of a table does."""

    CHANGES: tuple[type[Changes], ...]
    """The ways of finding changes that its reader can do: the kind's own, which are declared in the package, and shared ones."""

    URL_PREFIXES: tuple[str, ...]
    """How addresses of such sources begin. Where several kinds have one that fits, the longest tells."""

    def reader_at(self, url: str) -> Reader:
        """The reader of the source at that address."""

    def scaffold(self, url: str, name: str, *, source: str) -> str:
        """See `readers.scaffold`."""


READERS: dict[str, str] = {
    "postgres": "stori_pipeline.readers.postgres",
    "mongodb": "stori_pipeline.readers.mongo",
    "sqs": "stori_pipeline.readers.sqs",
    "s3_drop": "stori_pipeline.readers.s3_drop",
    "http_api": "stori_pipeline.readers.http_api",
}
"""The package of each kind of source, which is a `SourceKind`. Dagster has an icon for a kind of that name, where it has one."""

_Way = TypeVar("_Way", bound=Changes)


def source_kind(kind: str) -> SourceKind:
    """The package of that kind.

    Raises:
        SourceError: there is no such kind.
    """
    if kind not in READERS:
        raise SourceError(f"there is no kind of source {kind!r}; there are {', '.join(READERS)}")
    return cast(SourceKind, importlib.import_module(READERS[kind]))


def reader_for(kind: str, url: str) -> Reader:
    """The reader of that kind, for the source at `url`."""
    return source_kind(kind).reader_at(url)


def scaffold(kind: str, url: str, source: str, name: str) -> str:
    """The definition of a table that exists in a source of that kind at `url`, as Python to paste into the project.

    Args:
        source: what the project calls the source; the definition itself says `SOURCE`, as the project's modules do.
        name: the table, as the source calls it.

    Raises:
        SourceUnavailable: the source is away.
        SourceError: it has no such table, or none that may be read.
    """
    return source_kind(kind).scaffold(url, name, source=source)


def kind_of_url(url: str) -> str:
    """The kind of the source at that address, by how the address begins; empty where no kind has such addresses."""
    prefixes = [(prefix, kind) for kind in READERS for prefix in source_kind(kind).URL_PREFIXES if url.startswith(prefix)]
    return max(prefixes, key=lambda found: len(found[0]), default=("", ""))[1]


def changes_of(table: Table, ways: tuple[type[_Way], ...]) -> _Way:
    """How the table's changes are found, for a reader that can do these ways.

    Raises:
        SourceError: its definition names another way.
    """
    for way in ways:
        if isinstance(table.changes, way):
            return table.changes
    raise SourceError(
        f"{table.full_name}: its definition says changes={type(table.changes).__name__}(…), by which a source of the kind "
        f"{table.source.kind} cannot be read; use {' or '.join(f'{way.__name__}(…)' for way in ways)}"
    )
