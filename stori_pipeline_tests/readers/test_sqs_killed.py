"""No event is lost, none occurs twice, and every broken message is in quarantine, even if consumers are killed."""

from __future__ import annotations

import json
import os
import random
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import datetime, timezone

import polars as pl
import pytest

from stori_pipeline.lake import Lake, connect
from stori_pipeline.local.samples.events_producer import EventProducer
from stori_pipeline.local.servers import COPY_ROLE
from stori_pipeline.pipeline import sync
from stori_pipeline.readers.sqs.reader import SqsReader
from stori_pipeline.verify import compare
from stori_pipeline.verify.comparables import comparable_source
from stori_pipeline.warehouse import Warehouse
from stori_pipeline_tests.extent import extent
from stori_pipeline_tests.queues import TestQueue, queue
from stori_pipeline_tests.readers.consumers import LIMITS, consumers, table

MESSAGES = extent(8_000, 20_000)
UNTIL = datetime(2026, 11, 15, tzinfo=timezone.utc)
KILLS = extent(5, 12)


@pytest.fixture
def events_queue(local_aws: None) -> Iterator[TestQueue]:
    with queue() as source_queue:
        yield source_queue


def instant(text: str) -> datetime:
    """Both ways in which devices spell it, read by other code than the pipeline's."""
    if "T" in text:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z").astimezone(timezone.utc)
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=timezone.utc)


def test_every_event_arrives_once_although_two_consumers_are_killed_again_and_again(
    events_queue: TestQueue, bucket: str, warehouse_url: str
) -> None:
    url, source = events_queue.url, f"killed_{uuid.uuid4().hex[:8]}"
    events, rng = table(source), random.Random(7)
    with EventProducer.open(url, 7) as producer, consumers(url, bucket, source, os.environ) as some:
        sending = threading.Thread(target=producer.past, args=(MESSAGES,), kwargs={"until": UNTIL, "days": 30})
        sending.start()
        running, killed = [some.start(), some.start()], 0
        while killed < KILLS:
            sending.join(timeout=rng.uniform(0.1, 3))  # a moment, and no longer than there is something to read
            some.kill(running.pop(0))
            running.append(some.start())
            killed += 1
        sending.join()
    assert producer.messages == MESSAGES
    assert MESSAGES * 0.98 < len(producer.valid) < MESSAGES
    assert len(producer.malformed) > MESSAGES / 400

    # Of those who were killed some held messages, which come back when their time is over.
    lake, reader = Lake(connect(), bucket), SqsReader(url, LIMITS)
    deadline = time.monotonic() + 120
    while events_queue.left() and time.monotonic() < deadline:
        sync.land(events, reader, lake, run_id="last")
    assert events_queue.left() == 0

    warehouse = Warehouse(warehouse_url, COPY_ROLE)
    try:
        assert sync.load(events, lake, warehouse, run_id="load") is not None
        loaded = warehouse.query(f'SELECT id, event, user_id, "timestamp", original_timestamp FROM {events.full_name}')
        found = {row[0]: row[1:] for row in loaded}
        assert len(found) == len(loaded)
        meant = {
            key: (
                event["event"],
                int(event["user_id"]) if "user_id" in event else None,
                instant(event["timestamp"]),
                instant(event["original_timestamp"]),
            )
            for key, event in producer.valid.items()
        }
        assert found == meant
        proof = compare.verify(events, comparable_source(reader, lake), warehouse)
        assert proof.equal
        assert proof.source_rows == proof.warehouse_rows == len(producer.valid)
    finally:
        with warehouse.session("clean-up") as connection, connection.cursor() as cursor:
            cursor.execute(f'DROP SCHEMA IF EXISTS "{source}" CASCADE')
            connection.commit()

    manifests = lake.manifests(events)
    assert len(manifests) > 3
    quarantined = [each.quarantine for each in manifests if each.quarantine]
    raw = pl.concat([_parquet(url) for url in quarantined])["raw"]
    assert {json.loads(text)["body"] for text in raw} == set(producer.malformed)


def _parquet(url: str) -> pl.DataFrame:
    s3 = connect().client
    bucket, _, key = url.removeprefix("s3://").partition("/")
    try:
        return pl.read_parquet(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    finally:
        s3.close()
