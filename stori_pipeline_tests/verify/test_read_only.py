"""A proof needs no right to write, neither to the lake nor anywhere else."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from stori_pipeline.lake import Lake, upkeep
from stori_pipeline.lake.bucket import LakeError
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import bigint, varchar
from stori_pipeline.pipeline.sync import land, load
from stori_pipeline.readers.sqs import Queue
from stori_pipeline.readers.sqs.reader import SqsReader
from stori_pipeline.verify.comparables import source_side
from stori_pipeline.verify.compare import verify
from stori_pipeline.verify.in_flight import keys_in_flight
from stori_pipeline.warehouse import Warehouse
from stori_pipeline_tests.lake.gateway import gateway
from stori_pipeline_tests.readers.queues import TestQueue, queue

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


COLUMNS = (Column("id", bigint, nullable=False), Column("note", varchar(64)))


@pytest.fixture
def messages(local_aws: None) -> Iterator[TestQueue]:
    with queue() as made:
        yield made


@pytest.fixture
def table(warehouse_url: str) -> Iterator[Table]:
    """A table of messages, in a source whose name no other test has."""
    name = f"shop_{uuid.uuid4().hex[:8]}"
    yield Table(Source(name, "sqs", "A shop."), "orders", COLUMNS, ("id",), Queue())
    with Warehouse(warehouse_url, "arn:x").session("clean-up") as connection, connection.cursor() as cursor:
        cursor.execute(f'DROP SCHEMA IF EXISTS "{name}" CASCADE')
        connection.commit()


def test_a_mirror_is_proved_with_a_role_that_may_only_read_the_lake(
    messages: TestQueue, table: Table, warehouse_url: str, s3: S3Client, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "COMPACT_AFTER", 2)  # reading live rows of so many batches wrote a file, once
    lake, warehouse, reader = Lake(s3, bucket), Warehouse(warehouse_url, "arn:x"), SqsReader(messages.url)
    for number in range(1, 5):
        messages.send({"id": number, "note": "a"})
        land(table, reader, lake, run_id="land")
    load(table, lake, warehouse, run_id="load")
    messages.send({"id": 2, "note": "b"}, {"id": 9, "note": "c"})
    land(table, reader, lake, run_id="land")  # and is not loaded yet
    with gateway(s3) as gate:
        gate.fate = lambda method, _path: "pass" if method in ("GET", "HEAD") else "deny"
        read_only = Lake(gate.client(), bucket)
        with pytest.raises(LakeError, match=r"AccessDenied|Access Denied"):
            read_only.bucket.put("probe", b"")
        gate.requests.clear()
        mirrored = warehouse.ledger(table)
        behind = verify(table, source_side(reader, read_only), warehouse)
        in_flight = verify(
            table, source_side(reader, read_only), warehouse, in_flight=lambda: keys_in_flight(table, reader, read_only, mirrored)
        )
    assert {difference.key for difference in behind.differing} == {("2",), ("9",)}
    assert in_flight.equal
    assert {method for method, _ in gate.requests} <= {"GET", "HEAD"}
    load(table, lake, warehouse, run_id="load")
    assert verify(table, source_side(reader, lake), warehouse).equal
