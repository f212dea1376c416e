"""A proof needs no permission to write, in the lake or anywhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stori_pipeline.lake import Lake, upkeep
from stori_pipeline.lake.bucket import LakeError
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import bigint, varchar
from stori_pipeline.pipeline.sync import land
from stori_pipeline.readers.sqs import Queue
from stori_pipeline.readers.sqs.reader import SqsReader
from stori_pipeline.verify.comparables import comparable_source
from stori_pipeline.verify.compare import verify
from stori_pipeline.verify.proof import prove
from stori_pipeline_tests.lake.gateway import gateway
from stori_pipeline_tests.queues import TestQueue
from stori_pipeline_tests.stores import StoreTable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


COLUMNS = (Column("id", bigint, nullable=False), Column("note", varchar(64)))
ORDERS = Table(Source("shop", "sqs", "A shop."), "orders", COLUMNS, ("id",), Queue())


def test_verify_needs_only_the_right_to_read_the_lake(
    messages: TestQueue, store: StoreTable, s3: S3Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "COMPACT_AFTER", 2)  # reading live rows of so many batches wrote a file, once
    orders, reader = store(ORDERS), SqsReader(messages.url)
    table, lake, warehouse = orders.table, orders.stores.lake, orders.stores.warehouse
    for number in range(1, 5):
        messages.send({"id": number, "note": "a"})
        land(table, reader, lake, run_id="land")
    orders.load()
    messages.send({"id": 2, "note": "b"}, {"id": 9, "note": "c"})
    land(table, reader, lake, run_id="land")  # and is not loaded yet
    with gateway(s3) as gate:
        gate.fate = lambda method, _path: "pass" if method in ("GET", "HEAD") else "deny"
        read_only = Lake(gate.client(), lake.bucket.name)
        with pytest.raises(LakeError, match=r"AccessDenied|Access Denied"):
            read_only.bucket.put("probe", b"")
        gate.requests.clear()
        behind = verify(table, comparable_source(reader, read_only), warehouse)
        proof = prove(table, reader, read_only, warehouse)
    assert {difference.key for difference in behind.differing} == {("2",), ("9",)}
    assert proof.equal
    assert {method for method, _ in gate.requests} <= {"GET", "HEAD"}
    orders.load()
    assert verify(table, comparable_source(reader, lake), warehouse).equal
