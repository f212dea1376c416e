"""The reader of folders of JSON files: the minimum that a kind needs.

A position is the hash of each file's content, by the file's name, which is the row's key.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa

from stori_pipeline.clock import utc_now
from stori_pipeline.contract import conform
from stori_pipeline.model.reading import Chunk, Kind, Position, Reading
from stori_pipeline.model.table import Table
from stori_pipeline.model.types import super_
from stori_pipeline.readers import PositionLost, SourceError, SourceUnavailable, changes_of
from stori_pipeline.readers.json_fields import column_text
from stori_pipeline.readers.scaffolding import definition_text
from stori_pipeline_tests.readers.json_folder import CHANGES


class _Folder:
    """The files of one table, all read at once."""

    def __init__(self, url: str, where: str, name: str) -> None:
        parts = urlsplit(url)
        if not Path(parts.path).is_dir():
            raise SourceUnavailable(f"{where} at {parts.hostname}{parts.path}: the folder is not mounted; mount it")
        if not (folder := Path(parts.path) / name).is_dir():
            raise SourceError(f"{where} at {parts.hostname}{parts.path}: there is no folder {name!r} in it; correct the table's name")
        self.files = {file.stem: file.read_bytes() for file in sorted(folder.glob("*.json"))}
        self.position = {name: hashlib.sha256(body).hexdigest() for name, body in self.files.items()}

    def documents(self) -> list[dict[str, Any]]:
        return [json.loads(body, parse_float=Decimal) for body in self.files.values()]


class _FolderReading:
    """What differs from a position. Iterate it once."""

    must_land = False

    def __init__(self, folder: _Folder, table: Table, since: Position | None) -> None:
        self.kind: Kind = "snapshot" if since is None else "changes"
        self.taken_at = utc_now()
        self._folder, self._table, self._known = folder, table, since["files"] if since else {}
        self._until: Position | None = None

    @property
    def until(self) -> Position:
        if self._until is None:
            raise SourceError(f"{self._table.full_name}: the reading has no position before its end; iterate it to its end first")
        return self._until

    def ack(self) -> None:
        """The files stay where they are."""

    def __iter__(self) -> Iterator[Chunk]:
        changed = [name for name, content in self._folder.position.items() if self._known.get(name) != content]
        gone = [{"id": int(name), "_deleted": True} for name in self._known if name not in self._folder.files]
        rows = [_row(self._table, self._folder.files[name]) for name in changed]
        if rows or gone:
            yield Chunk(*conform(self._table, [*rows, *gone]))
        self._until = {"files": self._folder.position}


class _DayReading:
    """The rows of one day again; the position stays."""

    kind: Kind = "changes"
    must_land = False

    def __init__(self, folder: _Folder, table: Table, since: Position | None, day: date) -> None:
        if since is None:
            raise SourceError(f"{table.full_name}: a day can be read again only after the first snapshot of the table")
        self.taken_at = utc_now()
        self.until: Position = since
        self._folder, self._table, self._day = folder, table, day

    def ack(self) -> None:
        """The files stay where they are."""

    def __iter__(self) -> Iterator[Chunk]:
        rows, _ = conform(self._table, [_row(self._table, body) for body in self._folder.files.values()])
        days = [at.date() if isinstance(at, datetime) else at for at in rows.column(self._table.cursor).to_pylist()]
        _, no_rejects = conform(self._table, [])
        yield Chunk(rows.filter(pa.array([day == self._day for day in days], pa.bool_())), no_rejects)


def _row(table: Table, body: bytes) -> dict[str, object]:
    document = json.loads(body, parse_float=Decimal)
    row = {column.name: document.get(column.source_path) for column in table.columns}
    texts = [column.name for column in table.columns if column.type == super_ and isinstance(row[column.name], str)]
    return row | {name: json.dumps(row[name]) for name in texts}


class JsonFolderReader:
    """See `readers.Reader`."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __repr__(self) -> str:
        return "JsonFolderReader(…)"

    def _folder(self, table: Table) -> _Folder:
        changes_of(table, CHANGES)
        return _Folder(self._url, table.full_name, table.name)

    def head(self, table: Table, since: Position | None) -> str:
        position = json.dumps(self._folder(table).position)
        return "new" if since is None else hashlib.sha256(position.encode()).hexdigest()

    @contextmanager
    def read(self, table: Table, since: Position | None, *, day: date | None = None) -> Iterator[Reading]:
        folder = self._folder(table)
        if since is not None and "files" not in since:
            raise PositionLost(f"{table.full_name}: its position is none of files; a new generation must be read")
        yield _FolderReading(folder, table, since) if day is None else _DayReading(folder, table, since, day)

    def drift(self, table: Table) -> list[str]:
        known = {column.source_path for column in table.columns}
        documents = self._folder(table).documents()
        fields = sorted({field for document in documents for field in document} - known)
        return [f"{field}: add {column_text(field, [each[field] for each in documents if field in each])}" for field in fields]


def scaffold(url: str, name: str, *, source: str) -> str:
    """See `readers.scaffold`."""
    documents = _Folder(url, f"{source}.{name}", name).documents()
    fields = sorted({field for document in documents for field in document})
    columns = [f"{column_text(field, [each[field] for each in documents if field in each], key=field == 'id')}," for field in fields]
    return definition_text(name, columns, ["id"], "RowFiles()", "stori_pipeline_tests.readers.json_folder")
