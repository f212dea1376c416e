"""The reader of MongoDB.

Belongs here: the functions of the protocol. Does not belong here: how they work (`streams`, `cursors`, `proof`, `sampling`).
A collection that does not exist is an error, although MongoDB itself finds nothing in it: its name may be wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import date

from stori_pipeline.contract import Refused
from stori_pipeline.model.changes import Cursor
from stori_pipeline.model.drift import Drift
from stori_pipeline.model.names import names_for
from stori_pipeline.model.reading import Chunk, Position, Reading
from stori_pipeline.model.row_checksum import Digest, KeyRange
from stori_pipeline.model.table import Table
from stori_pipeline.readers import SourceError, changes_of
from stori_pipeline.readers.mongo import CHANGES, cursors, proof, sampling, setup, streams
from stori_pipeline.readers.mongo.connection import Connection, existing_collection, opened
from stori_pipeline.readers.mongo.documents import Documents, of_extended_json
from stori_pipeline.readers.quarantined import Again
from stori_pipeline.readers.scaffolding import SuggestedTable, Suggestions, suggest_each
from stori_pipeline.readers.suggested_columns import taken_names


class MongoReader:
    """Reads collections of the database that the address names; a table's name is its collection's. See `readers.Reader`."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __repr__(self) -> str:
        return "MongoReader(…)"  # the address holds a password

    def _opened(self, table: Table) -> AbstractContextManager[Connection]:
        return opened(self._url, table.full_name, table.source.name)

    def head(self, table: Table, since: Position | None) -> str:
        changes = changes_of(table, CHANGES)
        if since is None:
            return "new"
        with self._opened(table) as connection:
            if isinstance(changes, Cursor):
                return cursors.head(table, cursors.CursorReading(connection, table, changes, since))
            return streams.head(connection, table, since)

    @contextmanager
    def read(self, table: Table, since: Position | None, *, day: date | None = None) -> Iterator[Reading]:
        changes = changes_of(table, CHANGES)
        with self._opened(table) as connection:
            if day is not None:
                yield cursors.DayOfCollectionReading(connection, table, since, day)
            elif isinstance(changes, Cursor):
                yield cursors.CursorReading(connection, table, changes, since)
            else:
                yield streams.StreamReading(connection, table, since)

    def describe(self, source: str) -> str:
        return setup.describe(self._url, source)

    def drift(self, table: Table) -> list[Drift]:
        with self._opened(table) as connection:
            return sampling.drift(existing_collection(connection.database, table), table)

    def rows_again(self, table: Table, rejected: Sequence[Refused], since: Position) -> list[Again]:  # noqa: ARG002  (a document is whole)
        """See `ReadsQuarantine`."""
        documents = Documents(table)
        found = [(each, None if each.code == "delete_unresolved" else of_extended_json(each.raw)) for each in rejected]
        return [[each] if document is None else documents.rows(document) for each, document in found]

    def key_range(self, table: Table) -> tuple[int, KeyRange]:
        with self._opened(table) as connection:
            return proof.key_range(existing_collection(connection.database, table), table)

    def digests(self, table: Table, key_range: KeyRange, width: int, *, keys_only: bool = False) -> dict[int, Digest]:
        with self._opened(table) as connection:
            return proof.digests(existing_collection(connection.database, table), table, key_range, width, keys_only=keys_only)

    def checksums(self, table: Table, *ranges: KeyRange) -> dict[tuple[str, ...], int]:
        with self._opened(table) as connection:
            return proof.checksums(existing_collection(connection.database, table), table, *ranges)

    def existing(
        self,
        table: Table,
        keys: Collection[tuple[str, ...]],
        *,
        since: Position | None = None,  # noqa: ARG002  (an address with a set's name reads from its primary)
    ) -> set[tuple[str, ...]]:
        with self._opened(table) as connection:
            return proof.existing(existing_collection(connection.database, table), table, keys)

    def read_keys(
        self,
        table: Table,
        keys: Collection[tuple[str, ...]],
        *,
        since: Position | None = None,  # noqa: ARG002  (as for `existing`)
    ) -> Iterator[Chunk]:
        with self._opened(table) as connection:
            yield from proof.read_keys(existing_collection(connection.database, table), table, keys)


def suggest(url: str, *, source: str, names: Sequence[str], known: Sequence[Table], progress: Callable[[str], object]) -> Suggestions:
    """See `readers.suggest`; tables are collections."""
    with opened(url, ".".join([source, *names][:2]), source) as connection:
        listed = {each["name"]: each.get("type", "collection") for each in connection.database.list_collections()}
        read = {each.name_in_source for each in known}
        wanted = list(names) or sorted(name for name in listed if name not in read and not name.startswith("system."))
        ours = names_for(wanted, taken_names(known, lambda each: each.name_in_source in wanted), prefix="t_")

        def suggested(name: str) -> SuggestedTable:
            kind = listed.get(name, "collection")
            table = sampling.suggested_table(connection.database[name], ours[name]) if kind == "collection" else None
            if table is None:
                raise SourceError(_left_out(name, kind))
            return table

        return suggest_each(wanted, suggested, progress, asked=bool(names))


def _left_out(name: str, kind: str) -> str:
    if kind == "collection":
        return f"{name}: the collection has no documents, so no definition can be suggested; insert one first"
    article = "view" if kind == "view" else "time series"
    return f"{name}: a {article} has no change stream; define it with changes=Cursor(column), by a column that grows with each change"
