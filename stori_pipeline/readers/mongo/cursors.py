"""Readings of a collection by a column: by its cursor, or of one day.

Belongs here: readings of tables whose definition says `Cursor(column)`, and readings of one day by `table.cursor`. Does not belong here:
change streams (`streams`).
"""

# A reading starts at the last bound, inclusively, and drops the rows that were read before. A bound is never later than `lag` before the
# reading, so a document that is stamped first and written later is still found. Rows without a value in the column are read every time,
# because nothing else would show that they changed. A cursor does not see deletes; `stori detect-deletes` finds them.

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta, timezone
from typing import TYPE_CHECKING, Any

from stori_pipeline.contract import Refused
from stori_pipeline.imports import later
from stori_pipeline.model.changes import Cursor
from stori_pipeline.model.reading import Chunk, Position
from stori_pipeline.model.row_checksum import checksum
from stori_pipeline.model.table import Table
from stori_pipeline.model.types.misfit import MisfitError
from stori_pipeline.readers import PositionLost, SourceError
from stori_pipeline.readers.mongo import scans
from stori_pipeline.readers.mongo.connection import Connection, Document, existing_collection, identity
from stori_pipeline.readers.mongo.documents import Documents, Row
from stori_pipeline.readers.mongo.proof import raw_checksum
from stori_pipeline.readers.mongo.shared_keys import SharedKeys
from stori_pipeline.readers.readings import DayReading, ReadingSince

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.compute as pc
else:
    pa = later("pyarrow")
    pc = later("pyarrow.compute")

_REMEMBERED = 20_000
"""The largest number of checksums of rows at the bound in a position. More rows than that are read again, which the merge makes
harmless; a position of megabytes would stay in the manifest."""

_PEEK_ROWS = 10_000

Bound = Any  # a date, an aware datetime or an int, as the column has it


class _Column:
    """The column by which a table is read: its path in documents, and the filters on it."""

    def __init__(self, table: Table, name: str) -> None:
        self.name, self.type = name, table[name].type
        self.is_time = "cursor" in self.type.roles
        if not (self.is_time or self.type.is_integer):
            raise SourceError(
                f"{table.full_name}: its Cursor names {name!r}, a {self.type}; MongoDB is read by an instant, a date or an integer"
            )
        self._path, self._unnest = table[name].source_path, table.unnest
        if "\\" in self._path:
            raise SourceError(
                f"{table.full_name}: its Cursor names {name!r}, whose path {self._path!r} has a dot or a `$` in a name; MongoDB cannot "
                "search such a field. Use ChangeStream(), or another column"
            )
        self._convert = self.type.convert

    def of(self, row: Row) -> Bound:
        """The row's value, or None if it is null or does not fit."""
        value = row[self.name]
        try:
            return None if value is None else self._convert(value)
        except MisfitError:
            return None

    def at(self, instant: datetime) -> Bound:
        return instant.date() if self.type.is_day else instant

    def from_json(self, value: Any) -> Bound:
        return None if value is None else self._convert(value)

    def between(self, low: Bound, high: Bound, *, or_without: bool) -> Document:
        """A filter for the documents that may hold rows in [low, high) and, with `or_without`, rows without a value. `high` None means no
        upper bound. It also finds other documents, so the caller filters the rows again."""
        values: Document = {"$gte": _instant(low)} | ({} if high is None else {"$lt": _instant(high)})
        conditions = [values]
        if self.is_time:
            # Instants may be ISO texts in any zone: compare their days, with a margin of a day on either side.
            until = {} if high is None else {"$lt": _day(high, +2)}
            conditions.append({"$type": "string", "$gte": _day(low, -1)} | until)
        if or_without:
            conditions.append({"$not": {"$type": ["date", "string"] if self.is_time else ["number"]}})
        if not self._unnest:
            return {"$or": [{self._path: condition} for condition in conditions]}
        single: list[Document] = [{self._unnest: None, self._path: condition} for condition in conditions]
        elements: list[Document] = [{self._unnest: {"$elemMatch": {self._path: condition}}} for condition in conditions]
        no_array = {self._unnest: {"$not": {"$type": "array"}, "$ne": None}}
        return {"$or": [*single, *elements, *([no_array] if or_without else [])]}


def _day(bound: date, days: int) -> str:
    return date.fromordinal(min(max(bound.toordinal() + days, 1), date.max.toordinal())).isoformat()


def _instant(bound: Bound) -> Bound:
    """A bound as a value of MongoDB, which has instants but no dates."""
    if isinstance(bound, date) and not isinstance(bound, datetime):
        return datetime.combine(bound, time(), tzinfo=timezone.utc)
    return bound


class DayOfCollectionReading(DayReading):
    """The rows whose cursor falls in one UTC day."""

    def __init__(self, connection: Connection, table: Table, since: Position | None, day: date) -> None:
        super().__init__(table, since, day)
        self._connection = connection

    def __iter__(self) -> Iterator[Chunk]:
        column, documents = _Column(self._table, self._table.cursor), Documents(self._table)
        start = datetime.combine(self._day, time(), tzinfo=timezone.utc)
        low, high = column.at(start), column.at(start + timedelta(days=1))

        def of_day(row: Row | Refused) -> bool:
            value = None if isinstance(row, Refused) else column.of(row)
            return value is not None and low <= value < high

        where = column.between(low, high, or_without=False)
        with self._connection.translated():
            collection = existing_collection(self._connection.database, self._table)
            yield from scans.chunks(documents, scans.batches(collection, where), of_day, shared=SharedKeys(collection, documents))


class CursorReading(ReadingSince):
    """A reading of one table by its cursor column. Iterate it once.

    A position is `{"bound", "seen", "collection"}`: the bound in JSON or null, and the checksums of the rows at or after it that were read.
    """

    must_land = False

    def __init__(self, connection: Connection, table: Table, changes: Cursor, since: Position | None) -> None:
        super().__init__(table, since)
        self._connection, self._documents = connection, Documents(table)
        self._column = _Column(table, changes.column)
        if since is not None and "bound" not in since:
            raise PositionLost(f"{table.full_name}: its position is not one of a cursor; a new generation must be read")
        self._from: Bound = self._column.from_json(since["bound"]) if since is not None else None
        self._read_before = frozenset(since["seen"]) if since is not None else frozenset()
        self._latest: Bound = self._column.at(self.taken_at - changes.lag) if self._column.is_time else None

    @property
    def notes(self) -> Sequence[str]:
        return self._documents.notes

    def __iter__(self) -> Iterator[Chunk]:
        with self._connection.translated(resuming=self._since is not None):
            collection = identity(self._connection.database, self._table)
            if self._since is not None and self._since["collection"] not in ("", collection):
                raise PositionLost(f"{self._table.full_name}: its collection was dropped or created again; a new generation must be read")
            where = None if self._from is None else self._column.between(self._from, None, or_without=True)
            source = self._connection.database[self._table.name_in_source]
            shared = SharedKeys(source, self._documents)
            bound, at_bound = self._from, dict[int, Bound]()
            for chunk in scans.chunks(self._documents, scans.batches(source, where), self._is_from_bound, shared=shared):
                bound = self._next_bound(bound, chunk.rows.column(self._column.name))
                at_bound = {number: value for number, value in at_bound.items() if value is None or value >= bound}
                fresh = self._fresh(chunk, bound, at_bound)
                if fresh.rows.num_rows or fresh.rejected.num_rows:
                    yield fresh
            value = bound.isoformat() if isinstance(bound, date) else bound
            self._until = {"bound": value, "seen": list(at_bound)[:_REMEMBERED], "collection": collection}

    def _is_from_bound(self, row: Row | Refused) -> bool:
        value = None if isinstance(row, Refused) else self._column.of(row)
        return value is None or self._from is None or value >= self._from

    def _next_bound(self, bound: Bound, values: pa.Array) -> Bound:
        newest = pc.max(values).as_py()
        if newest is None:
            return bound
        newest = newest if self._latest is None else min(newest, self._latest)
        return newest if bound is None else max(bound, newest)

    def _fresh(self, chunk: Chunk, bound: Bound, at_bound: dict[int, Bound]) -> Chunk:
        """The chunk without the rows of the last reading. Adds the rows that the next reading will find again to `at_bound`."""
        values = chunk.rows.column(self._column.name)
        again = pc.is_null(values) if bound is None else pc.fill_null(pc.greater_equal(values, pa.scalar(bound, values.type)), True)
        # Rows of the last reading may be anywhere in this one. If it noted none, only the rows from the bound on matter.
        near = pc.indices_nonzero(pc.or_(again, pa.scalar(bool(self._read_before))))
        keep = [True] * chunk.rows.num_rows
        for index, row in zip(near.to_pylist(), chunk.rows.take(near).to_pylist(), strict=True):
            number = checksum(self._table, row)
            keep[index] = number not in self._read_before
            if again[index].as_py():
                at_bound[number] = row[self._column.name]
        numbers = [raw_checksum(raw) for raw in chunk.rejected.column("raw").to_pylist()]
        at_bound.update(dict.fromkeys(numbers))
        is_new = pa.array([number not in self._read_before for number in numbers], pa.bool_())
        fresh = chunk.only(pa.array(keep, pa.bool_()))
        return Chunk(fresh.rows, fresh.rejected.filter(is_new))


def head(table: Table, reading: CursorReading) -> str:
    """A text that identifies the rows of a reading, "" if it has none. Iterates the reading until it has read some rows."""
    rows, total = 0, 0
    for chunk in reading:
        for row in chunk.rows.to_pylist():
            total += checksum(table, row)
        total += sum(raw_checksum(raw) for raw in chunk.rejected.column("raw").to_pylist())
        rows += chunk.rows.num_rows + chunk.rejected.num_rows
        if rows >= _PEEK_ROWS:
            return f"{total} {reading.taken_at.isoformat()}"  # rows that are not read may change, so the text never repeats
    return str(total) if rows else ""
