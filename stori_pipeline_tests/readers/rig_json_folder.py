"""The folder of JSON files of the conformance suite. Its kind is declared outside the platform, in `json_folder` and by one entry."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from stori_pipeline.model.changes import Changes
from stori_pipeline.readers import READERS, Reader, reader_for
from stori_pipeline_tests.readers.json_folder import RowFiles
from stori_pipeline_tests.readers.shop import Row, json_row, now, shop_table

KIND = "json_folder"
PACKAGE = "stori_pipeline_tests.readers.json_folder"


class JsonFolderRig:
    kind = KIND
    ways: ClassVar[Mapping[str, Changes]] = {"content": RowFiles()}
    whole_rows = True
    shows_unread_rows = True

    def __init__(self, request: pytest.FixtureRequest, changes: Changes) -> None:
        patch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
        patch.setitem(READERS, self.kind, PACKAGE)
        mount: Path = request.getfixturevalue("tmp_path")
        self._folder = mount / "items"
        self._folder.mkdir()
        self._rows: dict[int, Row] = {}
        self.table = shop_table(self.kind, changes)
        self.url = f"json-folder://reader:s3cret@fileserver{mount}"
        self.reader = reader_for(self.kind, self.url)

    def _write(self, row: Row) -> None:
        self._rows[row["id"]] = {**row, "changed_at": now()}
        (self._folder / f"{row['id']}.json").write_text(json_row(self._rows[row["id"]]))

    def insert(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._write(row)

    def update(self, key: int, **values: Any) -> None:
        self._write({**self._rows[key], **values})

    def delete(self, key: int) -> None:
        (self._folder / f"{key}.json").unlink()

    def drop(self) -> None:
        shutil.rmtree(self._folder)

    def add_field(self, name: str) -> None:
        for row in list(self._rows.values()):
            self._write({**row, name: "text"})

    def unreachable(self) -> Reader:
        return reader_for(self.kind, "json-folder://reader:s3cret@127.0.0.1/not-mounted")
