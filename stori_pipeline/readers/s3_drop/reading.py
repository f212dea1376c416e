"""Readings of dropped files: the new files, or the files of one day again.

Belongs here: which rows a reading yields, in which order, and broken files. Does not belong here: which files are new (`position`), or
the content of a file (`formats`).
"""

# Order. The table is defined as all files read in the order of (LastModified, key): of two rows with the same key, the one in the later
# file wins, and within a file the later row. Mostly the new files are later than all others, and all their rows are yielded. If a file
# appears late, or is read again for its day, later files have been read before; its rows whose keys are in later files are left out. So the
# mirror is the same however often and whenever files are read.
#
# Memory. Rows are streamed in chunks. A file is read once to check that it is complete and, if it has more than one chunk, again for its
# rows. Only the keys of late files, or of the day that is read again, are held in memory.

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timezone
from typing import IO, TYPE_CHECKING, Any

from stori_pipeline.contract import Refused, conform, raw_text
from stori_pipeline.imports import later
from stori_pipeline.model.reading import Chunk, Position
from stori_pipeline.model.table import Table
from stori_pipeline.readers.readings import DayReading, ReadingSince, row_keys, versions_of_day
from stori_pipeline.readers.s3_drop import Objects, formats, position
from stori_pipeline.readers.s3_drop.broken import BrokenFile
from stori_pipeline.readers.s3_drop.bucket import Bucket, Dropped
from stori_pipeline.readers.s3_drop.decoding import unzipped
from stori_pipeline.readers.s3_drop.formats import Row

if TYPE_CHECKING:
    import pyarrow as pa
else:
    pa = later("pyarrow")

_ROWS = 10_000
_BYTES = 32_000_000
_BEGINNING = 1_000  # bytes of a broken file that are kept with the reason

Key = tuple[Any, ...]


class _Files:
    """The chunks of a table's files."""

    def __init__(self, bucket: Bucket, table: Table, objects: Objects) -> None:
        self._bucket, self._table, self._objects = bucket, table, objects
        self.missed: set[Dropped] = set()
        """The files that were removed or overwritten since the listing."""

    def chunks(self, dropped: Dropped) -> Iterator[Chunk]:
        """A file's rows, or one rejected row for a broken file."""
        with self._bucket.fetched(dropped) as file:
            if file is None:
                self.missed.add(dropped)
                return
            try:
                kind = formats.format_of(self._objects.format, dropped)
                with unzipped(file) as plain:
                    yield from self._checked(kind, plain, dropped)
            except BrokenFile as error:
                yield Chunk(*conform(self._table, [_refused(dropped, file, str(error))]))

    def _checked(self, kind: str, plain: IO[bytes], dropped: Dropped) -> Iterator[Chunk]:
        """The rows of a file. Reads the file to its end before it yields the first row, so that a broken file yields none."""
        rows = formats.rows(self._table, kind, plain, dropped, self._objects)
        some = _next(rows, plain)
        if sum(1 for _ in rows):
            rows = formats.rows(self._table, kind, plain, dropped, self._objects)
            some = _next(rows, plain)
        while some:
            yield Chunk(*conform(self._table, some))
            some = _next(rows, plain)

    def given(self, files: Sequence[Dropped], others: Sequence[Dropped]) -> Iterator[Chunk]:
        """The rows of the files, without rows whose keys are in later files among `others`."""
        late = [file for file in files if others and file < others[-1]]
        newest = self._newest(late, others) if late else {}
        for file in files:
            for chunk in self.chunks(file):
                yield _without(self._table, chunk, newest, file) if newest else chunk

    def _newest(self, late: Sequence[Dropped], others: Sequence[Dropped]) -> dict[Key, Dropped]:
        """The keys of late files that later files among `others` have, too, each with the last of these files."""
        keys = {key for file in late for chunk in self.chunks(file) for key in row_keys(self._table, chunk.rows)}
        newest: dict[Key, Dropped] = {}
        for other in others:
            if keys and other > late[0]:
                for chunk in self.chunks(other):
                    newest.update((key, other) for key in row_keys(self._table, chunk.rows) if key in keys)
        return newest


def _next(rows: Iterator[Row | Refused], file: IO[bytes]) -> list[Row | Refused]:
    """The rows of the next chunk, which is bounded by a number of rows and by the bytes of the file that they take."""
    start, some = file.tell(), list[Row | Refused]()
    for row in rows:
        some.append(row)
        if len(some) == _ROWS or abs(file.tell() - start) > _BYTES:
            break
    return some


def _without(table: Table, chunk: Chunk, newest: Mapping[Key, Dropped], file: Dropped) -> Chunk:
    keep = [key not in newest or newest[key] < file for key in row_keys(table, chunk.rows)]
    return chunk.only(pa.array(keep, pa.bool_()))


def _refused(dropped: Dropped, file: IO[bytes], reason: str) -> Refused:
    """A broken file as a row for quarantine. The raw row has the file's name and its beginning."""
    file.seek(0)
    begin = file.read(_BEGINNING)
    try:
        text: object = begin.decode()
    except UnicodeDecodeError:
        text = begin  # written as base64
    raw = {"key": dropped.key, "etag": dropped.etag.strip('"'), "modified": dropped.modified, "bytes": dropped.size, "begins": text}
    return Refused("file", f"{dropped.key}: {reason}", raw_text(raw))


class DropReading(ReadingSince):
    """A reading of the files that are new since a position. Iterate it once."""

    def __init__(self, bucket: Bucket, table: Table, objects: Objects, since: Position | None) -> None:
        super().__init__(table, since)
        self._bucket, self._objects = bucket, objects
        self.must_land = False
        self._notes: tuple[str, ...] = ()

    @property
    def notes(self) -> Sequence[str]:
        return self._notes

    def __iter__(self) -> Iterator[Chunk]:
        listed = self._bucket.of_table(self._objects)
        if not listed:
            self._notes = (self._bucket.nothing_there(self._objects, was_any=position.has_read(self._since)),)
        new = position.new_files(listed, self._since)
        unread = set(new)
        reader = _Files(self._bucket, self._table, self._objects)
        yield from reader.given(new, [file for file in listed if file not in unread])
        # A file without rows must be remembered, too, or every reading would read it again.
        self.must_land = len(reader.missed) < len(new)
        self._until = position.reached(listed, reader.missed, self._since) if self._since is None or self.must_land else self._since


class DayOfFilesReading(DayReading):
    """The rows whose cursor falls in one UTC day.

    If the cursor is the file's `$modified`, these are the rows of the day's files whose keys no later file has; only these files and later
    ones are read. By any other column, all files are read twice, and every version of each key with a row of that day is yielded.
    """

    def __init__(self, bucket: Bucket, table: Table, objects: Objects, since: Position | None, day: date) -> None:
        super().__init__(table, since, day)
        self._files = _Files(bucket, table, objects)
        self._listed = bucket.of_table(objects)

    def __iter__(self) -> Iterator[Chunk]:
        if self._table[self._table.cursor].source_path == "$modified":
            of_day = [file for file in self._listed if file.modified.astimezone(timezone.utc).date() == self._day]
            return self._files.given(of_day, [file for file in self._listed if of_day and file > of_day[-1]])
        return versions_of_day(self._table, self._day, self._every)

    def _every(self) -> Iterator[Chunk]:
        for file in self._listed:
            yield from self._files.chunks(file)
