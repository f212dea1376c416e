"""The report of events by day, over events that came through the queue: each counts once, on the day on which it happened."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from stori_pipeline.lake import Lake
from stori_pipeline.local.servers import COPY_ROLE
from stori_pipeline.model.report import load_reports
from stori_pipeline.pipeline import sync
from stori_pipeline.project import REPORTS_FOLDER, find_table
from stori_pipeline.readers.sqs.reader import SqsReader
from stori_pipeline.warehouse import Warehouse
from stori_pipeline.warehouse.reports import make_report
from stori_pipeline_tests.databases import drop_schemas
from stori_pipeline_tests.queues import TestQueue
from stori_pipeline_tests.shipped import STARS, TABLES

if TYPE_CHECKING:
    pass

EVENTS = find_table("events.app_events")
BEGUN, DONE = "registration_initiated", "submission_success"
Row = tuple[Any, ...]


@pytest.fixture
def warehouse(warehouse_url: str) -> Iterator[Warehouse]:
    """The warehouse, without events and reports before and after."""
    drop_schemas(warehouse_url, "events", "reports")
    yield Warehouse(warehouse_url, COPY_ROLE)
    drop_schemas(warehouse_url, "events", "reports")


def event(number: int, who: str, name: str, at: str, platform: str = "ios") -> dict[str, Any]:
    stamp = f"{at}:00.000000"
    return {
        "id": f"EVENT-{number}",
        "anonymous_id": who,
        "event": name,
        "event_text": name,
        "context_device_type": platform,
        **dict.fromkeys(("timestamp", "sent_at", "received_at"), stamp),
    }


def test_an_event_counts_once_on_its_own_day_even_if_it_is_late(messages: TestQueue, warehouse: Warehouse, lake: Lake) -> None:
    reader = SqsReader(messages.url)

    def arrived(*events: dict[str, Any]) -> None:
        messages.send(*events)
        assert sync.land(EVENTS, reader, lake, run_id="run").manifest is not None
        assert sync.load(EVENTS, lake, warehouse, run_id="run") is not None

    def counts(zone: str) -> dict[tuple[date, str], Row]:
        rows = warehouse.query(
            "SELECT day, platform, registrations, submissions, registering_people, submitting_people, converted_people, conversion"
            " FROM reports.events_by_day WHERE time_zone = %s",
            (zone,),
        )
        return {row[:2]: row[2:] for row in rows}

    first = event(1, "ann", BEGUN, "2018-01-30 10:00")
    arrived(
        first,
        first,  # sent twice
        event(2, "ann", BEGUN, "2018-01-30 10:05"),  # began twice
        event(3, "bob", BEGUN, "2018-01-30 11:00", "Android"),
        event(4, "eve", BEGUN, "2018-01-30 23:30"),  # half past midnight in Berlin
        event(5, "ann", DONE, "2018-02-02 09:00"),
        event(6, "bob", "another_event", "2018-01-30 11:01"),
        event(7, "eve", DONE, "2018-01-29 08:00"),  # before she began
    )
    reports = load_reports(REPORTS_FOLDER, TABLES, STARS)
    report = next(each for each in reports if each.name == "events_by_day")
    assert report.reads == ("events.app_events",)
    make_report(report, warehouse, run_id="run", reports=reports)
    january, february = (date(2018, 1, 30), date(2018, 1, 31)), date(2018, 2, 2)
    assert counts("UTC") == {
        (january[0], "ios"): (3, 0, 2, 0, 1, Decimal("0.5000")),
        (january[0], "android"): (1, 0, 1, 0, 0, Decimal("0.0000")),
        (february, "ios"): (0, 1, 0, 1, 0, None),
        (date(2018, 1, 29), "ios"): (0, 1, 0, 1, 0, None),
    }
    assert counts("Europe/Berlin") == {
        (january[0], "ios"): (2, 0, 1, 0, 1, Decimal("1.0000")),
        (january[1], "ios"): (1, 0, 1, 0, 0, Decimal("0.0000")),
        (january[0], "android"): (1, 0, 1, 0, 0, Decimal("0.0000")),
        (february, "ios"): (0, 1, 0, 1, 0, None),
        (date(2018, 1, 29), "ios"): (0, 1, 0, 1, 0, None),
    }

    before = counts("UTC")
    arrived(event(8, "kim", BEGUN, "2018-01-30 12:00", "android"), event(9, "bob", DONE, "2018-01-30 20:00", "android"))
    assert counts("UTC") == before | {(january[0], "android"): (2, 1, 2, 1, 1, Decimal("0.5000"))}
