"""One reading of a Postgres table: a snapshot, the changes since a position, or a day.

Belongs here: the order of steps that makes a reading consistent. Does not belong here: how blocks of rows flow (`stream`), or how they are
parsed (`copy_text`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from datetime import date
from functools import cache
from typing import Any

from psycopg2 import extensions

from stori_pipeline.clock import utc_now
from stori_pipeline.model.changes import Cursor as ByCursor
from stori_pipeline.model.names import quoted
from stori_pipeline.model.reading import Chunk, Kind, Position
from stori_pipeline.model.table import Table
from stori_pipeline.readers import SourceError
from stori_pipeline.readers.postgres import ROW, Snapshot, names, partitions, shape, snapshots, xmin
from stori_pipeline.readers.postgres.binary_stream import BinaryStream, libpq
from stori_pipeline.readers.postgres.copy_binary import BinaryParser, decoder, in_known_types, is_decodable
from stori_pipeline.readers.postgres.copy_text import BlockParser
from stori_pipeline.readers.postgres.layout import layout
from stori_pipeline.readers.postgres.position import Reached, age_reference, look
from stori_pipeline.readers.postgres.session import Address, begin_snapshot
from stori_pipeline.readers.postgres.several import Share, shares
from stori_pipeline.readers.postgres.shape import Relation
from stori_pipeline.readers.postgres.stream import Copy, Stream


class PostgresReading:
    """See `model.reading.Reading`. `ack` does nothing: the server keeps no state for a reading."""

    def __init__(
        self,
        table: Table,
        kind: Kind,
        until: Position,
        *,
        must_land: bool,
        stream: Stream[list[Chunk]],
        errors: Callable[[], AbstractContextManager[None]],
        opened: ExitStack | None = None,
        joined: str = "",
    ) -> None:
        """`opened` closes what only this reading uses, besides its stream."""
        self.kind: Kind = kind
        self.taken_at = utc_now()
        self.must_land = must_land
        self.joined = joined
        """The partitions and children that joined the table since the position, of which every row is read."""
        self._table = table
        self._until = until
        self._stream = stream
        self._errors = errors
        self._opened = opened or ExitStack()
        self._begun = self._ended = False

    @property
    def until(self) -> Position:
        if not self._ended:
            raise SourceError(f"{self._table.full_name}: the position was asked for before the reading's end")
        return self._until

    def __iter__(self) -> Iterator[Chunk]:
        if self._begun:
            raise SourceError(f"{self._table.full_name}: a reading can be iterated once")
        self._begun = True
        rows = 0
        with self._errors():
            for chunks in self._stream:
                for chunk in chunks:
                    rows += chunk.rows.num_rows + chunk.rejected.num_rows
                    yield chunk
        if rows != self._stream.rows:
            raise SourceError(f"{self._table.full_name}: the server sent {self._stream.rows} rows, but {rows} were read; nothing is kept")
        self._ended = True

    def ack(self) -> None:
        return None

    def close(self) -> None:
        """Ends the stream. The connection cannot be used afterwards."""
        with self._opened:
            self._stream.close()


def begin(address: Address, connection: extensions.connection, table: Table, since: Position | None, day: date | None) -> PostgresReading:
    """The reading, in a transaction on that connection. Close it before the connection."""
    if isinstance(table.changes, Snapshot):
        return _begin_whole(address, connection, table, since, day)
    before = None if since is None else Reached.from_json(table, since)
    with connection.cursor() as cursor, ExitStack() as opened:
        relation = relation_of(address, cursor, table)
        _refuse_unreadable(table, relation)
        reached = look(cursor, table, relation, before)
        if before:
            before.refuse_if_lost(table, reached)
        begin_snapshot(connection, relation.lock)
        among = [Share(connection)]
        if day is None and not _has_bound(table, before) and relation.rows == relation.sql:
            among = shares(address, connection, relation, opened, whole=before is None)
        reference = age_reference(cursor, reached.unseen)  # this query also takes the snapshot
        # Look up the columns again: the lock now prevents changes.
        written = before.unseen.filter(reference) if before and day is None else ""
        joined = partitions.joined(cursor, relation.oid, written) if written else {}
        relation = relation_of(address, cursor, table, new=_or_in(joined, written))
        shape.refuse_misfit(table, relation)
        reached = replace(reached, layout=layout(cursor, table, relation.oid))
        if before and day is None:  # the rows of a day do not move the position
            before.refuse_if_changed(table, reached.layout)
        where = _where(table, relation, before, day, written, joined)
        stream = _stream(among, table, relation, where)
        return PostgresReading(
            table,
            "changes" if before else "snapshot",
            since if day is not None and since is not None else reached.to_json(),
            # What joined without a row is named once.
            must_land=before is not None and day is None and (bool(joined) or _should_be_renewed(before, reached)),
            stream=stream,
            errors=lambda: address.errors(connection, table.full_name, relation.sql, *stream.connections),
            opened=opened.pop_all(),
            joined=partitions.shown(joined.values()),
        )


def _begin_whole(
    address: Address, connection: extensions.connection, table: Table, since: Position | None, day: date | None
) -> PostgresReading:
    """Of a table that is read as a whole: all rows, no row if none has changed, or those of a day."""
    with connection.cursor() as cursor:
        begin_snapshot(connection, relation_of(address, cursor, table).lock)
        relation = relation_of(address, cursor, table)
        shape.refuse_misfit(table, relation)
        until = snapshots.content(cursor, table, relation).to_json()
    is_unchanged = since is not None and dict(since) == until
    where = _of_day(table, relation, since, day) if day is not None else "false" if is_unchanged else ""
    return PostgresReading(
        table,
        "changes" if where else "snapshot",
        since if day is not None and since is not None else until,
        must_land=False,
        stream=_stream([Share(connection)], table, relation, where),
        errors=lambda: address.errors(connection, table.full_name, relation.sql),
    )


def _stream(among: Sequence[Share], table: Table, relation: Relation, where: str) -> Stream[list[Chunk]]:
    """The rows of the relation for which `where` holds; all if it is empty."""
    rows = f"SELECT {', '.join(shape.selected(table, relation))} FROM {relation.rows}"
    queries = []
    for connection, condition in among:
        conditions = [*([f"({where})"] if where else []), *([condition] if condition else [])]
        queries.append((connection, f"{rows} WHERE {' AND '.join(conditions)}" if conditions else rows))
    return copied(table, relation, queries)


def copied(
    table: Table, relation: Relation, queries: Sequence[tuple[extensions.connection, str]], parameters: Sequence[object] = ()
) -> Stream[list[Chunk]]:
    """The rows of queries that have the definition's columns. Nothing else can run on their connections from now on."""
    codec = relation.encoding.codec or "utf-8"
    native = decoder() if not relation.encoding.copy and is_decodable(table) and libpq() else None
    copies = []
    for connection, query in queries:
        with connection.cursor() as cursor:
            if native:
                rows = cursor.mogrify(in_known_types(table, query).encode(), parameters or None)
                copies.append(Copy(connection, b"COPY (" + rows + b") TO STDOUT (FORMAT binary)"))
                continue
            copies.append(Copy(connection, b"COPY (" + cursor.mogrify(query.encode(codec), parameters or None) + b") TO STDOUT"))
            if relation.encoding.copy:
                cursor.execute(f"SET LOCAL client_encoding TO '{relation.encoding.copy}'")
    if native:
        stream = BinaryStream(copies, _parsing(lambda: BinaryParser(table, native)))
        stream.decoder, stream.columns = native, len(table.columns)
        return stream
    return Stream(copies, _parsing(lambda: BlockParser(table, codec)))


def _parsing(parser: Callable[[], BlockParser | BinaryParser]) -> Callable[[Any], list[Chunk]]:
    """Parses with a parser that is made for the first block, because mostly there are no rows, and it imports Arrow."""
    made = cache(parser)
    return lambda block: made().parse(block)


def relation_of(address: Address, cursor: extensions.cursor, table: Table, new: str = "") -> Relation:
    """The table's relation on the role's search path; `new` as in `shape.with_row_keys`.

    Raises:
        SourceError: the role can see no such relation.
    """
    relation = shape.find(cursor, names.sql(table.name_in_source))
    if relation is None:
        raise no_relation(address, table)
    return shape.with_row_keys(table, relation, new)


def no_relation(address: Address, table: Table) -> SourceError:
    return SourceError(
        f"{table.full_name}: there is no table {table.name_in_source!r} that the role {address.role!r} can see at {address!r};"
        f" create it, correct the definition's source_name, or GRANT USAGE ON SCHEMA … TO {quoted(address.role)}"
    )


def _refuse_unreadable(table: Table, relation: Relation) -> None:
    if not relation.has_xmin:
        raise SourceError(
            f"{table.full_name}: {relation.sql} is a view, or a foreign table or the parent of one, in which changed rows cannot be found;"
            " write changes=Snapshot() in its definition, or read its tables"
        )
    if relation.rows != relation.sql and isinstance(table.changes, ByCursor):
        raise SourceError(
            f"{table.full_name}: a column with path={ROW!r} needs changes=Snapshot(), or Xmin() if rows are mostly added, because equal"
            " rows are numbered over the whole table"
        )
    if relation.version < 140000:
        raise SourceError(f"{table.full_name}: the server is older than Postgres 14, the oldest that is supported")


def _where(table: Table, relation: Relation, before: Reached | None, day: date | None, written: str, joined: Collection[int]) -> str:
    """
    Args:
        written: the condition that a transaction wrote the row which the position had not seen.
        joined: the partitions that joined since.
    """
    if day is not None:
        return _of_day(table, relation, before, day)
    if before is None:
        return ""
    if relation.rows != relation.sql:
        return quoted(shape.NEW)
    if isinstance(table.changes, ByCursor) and before.bound is not None:
        written = f"{written} AND {shape.from_bound(table, table.changes.column, relation, before.bound)}"
    return _or_in(joined, written)


def _has_bound(table: Table, before: Reached | None) -> bool:
    """Whether rows are found by an index, in pages that nobody knows."""
    return isinstance(table.changes, ByCursor) and before is not None and before.bound is not None


def _or_in(tables: Collection[int], condition: str) -> str:
    """The condition, or that the row is in one of these partitions or children."""
    return f"({condition}) OR tableoid IN ({', '.join(map(str, tables))})" if tables else condition


def _of_day(table: Table, relation: Relation, since: object | None, day: date) -> str:
    if since is None:
        raise SourceError(f"{table.full_name}: a day can be read again only after the first snapshot of the table")
    if not table.cursor:
        raise SourceError(f"{table.full_name}: its definition names no cursor, the column by which a day is read again")
    return shape.on_day(table, table.cursor, relation, day)


def _should_be_renewed(before: Reached, reached: Reached) -> bool:
    is_old = before.unseen.age(reached.unseen.next) > xmin.RENEW and reached.unseen.low > before.unseen.low
    return is_old or not before.layout  # a position of an earlier version has none
