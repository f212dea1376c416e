"""The readers: one package for each kind of source, all with the protocol that `stori_pipeline_tests/readers/test_conformance.py` tests.

Belongs here: the protocol (`SourceKind`, `Reader`), and finding a kind by its name or by an address. Does not belong here: any kind (the
packages beside this module), which rows fit a definition (`contract`), or where rows go (`lake`).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import date
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from stori_pipeline.model.changes import Changes
from stori_pipeline.model.drift import Drift
from stori_pipeline.model.reading import Position, Reading
from stori_pipeline.model.table import Table

if TYPE_CHECKING:
    from stori_pipeline.readers.scaffolding import Suggestions


class SourceError(RuntimeError):
    """A source could not be read. The message says which table, what went wrong and what to do. No row is lost."""


class SourceUnavailable(SourceError):
    """The source cannot be reached now. Of all SourceErrors, only this one is worth a retry."""


class PositionLost(SourceError):
    """The source cannot continue from a position; a new generation must be read."""


class Reader(Protocol):
    """Reads the sources of one kind. Constructed with the source's address; holds no state between calls.

    Each function raises SourceError if the kind does not support the strategy `table.changes`, see `changes_of`.
    """

    def head(self, table: Table, since: Position | None) -> str:
        """An opaque text that changes if the table may have changed since `since`. Cheap to compute.

        It may change although nothing changed in the table, which costs one reading. After a change it never stays the same. "" says that
        nothing has changed since `since`.
        """

    def read(self, table: Table, since: Position | None, *, day: date | None = None) -> AbstractContextManager[Reading]:
        """All rows that changed since the position; a snapshot of the table if `since` is None, or if the strategy reads the whole table
        (`Changes.reads_whole`) and any row has changed.

        With `day`: the rows whose `table.cursor` falls in that UTC day, as `changes` that do not move the position.

        Raises:
            SourceUnavailable: the source cannot be reached now; try again.
            PositionLost: `since` is too old, or belongs to another server; read with None.
            SourceError: the source table no longer fits its definition (a column is missing or has another type), or reading it failed.
        """

    def describe(self, source: str) -> str:
        """What the source says of itself, in a line: what it is, and what its role may read. `stori add source` tries a connection so.

        Args:
            source: the source's name, for errors.

        Raises:
            SourceUnavailable: the source cannot be reached now.
            SourceError: it refuses the connection, or the address is wrong.
        """

    def drift(self, table: Table) -> list[Drift]:
        """Each way in which the source table and the definition differ, as far as the source tells without its rows being read. Empty if
        they do not.

        A check asks, so it must leave the source as it is. A source that cannot show a row without handing it over gives nothing here: its
        positions keep what was read (`pipeline.drift.RemembersDrift`).
        """


class SourceKind(Protocol):
    """What the package of a kind defines in its `__init__`, which imports no driver, because every definition of a table imports it."""

    CHANGES: tuple[type[Changes], ...]
    """The change strategies that its reader supports: the kind's own, which the package declares, and shared ones."""

    URL_PREFIXES: tuple[str, ...]
    """Prefixes of the addresses of such sources. If prefixes of several kinds match, the longest one wins."""

    EXAMPLE_URL: str
    """An address, with capital words for what differs."""

    GRANTS: str
    """What the reader's role needs, in lines for a person."""

    def reader_at(self, url: str) -> Reader:
        """The reader of the source at that address."""

    def scaffold(self, url: str, name: str, *, source: str) -> str:
        """See `readers.scaffold`."""


class Suggests(Protocol):
    """What the package of a kind defines in addition if it can list the tables of a source."""

    def suggest(
        self, url: str, *, source: str, names: Sequence[str] = (), known: Sequence[Table] = (), progress: Callable[[str], object] = str
    ) -> Suggestions:
        """See `readers.suggest`."""


READERS: dict[str, str] = {
    "postgres": "stori_pipeline.readers.postgres",
    "mongodb": "stori_pipeline.readers.mongo",
    "sqs": "stori_pipeline.readers.sqs",
    "s3_drop": "stori_pipeline.readers.s3_drop",
    "http_api": "stori_pipeline.readers.http_api",
}
"""The package of each kind of source, a `SourceKind`. Dagster shows an icon for the kinds whose names it knows."""

_Strategy = TypeVar("_Strategy", bound=Changes)


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
    """A suggested definition of a table in a source of that kind at `url`, as Python to paste into the project.

    Args:
        source: the project's name for the source. The definition itself says `SOURCE`, as the project's modules do.
        name: the source's name for the table.

    Raises:
        SourceUnavailable: the source cannot be reached now.
        SourceError: the source has no such table, or the role may not read it.
    """
    return source_kind(kind).scaffold(url, name, source=source)


def suggest(
    kind: str,
    url: str,
    source: str,
    *,
    names: Sequence[str] = (),
    known: Sequence[Table] = (),
    progress: Callable[[str], object] = str,
) -> Suggestions:
    """Suggested definitions of the tables of a source that have none, and what is left out.

    Args:
        source: the project's name for the source, for errors.
        names: the source's names for the tables; without any, all tables that the role may read.
        known: the source's tables that the project has. Without `names` they are left alone; no other table gets a name of theirs.
        progress: called with the source's name for each table before it is looked at.

    Raises:
        SourceUnavailable: the source cannot be reached now.
        SourceError: tables of that kind cannot be listed, or one of `names` does not exist.
    """
    package = source_kind(kind)
    if not hasattr(package, "suggest"):
        raise SourceError(f"the tables of a source of the kind {kind} cannot be listed; name one: `stori scaffold {source}.TABLE`")
    return cast(Suggests, package).suggest(url, source=source, names=names, known=known, progress=progress)


def kind_of_url(url: str) -> str:
    """The kind whose URL prefix matches the address; "" if there is none."""
    prefixes = [(prefix, kind) for kind in READERS for prefix in source_kind(kind).URL_PREFIXES if url.startswith(prefix)]
    return max(prefixes, key=lambda match: len(match[0]), default=("", ""))[1]


def changes_of(table: Table, strategies: tuple[type[_Strategy], ...]) -> _Strategy:
    """The table's change strategy, if it is one of those that the reader supports.

    Raises:
        SourceError: the definition names another strategy.
    """
    for strategy in strategies:
        if isinstance(table.changes, strategy):
            return table.changes
    raise SourceError(
        f"{table.full_name}: its definition says changes={type(table.changes).__name__}(…), by which a source of the kind "
        f"{table.source.kind} cannot be read; use {' or '.join(f'{strategy.__name__}(…)' for strategy in strategies)}"
    )
