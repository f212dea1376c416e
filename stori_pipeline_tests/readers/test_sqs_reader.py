"""What only the reader of SQS does: hold messages, return them to the queue, delete them, and quarantine messages that are no rows."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest

from stori_pipeline.lake import Lake, LandingConflict
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import bigint, super_, varchar
from stori_pipeline.pipeline import sync
from stori_pipeline.pipeline.drift import drift
from stori_pipeline.project import find_table
from stori_pipeline.readers import PositionLost, SourceError, scaffold
from stori_pipeline.readers.postgres import Xmin
from stori_pipeline.readers.sqs.reader import SqsReader
from stori_pipeline.readers.sqs.reading import Limits
from stori_pipeline_tests.pasting import pasted
from stori_pipeline_tests.queues import TestQueue, queue
from stori_pipeline_tests.readers.drained import drained

if TYPE_CHECKING:
    pass

EVENTS = find_table("events.app_events")
UTC = timezone.utc

SUBMITTED: dict[str, Any] = {
    "id": "AED96FC7-19F1-46AB-B79F-D412117119BD",
    "received_at": "2018-01-30 18:13:52.221000",
    "anonymous_id": "8E0302A3-2184-4592-851D-B93C32E410AB",
    "context_device_manufacturer": "Apple",
    "context_device_model": "iPhone8,4",
    "context_device_type": "android",
    "context_library_name": "analytics-ios",
    "context_library_version": "3.6.7",
    "context_locale": "de-DE",
    "context_network_wifi": True,
    "context_os_name": "android",
    "context_timezone": "America/Argentina/ComodRivadavia",
    "event": "submission_success",
    "event_text": "submissionSuccess",
    "original_timestamp": "2018-01-30T19:13:43.383+0100",
    "sent_at": "2018-01-30 18:13:51.000000",
    "timestamp": "2018-01-30 18:13:43.627000",
    "user_id": "18946",
    "context_network_carrier": "o2-de",
    "context_device_token": None,
    "context_traits_taxfix_language": "en-DE",
}


def event(number: int, **more: Any) -> dict[str, Any]:
    return SUBMITTED | {"id": f"EVENT-{number:04}"} | more


@pytest.fixture
def events(local_aws: None) -> Iterator[TestQueue]:
    with queue() as source_queue:
        yield source_queue


def reader(events: TestQueue, **limits: Any) -> SqsReader:
    return SqsReader(events.url, Limits(**{"wait": 1, "hidden": 600, **limits}))


# ---- what a message means


def test_an_event_lands_with_either_form_of_instants_and_required_fields_only(events: TestQueue) -> None:
    events.send(SUBMITTED, {k: v for k, v in event(2, original_timestamp="2018-02-03 18:28:12.378000").items() if k != "user_id"})
    rows = {row["id"]: row for row in drained(reader(events), EVENTS).rows}
    first = rows[SUBMITTED["id"]]
    assert first["original_timestamp"] == datetime(2018, 1, 30, 18, 13, 43, 383000, UTC)
    assert first["timestamp"] == datetime(2018, 1, 30, 18, 13, 43, 627000, UTC)
    assert (first["user_id"], first["context_network_wifi"], first["context_app_version"]) == (18946, True, None)
    assert (first["context_device_type"], first["context_device_manufacturer"]) == ("android", "Apple")  # odd, and no reason to reject
    assert rows["EVENT-0002"]["original_timestamp"] == datetime(2018, 2, 3, 18, 28, 12, 378000, UTC)
    assert rows["EVENT-0002"]["user_id"] is None


BROKEN = {
    "not JSON": ("GET / HTTP/1.1", "bad_json", ""),
    "cut off": (json.dumps(SUBMITTED)[:-20], "bad_json", ""),
    "NaN": ('{"id": NaN}', "bad_json", ""),
    "vast": ('{"user_id": ' + "9" * 5_000 + "}", "bad_json", ""),
    "deep": ("[" * 100_000, "too_deep", ""),
    "an array": (json.dumps([SUBMITTED]), "document", ""),
    "null": ("null", "document", ""),
    "a wrapped one": (json.dumps({"Message": json.dumps(SUBMITTED)}), "key_missing", "id"),
    "no id": (json.dumps(SUBMITTED | {"id": None}), "key_missing", "id"),
    "no time": (json.dumps({k: v for k, v in SUBMITTED.items() if k != "timestamp"}), "missing", "timestamp"),
    "no date": (json.dumps(SUBMITTED | {"sent_at": "2018-02-30 00:00:00.000000"}), "bad_date", "sent_at"),
    "user's name": (json.dumps(SUBMITTED | {"user_id": "anna"}), "type", "user_id"),
    "user's fraction": (json.dumps(SUBMITTED | {"user_id": 1.5}), "scale", "user_id"),
    "maybe": (json.dumps(SUBMITTED | {"context_network_wifi": "maybe"}), "type", "context_network_wifi"),
    "too long": (json.dumps(SUBMITTED | {"context_timezone": "ü" * 33}), "too_long", "context_timezone"),
    "NUL": (json.dumps(SUBMITTED | {"event": "a\0b"}), "nul", "event"),
    "half a pair": (json.dumps(SUBMITTED | {"event": "\ud800"}), "unicode", "event"),
}


def test_a_message_that_is_no_row_is_quarantined_unchanged_and_deleted(events: TestQueue, lake: Lake) -> None:
    bodies = [body for body, _, _ in BROKEN.values()]
    events.send(*bodies, SUBMITTED)
    with reader(events).read(EVENTS, None) as reading:
        chunks = list(reading)
        reading.ack()
    rejected = [row for chunk in chunks for row in chunk.rejected.to_pylist()]
    found = {json.loads(row["raw"])["body"]: (row["code"], row["column"]) for row in rejected}
    assert found == {body: (code, column) for body, code, column in BROKEN.values()}
    assert all(json.loads(row["raw"]).keys() == {"message_id", "sent", "body"} for row in rejected)
    assert [chunk.rows.num_rows for chunk in chunks] == [1]
    assert (events.left(), reading.until["messages"]) == (0, len(BROKEN) + 1)


def test_a_column_may_be_nested_and_may_be_a_document(events: TestQueue) -> None:
    columns = (EVENTS["id"], Column("colour", varchar(8), path="look.colour"), Column("tags", super_))
    nested = replace(EVENTS, columns=columns, cursor="", sortkey=())
    events.send(
        {"id": "1", "look": {"colour": "red"}, "tags": ["a", 1.10]},
        {"id": "2", "look": "none", "tags": "text"},
        {"id": "3", "_deleted": True},
    )
    found = drained(reader(events), nested)
    rows = {row["id"]: (row["colour"], row["tags"], row["_deleted"]) for row in found.rows}
    assert rows == {"1": ("red", b'["a",1.1]', False), "3": (None, None, False)}
    # Regression: it landed without a colour, as if the message had none.
    assert [(row["code"], row["column"]) for row in found.rejected] == [("type", "colour")]


# ---- how long they are held


def test_a_reading_takes_no_more_than_its_limit_and_the_head_moves_with_each(events: TestQueue) -> None:
    events.send(*(event(n) for n in range(60)))
    small, until, counts, heads = reader(events, messages=25), None, [], set()
    while True:
        heads.add(small.head(EVENTS, until))
        taken = drained(small, EVENTS, until)
        if not taken.rows:
            break
        counts.append(len(taken.rows))
        until = taken.until
    assert counts == [25, 25, 10]
    assert len(heads) == 4
    assert until == {"messages": 60}


def test_the_head_changes_even_if_as_many_messages_wait_as_before(events: TestQueue) -> None:
    events.send(event(1), event(2))
    before = reader(events).head(EVENTS, None)
    until = drained(reader(events), EVENTS).until
    events.send(event(3), event(4))
    assert "2 waiting" in before
    assert reader(events).head(EVENTS, until) != before


def test_messages_are_held_for_as_long_as_the_reading_goes_on(events: TestQueue) -> None:
    events.send(*(event(n) for n in range(15)))
    with reader(events, hidden=4).read(EVENTS, None) as reading:
        list(reading)
        end = time.monotonic() + 4.5  # without being renewed they would be handed out again after four seconds
        while time.monotonic() < end:
            assert events.counts() == (0, 15)
            time.sleep(0.05)
        reading.ack()
    assert events.left() == 0


def test_messages_of_a_failed_landing_return_to_the_queue_at_once(events: TestQueue, lake: Lake) -> None:
    events.send(*(event(n) for n in range(15)))
    narrow = replace(EVENTS, name="other")
    with pytest.raises(RuntimeError, match="while landing"), reader(events).read(narrow, None) as reading:
        for _ in reading:
            raise RuntimeError("while landing")
    assert events.counts() == (15, 0)
    landed = sync.land(EVENTS, reader(events), lake, run_id="run").manifest
    assert landed is not None
    assert landed.rows == 15


def test_the_slower_of_two_landings_returns_its_messages_to_the_queue(events: TestQueue, lake: Lake) -> None:
    events.send(*(event(n) for n in range(5)))
    sync.land(EVENTS, reader(events), lake, run_id="run")
    events.send(event(10), event(11))
    newest = lake.newest(EVENTS)
    assert newest is not None

    def overtake(_: int) -> None:
        events.send(event(12))
        assert sync.land(EVENTS, reader(events), lake, run_id="fast").manifest is not None

    with pytest.raises(LandingConflict), reader(events).read(EVENTS, newest.until) as slow:
        lake.land(EVENTS, slow, newest=newest, run_id="slow", progress=overtake)
    assert events.counts() == (2, 0)
    sync.land(EVENTS, reader(events), lake, run_id="run")
    assert sorted(lake.live(EVENTS).collect()["id"]) == [f"EVENT-{n:04}" for n in (0, 1, 2, 3, 4, 10, 11, 12)]


def test_a_landed_message_that_was_not_deleted_becomes_the_same_row(events: TestQueue, lake: Lake) -> None:
    events.send(*(event(n) for n in range(5)), "broken")
    with reader(events).read(EVENTS, None) as reading:
        first = lake.land(EVENTS, reading, newest=None, run_id="killed before it could acknowledge")
    second = sync.land(EVENTS, reader(events), lake, run_id="run").manifest
    assert first is not None
    assert second is not None
    assert (first.rows, first.rejected) == (second.rows, second.rejected) == (5, 1)
    assert sorted(lake.live(EVENTS).collect()["id"]) == [f"EVENT-{n:04}" for n in range(5)]
    assert events.left() == 0


def test_messages_that_cannot_be_deleted_are_reported_and_left(events: TestQueue, caplog: pytest.LogCaptureFixture) -> None:
    events.send(*(event(n) for n in range(3)))
    with reader(events).read(EVENTS, None) as reading, caplog.at_level(logging.WARNING):
        list(reading)
        events.sqs.purge_queue(QueueUrl=events.url)  # SQS no longer knows their receipts, and says so for each
        reading.ack()
        assert reading.until == {"messages": 3}
    assert "3 messages could not be deleted" in caplog.text


def test_a_message_received_too_often_goes_to_the_dead_letter_queue(local_aws: None) -> None:
    with queue(receives=2) as few:
        few.send(event(1))
        for _ in range(2):
            with reader(few).read(EVENTS, None) as reading:
                list(reading)  # and never acknowledged
        assert drained(reader(few), EVENTS).rows == []
        assert (few.counts(), few.counts(few.dead_url)) == ((0, 0), (1, 0))


# ---- what cannot be


def test_a_past_day_is_refused_and_receives_no_message(events: TestQueue, lake: Lake) -> None:
    events.send(event(1))
    sync.land(EVENTS, reader(events), lake, run_id="run")
    events.send(event(2))
    with pytest.raises(SourceError, match=r"2018-01-30 cannot be read again.*--full events\.app_events"):
        sync.land(EVENTS, reader(events), lake, run_id="run", day=date(2018, 1, 30))
    assert events.counts() == (1, 0)


def test_an_invalid_address_strategy_or_position_of_a_queue_is_refused(events: TestQueue) -> None:
    with pytest.raises(SourceError, match=r"should look like https://sqs\."):
        SqsReader("app-events").head(EVENTS, None)
    with pytest.raises(SourceError, match=r"Xmin.*use Queue"):
        reader(events).head(replace(EVENTS, changes=Xmin()), None)
    with pytest.raises(SourceError, match="there is no such queue"):
        SqsReader(events.url + "x").head(EVENTS, None)
    with pytest.raises(PositionLost, match="not the position of a queue"):
        reader(events).head(EVENTS, {"token": "abc"})


def test_a_check_of_drift_receives_no_message(events: TestQueue, lake: Lake) -> None:
    """Each receipt counts towards the dead-letter queue: a check that runs every day would move a message there that nobody read."""
    sync.land(EVENTS, reader(events), lake, run_id="run")
    events.send(event(1, colour="red"))
    for _ in range(4):
        assert drift(EVENTS, reader(events), lake) == []
    assert events.counts() == (1, 0)
    assert events.receipts() == [1], "received by this test alone"


def test_drift_names_fields_of_the_messages_that_were_read(events: TestQueue, lake: Lake) -> None:
    events.send(event(1, colour="red", size=3, extra={"a": 1}, empty=None))
    sync.land(EVENTS, reader(events), lake, run_id="run")
    lines = drift(EVENTS, reader(events), lake)
    assert [line.text.partition("add ")[2] for line in lines] == [
        'Column("colour", varchar(65535))',
        'Column("extra", super_)',
        'Column("size", bigint)',
    ]


def test_drift_names_fields_of_messages_that_are_gone(events: TestQueue, lake: Lake) -> None:
    def lines(table: Table = EVENTS) -> list[str]:
        return [line.text.partition("add ")[2] for line in drift(table, reader(events), lake)]

    assert lines() == []
    events.send(event(1, colour="red"), event(2))
    sync.land(EVENTS, reader(events), lake, run_id="run")
    events.send(event(3, size=3))
    sync.land(EVENTS, reader(events), lake, run_id="run")
    events.send(event(4))
    sync.land(EVENTS, reader(events), lake, run_id="run")
    assert lines() == ['Column("colour", varchar(65535))', 'Column("size", bigint)']
    wider = replace(EVENTS, columns=(*EVENTS.columns, Column("colour", varchar(16)), Column("size", bigint)))
    assert lines(wider) == []
    events.send(event(5, colour="blue", shape="round"))
    sync.land(wider, reader(events), lake, run_id="run")
    assert lines(wider) == ['Column("shape", varchar(65535))']


def test_a_scaffolded_definition_reads_the_messages_that_wait(events: TestQueue) -> None:
    with pytest.raises(SourceError, match=r"web\.visits: no readable message waits"):
        scaffold("sqs", events.url, "web", "visits")
    events.send(
        {"id": "A", "at": "2018-01-30T19:13:43.383+0100", "User Name": "ann", "n": 1, "m": 1.5, "ok": True, "tags": []}, {"n": 2.5}, "x"
    )
    text = scaffold("sqs", events.url, "web", "visits")
    table = pasted(text, Source("web", "sqs", "The web."))
    assert {c.name: str(c.type) for c in table.columns} == {
        "id": "varchar(65535)",
        "at": "timestamptz",
        "user_name": "varchar(65535)",
        "n": "decimal(38,10)",
        "m": "decimal(38,10)",
        "ok": "boolean",
        "tags": "super",
    }
    read = drained(reader(events), table)
    assert [(row["id"], row["user_name"]) for row in read.rows] == [("A", "ann")]
    assert [row["code"] for row in read.rejected] == ["key_missing", "bad_json"]
