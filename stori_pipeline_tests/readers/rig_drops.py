"""The dropped files of the conformance suite: a partner that drops a file for each write, with names in order."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from stori_pipeline.local.stack import Stack
from stori_pipeline.model.changes import Changes
from stori_pipeline.readers import Reader, reader_for
from stori_pipeline.readers.s3_drop import Objects
from stori_pipeline_tests.readers.mongo_servers import free_port
from stori_pipeline_tests.readers.shop import Row, json_row, now, shop_table

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class DropsRig:
    kind = "s3_drop"
    ways: ClassVar[Mapping[str, Changes]] = {"files": Objects("items/")}
    whole_rows = True
    shows_unread_rows = True

    def __init__(self, request: pytest.FixtureRequest, changes: Changes) -> None:
        self._s3: S3Client = request.getfixturevalue("s3")
        stack: Stack = request.getfixturevalue("idle_stack")
        self._patch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
        for name, value in (stack.client_environ() | {"AWS_SECRET_ACCESS_KEY": "s3cret"}).items():
            self._patch.setenv(name, value)
        # Not the fixture's bucket, which the suite's lake is in.
        self._bucket = f"drops-{uuid.uuid4().hex[:12]}"
        self._s3.create_bucket(Bucket=self._bucket)
        request.addfinalizer(self._clear)
        self.table = shop_table(self.kind, changes)
        self.reader = reader_for(self.kind, f"s3://{self._bucket}")
        self._rows: dict[int, Row] = {}
        self._dropped = 0

    def _clear(self) -> None:
        for stored in self._s3.list_objects_v2(Bucket=self._bucket).get("Contents", []):
            self._s3.delete_object(Bucket=self._bucket, Key=stored["Key"])
        self._s3.delete_bucket(Bucket=self._bucket)

    def _drop(self, rows: Sequence[Row]) -> None:
        self._dropped += 1
        text = "\n".join(map(json_row, rows))
        self._s3.put_object(Bucket=self._bucket, Key=f"items/{self._dropped:06d}.jsonl", Body=text.encode())

    def insert(self, rows: Sequence[Row]) -> None:
        stamped = [{**row, "changed_at": now()} for row in rows]
        self._rows |= {row["id"]: row for row in stamped}
        self._drop(stamped)

    def update(self, key: int, **values: Any) -> None:
        self._rows[key] |= {**values, "changed_at": now()}
        self._drop([self._rows[key]])

    def delete(self, key: int) -> None:
        """No file says that a row is gone."""
        del self._rows[key]

    def drop(self) -> None:
        self.reader = reader_for(self.kind, f"s3://{self._bucket}-gone")

    def add_field(self, name: str) -> None:
        self._drop([{**row, name: "text"} for row in self._rows.values()])

    def unreachable(self) -> Reader:
        self._patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
        return reader_for(self.kind, f"s3://{self._bucket}")
