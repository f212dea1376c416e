"""The reader of folders of JSON files: the minimum that a kind needs.

A position is the hash of each file's content, by the file's name, which is the row's key.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from stori_pipeline.contract import conform
from stori_pipeline.model.drift import Drift
from stori_pipeline.model.reading import Chunk, Position, Reading
from stori_pipeline.model.table import Table
from stori_pipeline.readers import PositionLost, SourceError, SourceUnavailable, changes_of
from stori_pipeline.readers.json_rows import as_document
from stori_pipeline.readers.readings import DayReading, ReadingSince, versions_of_day
from stori_pipeline.readers.scaffolding import SuggestedTable, definition
from stori_pipeline.readers.suggested_columns import Sampled, column_text, columns_of
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


class _FolderReading(ReadingSince):
    """What differs from a position. Iterate it once."""

    must_land = False

    def __init__(self, folder: _Folder, table: Table, since: Position | None) -> None:
        super().__init__(table, since)
        self._folder, self._known = folder, since["files"] if since else {}

    def __iter__(self) -> Iterator[Chunk]:
        changed = [name for name, content in self._folder.position.items() if self._known.get(name) != content]
        gone = [{"id": int(name), "_deleted": True} for name in self._known if name not in self._folder.files]
        rows = [_row(self._table, self._folder.files[name]) for name in changed]
        if rows or gone:
            yield Chunk(*conform(self._table, [*rows, *gone]))
        self._until = {"files": self._folder.position}


class _DayOfFolderReading(DayReading):
    """The rows of one day again."""

    def __init__(self, folder: _Folder, table: Table, since: Position | None, day: date) -> None:
        super().__init__(table, since, day)
        self._folder = folder

    def __iter__(self) -> Iterator[Chunk]:
        return versions_of_day(self._table, self._day, self._every)

    def _every(self) -> Iterator[Chunk]:
        yield Chunk(*conform(self._table, [_row(self._table, body) for body in self._folder.files.values()]))


def _row(table: Table, body: bytes) -> dict[str, object]:
    document = json.loads(body, parse_float=Decimal)
    row = {column.name: document.get(column.source_path) for column in table.columns}
    documents = [column.name for column in table.columns if column.type.is_document]
    return row | {name: as_document(row[name]) for name in documents}


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
        yield _FolderReading(folder, table, since) if day is None else _DayOfFolderReading(folder, table, since, day)

    def describe(self, source: str) -> str:
        folder = Path(urlsplit(self._url).path)
        if not folder.is_dir():
            raise SourceUnavailable(f"{source} at {urlsplit(self._url).hostname}{folder}: the folder is not mounted; mount it")
        return f"a folder with {len(list(folder.iterdir()))} tables"

    def drift(self, table: Table) -> list[Drift]:
        known = {column.source_path for column in table.columns}
        documents = self._folder(table).documents()
        fields = sorted({field for document in documents for field in document} - known)
        columns = {field: column_text(field, [each[field] for each in documents if field in each]) for field in fields}
        return [Drift(field, "added", f"{field}: add {column}", column) for field, column in columns.items()]


def scaffold(url: str, name: str, *, source: str) -> str:
    """See `readers.scaffold`."""
    sampled = Sampled()
    for document in _Folder(url, f"{source}.{name}", name).documents():
        sampled.add(document)
    columns = tuple(columns_of(sampled, ["id"]).values())
    return definition(SuggestedTable(name, columns, ("id",), "RowFiles()", "stori_pipeline_tests.readers.json_folder"))
