"""The queue of the conformance suite: an application that sends each row as a message, and again if it changes."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import boto3
import pytest

from stori_pipeline.model.changes import Changes
from stori_pipeline.readers import Reader, reader_for
from stori_pipeline.readers.sqs import Queue
from stori_pipeline_tests.readers.mongo_servers import free_port
from stori_pipeline_tests.readers.shop import Row, json_row, now, shop_table


class SqsRig:
    kind = "sqs"
    ways: ClassVar[Mapping[str, Changes]] = {"receiving": Queue()}
    whole_rows = True
    shows_unread_rows = False

    def __init__(self, request: pytest.FixtureRequest, changes: Changes) -> None:
        request.getfixturevalue("local_aws")
        patch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
        self._sqs: Any = boto3.session.Session().client("sqs")
        self._url = self._sqs.create_queue(QueueName=f"items-{uuid.uuid4().hex[:12]}")["QueueUrl"]
        request.addfinalizer(self._sqs.close)
        self.table = shop_table(self.kind, changes)
        self.reader = reader_for(self.kind, self._url)
        self._rows: dict[int, Row] = {}

    def _send(self, rows: Sequence[Row]) -> None:
        for start in range(0, len(rows), 10):
            entries = [{"Id": str(n), "MessageBody": json_row(row)} for n, row in enumerate(rows[start : start + 10])]
            assert not self._sqs.send_message_batch(QueueUrl=self._url, Entries=entries).get("Failed")

    def insert(self, rows: Sequence[Row]) -> None:
        stamped = [{**row, "changed_at": now()} for row in rows]
        self._rows |= {row["id"]: row for row in stamped}
        self._send(stamped)

    def update(self, key: int, **values: Any) -> None:
        self._rows[key] |= {**values, "changed_at": now()}
        self._send([self._rows[key]])

    def delete(self, key: int) -> None:
        """An application that deletes a row says nothing to the queue."""
        del self._rows[key]

    def drop(self) -> None:
        self._sqs.delete_queue(QueueUrl=self._url)

    def add_field(self, name: str) -> None:
        self._send([{**row, name: "text"} for row in self._rows.values()])

    def unreachable(self) -> Reader:
        return reader_for(self.kind, f"http://reader:s3cret@127.0.0.1:{free_port()}/123456789012/items")
