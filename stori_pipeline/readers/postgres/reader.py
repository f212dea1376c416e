"""The reader of Postgres.

Belongs here: the functions of the protocol. Does not belong here: how they work (`reading`, `introspect`, `shape`, `session`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import date

from psycopg2 import extensions

from stori_pipeline.model import row_checksum
from stori_pipeline.model.drift import Drift
from stori_pipeline.model.reading import Chunk, Position, Reading
from stori_pipeline.model.row_checksum import Digest, KeyRange
from stori_pipeline.model.table import Table
from stori_pipeline.readers import SourceError, changes_of
from stori_pipeline.readers.postgres import CHANGES, Snapshot, heads, introspect, names, setup, shape
from stori_pipeline.readers.postgres.position import Reached, look
from stori_pipeline.readers.postgres.reading import begin, copied, relation_of
from stori_pipeline.readers.postgres.session import Address, begin_snapshot
from stori_pipeline.readers.postgres.shape import Relation


class PostgresReader:
    """See `readers.Reader`. Every call opens a read-only connection of its own, and leaves nothing on the server."""

    def __init__(self, url: str) -> None:
        """`url` is a libpq address. Tables are looked up on the role's search path, by default `public`."""
        self._address = Address(url)

    def __repr__(self) -> str:
        return f"PostgresReader({self._address!r})"

    def head(self, table: Table, since: Position | None) -> str:
        """See `heads`."""
        answer = self.heads({table: since})[table.full_name]
        if isinstance(answer, SourceError):
            raise answer
        return answer

    def heads(self, since: Mapping[Table, Position | None], *, exact: bool = False) -> dict[str, str | SourceError]:
        """See `readers.heads.HeadsTogether`: two queries over one connection, however many tables.

        A head changes as soon as a change of the table can be seen. Only of a table that has more pages than its share of what a look may
        read (`heads`), what changes elsewhere than in its last pages shows when the server's counters do: within a second if the session
        that wrote goes on working, within ten seconds if it falls idle, within a minute at most. So do changes of a view that it does not
        make visible to the role in tables. If the server does not count (`track_counts` is off), every transaction in the cluster changes
        such a head; and on a standby, which never counts, everything that it replays. With `exact`, every row of a table is looked
        at, and what cannot be looked at moves with every transaction in the cluster.
        """
        return heads.heads(self._address, {table: position is None for table, position in since.items()}, exact=exact)

    @contextmanager
    def read(self, table: Table, since: Position | None, *, day: date | None = None) -> Iterator[Reading]:
        """See `readers.Reader.read`. `Xmin` scans the table sequentially; its position is valid for two billion transactions. `Snapshot`
        reads all rows or, if none has changed, no row."""
        changes_of(table, CHANGES)
        connection = self._address.connect()
        try:
            with self._address.errors(connection, table.full_name, names.sql(table.name_in_source)):
                result = begin(self._address, connection, table, since, day)
            try:
                yield result
            finally:
                result.close()
        finally:
            connection.close()

    def joined(self, position: Position, of_columns: Position) -> Position:
        """See `pipeline.schema_change.JoinsPositions`: a position knows the layout under which each column was read."""
        return {**position, "layout": {**position.get("layout", {}), **of_columns.get("layout", {})}}

    def describe(self, source: str) -> str:
        return setup.describe(self._address, source)

    def drift(self, table: Table) -> list[Drift]:
        with self._cursor(table) as cursor:
            relation = relation_of(self._address, cursor, table)
            begin_snapshot(cursor.connection, relation.lock)
            return introspect.drift(cursor, table, relation_of(self._address, cursor, table))

    def key_range(self, table: Table) -> tuple[int, KeyRange]:
        with self._snapshot(table) as (cursor, relation):
            cursor.execute(row_checksum.key_range_sql(table, relation.rows, shape.dialect(relation)))
            rows, low, high = cursor.fetchall()[0]
        return rows, KeyRange(int(low), int(high) + 1) if low is not None else KeyRange(0, 0)

    def digests(self, table: Table, key_range: KeyRange, width: int, *, keys_only: bool = False) -> dict[int, Digest]:
        with self._snapshot(table) as (cursor, relation):
            # The server expects as many buckets as rows, so it would sort all rows by their bucket, with all columns.
            cursor.execute("SET LOCAL enable_sort = off")
            cursor.execute(row_checksum.digests_sql(table, relation.rows, shape.dialect(relation), key_range, width, keys_only=keys_only))
            return {int(bucket): Digest(rows, int(checksum)) for bucket, rows, checksum in cursor.fetchall()}

    def checksums(self, table: Table, *ranges: KeyRange) -> dict[tuple[str, ...], int]:
        with self._snapshot(table) as (cursor, relation):
            cursor.execute(row_checksum.row_checksums_sql(table, relation.rows, shape.dialect(relation), *ranges))
            return {tuple(key): int(checksum) for *key, checksum in cursor.fetchall()}

    def existing(self, table: Table, keys: Collection[tuple[str, ...]], *, since: Position | None = None) -> set[tuple[str, ...]]:
        with self._snapshot(table, since) as (cursor, relation):
            cursor.execute(row_checksum.existing_keys_sql(table, relation.rows, shape.dialect(relation)), _in_utf8(table, keys))
            return {tuple(key) for key in cursor.fetchall()}

    def read_keys(self, table: Table, keys: Collection[tuple[str, ...]], *, since: Position | None = None) -> Iterator[Chunk]:
        with self._snapshot(table, since) as (cursor, relation):
            query = row_checksum.rows_by_key_sql(table, relation.rows, shape.dialect(relation), shape.selected(table, relation))
            with closing(copied(table, relation, [(cursor.connection, query)], _in_utf8(table, keys))) as stream:
                for chunks in stream:
                    yield from chunks

    @contextmanager
    def _cursor(self, table: Table) -> Iterator[extensions.cursor]:
        with (
            closing(self._address.connect()) as connection,
            self._address.errors(connection, table.full_name, names.sql(table.name_in_source)),
            connection.cursor() as cursor,
        ):
            yield cursor

    @contextmanager
    def _snapshot(self, table: Table, since: Position | None = None) -> Iterator[tuple[extensions.cursor, Relation]]:
        """A consistent snapshot of the table, not before a position. Raises SourceError if the table does not fit its definition."""
        with self._cursor(table) as cursor:
            relation = relation_of(self._address, cursor, table)
            if since is not None and not isinstance(table.changes, Snapshot):  # whose position says nothing of the server
                Reached.from_json(table, since).refuse_if_lost(table, look(cursor, table, relation, None))
            begin_snapshot(cursor.connection, relation.lock)
            relation = relation_of(self._address, cursor, table)
            shape.refuse_misfit(table, relation)
            yield cursor, relation


def _in_utf8(table: Table, keys: Collection[tuple[str, ...]]) -> list[list[bytes]]:
    """The texts of the keys, by column, as the parameters of a statement of `row_checksum`."""
    return [[text.encode() for text in texts] for texts in zip(*keys, strict=True)] or [[]] * len(table.key)
