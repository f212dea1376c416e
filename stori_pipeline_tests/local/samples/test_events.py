"""What the application's devices send, and that all of it is what it is meant to be: rows, or quarantine."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest

from stori_pipeline.contract import conform
from stori_pipeline.local.samples.events import Sent, Traffic
from stori_pipeline.local.samples.events_producer import EventProducer, write_events
from stori_pipeline.local.samples.report import SampleError
from stori_pipeline.project import find_table
from stori_pipeline.readers.sqs import messages
from stori_pipeline.readers.sqs.connection import Message
from stori_pipeline.readers.sqs.reader import SqsReader
from stori_pipeline_tests.queues import TestQueue, queue
from stori_pipeline_tests.readers.drained import drained

EVENTS = find_table("events.app_events")
NOON = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)
COUNT = 10_000


def traffic(seed: int, count: int) -> list[Sent]:
    traffic = Traffic(random.Random(seed))
    return [traffic.next(NOON + timedelta(seconds=n / 10)) for n in range(count)]


@pytest.fixture(scope="module")
def sent() -> list[Sent]:
    return traffic(1, COUNT)


def test_the_same_seed_sends_the_same() -> None:
    assert traffic(3, 300) == traffic(3, 300) != traffic(4, 300)


def test_every_event_is_a_row_and_every_broken_message_is_none(sent: list[Sent]) -> None:
    rows, rejected = conform(EVENTS, messages.rows(EVENTS, [Message(str(n), "", 0, each.body) for n, each in enumerate(sent)]))
    assert rows.column("id").to_pylist() == [each.event["id"] for each in sent if each.event]
    assert [json.loads(raw)["body"] for raw in rejected.column("raw").to_pylist()] == [each.body for each in sent if each.event is None]
    assert len(set(rejected.column("code").to_pylist())) >= 6


def test_faults_come_as_often_as_they_should(sent: list[Sent]) -> None:
    broken = [each.body for each in sent if each.event is None]
    ids = Counter(each.event["id"] for each in sent if each.event)
    assert len(set(broken)) == len(broken)
    assert 0.003 < len(broken) / COUNT < 0.008
    assert 0.006 < sum(ids.values()) / COUNT - len(ids) / COUNT < 0.014
    events = [each.event for each in sent if each.event]
    late = [e for e in events if datetime.fromisoformat(e["sent_at"]) - instant(e["timestamp"]) > timedelta(minutes=30)]
    assert 0.02 < len(late) / COUNT < 0.04
    spellings = Counter("T" in event["original_timestamp"] for event in events)
    assert min(spellings.values()) > COUNT / 5
    assert {event["event"] for event in events} > {"registration_initiated", "submission_success", "another_event"}
    optional = ("user_id", "context_app_version", "context_timezone", "context_library_name", "context_device_token")
    assert all(0 < sum(name not in event for event in events) < COUNT for name in optional)


def instant(text: str) -> datetime:
    moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z") if "T" in text else datetime.fromisoformat(text).replace(tzinfo=timezone.utc)
    return moment.astimezone(timezone.utc).replace(tzinfo=None)


def test_events_tell_of_people_who_register_before_they_submit(sent: list[Sent]) -> None:
    done: dict[str, list[str]] = {}
    users: dict[str, set[str]] = {}
    for each in sent:
        if each.event is not None:
            done.setdefault(each.event["anonymous_id"], []).append(each.event["event"])
            users.setdefault(each.event["anonymous_id"], set()).update({each.event["user_id"]} if "user_id" in each.event else ())
            instants = [instant(each.event[name]) for name in ("original_timestamp", "timestamp", "sent_at", "received_at")]
            assert instants == sorted(instants)
    both = [events for events in done.values() if {"registration_initiated", "submission_success"} <= set(events)]
    assert len(both) > COUNT / 20
    assert all(events.index("registration_initiated") < events.index("submission_success") for events in both)
    assert all(len(found) <= 1 for found in users.values())


@pytest.fixture
def events(local_aws: None) -> Iterator[TestQueue]:
    with queue() as source_queue:
        yield source_queue


def test_the_producer_remembers_all_that_it_sent(events: TestQueue) -> None:
    with EventProducer.open(events.url, 5, since=NOON) as producer:
        assert producer.past(900, until=NOON, days=2) == 900
        assert producer.event()
        assert producer.burst()
    read = drained(SqsReader(events.url), EVENTS)
    assert producer.messages == len(read.rows) + len(read.rejected) == 900 + 1 + 25
    assert {row["id"] for row in read.rows} == set(producer.valid)
    assert {json.loads(row["raw"])["body"] for row in read.rejected} == set(producer.malformed)
    past = [row["received_at"] for row in read.rows if row["received_at"] < NOON]
    assert NOON - timedelta(days=2) <= min(past) < max(past) < NOON


def test_sample_events_can_be_sent_again_as_they_were(events: TestQueue) -> None:
    first, second = (
        (write_events(events.url, 50, seed=9, until=NOON), {row["id"] for row in drained(SqsReader(events.url), EVENTS).rows})
        for _ in range(2)
    )
    assert first == second
    assert first[0] == 50


def test_a_queue_that_is_not_there_is_said(events: TestQueue) -> None:
    with pytest.raises(SampleError, match="cannot send to"), EventProducer.open(events.url + "x", 1) as producer:
        producer.event()
