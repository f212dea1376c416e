"""The newest batch: found whatever happens to the manifests, with as few requests for many batches as for few."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stori_pipeline.lake import Lake, Manifest
from stori_pipeline.lake.manifest import MAX_BATCH, manifest_key
from stori_pipeline.lake.manifests import Manifests, highest_batch, last_of_few
from stori_pipeline_tests.extent import extent
from stori_pipeline_tests.lake.gateway import Gateway, gateway
from stori_pipeline_tests.lake.landings import land, write_manifests
from stori_pipeline_tests.readings import TABLE, Given, changes, orders

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3 import S3Client

DOLLARS = {"list": 0.005 / 1000, "other": 0.0004 / 1000}
"""What S3 takes for one request of a kind; PUT counts as LIST."""


@pytest.fixture
def gate(s3: S3Client) -> Iterator[Gateway]:
    with gateway(s3) as gate:
        yield gate


def kinds(gate: Gateway) -> list[str]:
    """The kinds of the requests since the last time this was called."""
    kinds = ["list" if method == "PUT" or "list-type=2" in path else "other" for method, path in gate.requests]
    gate.requests.clear()
    return kinds


_EVENT = st.sampled_from(["land", "land", "land elsewhere", "remove", "replace", "empty", "watch", "ask"])


@settings(max_examples=extent(25, 300), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(events=st.lists(st.tuples(_EVENT, st.integers(1, 8), st.integers(1, 3)), max_size=15))
def test_the_newest_batch_is_the_highest_manifest_whatever_happened(s3: S3Client, events: list[tuple[str, int, int]]) -> None:
    bucket = f"test-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=bucket)
    lake, there = Lake(s3, bucket), dict[int, Manifest]()

    def write(number: int, salt: int) -> None:
        manifest = replace(_template, batch=number, until={"at": number, "salt": salt})
        s3.put_object(Bucket=bucket, Key=manifest_key(TABLE, number), Body=manifest.to_json())
        there[number] = manifest

    def remove(*numbers: int) -> None:
        for number in numbers:
            s3.delete_object(Bucket=bucket, Key=manifest_key(TABLE, number))
            there.pop(number, None)

    for event, number, salt in events:
        if event == "land":
            assert lake.newest(TABLE) == there.get(max(there, default=0))
            write(max(there, default=0) + 1, salt)
        elif event == "land elsewhere":
            write(max(there, default=0) + salt, salt)
        elif event == "replace" and number in there:
            write(number, salt)
        elif event in ("remove", "empty"):
            remove(*(there if event == "empty" else [number]))
        elif event == "watch":
            lake.watched(TABLE)
        assert lake.newest(TABLE) == there.get(max(there, default=0))
        assert lake.manifests(TABLE) == sorted(there.values(), key=lambda each: each.order)


_template = Manifest.from_json(
    b'{"entries": [], "meta": {"table": "shop.orders", "generation": 5, "batch": 1, "kind": "changes", "snapshot": 1, "since": null, '
    b'"until": {}, "rows": 0, "part_rows": [], "rejected": 0, "fingerprint": "f", "run_id": "r", "taken_at": "2026-11-21T00:00:00+00:00", '
    b'"written_at": "2026-11-21T00:00:00+00:00", "quarantine": ""}}',
    TABLE,
    1,
    "a test",
)


@pytest.mark.parametrize("batches", [10, 3_000])
def test_the_newest_of_many_batches_takes_as_few_requests_as_that_of_ten(s3: S3Client, bucket: str, gate: Gateway, batches: int) -> None:
    """Regression: pages of a thousand keys were listed each time."""
    write_manifests(s3, bucket, land(Lake(s3, bucket), Given()), range(2, batches + 1))
    lake = Lake(gate.client(), bucket)
    newest = lake.newest(TABLE)
    assert newest is not None
    assert newest.batch == batches
    assert kinds(gate).count("list") == 1
    assert lake.newest(TABLE) == newest
    assert kinds(gate) == ["list"]
    write_manifests(s3, bucket, newest, range(batches + 1, batches + 2))
    newest = lake.newest(TABLE)
    assert newest is not None
    assert newest.batch == batches + 1
    assert kinds(gate) == ["list", "other"]


@given(
    batches=st.sets(st.one_of(st.integers(1, 200), st.integers(1, 3_000), st.integers(1, MAX_BATCH)), max_size=80),
    size=st.integers(1, 50),
    near=st.integers(0, MAX_BATCH) | st.integers(0, 3_000),
)
def test_the_highest_batch_is_found_wherever_the_search_begins(batches: set[int], size: int, near: int) -> None:
    def page(after: int) -> tuple[list[int], bool]:
        above = sorted(each for each in batches if each > after)
        return above[:size], len(above) > size

    assert highest_batch(page, near) == max(batches, default=0)
    assert highest_batch(page, last_of_few(batches.__contains__)) == max(batches, default=0)


@given(st.integers(0, 200_000) | st.integers(0, MAX_BATCH))
def test_a_few_questions_lead_close_to_the_newest_of_batches_without_gaps(batches: int) -> None:
    asked = []

    def exists(number: int) -> bool:
        asked.append(number)
        return number <= batches

    assert max(0, batches - 64) <= last_of_few(exists) <= batches
    assert len(asked) <= 2 + 2 * (max(1, batches // 64)).bit_length()


def test_who_watches_sees_a_landing_at_once_and_a_set_back_lake_soon(s3: S3Client, bucket: str) -> None:
    lake, other = Lake(s3, bucket), Manifests(Lake(s3, bucket).bucket)
    assert lake.watched(TABLE) is None
    first = land(Lake(s3, bucket), Given([orders(1, 2)]))
    assert lake.watched(TABLE) == first
    second = land(Lake(s3, bucket), changes(orders(2, 1)))
    assert lake.watched(TABLE) == second
    s3.delete_object(Bucket=bucket, Key=manifest_key(TABLE, 2))
    assert first in [lake.watched(TABLE) for _ in range(10)]
    assert other.watched(TABLE) == first
    third = replace(first, until={"at": "another"}, written_at=first.written_at + timedelta(hours=1))
    s3.put_object(Bucket=bucket, Key=manifest_key(TABLE, 1), Body=third.to_json())
    assert third in [lake.watched(TABLE) for _ in range(10)]
    s3.delete_object(Bucket=bucket, Key=manifest_key(TABLE, 1))
    assert None in [lake.watched(TABLE) for _ in range(10)]


def test_watching_a_thousand_quiet_tables_costs_less_than_250_dollars_a_month(s3: S3Client, bucket: str, gate: Gateway) -> None:
    """A sensor ticks every five seconds, and watches each of its tables once."""
    land(Lake(s3, bucket), Given([orders(1, 2)]))
    lake = Lake(gate.client(), bucket)
    lake.watched(TABLE)
    kinds(gate)
    ticks = 100
    for _ in range(ticks):
        lake.watched(TABLE)
    a_tick: Any = sum(DOLLARS[kind] for kind in kinds(gate)) / ticks
    assert a_tick * (30 * 24 * 3600 / 5) * 1_000 <= 250
